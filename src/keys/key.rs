//! One signing key: how it is kept, what it is used through, and when.

use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey,
    jwk::{Jwk, PublicKeyUse, ThumbprintHash},
};
use serde::{Deserialize, Serialize};

use super::{KeyError, OVERLAP};
use crate::{
    private_key::{PrivateKey, SigningAlgorithm},
    seal::{Purpose, Sealer},
    store::{NEVER, Table, record::Kind},
    time::Timestamp,
};

/// A key as it is kept. The record's expiry is the end of the key's validity.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct StoredKey {
    /// The JOSE name (RFC 7518 section 3.1, RFC 8037 section 3.1).
    alg: String,
    /// PKCS#8 DER, sealed for [`Purpose::SigningKey`] and `alg`. None for an operator's own key: the private
    /// half of that is never stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pkcs8: Option<String>,
    /// The public half of an operator's own key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    jwk: Option<Box<Jwk>>,
    made_at: Timestamp,
    /// It is published before it signs. None: it signed at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signs_from: Option<Timestamp>,
}

/// A key ready for use.
#[derive(Debug)]
pub(super) struct Key {
    algorithm: SigningAlgorithm,
    encoding: Option<EncodingKey>,
    verifying: VerifyingKey,
    jwk: Jwk,
    kid: String,
    /// An operator's own.
    brought: bool,
    made_at: Timestamp,
    signs_from: Timestamp,
    not_after: Timestamp,
}

/// A public key and the one algorithm that it may be used with.
#[derive(Clone, Debug)]
pub struct VerifyingKey {
    /// The key.
    pub key: DecodingKey,
    /// Its algorithm; a token's header must name the same one.
    pub algorithm: Algorithm,
}

// === impl StoredKey ===

impl Kind for StoredKey {
    const TABLE: Table = Table::SigningKey;
    const NAME: &'static str = "signing-key";
}

impl StoredKey {
    /// Makes a key; returns it with its `kid`. RSA takes a moment, so this runs on a blocking
    /// thread.
    pub(super) async fn generate(
        algorithm: SigningAlgorithm,
        now: Timestamp,
        signs_from: Timestamp,
        sealer: &Sealer,
    ) -> Result<(Self, String), KeyError> {
        let made = tokio::task::spawn_blocking(move || PrivateKey::generate(algorithm)).await;
        let key = made.map_err(|_| KeyError::Unusable("the key generator stopped"))??;
        let alg = algorithm.name().to_owned();
        let pkcs8 = Some(sealer.seal_text(Purpose::SigningKey, alg.as_bytes(), &key.to_pkcs8()));
        Ok((Self { alg, pkcs8, jwk: None, made_at: now, signs_from: Some(signs_from) }, key.kid().to_owned()))
    }

    /// What is kept of an operator's own key.
    pub(super) fn public(key: &PrivateKey, now: Timestamp) -> Result<Self, KeyError> {
        let (_, jwk) = key.signer()?;
        let alg = key.algorithm().name().to_owned();
        Ok(Self { alg, pkcs8: None, jwk: Some(Box::new(jwk)), made_at: now, signs_from: None })
    }

    /// The same, sealed by the first root secret.
    pub(super) fn sealed_anew(&self, sealer: &Sealer) -> Result<Self, KeyError> {
        let context = self.alg.as_bytes();
        let anew = |sealed: &String| {
            let open = sealer.open_text(Purpose::SigningKey, context, sealed).map_err(|_| SEALED_BY_ANOTHER)?;
            Ok::<_, KeyError>(sealer.seal_text(Purpose::SigningKey, context, &open))
        };
        Ok(Self { pkcs8: self.pkcs8.as_ref().map(anew).transpose()?, ..self.clone() })
    }
}

const SEALED_BY_ANOTHER: KeyError = KeyError::Unusable("it was sealed with another root secret");

// === impl Key ===

impl Key {
    /// Opens a stored key; `kid` is the record's key and must be the key's own thumbprint.
    pub(super) fn open(
        stored: &StoredKey,
        kid: &[u8],
        not_after: Timestamp,
        sealer: &Sealer,
    ) -> Result<Self, KeyError> {
        let unknown = KeyError::Unusable("its algorithm is not known");
        let algorithm = SigningAlgorithm::from_name(&stored.alg).ok_or(unknown)?;
        let (encoding, jwk) = match (&stored.pkcs8, &stored.jwk) {
            (Some(pkcs8), None) => {
                let der = sealer
                    .open_text(Purpose::SigningKey, stored.alg.as_bytes(), pkcs8)
                    .map_err(|_| SEALED_BY_ANOTHER)?;
                let (encoding, jwk) = PrivateKey::from_pkcs8(algorithm, &der)?.signer()?;
                (Some(encoding), jwk)
            }
            (None, Some(jwk)) => (None, (**jwk).clone()),
            _ => return Err(KeyError::Unusable("it has neither a private half nor a public one alone")),
        };
        let key = Self {
            signs_from: stored.signs_from.unwrap_or(stored.made_at),
            ..Self::new(algorithm, encoding, jwk, stored.made_at, not_after)?
        };
        if key.kid.as_bytes() != kid {
            return Err(KeyError::Unusable("it is stored under another key's identifier"));
        }
        Ok(key)
    }

    /// An operator's own, as long as it is configured.
    pub(super) fn brought(key: &PrivateKey, now: Timestamp) -> Result<Self, KeyError> {
        let (encoding, jwk) = key.signer()?;
        Self::new(key.algorithm(), Some(encoding), jwk, now, NEVER).map(|key| Self { brought: true, ..key })
    }

    fn new(
        algorithm: SigningAlgorithm,
        encoding: Option<EncodingKey>,
        mut jwk: Jwk,
        made_at: Timestamp,
        not_after: Timestamp,
    ) -> Result<Self, KeyError> {
        let thumbprint = jwk.thumbprint(ThumbprintHash::SHA256);
        let kid = thumbprint.map_err(|_| KeyError::Unusable("it has no thumbprint"))?;
        let decoding = DecodingKey::from_jwk(&jwk).map_err(|_| KeyError::Unusable("its public part is not valid"))?;
        jwk.common.key_id = Some(kid.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        let brought = encoding.is_none();
        let verifying = VerifyingKey { key: decoding, algorithm: algorithm.jose() };
        Ok(Self { algorithm, encoding, verifying, jwk, kid, brought, made_at, signs_from: made_at, not_after })
    }

    pub(super) const fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    /// None: another process has the private half.
    pub(super) const fn encoding(&self) -> Option<&EncodingKey> {
        self.encoding.as_ref()
    }

    pub(super) const fn verifying(&self) -> &VerifyingKey {
        &self.verifying
    }

    pub(super) const fn jwk(&self) -> &Jwk {
        &self.jwk
    }

    pub(super) fn kid(&self) -> &str {
        &self.kid
    }

    pub(super) const fn is_brought(&self) -> bool {
        self.brought
    }

    pub(super) const fn made_at(&self) -> Timestamp {
        self.made_at
    }

    pub(super) const fn signs_from(&self) -> Timestamp {
        self.signs_from
    }

    pub(super) const fn not_after(&self) -> Timestamp {
        self.not_after
    }

    pub(super) fn is_valid(&self, now: Timestamp) -> bool {
        now < self.not_after
    }

    /// Whether no end is set: it signs, or will.
    pub(super) fn is_current(&self) -> bool {
        self.not_after == NEVER
    }

    /// Whether a token that it signs now is over before the key is.
    pub(super) fn may_sign(&self, now: Timestamp) -> bool {
        self.encoding.is_some() && self.signs_from <= now && (self.is_current() || now.plus(OVERLAP) < self.not_after)
    }
}
