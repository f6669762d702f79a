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
pub(super) fn identity(issuer: &str, mut claims: Map<String, Value>) -> Result<Identity, ClaimsError> {
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
        claims: Map::new(),
    };
    complete(&mut identity, &claims);
    claims.retain(|name, _| !NOT_KEPT.contains(&name.as_str()));
    identity.claims = bounded(claims);
    Ok(identity)
}

/// Fills in what is missing, from the ID token's claims or from user info about the same subject.
/// An address and the word that it is verified always come from the same place.
pub(super) fn complete(identity: &mut Identity, claims: &Map<String, Value>) {
    if identity.email.is_none() {
        identity.email = text(claims, "email");
        identity.email_verified = identity.email.is_some() && is_true(claims.get("email_verified"));
    }
    if identity.name.is_none() {
        identity.name = text(claims, "name").or_else(|| text(claims, "preferred_username"));
    }
}

fn text(claims: &Map<String, Value>, name: &str) -> Option<String> {
    let text = claims.get(name)?.as_str()?.trim();
    let fine = !text.is_empty() && text.len() <= MAX_TEXT && !text.chars().any(char::is_control);
    fine.then(|| text.to_owned())
}

/// Cognito and Apple write booleans as texts.
fn is_true(claim: Option<&Value>) -> bool {
    match claim {
        Some(Value::Bool(verified)) => *verified,
        Some(Value::String(text)) => text == "true",
        _ => false,
    }
}

fn bounded(claims: Map<String, Value>) -> Map<String, Value> {
    let mut sized: Vec<(usize, String, Value)> =
        claims.into_iter().map(|(name, value)| (name.len() + value.to_string().len(), name, value)).collect();
    sized.sort_by(|left, right| (left.0, &left.1).cmp(&(right.0, &right.1)));
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
        tracing::warn!(left_out, limit = MAX_CLAIMS, "claims of an ID token are too large to keep");
    }
    kept
}

#[cfg(test)]
mod tests;
