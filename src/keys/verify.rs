//! The check of a token that we signed (RFC 7519 section 7.2, RFC 8725, RFC 9068 section 4).
//!
//! Only our own keys and our own shape of token are known here, so everything is demanded
//! exactly: one algorithm a key, one type a use, one audience, whole seconds.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IgnoredAny},
};

use super::KeyRing;
use crate::{
    metrics::outcome::Verification,
    oauth::{Issuer, jws::is_type},
    private_key::SigningAlgorithm,
    time::Timestamp,
};

/// The longest token that is looked at, in bytes.
const MAX_TOKEN: usize = 16 * 1024;

/// How far another replica's clock may run ahead of ours (`iat`, `nbf`). `exp` has no leeway.
const SKEW: Duration = Duration::from_mins(1);

/// Why a token was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// More than 16 KiB.
    #[error("the token is too large")]
    TooLarge,
    /// Not a JWS in compact form, not JSON, a claim of another type or missing, `crit`.
    #[error("the token is malformed")]
    Malformed,
    /// A token for another use: the header's `typ` is not the one demanded.
    #[error("the token is not of the expected type")]
    WrongType,
    /// No key of ours, or one that is no longer valid.
    #[error("the token's key is not known")]
    UnknownKid,
    /// `none`, an HMAC, or not the algorithm of the key.
    #[error("the token's algorithm is not allowed")]
    AlgNotAllowed,
    /// The signature does not fit.
    #[error("the token's signature is not valid")]
    BadSignature,
    /// At or after `exp`.
    #[error("the token has expired")]
    Expired,
    /// Before `nbf`, or made in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// `iss` is another issuer.
    #[error("the token is from another issuer")]
    IssuerMismatch,
    /// `aud` is another resource.
    #[error("the token is for another resource")]
    AudienceMismatch,
}

/// The header parameters that are read. `jku`, `jwk`, `x5u` and the like are not: a token does
/// not bring its own key.
#[derive(Deserialize)]
struct Head {
    alg: String,
    typ: Option<String>,
    kid: Option<String>,
    #[serde(default, deserialize_with = "present")]
    crit: bool,
}

/// The claims that every token of ours has. Doubled ones are refused.
#[derive(Deserialize)]
struct Registered {
    iss: String,
    aud: String,
    exp: u64,
    iat: u64,
    nbf: Option<u64>,
}

// === impl VerifyError ===

impl VerifyError {
    /// The outcome to count.
    pub const fn outcome(self) -> Verification {
        match self {
            Self::TooLarge => Verification::TooLarge,
            Self::Malformed | Self::WrongType => Verification::Malformed,
            Self::UnknownKid => Verification::UnknownKid,
            Self::AlgNotAllowed => Verification::AlgNotAllowed,
            Self::BadSignature => Verification::BadSignature,
            Self::Expired => Verification::Expired,
            Self::NotYetValid => Verification::NotYetValid,
            Self::IssuerMismatch => Verification::IssuerMismatch,
            Self::AudienceMismatch => Verification::AudienceMismatch,
        }
    }
}

// === impl KeyRing ===

impl KeyRing {
    /// Checks a token of ours at `now` and returns its claims. `typ` is the header type of this
    /// use (`at+jwt`), `audience` the one value that `aud` must be.
    ///
    /// # Errors
    /// [`VerifyError`]; nothing of a refused token is returned.
    pub fn verify<C: DeserializeOwned>(
        &self,
        token: &str,
        typ: &str,
        issuer: &Issuer,
        audience: &str,
        now: Timestamp,
    ) -> Result<C, VerifyError> {
        if token.len() > MAX_TOKEN {
            return Err(VerifyError::TooLarge);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(VerifyError::Malformed)?;
        let (head, payload) = message.split_once('.').ok_or(VerifyError::Malformed)?;
        let head: Head = json(&decode(head)?)?;
        if head.crit {
            return Err(VerifyError::Malformed);
        }
        let algorithm = SigningAlgorithm::from_name(&head.alg).ok_or(VerifyError::AlgNotAllowed)?;
        if !head.typ.is_some_and(|own| is_type(&own, typ)) {
            return Err(VerifyError::WrongType);
        }
        let kid = head.kid.ok_or(VerifyError::UnknownKid)?;
        let key = self.valid_key(&kid, now).ok_or(VerifyError::UnknownKid)?;
        if key.algorithm() != algorithm {
            return Err(VerifyError::AlgNotAllowed);
        }
        let verifying = key.verifying();
        match jsonwebtoken::crypto::verify(signature, message.as_bytes(), &verifying.key, verifying.algorithm) {
            Ok(true) => {}
            Ok(false) | Err(_) => return Err(VerifyError::BadSignature),
        }
        let payload = decode(payload)?;
        json::<Registered>(&payload)?.check(issuer, audience, now)?;
        json(&payload)
    }
}

// === impl Registered ===

impl Registered {
    fn check(&self, issuer: &Issuer, audience: &str, now: Timestamp) -> Result<(), VerifyError> {
        let latest = now.plus(SKEW);
        if now >= Timestamp(self.exp) {
            return Err(VerifyError::Expired);
        }
        if Timestamp(self.iat) > latest || self.nbf.is_some_and(|nbf| Timestamp(nbf) > latest) {
            return Err(VerifyError::NotYetValid);
        }
        if self.iss != issuer.as_str() {
            return Err(VerifyError::IssuerMismatch);
        }
        if self.aud != audience {
            return Err(VerifyError::AudienceMismatch);
        }
        Ok(())
    }
}

fn decode(part: &str) -> Result<Vec<u8>, VerifyError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| VerifyError::Malformed)
}

fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, VerifyError> {
    serde_json::from_slice(bytes).map_err(|_| VerifyError::Malformed)
}

/// Whether a member is there at all, `null` included.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|IgnoredAny| true)
}
