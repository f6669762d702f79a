//! Our signing keys: made once, kept sealed in the store, rotated with overlap.
//!
//! One key signs; every key whose record still lives verifies and is published. Look-ups read an
//! atomically swapped ring: no lock and no I/O on the request path.

mod key;
mod verify;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use jsonwebtoken::{Header, encode, jwk::JwkSet};
use serde::{Deserialize, Serialize};

pub use key::VerifyingKey;
pub use verify::VerifyError;

use crate::{
    config::plan::SigningAlgorithm,
    store::{
        CommitError, NEVER, StoreError, Table,
        record::{Kind, Records, Slot},
    },
    time::{Clock, Timestamp},
};
use key::{Key, StoredKey};

/// The name of the record that says which key signs.
const CURRENT: &[u8] = b"signing-key";

/// How often a change of the signing key is tried again when somebody else was faster.
const ATTEMPTS: usize = 8;

/// How often a key that is not known is looked for in a store that others write to.
const UNKNOWN_INTERVAL: Duration = Duration::from_secs(2);

/// How long a key that another algorithm replaced stays valid: longer than any access token.
const REPLACED_OVERLAP: Duration = Duration::from_hours(24);

/// Why keys could not be made, read or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Somebody else changed the signing key again and again.
    #[error("the signing key in the store keeps changing")]
    Contended,
    /// The cryptography refused to make or read a key.
    #[error("the signing key could not be made or read: {0}")]
    Unusable(&'static str),
    /// The token could not be written.
    #[error("the token could not be signed")]
    Sign(#[source] jsonwebtoken::errors::Error),
}

/// All keys of this instance. Shared behind an `Arc`.
#[derive(Debug)]
pub struct KeyRing {
    records: Records,
    algorithm: ArcSwap<SigningAlgorithm>,
    clock: Clock,
    ring: ArcSwap<Ring>,
    /// When a key was last looked for.
    looked_at: AtomicU64,
}

#[derive(Debug)]
struct Ring {
    signing: Arc<Key>,
    by_kid: HashMap<String, Arc<Key>>,
}

/// Which key signs. Replaced by compare-and-swap, so that processes agree.
#[derive(Debug, Serialize, Deserialize)]
struct Current {
    kid: String,
}

// === impl Current ===

impl Kind for Current {
    const TABLE: Table = Table::Meta;
    const NAME: &'static str = "signing-key";
}

// === impl KeyRing ===

impl KeyRing {
    /// Reads the keys; makes and stores one if there is none for `algorithm`. Of two processes
    /// that do this at once on one store, both end with the same key.
    ///
    /// # Errors
    /// [`KeyError`] when the store does not answer or no key can be made.
    pub async fn load(records: &Records, algorithm: SigningAlgorithm, clock: Clock) -> Result<Self, KeyError> {
        for _ in 0..ATTEMPTS {
            // Which key signs is read first: what it names was stored with it.
            let current = records.slot::<Current>(CURRENT).await?;
            let by_kid = read(records).await?;
            let signing = current.value.as_ref().and_then(|current| by_kid.get(&current.kid)).cloned();
            if let Some(signing) = signing.filter(|key| key.algorithm() == algorithm) {
                let ring = ArcSwap::from_pointee(Ring { signing, by_kid });
                let algorithm = ArcSwap::from_pointee(algorithm);
                let records = records.clone();
                return Ok(Self { records, algorithm, clock, ring, looked_at: AtomicU64::new(0) });
            }
            // Whether ours was stored or somebody else's: the next round reads which one it is.
            replace(records, current, algorithm, clock.now().plus(REPLACED_OVERLAP)).await?;
        }
        Err(KeyError::Contended)
    }

    /// Makes a new signing key. The one that signed until now verifies and stays published for
    /// `overlap` more, which must be longer than any token that it signed lives.
    ///
    /// # Errors
    /// [`KeyError`] when the store does not answer; the ring then stays as it is.
    pub async fn rotate(&self, overlap: Duration) -> Result<(), KeyError> {
        let current = self.records.slot::<Current>(CURRENT).await?;
        // If somebody else rotated at the same moment, theirs is the new key.
        replace(&self.records, current, **self.algorithm.load(), self.clock.now().plus(overlap)).await?;
        let next = Self::load(&self.records, **self.algorithm.load(), self.clock.clone()).await?;
        self.ring.store(next.ring.load_full());
        Ok(())
    }

    /// Signs with a key for `algorithm` from now on, which is made if there is none. The one that
    /// signed until now verifies and stays published for longer than any token that it signed.
    ///
    /// # Errors
    /// [`KeyError`] when the store does not answer; the ring then stays as it is.
    pub async fn change_algorithm(&self, algorithm: SigningAlgorithm) -> Result<(), KeyError> {
        let next = Self::load(&self.records, algorithm, self.clock.clone()).await?;
        self.algorithm.store(Arc::new(algorithm));
        self.ring.store(next.ring.load_full());
        Ok(())
    }

    /// Takes over the keys that another process made, and the one that it signs with, if that fits
    /// our algorithm.
    ///
    /// # Errors
    /// [`KeyError`] when the store does not answer; the ring then stays as it is.
    pub async fn look_again(&self) -> Result<(), KeyError> {
        let algorithm = **self.algorithm.load();
        let current = self.records.slot::<Current>(CURRENT).await?;
        let by_kid = read(&self.records).await?;
        let own = self.ring.load_full();
        let named = current.value.as_ref().and_then(|current| by_kid.get(&current.kid));
        let named = named.filter(|key| key.algorithm() == algorithm);
        // Somebody signs with another algorithm for now (a change that comes to us later): our key is
        // as good as before.
        let Some(signing) = named.or_else(|| by_kid.get(own.signing.kid())).cloned() else {
            // A store that was emptied.
            let next = Self::load(&self.records, algorithm, self.clock.clone()).await?;
            self.ring.store(next.ring.load_full());
            return Ok(());
        };
        self.ring.store(Arc::new(Ring { signing, by_kid }));
        Ok(())
    }

    /// The same for a token whose key is not known here: another process may have made one just now.
    /// At most once in some seconds, however many such tokens come; whether it looked.
    pub async fn look_for_unknown(&self) -> bool {
        if !self.records.is_shared() {
            return false;
        }
        let now = self.clock.now();
        let last = self.looked_at.load(Ordering::Acquire);
        if now.since(Timestamp(last)) < UNKNOWN_INTERVAL
            || self.looked_at.compare_exchange(last, now.0, Ordering::AcqRel, Ordering::Relaxed).is_err()
        {
            return false;
        }
        self.look_again().await.is_ok()
    }

    /// When the key that signs now was made, for whoever decides when to [`KeyRing::rotate`].
    pub fn signing_since(&self) -> Timestamp {
        self.ring.load().signing.made_at()
    }

    /// A JWT (RFC 7519) with this header `typ`, signed by the newest key, its `kid` in the header.
    ///
    /// # Errors
    /// [`KeyError::Sign`] if the claims do not serialize to a JSON object.
    pub fn sign<C: Serialize>(&self, typ: &str, claims: &C) -> Result<String, KeyError> {
        let ring = self.ring.load();
        let mut header = Header::new(ring.signing.jwt_algorithm());
        header.typ = Some(typ.to_owned());
        header.kid = Some(ring.signing.kid().to_owned());
        encode(&header, claims, ring.signing.encoding()).map_err(KeyError::Sign)
    }

    /// The public keys that are valid now, newest first (RFC 7517 section 5).
    pub fn jwks(&self) -> serde_json::Value {
        let now = self.clock.now();
        let ring = self.ring.load();
        let mut keys: Vec<&Arc<Key>> = ring.by_kid.values().filter(|key| key.is_valid(now)).collect();
        keys.sort_by(|a, b| (b.made_at(), b.kid()).cmp(&(a.made_at(), a.kid())));
        let set = JwkSet { keys: keys.into_iter().map(|key| key.jwk().clone()).collect() };
        serde_json::to_value(set).unwrap_or_default()
    }

    /// The public key with this `kid`, if it is valid now.
    pub fn verifying(&self, kid: &str) -> Option<VerifyingKey> {
        self.valid_key(kid, self.clock.now()).map(|key| key.verifying().clone())
    }

    fn valid_key(&self, kid: &str, now: Timestamp) -> Option<Arc<Key>> {
        self.ring.load().by_kid.get(kid).filter(|key| key.is_valid(now)).cloned()
    }
}

/// All keys that live in the store.
async fn read(records: &Records) -> Result<HashMap<String, Arc<Key>>, KeyError> {
    let mut keys = HashMap::new();
    for (kid, sealed) in records.list::<StoredKey>().await? {
        let key = Key::open(&sealed.value, &kid, sealed.expires_at, records.sealer())?;
        keys.insert(key.kid().to_owned(), Arc::new(key));
    }
    Ok(keys)
}

/// Makes a key the one that signs, unless somebody did since `current` was read, and gives the one
/// before an end.
async fn replace(
    records: &Records,
    current: Slot<Current>,
    algorithm: SigningAlgorithm,
    end: Timestamp,
) -> Result<(), KeyError> {
    let (key, kid) = StoredKey::generate(algorithm, records.clock().now(), records.sealer()).await?;
    let mut batch = vec![
        records.expect::<Current>(CURRENT, current.version),
        records.put(CURRENT, &Current { kid: kid.clone() }, NEVER, Vec::new()),
        records.put(kid.as_bytes(), &key, NEVER, Vec::new()),
    ];
    if let Some(Current { kid }) = current.value
        && let Some(before) = records.get::<StoredKey>(kid.as_bytes()).await?
    {
        batch.push(records.put(kid.as_bytes(), &before.value, end, Vec::new()));
    }
    match records.commit(batch).await {
        Ok(()) | Err(CommitError::Conflict) => Ok(()),
        Err(CommitError::Store(error)) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests;
