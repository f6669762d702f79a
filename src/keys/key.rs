//! One signing key: how it is made, how it is kept, what it is used through.

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::KeySize,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey,
    jwk::{Jwk, PublicKeyUse, ThumbprintHash},
};
use serde::{Deserialize, Serialize};

use super::KeyError;
use crate::{
    config::plan::SigningAlgorithm,
    seal::{Purpose, Sealer},
    store::{Table, record::Kind},
    time::Timestamp,
};

/// A key as it is kept. The record's expiry is the end of the key's validity.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredKey {
    /// The JOSE name (RFC 7518 section 3.1, RFC 8037 section 3.1).
    alg: String,
    /// PKCS#8 DER, sealed for [`Purpose::SigningKey`] and `alg`.
    pkcs8: String,
    made_at: Timestamp,
}

/// A key ready for use.
#[derive(Debug)]
pub(super) struct Key {
    algorithm: SigningAlgorithm,
    encoding: EncodingKey,
    verifying: VerifyingKey,
    jwk: Jwk,
    kid: String,
    made_at: Timestamp,
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
        sealer: &Sealer,
    ) -> Result<(Self, String), KeyError> {
        let pkcs8 = tokio::task::spawn_blocking(move || generate_pkcs8(algorithm))
            .await
            .map_err(|_| KeyError::Unusable("the key generator stopped"))??;
        let alg = name(algorithm);
        let kept = sealer.seal_text(Purpose::SigningKey, alg.as_bytes(), &pkcs8);
        let (_, jwk) = parse(algorithm, &pkcs8)?;
        Ok((Self { alg: alg.to_owned(), pkcs8: kept, made_at: now }, thumbprint(&jwk)?))
    }
}

// === impl Key ===

impl Key {
    /// Opens a stored key; `kid` is the record's key and must be the key's own thumbprint.
    pub(super) fn open(
        stored: &StoredKey,
        kid: &[u8],
        not_after: Timestamp,
        sealer: &Sealer,
    ) -> Result<Self, KeyError> {
        let algorithm = from_name(&stored.alg).ok_or(KeyError::Unusable("its algorithm is not known"))?;
        let pkcs8 = sealer
            .open_text(Purpose::SigningKey, stored.alg.as_bytes(), &stored.pkcs8)
            .map_err(|_| KeyError::Unusable("it was sealed with another root secret"))?;
        let (encoding, mut jwk) = parse(algorithm, &pkcs8)?;
        let own = thumbprint(&jwk)?;
        if own.as_bytes() != kid {
            return Err(KeyError::Unusable("it is stored under another key's identifier"));
        }
        let decoding = DecodingKey::from_jwk(&jwk).map_err(|_| KeyError::Unusable("its public part is not valid"))?;
        jwk.common.key_id = Some(own.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        let verifying = VerifyingKey { key: decoding, algorithm: jwt_algorithm(algorithm) };
        Ok(Self { algorithm, encoding, verifying, jwk, kid: own, made_at: stored.made_at, not_after })
    }

    pub(super) const fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    pub(super) const fn jwt_algorithm(&self) -> Algorithm {
        self.verifying.algorithm
    }

    pub(super) const fn encoding(&self) -> &EncodingKey {
        &self.encoding
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

    pub(super) const fn made_at(&self) -> Timestamp {
        self.made_at
    }

    pub(super) fn is_valid(&self, now: Timestamp) -> bool {
        now < self.not_after
    }
}

/// The JOSE name of an algorithm.
const fn name(algorithm: SigningAlgorithm) -> &'static str {
    match algorithm {
        SigningAlgorithm::Es256 => "ES256",
        SigningAlgorithm::EdDsa => "EdDSA",
        SigningAlgorithm::Rs256 => "RS256",
    }
}

/// The algorithm of a JOSE name; `None` for everything that we do not sign with, `none` and the
/// HMAC family among it.
pub(super) fn from_name(alg: &str) -> Option<SigningAlgorithm> {
    let all = [SigningAlgorithm::Es256, SigningAlgorithm::EdDsa, SigningAlgorithm::Rs256];
    all.into_iter().find(|algorithm| name(*algorithm) == alg)
}

const fn jwt_algorithm(algorithm: SigningAlgorithm) -> Algorithm {
    match algorithm {
        SigningAlgorithm::Es256 => Algorithm::ES256,
        SigningAlgorithm::EdDsa => Algorithm::EdDSA,
        SigningAlgorithm::Rs256 => Algorithm::RS256,
    }
}

fn generate_pkcs8(algorithm: SigningAlgorithm) -> Result<Vec<u8>, KeyError> {
    let made = match algorithm {
        SigningAlgorithm::Es256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .and_then(|pair| pair.to_pkcs8v1())
            .map(|document| document.as_ref().to_vec()),
        SigningAlgorithm::EdDsa => {
            Ed25519KeyPair::generate().and_then(|pair| pair.to_pkcs8v1()).map(|document| document.as_ref().to_vec())
        }
        SigningAlgorithm::Rs256 => RsaKeyPair::generate(KeySize::Rsa2048)
            .and_then(|pair| AsDer::<Pkcs8V1Der<'_>>::as_der(&pair))
            .map(|der| der.as_ref().to_vec()),
    };
    made.map_err(|_| KeyError::Unusable("the system made no key"))
}

fn parse(algorithm: SigningAlgorithm, pkcs8: &[u8]) -> Result<(EncodingKey, Jwk), KeyError> {
    let encoding = match algorithm {
        SigningAlgorithm::Es256 => Ok(EncodingKey::from_ec_der(pkcs8)),
        SigningAlgorithm::EdDsa => Ok(EncodingKey::from_ed_der(pkcs8)),
        // As DER it wants the PKCS#1 structure inside; from PEM it takes that out itself.
        SigningAlgorithm::Rs256 => EncodingKey::from_rsa_pem(pem(pkcs8).as_bytes()),
    };
    encoding
        .and_then(|key| Jwk::from_encoding_key(&key, jwt_algorithm(algorithm)).map(|jwk| (key, jwk)))
        .map_err(|_| KeyError::Unusable("it is not a key of its algorithm"))
}

fn pem(pkcs8: &[u8]) -> String {
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(pkcs8))
}

/// RFC 7638, SHA-256.
fn thumbprint(jwk: &Jwk) -> Result<String, KeyError> {
    jwk.thumbprint(ThumbprintHash::SHA256).map_err(|_| KeyError::Unusable("it has no thumbprint"))
}
