//! `private_key_jwt` (RFC 7523 section 3, OpenID Connect Core section 9): the proof of a client
//! whose metadata document names its keys (AS-31, D8).

use std::time::Duration;

use jsonwebtoken::{
    Algorithm, DecodingKey, Header, Validation,
    jwk::{Jwk, JwkSet, KeyAlgorithm, PublicKeyUse},
};
use moka::{policy::EvictionPolicy, sync::Cache};
use serde::Deserialize;

use crate::{
    oauth::{ClientId, Issuer, JwsAlgorithm},
    seal::sha256,
    time::Timestamp,
};

/// The longest assertion, in bytes.
const MAX_LENGTH: usize = 8 * 1024;

/// The longest time between now and `exp`.
const MAX_LIFETIME: Duration = Duration::from_mins(5);

/// How far the client's clock may be off.
const SKEW: Duration = Duration::from_secs(30);

/// How many assertions are remembered until they end.
const REMEMBERED: u64 = 100_000;

/// For how long: until it has ended for every replica's clock.
const REMEMBERED_FOR: Duration = Duration::from_mins(6);

/// How many keys of one client are tried.
const MAX_KEYS: usize = 16;

/// Assertions that were used, so that none is used twice. In front of the store, which all replicas have.
#[derive(Debug)]
pub(in crate::authority) struct SeenAssertions(Cache<[u8; 32], ()>);

/// Times are numbers, not whole numbers (RFC 7519 section 2).
#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: f64,
    #[serde(default)]
    nbf: Option<f64>,
    jti: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

// === impl SeenAssertions ===

impl SeenAssertions {
    pub(in crate::authority) fn new() -> Self {
        Self::of(REMEMBERED)
    }

    fn of(assertions: u64) -> Self {
        // The newest is always remembered: whoever floods this only shortens the memory.
        let newest_first = EvictionPolicy::lru();
        Self(
            Cache::builder()
                .max_capacity(assertions)
                .eviction_policy(newest_first)
                .time_to_live(REMEMBERED_FOR)
                .build(),
        )
    }

    /// Whether an assertion proves that its sender is the client: signed with one of the client's
    /// keys, made for this issuer, short-lived, and never seen before in this process. Then the
    /// digest of its name, and until when that has to be remembered.
    pub(super) fn prove(
        &self,
        assertion: &str,
        id: &ClientId,
        keys: &JwkSet,
        issuer: &Issuer,
        now: Timestamp,
    ) -> Option<([u8; 32], Timestamp)> {
        let claims = verified(assertion, keys).filter(|claims| claims.is_for(id, issuer, now))?;
        let name = sha256([issuer.as_str(), id.as_str(), &claims.jti].join("\n").as_bytes());
        let is_new = self.0.entry(name).or_insert(()).is_fresh();
        is_new.then(|| (name, now.plus(REMEMBERED_FOR)))
    }
}

// === impl Claims ===

impl Claims {
    fn is_for(&self, id: &ClientId, issuer: &Issuer, now: Timestamp) -> bool {
        let now = Duration::from_secs(now.0).as_secs_f64();
        let skew = SKEW.as_secs_f64();
        // AX-3: clients name the issuer, with or without a slash, or the token endpoint.
        let us = [issuer.to_string(), format!("{issuer}/"), issuer.endpoint("/token")];
        let audience = match &self.aud {
            Audience::One(one) => us.contains(one),
            Audience::Many(many) => many.iter().any(|one| us.contains(one)),
        };
        self.iss == id.as_str()
            && self.sub == id.as_str()
            && audience
            && !self.jti.is_empty()
            && self.exp > now - skew
            && self.exp <= now + MAX_LIFETIME.as_secs_f64() + skew
            && self.nbf.is_none_or(|nbf| nbf <= now + skew)
    }
}

/// The client that an assertion is said to be from, for a request without `client_id`.
pub(super) fn claimed_client(assertion: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Subject {
        sub: String,
    }
    let short = Some(assertion).filter(|assertion| assertion.len() <= MAX_LENGTH)?;
    jsonwebtoken::dangerous::insecure_decode_claims::<Subject>(short).ok().map(|claims| claims.sub)
}

fn verified(assertion: &str, keys: &JwkSet) -> Option<Claims> {
    if assertion.len() > MAX_LENGTH {
        return None;
    }
    let header = jsonwebtoken::decode_header(assertion).ok()?;
    if header.crit.is_some() || !JwsAlgorithm::ALL.iter().any(|allowed| Algorithm::from(*allowed) == header.alg) {
        return None;
    }
    let mut validation = Validation::new(header.alg);
    // The times are checked by our own clock, the audience as a set.
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    keys.keys.iter().filter(|key| may_have_signed(key, &header)).take(MAX_KEYS).find_map(|key| {
        let key = DecodingKey::from_jwk(key).ok()?;
        jsonwebtoken::decode::<Claims>(assertion, &key, &validation).ok().map(|token| token.claims)
    })
}

fn may_have_signed(key: &Jwk, header: &Header) -> bool {
    let common = &key.common;
    header.kid.as_ref().is_none_or(|kid| common.key_id.as_ref() == Some(kid))
        && common.key_algorithm.is_none_or(|algorithm| algorithm == KeyAlgorithm::from(header.alg))
        && common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature)
}

#[cfg(test)]
mod tests;
