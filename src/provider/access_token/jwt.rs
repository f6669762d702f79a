//! An access token that is a JWT (RFC 9068, and what providers made before it): signature, then
//! what it says.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

use super::{AccessTokenError, Facts, object::Object};
use crate::{
    config::plan::AccessTokenPlan,
    oauth::{JwsAlgorithm, jws::is_type},
    provider::{keys::VerifyingKey, tenant::Issuers},
    time::Timestamp,
};

/// How many keys are tried for a token that names none.
const MAX_TRIED: usize = 16;

/// A token in its parts; nothing of it is believed yet.
pub(super) struct Parsed<'t> {
    message: &'t str,
    signature: &'t str,
    payload: &'t str,
    algorithm: Algorithm,
    kid: Option<String>,
    is_access_token: bool,
}

// === impl Parsed ===

impl<'t> Parsed<'t> {
    /// Reads the header. Of its parameters `alg`, `kid`, `typ` and `crit` count; `jku`, `jwk`,
    /// `x5u` and the like do not: a token does not bring its own key. `allowed`: what the plan
    /// narrows the algorithms to, if it does.
    pub(super) fn read(token: &'t str, allowed: &[JwsAlgorithm]) -> Result<Self, AccessTokenError> {
        let (message, signature) = token.rsplit_once('.').ok_or(AccessTokenError::NotJwt)?;
        let (head, payload) = message.split_once('.').ok_or(AccessTokenError::NotJwt)?;
        let head = decode(head).and_then(|json| Object::read(&json)).ok_or(AccessTokenError::NotJwt)?;
        if payload.contains('.') || head.contains_key("enc") {
            return Err(AccessTokenError::NotJwt);
        }
        if head.contains_key("crit") {
            return Err(AccessTokenError::Malformed("`crit` names what is not understood here"));
        }
        let text = |name: &str| match head.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(AccessTokenError::Malformed("a header parameter is not a text")),
        };
        let may = |algorithm: &JwsAlgorithm| allowed.is_empty() || allowed.contains(algorithm);
        let algorithm = text("alg")?.and_then(JwsAlgorithm::from_name).filter(may);
        let algorithm = algorithm.ok_or(AccessTokenError::Algorithm)?.into();
        let typ = text("typ")?;
        let is_access_token = typ.is_some_and(|typ| is_type(typ, "at+jwt"));
        // Many providers say `JWT`, some nothing; whoever says something else means it (RFC 8725 section 3.11).
        if !is_access_token && !typ.is_none_or(|typ| is_type(typ, "JWT")) {
            return Err(AccessTokenError::WrongKind("its header has another `typ`"));
        }
        let kid = text("kid")?.map(str::to_owned);
        Ok(Self { message, signature, payload, algorithm, kid, is_access_token })
    }

    /// By the key that it names, or, if it names none, by one that fits.
    pub(super) fn check_signature(&self, keys: &[VerifyingKey]) -> Result<(), AccessTokenError> {
        let named = |key: &&VerifyingKey| self.kid.is_none() || key.id == self.kid;
        let mut found = keys.iter().filter(named).peekable();
        if found.peek().is_none() {
            return Err(AccessTokenError::UnknownKey);
        }
        let mut fitting = found.filter(|key| key.algorithms.contains(&self.algorithm)).peekable();
        if fitting.peek().is_none() {
            return Err(AccessTokenError::Algorithm);
        }
        let good = |key: &VerifyingKey| {
            let message = self.message.as_bytes();
            jsonwebtoken::crypto::verify(self.signature, message, &key.key, self.algorithm).unwrap_or(false)
        };
        if fitting.take(MAX_TRIED).any(good) { Ok(()) } else { Err(AccessTokenError::Signature) }
    }

    /// What it says, if all of that is right. Only for a token whose signature is good.
    pub(super) fn facts(
        &self,
        issuers: Issuers<'_>,
        plan: (&AccessTokenPlan, &[String]),
        now: Timestamp,
    ) -> Result<Facts, AccessTokenError> {
        let payload = decode(self.payload).and_then(|json| Object::read(&json));
        let claims: Map<String, Value> =
            payload.ok_or(AccessTokenError::Malformed("its payload is not a JSON object of distinct members"))?;
        if !claims.contains_key("iss") {
            return Err(AccessTokenError::Malformed("it has no `iss`"));
        }
        let facts = Facts::read(claims, self.is_access_token, issuers, plan, now)?;
        // S50: what never ends cannot be taken back.
        if facts.expires_at.is_none() {
            return Err(AccessTokenError::Malformed("it has no `exp`"));
        }
        Ok(facts)
    }
}

fn decode(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}
