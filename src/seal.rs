//! Authenticated encryption and keyed digests under keys derived from the root secret.
//!
//! One root secret, one key per purpose (HKDF-SHA256), so that a value sealed for one use never
//! opens as another. Every sealed value names the root key it was made with; several root secrets
//! may be accepted while one is being replaced, the first one seals.
//!
//! Layout of a sealed value: version (1 byte), key id (4), salt (16), nonce (12), ciphertext, tag.
//! The salt makes a fresh AES-256-GCM key for every message, so random nonces never come near the
//! bound of a single GCM key.

use std::fmt;

use arc_swap::ArcSwap;
use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest, hkdf, hmac, rand,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::secret::{Secret, equal};

const VERSION: u8 = 1;
const KEY_ID_LEN: usize = 4;
const SALT_LEN: usize = 16;
const TAG_LEN: usize = 16;
const HEADER_LEN: usize = 1 + KEY_ID_LEN + SALT_LEN + NONCE_LEN;

/// What a key is for; part of the key's derivation, so values never cross purposes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// An authorization request waiting for consent (a form field).
    Transaction,
    /// A sign-in under way at the provider (a cookie).
    Login,
    /// An approval that a browser remembers (a cookie).
    Consent,
    /// Grants, codes and provider tokens in a store.
    Record,
    /// Our signing keys in a store.
    SigningKey,
    /// An opaque refresh token.
    RefreshToken,
    /// The metadata inside a dynamic client's identifier.
    ClientId,
    /// The secret derived for a confidential dynamic client.
    ClientSecret,
}

/// How many records each of the accepted root secrets sealed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seals {
    /// In the order of [`Sealer::root_names`].
    pub by_root: Vec<usize>,
    /// By a root secret that is not accepted any more.
    pub unknown: usize,
}

/// Why a sealed value did not open. One variant on purpose: the reasons are not for an attacker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the value was not sealed by this server for this purpose, or it was changed")]
pub struct OpenError;

/// The root secrets could not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RootSecretError {
    /// No secret was given.
    #[error("no root secret was given")]
    Missing,
    /// Shorter than 32 bytes.
    #[error("a root secret needs at least 32 characters; make one with `openssl rand -base64 32`")]
    TooShort,
}

/// Seals, opens and digests. Cheap to share behind an `Arc`.
pub struct Sealer {
    roots: ArcSwap<Vec<Root>>,
}

struct Root {
    id: [u8; KEY_ID_LEN],
    prk: hkdf::Prk,
}

struct KeyLength(usize);

// === impl Purpose ===

impl Purpose {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Transaction => b"transaction",
            Self::Login => b"login",
            Self::Consent => b"consent",
            Self::Record => b"record",
            Self::SigningKey => b"signing-key",
            Self::RefreshToken => b"refresh-token",
            Self::ClientId => b"client-id",
            Self::ClientSecret => b"client-secret",
        }
    }
}

// === impl Sealer ===

impl Sealer {
    /// From one or more root secrets: the first seals, all open.
    ///
    /// # Errors
    /// [`RootSecretError`] if there is none, or one is shorter than 32 bytes.
    pub fn new(secrets: &[Secret]) -> Result<Self, RootSecretError> {
        if secrets.is_empty() {
            return Err(RootSecretError::Missing);
        }
        let roots = secrets.iter().map(Root::new).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { roots: ArcSwap::from_pointee(roots) })
    }

    /// Uses the root secrets of `other` from now on, for everybody who shares this one.
    pub fn adopt(&self, other: &Self) {
        self.roots.store(other.roots.load_full());
    }

    /// Whether more than one root secret is accepted: one replaces another.
    pub fn is_rotating(&self) -> bool {
        self.roots.load().len() > 1
    }

    /// The names of the accepted root secrets, in their order: 8 hex digits, in the clear in every sealed value.
    pub fn root_names(&self) -> Vec<String> {
        self.roots.load().iter().map(|root| name(root.id)).collect()
    }

    /// Whether the root secret that seals now sealed this.
    pub fn is_current(&self, sealed: &[u8]) -> bool {
        sealed_by(sealed).is_some_and(|id| self.roots.load().first().is_some_and(|root| root.id == id))
    }

    /// Which root secret sealed this, by its place among [`Sealer::root_names`]; `None`: none of them.
    pub fn sealed_by(&self, sealed: &[u8]) -> Option<usize> {
        let id = sealed_by(sealed)?;
        self.roots.load().iter().position(|root| root.id == id)
    }

    /// Seals `plaintext` for `purpose`. `context` is authenticated but not stored: whoever opens
    /// the value must name the same context (a record's key, say).
    pub fn seal(&self, purpose: Purpose, context: &[u8], plaintext: &[u8]) -> Vec<u8> {
        // `new` refuses an empty list.
        let roots = self.roots.load();
        let Some(root) = roots.first() else { return Vec::new() };
        let mut salt = [0; SALT_LEN];
        let mut nonce = [0; NONCE_LEN];
        fill(&mut salt);
        fill(&mut nonce);
        let mut sealed = Vec::with_capacity(HEADER_LEN + plaintext.len() + TAG_LEN);
        sealed.push(VERSION);
        sealed.extend_from_slice(&root.id);
        sealed.extend_from_slice(&salt);
        sealed.extend_from_slice(&nonce);
        let header = sealed.clone();
        let mut data = plaintext.to_vec();
        let tag = root
            .message_key(purpose, &salt)
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), associated(&header, context), &mut data)
            .unwrap_or_else(|_| unreachable_crypto("AES-256-GCM seals any message under 64 GiB"));
        sealed.extend_from_slice(&data);
        sealed.extend_from_slice(tag.as_ref());
        sealed
    }

    /// Opens what [`Sealer::seal`] made for the same purpose and context.
    ///
    /// # Errors
    /// [`OpenError`] for anything else.
    pub fn open(&self, purpose: Purpose, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
        let (header, ciphertext) = sealed.split_at_checked(HEADER_LEN).ok_or(OpenError)?;
        let (version, rest) = header.split_first().ok_or(OpenError)?;
        let (id, rest) = rest.split_at_checked(KEY_ID_LEN).ok_or(OpenError)?;
        let (salt, nonce) = rest.split_at_checked(SALT_LEN).ok_or(OpenError)?;
        if *version != VERSION {
            return Err(OpenError);
        }
        let roots = self.roots.load();
        let root = roots.iter().find(|root| root.id == id).ok_or(OpenError)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| OpenError)?;
        let mut data = ciphertext.to_vec();
        let length = root
            .message_key(purpose, salt)
            .open_in_place(nonce, associated(header, context), &mut data)
            .map_err(|_| OpenError)?
            .len();
        data.truncate(length);
        Ok(data)
    }

    /// Like [`Sealer::seal`], as unpadded base64url text.
    pub fn seal_text(&self, purpose: Purpose, context: &[u8], plaintext: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(self.seal(purpose, context, plaintext))
    }

    /// Opens the text of [`Sealer::seal_text`].
    ///
    /// # Errors
    /// [`OpenError`] for anything else.
    pub fn open_text(&self, purpose: Purpose, context: &[u8], text: &str) -> Result<Vec<u8>, OpenError> {
        let sealed = URL_SAFE_NO_PAD.decode(text).map_err(|_| OpenError)?;
        self.open(purpose, context, &sealed)
    }

    /// A keyed digest (HMAC-SHA256) of `data` for `purpose`, under the first root secret.
    /// The same input always gives the same output.
    pub fn digest(&self, purpose: Purpose, data: &[u8]) -> [u8; 32] {
        self.roots.load().first().map(|root| root.digest(purpose, data)).unwrap_or_default()
    }

    /// Whether `claimed` (at least 16 leading bytes of a digest) was made by
    /// [`Sealer::digest`] under any accepted root secret.
    pub fn verify_digest(&self, purpose: Purpose, data: &[u8], claimed: &[u8]) -> bool {
        claimed.len() >= 16
            && self
                .roots
                .load()
                .iter()
                .any(|root| root.digest(purpose, data).get(..claimed.len()).is_some_and(|own| equal(own, claimed)))
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Sealer({} root secrets)", self.roots.load().len())
    }
}

// === impl Seals ===

impl Seals {
    /// One more, of the root secret at this place.
    pub fn add(&mut self, root: Option<usize>) {
        let Some(place) = root else {
            self.unknown += 1;
            return;
        };
        if self.by_root.len() <= place {
            self.by_root.resize(place + 1, 0);
        }
        if let Some(count) = self.by_root.get_mut(place) {
            *count += 1;
        }
    }

    /// Both together.
    pub fn extend(&mut self, other: &Self) {
        self.by_root.resize(self.by_root.len().max(other.by_root.len()), 0);
        for (count, more) in self.by_root.iter_mut().zip(&other.by_root) {
            *count += more;
        }
        self.unknown += other.unknown;
    }
}

// === impl Root ===

impl Root {
    fn new(secret: &Secret) -> Result<Self, RootSecretError> {
        let bytes = secret.expose().as_bytes();
        if bytes.len() < 32 {
            return Err(RootSecretError::TooShort);
        }
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, b"vestibule root secret v1").extract(bytes);
        let mut id = [0; KEY_ID_LEN];
        expand(&prk, &[b"key id"], &mut id);
        Ok(Self { id, prk })
    }

    fn message_key(&self, purpose: Purpose, salt: &[u8]) -> LessSafeKey {
        let mut key = [0; 32];
        expand(&self.prk, &[b"seal", purpose.label(), salt], &mut key);
        UnboundKey::new(&AES_256_GCM, &key)
            .map_or_else(|_| unreachable_crypto("AES-256-GCM takes any 32 byte key"), LessSafeKey::new)
    }

    fn digest(&self, purpose: Purpose, data: &[u8]) -> [u8; 32] {
        let mut key = [0; 32];
        expand(&self.prk, &[b"digest", purpose.label()], &mut key);
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), data);
        let mut digest = [0; 32];
        for (to, from) in digest.iter_mut().zip(tag.as_ref()) {
            *to = *from;
        }
        digest
    }
}

impl hkdf::KeyType for KeyLength {
    fn len(&self) -> usize {
        self.0
    }
}

/// The key id in the header of a sealed value.
fn sealed_by(sealed: &[u8]) -> Option<[u8; KEY_ID_LEN]> {
    let (version, rest) = sealed.split_first()?;
    rest.first_chunk().copied().filter(|_| *version == VERSION)
}

fn name(id: [u8; KEY_ID_LEN]) -> String {
    format!("{:08x}", u32::from_be_bytes(id))
}

fn expand(prk: &hkdf::Prk, info: &[&[u8]], output: &mut [u8]) {
    prk.expand(info, KeyLength(output.len()))
        .and_then(|okm| okm.fill(output))
        .unwrap_or_else(|_| unreachable_crypto("HKDF-SHA256 gives up to 8160 bytes"));
}

fn associated(header: &[u8], context: &[u8]) -> Aad<Vec<u8>> {
    let mut data = header.to_vec();
    data.extend_from_slice(context);
    Aad::from(data)
}

/// Random bytes from the operating system's generator.
pub fn fill(bytes: &mut [u8]) {
    rand::fill(bytes).unwrap_or_else(|_| unreachable_crypto("the system's random generator works"));
}

/// `N` random bytes as unpadded base64url text: tokens, codes, `state`, nonces.
pub fn random_text<const N: usize>() -> String {
    let mut bytes = [0; N];
    fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// SHA-256.
pub fn sha256(data: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    for (to, from) in out.iter_mut().zip(digest::digest(&digest::SHA256, data).as_ref()) {
        *to = *from;
    }
    out
}

/// The library's contract rules this out; going on without a key or randomness would be worse
/// than stopping the task.
#[expect(clippy::panic, reason = "no safe way to go on without working cryptography")]
fn unreachable_crypto(contract: &str) -> ! {
    panic!("broken cryptography library: {contract}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(text: &str) -> Sealer {
        Sealer::new(&[Secret::new(text.repeat(32))]).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_for_the_same_purpose_and_context_only() {
        let sealer = sealer("a");
        let value = sealer.seal(Purpose::Login, b"ctx", b"hello");
        assert_eq!(sealer.open(Purpose::Login, b"ctx", &value).unwrap(), b"hello");
        assert_eq!(sealer.open(Purpose::Transaction, b"ctx", &value), Err(OpenError));
        assert_eq!(sealer.open(Purpose::Login, b"other", &value), Err(OpenError));
    }

    /// S06: flipping any byte of a sealed value is refused.
    #[test]
    fn s06_any_flipped_byte_is_refused() {
        let sealer = sealer("a");
        let value = sealer.seal(Purpose::Login, b"", b"hello");
        for index in 0..value.len() {
            let mut changed = value.clone();
            changed[index] ^= 1;
            assert_eq!(sealer.open(Purpose::Login, b"", &changed), Err(OpenError), "byte {index}");
        }
        for length in 0..value.len() {
            assert_eq!(sealer.open(Purpose::Login, b"", &value[..length]), Err(OpenError));
        }
    }

    #[test]
    fn two_root_secrets_while_rotating() {
        let old = Secret::new("o".repeat(32));
        let new = Secret::new("n".repeat(32));
        let before = Sealer::new(std::slice::from_ref(&old)).unwrap();
        let during = Sealer::new(&[new.clone(), old]).unwrap();
        let after = Sealer::new(&[new]).unwrap();
        let value = before.seal(Purpose::Record, b"", b"x");
        assert!(during.open(Purpose::Record, b"", &value).is_ok());
        assert!(after.open(Purpose::Record, b"", &value).is_err());
        let digest = before.digest(Purpose::ClientId, b"x");
        assert!(during.verify_digest(Purpose::ClientId, b"x", &digest));
        assert!(!after.verify_digest(Purpose::ClientId, b"x", &digest));
        assert!(!during.verify_digest(Purpose::ClientId, b"x", &digest[..8]));
    }

    #[test]
    fn short_root_secrets_are_refused() {
        assert_eq!(Sealer::new(&[]).err(), Some(RootSecretError::Missing));
        assert_eq!(Sealer::new(&[Secret::new("short")]).err(), Some(RootSecretError::TooShort));
    }
}
