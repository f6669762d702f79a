//! Secrets as short texts that show whether they are the same, and nothing else.
//!
//! The 8 hex digits are the first ones of the plain SHA-256, so that an operator can compare them
//! with `printf %s "$SECRET" | sha256sum`. That is enough to notice a change (another secret has
//! the same digits once in 4 billion), and too little to find a secret that a machine made: of 2^n
//! candidates, 2^(n-32) are left, and none of them can be told from another. It does confirm a
//! guess, though, and a word that a person chose can be guessed. So short secrets get a MAC under
//! a key that dies with this process: a change still shows in the log of one process, and nobody
//! can try words against it. Between processes they cannot be compared.

use std::sync::LazyLock;

use aws_lc_rs::{
    digest::{SHA256, digest},
    hmac,
    rand::SystemRandom,
};

use super::hex;

/// In place of the fingerprint of a short secret, for other processes.
pub const UNCOMPARABLE: &str = "set (too short for a hash)";

/// Identity providers make secrets of 28 to 86 characters. Below this many bytes, a person may
/// have thought of it.
const LONG: usize = 20;
const DIGITS_BYTES: usize = 4;
const PUBLIC: &str = "sha256:";
const PRIVATE: &str = "hmac:";

static KEY: LazyLock<Option<hmac::Key>> =
    LazyLock::new(|| hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).ok());

/// The fingerprint of a secret.
pub(super) fn of(secret: &str) -> String {
    if secret.len() >= LONG {
        return format!("{PUBLIC}{}", hex(digest(&SHA256, secret.as_bytes()).as_ref(), DIGITS_BYTES));
    }
    match KEY.as_ref() {
        Some(key) => format!("{PRIVATE}{}", hex(hmac::sign(key, secret.as_bytes()).as_ref(), DIGITS_BYTES)),
        None => UNCOMPARABLE.to_owned(),
    }
}

/// Whether a fingerprint means something in the process that made it only.
pub(super) fn is_private(fingerprint: &str) -> bool {
    fingerprint.starts_with(PRIVATE)
}
