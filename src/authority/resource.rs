//! Which route a request means by `resource` (RFC 8707 section 2): emitted canonical, accepted
//! the way real clients write it.

use std::{borrow::Cow, sync::Arc};

use crate::{
    config::plan::{ProviderPlan, RoutePlan},
    oauth::ResourceUri,
};

/// A token is for one resource; more values than this are not looked at, because every one of them
/// is compared with every route.
const MAX_VALUES: usize = 16;

/// Why a `resource` was refused; always `invalid_target`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// Not an absolute URL.
    #[error("resource is not an absolute http or https URL without fragment")]
    Malformed,
    /// No route of this issuer.
    #[error("resource is not served here")]
    Unknown,
    /// Two different routes, or very many values: a token is for one.
    #[error("resource names more than one protected resource")]
    Several,
    /// Absent, and there are several routes to choose from.
    #[error("resource is missing, and there is more than one protected resource here")]
    Missing,
    /// Not the one that was granted.
    #[error("resource is not the one that was granted")]
    NotGranted,
}

/// The route that an authorization request is for.
///
/// Case of scheme and host, a default port, a trailing slash, a query and needless percent
/// encoding are repaired (R1, R4, R6). The bare origin, the issuer, or nothing at all mean the
/// only route, if there is only one (R3, R5).
///
/// # Errors
/// [`TargetError`].
pub fn requested<'a>(
    plan: &ProviderPlan,
    values: impl Iterator<Item = &'a str>,
) -> Result<Arc<RoutePlan>, TargetError> {
    let mut found: Option<Arc<RoutePlan>> = None;
    for (index, value) in values.enumerate() {
        if index >= MAX_VALUES {
            return Err(TargetError::Several);
        }
        let route = find(plan, value)?;
        if found.as_ref().is_some_and(|found| found.resource != route.resource) {
            return Err(TargetError::Several);
        }
        found = Some(route);
    }
    found.or_else(|| only(plan).cloned()).ok_or(TargetError::Missing)
}

/// Checks the `resource` of a token request against what was granted; absent means the same (R5).
///
/// # Errors
/// [`TargetError::NotGranted`] for another route of ours, else like [`requested`].
pub fn granted<'a>(
    plan: &ProviderPlan,
    granted: &ResourceUri,
    values: impl Iterator<Item = &'a str>,
) -> Result<(), TargetError> {
    for (index, value) in values.enumerate() {
        if index >= MAX_VALUES {
            return Err(TargetError::Several);
        }
        if find(plan, value)?.resource != *granted {
            return Err(TargetError::NotGranted);
        }
    }
    Ok(())
}

fn find(plan: &ProviderPlan, value: &str) -> Result<Arc<RoutePlan>, TargetError> {
    // What a route's tokens are for names the route too, URL or not.
    if let Some(route) = plan.routes.iter().find(|route| route.audience() == value) {
        return Ok(Arc::clone(route));
    }
    let wanted = canonical(value).ok_or(TargetError::Malformed)?;
    let exact = plan.routes.iter().find(|route| canonical(route.resource.as_str()).as_ref() == Some(&wanted));
    if let Some(route) = exact {
        return Ok(Arc::clone(route));
    }
    let route = only(plan).ok_or(TargetError::Unknown)?;
    let general = is_origin_of(&wanted, &route.resource)
        || wanted.as_str() == plan.issuer.as_str()
        || wanted.as_str() == plan.issuer.endpoint("");
    if general { Ok(Arc::clone(route)) } else { Err(TargetError::Unknown) }
}

fn only(plan: &ProviderPlan) -> Option<&Arc<RoutePlan>> {
    match plan.routes.as_slice() {
        [route] => Some(route),
        _ => None,
    }
}

fn canonical(text: &str) -> Option<ResourceUri> {
    ResourceUri::canonical(&decode_unreserved(text)).ok()
}

fn is_origin_of(origin: &ResourceUri, resource: &ResourceUri) -> bool {
    let path = resource.as_str().strip_prefix(origin.as_str());
    // An origin has two slashes: those after its scheme.
    origin.as_str().matches('/').count() == 2 && path.is_some_and(|path| path.is_empty() || path.starts_with('/'))
}

/// Decodes what never needed encoding (RFC 3986 section 6.2.2.2) and writes the other triplets in
/// upper case, so that two spellings of one URL are equal.
fn decode_unreserved(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        plain.push_str(before);
        rest = match after.split_at_checked(2).and_then(|(digits, rest)| Some((digits, byte(digits)?, rest))) {
            Some((_, byte, rest)) if is_unreserved(byte) => {
                plain.push(char::from(byte));
                rest
            }
            Some((digits, _, rest)) => {
                plain.push('%');
                plain.push_str(&digits.to_ascii_uppercase());
                rest
            }
            None => {
                plain.push('%');
                after
            }
        };
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

fn byte(digits: &str) -> Option<u8> {
    // `from_str_radix` also takes a sign.
    if digits.bytes().all(|digit| digit.is_ascii_hexdigit()) { u8::from_str_radix(digits, 16).ok() } else { None }
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests;
