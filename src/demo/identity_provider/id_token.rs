//! ID tokens (OpenID Connect Core section 2), right or wrong as the faults say.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Map, Value, json};

use crate::{
    seal::{random_text, sha256},
    secret::Secret,
    time::Timestamp,
};

use super::{
    Provider,
    fault::{IdTokenFault, lock},
    grant::Grant,
    key::{Key, KeyError},
};

/// An ID token that goes with `access_token`; a `nonce` only for the code exchange.
///
/// # Errors
/// [`KeyError`] if it cannot be signed.
pub(super) fn make(
    provider: &Provider,
    grant: &Grant,
    access_token: &str,
    nonce: Option<&str>,
) -> Result<Option<String>, KeyError> {
    let fault = provider.faults.id_token();
    if fault == Some(IdTokenFault::Missing) {
        return Ok(None);
    }
    let mut claims = claims(provider, grant, access_token, nonce);
    if let Some(fault) = fault {
        spoil(&mut claims, fault, provider.clock.now());
    }
    sign(provider, &claims, fault).map(Some)
}

fn claims(provider: &Provider, grant: &Grant, access_token: &str, nonce: Option<&str>) -> Map<String, Value> {
    let now = provider.clock.now();
    let mut claims = Map::new();
    if provider.options.claims_in_id_token {
        claims = grant.person.claims_for(&grant.scopes);
    }
    claims.insert("iss".into(), json!(provider.issuer));
    claims.insert("sub".into(), json!(grant.person.subject));
    claims.insert("aud".into(), json!(provider.options.client_id));
    claims.insert("iat".into(), json!(now));
    claims.insert("exp".into(), json!(now.plus(provider.lifetimes().id_token)));
    claims.insert("auth_time".into(), json!(grant.auth_time));
    claims.insert("at_hash".into(), json!(access_token_hash(access_token)));
    if let Some(nonce) = nonce {
        claims.insert("nonce".into(), json!(nonce));
    }
    claims
}

/// The left half of the SHA-256 (OpenID Connect Core section 3.1.3.6).
fn access_token_hash(access_token: &str) -> String {
    let digest = sha256(access_token.as_bytes());
    let (left, _) = digest.split_at(digest.len() / 2);
    URL_SAFE_NO_PAD.encode(left)
}

fn spoil(claims: &mut Map<String, Value>, fault: IdTokenFault, now: Timestamp) {
    let hour = Duration::from_hours(1);
    match fault {
        IdTokenFault::WrongNonce => drop(claims.insert("nonce".into(), json!(random_text::<16>()))),
        IdTokenFault::NoNonce => drop(claims.remove("nonce")),
        IdTokenFault::WrongIssuer => drop(claims.insert("iss".into(), json!("https://issuer.invalid"))),
        IdTokenFault::WrongAudience => drop(claims.insert("aud".into(), json!("another-application"))),
        IdTokenFault::SecondAudience => {
            let own = claims.get("aud").cloned();
            claims.insert("aud".into(), json!([own, "another-application"]));
        }
        IdTokenFault::Expired => {
            claims.insert("iat".into(), json!(now.minus(hour * 2)));
            claims.insert("exp".into(), json!(now.minus(hour)));
        }
        IdTokenFault::FromTheFuture => {
            claims.insert("iat".into(), json!(now.plus(hour * 24)));
            claims.insert("exp".into(), json!(now.plus(hour * 25)));
        }
        IdTokenFault::NoSubject => drop(claims.remove("sub")),
        IdTokenFault::OtherSubject => drop(claims.insert("sub".into(), json!("demo|somebody-else"))),
        IdTokenFault::WrongAccessTokenHash => {
            claims.insert("at_hash".into(), json!(access_token_hash("another token")));
        }
        IdTokenFault::Missing
        | IdTokenFault::UnknownKey
        | IdTokenFault::BadSignature
        | IdTokenFault::Unsigned
        | IdTokenFault::SharedSecret => {}
    }
}

fn sign(provider: &Provider, claims: &Map<String, Value>, fault: Option<IdTokenFault>) -> Result<String, KeyError> {
    match fault {
        Some(IdTokenFault::UnknownKey) => Key::generate()?.sign("JWT", claims),
        Some(IdTokenFault::BadSignature) => {
            let kid = lock(&provider.keys).current().id().to_owned();
            Key::generate()?.sign_as(&kid, "JWT", claims)
        }
        Some(IdTokenFault::Unsigned) => {
            let claims = serde_json::to_vec(claims).map_err(|_| KeyError)?;
            let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
            Ok(format!("{header}.{}.", URL_SAFE_NO_PAD.encode(claims)))
        }
        Some(IdTokenFault::SharedSecret) => {
            let secret = provider.options.client_secret.as_ref().map_or("", Secret::expose);
            let key = EncodingKey::from_secret(secret.as_bytes());
            jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key).map_err(|_| KeyError)
        }
        _ => lock(&provider.keys).current().sign("JWT", claims),
    }
}
