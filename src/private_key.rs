//! A private key that signs tokens: made anew, or an operator's own, read from PEM or a JWK.

mod jwk;
mod pem;

use std::fmt;

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::KeySize,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jsonwebtoken::{
    Algorithm, EncodingKey,
    jwk::{Jwk, ThumbprintHash},
};

use crate::secret::Secret;

/// How we sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningAlgorithm {
    /// ECDSA P-256: the default, every JWT library verifies it.
    Es256,
    /// Ed25519.
    EdDsa,
    /// RSA, 2048 bits if we make it; signing costs 25 times as much.
    Rs256,
}

/// A private key, with the one algorithm that it is used with. `Debug` shows its public identifier only.
#[derive(Clone, PartialEq, Eq)]
pub struct PrivateKey {
    algorithm: SigningAlgorithm,
    /// PKCS#8 (RFC 5958) as DER in base64, so that the memory is wiped.
    pkcs8: Secret,
    kid: String,
}

/// Why a text is no key that can sign here. Nothing of the text is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PrivateKeyError {
    /// Something else altogether.
    #[error("holds no private key: neither PEM nor a JWK")]
    NoKey,
    /// A certificate, or a public key.
    #[error("holds a public key or a certificate, but no private key")]
    PublicOnly,
    /// A password would be needed.
    #[error("holds a private key that is encrypted")]
    Encrypted,
    /// A JWK set.
    #[error("holds a set of JWKs")]
    Set,
    /// A shared secret, or a key for encryption.
    #[error("holds a JWK that is not for signatures with a private key")]
    Use,
    /// Of another curve, too short, or broken.
    #[error("holds a private key that is damaged, or of a kind that we do not sign with")]
    Unsuitable,
    /// No key could be made.
    #[error("no key could be made: the system's cryptography refused")]
    NotMade,
}

/// A pair of any of the kinds.
enum Pair {
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

// === impl SigningAlgorithm ===

impl SigningAlgorithm {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Es256, Self::EdDsa, Self::Rs256];

    /// The JOSE name (RFC 7518 section 3.1, RFC 8037 section 3.1).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
        }
    }

    /// The algorithm of a JOSE name; `None` for everything that we do not sign with, `none` and the
    /// HMAC family among it.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// The same for the library.
    pub const fn jose(self) -> Algorithm {
        match self {
            Self::Es256 => Algorithm::ES256,
            Self::EdDsa => Algorithm::EdDSA,
            Self::Rs256 => Algorithm::RS256,
        }
    }
}

// === impl PrivateKey ===

impl PrivateKey {
    /// Makes a key. RSA takes a moment: not for a thread that others wait for.
    ///
    /// # Errors
    /// [`PrivateKeyError::NotMade`].
    pub fn generate(algorithm: SigningAlgorithm) -> Result<Self, PrivateKeyError> {
        let pair = match algorithm {
            SigningAlgorithm::Es256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map(Pair::Ec),
            SigningAlgorithm::EdDsa => Ed25519KeyPair::generate().map(Pair::Ed),
            SigningAlgorithm::Rs256 => RsaKeyPair::generate(KeySize::Rsa2048).map(Pair::Rsa),
        };
        Self::of(&pair.map_err(|_| PrivateKeyError::NotMade)?)
    }

    /// Reads an operator's own: PEM (PKCS#8, or the older forms for EC and RSA alone), or a JWK (RFC 7517) with its
    /// private members.
    ///
    /// # Errors
    /// [`PrivateKeyError`], one variant a reason.
    pub fn read(text: &Secret) -> Result<Self, PrivateKeyError> {
        let text = text.expose().trim();
        Self::of(&if text.starts_with('{') { jwk::read(text)? } else { pem::read(text)? })
    }

    /// From what [`PrivateKey::to_pkcs8`] gave.
    ///
    /// # Errors
    /// [`PrivateKeyError::Unsuitable`] if it is no key of this algorithm.
    pub fn from_pkcs8(algorithm: SigningAlgorithm, der: &[u8]) -> Result<Self, PrivateKeyError> {
        let pair = match algorithm {
            SigningAlgorithm::Es256 => EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).map(Pair::Ec),
            SigningAlgorithm::EdDsa => Ed25519KeyPair::from_pkcs8(der).map(Pair::Ed),
            SigningAlgorithm::Rs256 => RsaKeyPair::from_pkcs8(der).map(Pair::Rsa),
        };
        Self::of(&pair.map_err(|_| PrivateKeyError::Unsuitable)?)
    }

    /// PKCS#8 (RFC 5958) as DER: to be sealed, and nothing else.
    pub fn to_pkcs8(&self) -> Vec<u8> {
        // It was written by `of`.
        STANDARD.decode(self.pkcs8.expose()).unwrap_or_default()
    }

    /// Its algorithm.
    pub const fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    /// The thumbprint of its public half (RFC 7638, SHA-256): the name that it is published under.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// What signs, and its public half (RFC 7517) without a `kid`.
    ///
    /// # Errors
    /// [`PrivateKeyError::Unsuitable`].
    pub fn signer(&self) -> Result<(EncodingKey, Jwk), PrivateKeyError> {
        signer(self.algorithm, &self.pkcs8)
    }

    fn of(pair: &Pair) -> Result<Self, PrivateKeyError> {
        let (algorithm, der) = match pair {
            Pair::Ec(pair) => (SigningAlgorithm::Es256, pair.to_pkcs8v1().map(|der| STANDARD.encode(der))),
            Pair::Ed(pair) => (SigningAlgorithm::EdDsa, pair.to_pkcs8v1().map(|der| STANDARD.encode(der))),
            Pair::Rsa(pair) => {
                let der = AsDer::<Pkcs8V1Der<'_>>::as_der(pair);
                (SigningAlgorithm::Rs256, der.map(|der| STANDARD.encode(der.as_ref())))
            }
        };
        let pkcs8 = Secret::new(der.map_err(|_| PrivateKeyError::Unsuitable)?);
        let (_, public) = signer(algorithm, &pkcs8)?;
        let kid = public.thumbprint(ThumbprintHash::SHA256).map_err(|_| PrivateKeyError::Unsuitable)?;
        Ok(Self { algorithm, pkcs8, kid })
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PrivateKey({} {})", self.algorithm.name(), self.kid)
    }
}

fn signer(algorithm: SigningAlgorithm, pkcs8: &Secret) -> Result<(EncodingKey, Jwk), PrivateKeyError> {
    // From DER the library wants another structure for each kind; from PEM it takes that out itself.
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", pkcs8.expose());
    match algorithm {
        SigningAlgorithm::Es256 => EncodingKey::from_ec_pem(pem.as_bytes()),
        SigningAlgorithm::EdDsa => EncodingKey::from_ed_pem(pem.as_bytes()),
        SigningAlgorithm::Rs256 => EncodingKey::from_rsa_pem(pem.as_bytes()),
    }
    .and_then(|key| Jwk::from_encoding_key(&key, algorithm.jose()).map(|public| (key, public)))
    .map_err(|_| PrivateKeyError::Unsuitable)
}

#[cfg(test)]
mod tests;
