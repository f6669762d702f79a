//! From the claims of a verified ID token (and user info) to an [`Identity`].

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use crate::identity::Identity;

/// Longest subject, in bytes (OpenID Connect Core section 2).
const MAX_SUBJECT: usize = 255;
/// Longest e-mail address or name that is kept, in bytes: longer ones are nobody's.
const MAX_TEXT: usize = 320;
/// Largest sum of all other claims as JSON, in bytes. They are stored with every grant; the
/// largest ones are left out first (lists of groups can be endless).
const MAX_CLAIMS: usize = 8 * 1024;

/// Claims that are about the token, not the person, and those that [`Identity`] has fields for.
const NOT_KEPT: [&str; 15] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "iat",
    "nbf",
    "nonce",
    "azp",
    "at_hash",
    "c_hash",
    "s_hash",
    "jti",
    "email",
    "email_verified",
    "name",
];

/// Why claims make no identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ClaimsError {
    #[error("its payload is not a JSON object")]
    NotAnObject,
    #[error("its subject is empty or too long")]
    Subject,
}

/// The payload of a JWT whose signature somebody has verified.
pub(super) fn payload(jwt: &str) -> Result<Map<String, Value>, ClaimsError> {
    let payload = jwt.split('.').nth(1).ok_or(ClaimsError::NotAnObject)?;
    let json = BASE64_URL_SAFE_NO_PAD.decode(payload).map_err(|_| ClaimsError::NotAnObject)?;
    serde_json::from_slice(&json).map_err(|_| ClaimsError::NotAnObject)
}

/// The identity that the claims describe.
pub(super) fn identity(issuer: &str, claims: Map<String, Value>, needed: &[String]) -> Result<Identity, ClaimsError> {
    let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default().to_owned();
    if subject.is_empty() || subject.len() > MAX_SUBJECT {
        return Err(ClaimsError::Subject);
    }
    let mut identity = Identity {
        issuer: issuer.to_owned(),
        subject,
        email: None,
        email_verified: false,
        name: None,
        provider: None,
        claims: Map::new(),
    };
    complete(&mut identity, &claims);
    identity.claims = further(claims, needed);
    Ok(identity)
}

/// What is kept besides the fields of an [`Identity`]; of what is too large in all, the claims that
/// rules look at are kept first.
pub(super) fn further(mut claims: Map<String, Value>, needed: &[String]) -> Map<String, Value> {
    claims.retain(|name, _| !NOT_KEPT.contains(&name.as_str()));
    bounded(claims, needed)
}

/// What can name a person, or an application, for ever: a text, or a whole number as its digits.
pub(super) fn stable(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        // A number with a point, or one that is too large, may be written in more than one way.
        Value::Number(number) if number.is_u64() || number.is_i64() => number.to_string(),
        _ => return None,
    };
    let fine = !text.trim().is_empty() && text.len() <= MAX_SUBJECT && !text.chars().any(char::is_control);
    fine.then_some(text)
}

/// Fills in what is missing, from the ID token's claims or from user info about the same subject.
/// An address and the word that it is verified always come from the same place.
pub(super) fn complete(identity: &mut Identity, claims: &Map<String, Value>) {
    if identity.email.is_none() {
        identity.email = text(claims.get("email"));
        identity.email_verified = identity.email.is_some() && is_true(claims.get("email_verified"));
    }
    if identity.name.is_none() {
        identity.name = text(claims.get("name")).or_else(|| text(claims.get("preferred_username")));
    }
}

/// Where a provider says by another claim whether the address is verified, that counts; only if
/// `email_verified` itself says nothing.
pub(super) fn with_verified_email(mut claims: Map<String, Value>, claim: Option<&str>) -> Map<String, Value> {
    // Entra writes its optional claims as booleans, numbers or texts.
    let says_so = |value: &Value| is_true(Some(value)) || value.as_u64() == Some(1) || value.as_str() == Some("1");
    if !claims.contains_key("email_verified") && claim.and_then(|claim| claims.get(claim)).is_some_and(says_so) {
        claims.insert("email_verified".to_owned(), Value::Bool(true));
    }
    claims
}

/// A text for people to read.
pub(super) fn text(claim: Option<&Value>) -> Option<String> {
    let text = claim?.as_str()?.trim();
    let fine = !text.is_empty() && text.len() <= MAX_TEXT && !text.chars().any(char::is_control);
    fine.then(|| text.to_owned())
}

/// Cognito and Apple write booleans as texts.
pub(super) fn is_true(claim: Option<&Value>) -> bool {
    match claim {
        Some(Value::Bool(verified)) => *verified,
        Some(Value::String(text)) => text == "true",
        _ => false,
    }
}

fn bounded(claims: Map<String, Value>, needed: &[String]) -> Map<String, Value> {
    let mut sized: Vec<(usize, String, Value)> =
        claims.into_iter().map(|(name, value)| (name.len() + value.to_string().len(), name, value)).collect();
    let rank = |claim: &(usize, String, Value)| (!needed.contains(&claim.1), claim.0, claim.1.clone());
    sized.sort_by_cached_key(rank);
    let mut room = MAX_CLAIMS;
    let mut left_out = 0;
    let mut kept = Map::new();
    for (size, name, value) in sized {
        if let Some(rest) = room.checked_sub(size) {
            room = rest;
            kept.insert(name, value);
        } else {
            left_out += 1;
        }
    }
    if left_out > 0 {
        tracing::warn!(left_out, limit = MAX_CLAIMS, "claims of a sign-in are too large to keep");
    }
    kept
}

#[cfg(test)]
mod tests;
