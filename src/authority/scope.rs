//! Which scopes a client gets: what it asked for and may have, and what the route needs anyway.

use crate::{
    config::plan::{ProviderPlan, RoutePlan},
    oauth::{Scope, ScopeError, Scopes},
};

/// Scopes that say what an ID token holds (OpenID Connect Core section 5.4). Providers report them
/// back under other names or not at all, so a provider's silence about them means nothing.
const IDENTITY: [&str; 5] = ["openid", "profile", "email", "address", "phone"];

/// What an authorization request is granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// For the access token; without `offline_access`.
    pub scopes: Scopes,
    /// The client asked for `offline_access`.
    pub offline: bool,
}

/// Why no scopes can be granted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScopesError {
    /// Not scopes by their characters.
    #[error(transparent)]
    Malformed(#[from] ScopeError),
    /// Scopes were asked for, and this server knows none of them.
    #[error("none of the requested scopes is known")]
    Unknown,
    /// Known here, but not granted.
    #[error("more than what was granted")]
    Exceeds,
}

/// The scopes of an authorization request (S1 to S4, S6).
///
/// Unknown ones are dropped. The provider's required scopes are always granted; who asks for
/// nothing also gets what the route needs.
///
/// # Errors
/// [`ScopesError::Malformed`], or [`ScopesError::Unknown`] if nothing of what was asked for is left.
pub fn requested(plan: &ProviderPlan, route: &RoutePlan, text: Option<&str>) -> Result<Granted, ScopesError> {
    let asked = Scopes::parse(text.unwrap_or_default())?;
    let offline = asked.contains(Scope::OFFLINE_ACCESS);
    let asked = asked.without(Scope::OFFLINE_ACCESS);
    let scopes = if asked.is_empty() {
        plan.required_scopes.union(&route.required_scopes)
    } else {
        let known = asked.intersection(&plan.valid_scopes);
        if known.is_empty() && !offline {
            return Err(ScopesError::Unknown);
        }
        plan.required_scopes.union(&known)
    };
    Ok(Granted { scopes: scopes.without(Scope::OFFLINE_ACCESS), offline })
}

/// The scopes of a refresh (RFC 6749 section 6, S5): the same if none are named, fewer if fewer
/// are named. As in the authorization request, unknown ones are dropped and what the provider
/// requires is part of it anyway.
///
/// # Errors
/// [`ScopesError::Exceeds`] for a known scope that was not granted, else like [`requested`].
pub fn narrowed(plan: &ProviderPlan, granted: &Scopes, text: Option<&str>) -> Result<Scopes, ScopesError> {
    let asked = Scopes::parse(text.unwrap_or_default())?.without(Scope::OFFLINE_ACCESS);
    if asked.is_empty() {
        return Ok(granted.clone());
    }
    let known = asked.intersection(&plan.valid_scopes.union(granted));
    if known.is_empty() {
        return Err(ScopesError::Unknown);
    }
    if !known.is_subset(granted) {
        return Err(ScopesError::Exceeds);
    }
    Ok(plan.required_scopes.intersection(granted).union(&known))
}

/// What of a grant's scopes still holds: what the provider granted, and what the configuration
/// still knows.
pub fn effective(plan: &ProviderPlan, granted: &Scopes, provider: Option<&Scopes>) -> Scopes {
    let holds = |scope: &Scope| {
        let name = scope.as_str();
        plan.required_scopes.contains(name)
            || (plan.valid_scopes.contains(name)
                && provider.is_none_or(|provider| provider.contains(name) || IDENTITY.contains(&name)))
    };
    granted.iter().filter(|scope| holds(scope)).cloned().collect()
}

#[cfg(test)]
mod tests;
