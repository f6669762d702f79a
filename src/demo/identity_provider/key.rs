//! The provider's ES256 keys: make, rotate, publish.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use jsonwebtoken::{
    Algorithm, EncodingKey, Header,
    jwk::{Jwk, PublicKeyUse, ThumbprintHash},
};
use serde::Serialize;
use serde_json::{Value, json};

/// Making or using a key failed; nothing but a broken crypto library does that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the demo identity provider could not make or use a signing key")]
pub struct KeyError;

/// What happens to the old key when a new one is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// It stays in the JWKS.
    KeepOld,
    /// It leaves the JWKS at once.
    ForgetOld,
}

/// The current key and the public halves of those still published.
pub(super) struct Keys {
    current: Key,
    published: Vec<Jwk>,
}

/// One signing key.
pub(super) struct Key {
    id: String,
    private: EncodingKey,
    public: Jwk,
}

// === impl Key ===

impl Key {
    /// A new P-256 key; its id is the RFC 7638 thumbprint.
    ///
    /// # Errors
    /// [`KeyError`] if the library fails.
    pub(super) fn generate() -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| KeyError)?;
        let document = pair.to_pkcs8v1().map_err(|_| KeyError)?;
        let private = EncodingKey::from_ec_der(document.as_ref());
        let mut public = Jwk::from_encoding_key(&private, Algorithm::ES256).map_err(|_| KeyError)?;
        let id = public.thumbprint(ThumbprintHash::SHA256).map_err(|_| KeyError)?;
        public.common.key_id = Some(id.clone());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        Ok(Self { id, private, public })
    }

    /// A compact JWS over `claims` under the given `kid`.
    ///
    /// # Errors
    /// [`KeyError`] if the library fails.
    pub(super) fn sign_as<C: Serialize>(&self, kid: &str, typ: &str, claims: &C) -> Result<String, KeyError> {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(kid.to_owned());
        header.typ = Some(typ.to_owned());
        jsonwebtoken::encode(&header, claims, &self.private).map_err(|_| KeyError)
    }

    /// A compact JWS over `claims`.
    ///
    /// # Errors
    /// [`KeyError`] if the library fails.
    pub(super) fn sign<C: Serialize>(&self, typ: &str, claims: &C) -> Result<String, KeyError> {
        self.sign_as(&self.id, typ, claims)
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }
}

// === impl Keys ===

impl Keys {
    /// One new key.
    ///
    /// # Errors
    /// [`KeyError`] if the library fails.
    pub(super) fn new() -> Result<Self, KeyError> {
        let current = Key::generate()?;
        let published = vec![current.public.clone()];
        Ok(Self { current, published })
    }

    /// Signs with a new key from now on.
    ///
    /// # Errors
    /// [`KeyError`] if the library fails; the old key stays.
    pub(super) fn rotate(&mut self, rotation: Rotation) -> Result<(), KeyError> {
        self.current = Key::generate()?;
        if rotation == Rotation::ForgetOld {
            self.published.clear();
        }
        self.published.push(self.current.public.clone());
        Ok(())
    }

    pub(super) fn current(&self) -> &Key {
        &self.current
    }

    /// RFC 7517 section 5.
    pub(super) fn jwks(&self) -> Value {
        json!({ "keys": self.published })
    }
}
