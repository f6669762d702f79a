//! Our signing keys: made once, kept sealed in the store, rotated with overlap; or an operator's own.
//!
//! One key signs; every key whose record still lives verifies and is published. Look-ups read an
//! atomically swapped ring: no lock and no I/O on the request path.
//!
//! A new key is published before it signs, and from then on by the clock alone: every process changes over at
//! the same moment without being told.

mod key;
mod overview;
mod rotation;
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
use tokio::sync::Mutex;

pub use key::VerifyingKey;
pub use overview::{KeyOverview, KeyState};
pub use verify::VerifyError;

use crate::{
    config::plan::SigningPlan,
    private_key::{PrivateKeyError, SigningAlgorithm},
    store::{
        Change, CommitError, NEVER, StoreError, Table,
        record::{Kind, Records, Slot},
    },
    time::{Clock, Timestamp},
};
use key::{Key, StoredKey};

/// The name of the record that says which key was made last.
const CURRENT: &[u8] = b"signing-key";

/// How often a change of the signing key is tried again when somebody else was faster.
const ATTEMPTS: usize = 8;

/// How often a key that is not known is looked for in a store that others write to.
const UNKNOWN_INTERVAL: Duration = Duration::from_secs(2);

/// How long a key that signs no more stays valid: longer than any access token, which lives for a day at most.
pub const OVERLAP: Duration = Duration::from_hours(25);

/// How long a new key is published before it signs: longer than anybody should keep our key set.
pub const LEAD: Duration = Duration::from_hours(1);

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
    /// A key is not what it should be.
    #[error("a signing key: it {0}")]
    Private(#[from] PrivateKeyError),
    /// Nothing to rotate here.
    #[error("the key that signs is from the configuration (`signing_key`): put a new one in front of it there")]
    Brought,
    /// A key that is in use cannot be revoked.
    #[error("this key signs now: make another one sign first, with `vestibule keys rotate --now`")]
    Signs,
    /// A key of the configuration cannot be revoked.
    #[error("this key is from the configuration: take it out of `signing_key`")]
    Configured,
    /// The token could not be written.
    #[error("the token could not be signed")]
    Sign(#[source] jsonwebtoken::errors::Error),
}

/// All keys of this instance. Shared behind an `Arc`.
#[derive(Debug)]
pub struct KeyRing {
    records: Records,
    plan: ArcSwap<SigningPlan>,
    clock: Clock,
    ring: ArcSwap<Ring>,
    /// Held from the look at the store to the new ring: what was read before a key went must not bring it back.
    changing: Mutex<()>,
    /// When a key was last looked for.
    looked_at: AtomicU64,
    /// How often keys went before their time.
    losses: AtomicU64,
}

#[derive(Debug)]
struct Ring {
    /// Those that sign at some time, the one that was made last first.
    signing: Vec<Arc<Key>>,
    /// For when none of those may: replicas disagree about algorithms, or clocks do.
    fallback: Arc<Key>,
    by_kid: HashMap<String, Arc<Key>>,
}

/// Which key was made last. Replaced by compare-and-swap, so that processes agree.
#[derive(Debug, Serialize, Deserialize)]
struct Current {
    kid: String,
}

// === impl Current ===

impl Kind for Current {
    const TABLE: Table = Table::Meta;
    const NAME: &'static str = "signing-key";
}

// === impl Ring ===

impl Ring {
    /// `None`: there is no key to sign with.
    fn new(
        plan: &SigningPlan,
        mut by_kid: HashMap<String, Arc<Key>>,
        now: Timestamp,
    ) -> Result<Option<Self>, KeyError> {
        let mut signing = Vec::new();
        for key in &plan.keys {
            let key = Arc::new(Key::brought(key, now)?);
            by_kid.insert(key.kid().to_owned(), Arc::clone(&key));
            // Only the first one signs.
            if signing.is_empty() {
                signing.push(key);
            }
        }
        if signing.is_empty() {
            let ours = |key: &&Arc<Key>| key.algorithm() == plan.algorithm && key.encoding().is_some();
            signing = by_kid.values().filter(ours).cloned().collect();
            // The one without an end was made last; several may be of the same second.
            signing.sort_by(|a, b| order(b).cmp(&order(a)));
        }
        let last = signing.iter().max_by_key(|key| key.not_after()).cloned();
        Ok(last.map(|fallback| Self { signing, fallback, by_kid }))
    }

    /// Whether one of the keys has no end.
    fn is_settled(&self) -> bool {
        self.fallback.is_current()
    }

    /// The keys that are valid now, newest first.
    fn published(&self, now: Timestamp) -> Vec<&Key> {
        let mut keys: Vec<_> = self.by_kid.values().map(|key| &**key).filter(|key| key.is_valid(now)).collect();
        keys.sort_by(|a, b| (b.made_at(), b.kid()).cmp(&(a.made_at(), a.kid())));
        keys
    }

    fn signing(&self, now: Timestamp) -> &Arc<Key> {
        self.signing.iter().find(|key| key.may_sign(now)).unwrap_or(&self.fallback)
    }
}

fn order(key: &Key) -> (Timestamp, Timestamp, &str) {
    (key.not_after(), key.signs_from(), key.kid())
}

// === impl KeyRing ===

impl KeyRing {
    /// Reads the keys; makes and stores one if there is none that fits the plan. Of two processes
    /// that do this at once on one store, both end with the same key.
    ///
    /// # Errors
    /// [`KeyError`] when the store does not answer or no key can be made.
    pub async fn load(records: &Records, plan: &SigningPlan, clock: Clock) -> Result<Self, KeyError> {
        let ring = ArcSwap::from_pointee(settled(records, plan, &clock).await?);
        let plan = ArcSwap::from_pointee(plan.clone());
        Ok(Self {
            records: records.clone(),
            plan,
            clock,
            ring,
            changing: Mutex::new(()),
            looked_at: AtomicU64::new(0),
            losses: AtomicU64::new(0),
        })
    }

    /// Signs as this plan says from now on. What signed until now verifies and stays published for longer than
    /// any token that it signed.
    ///
    /// # Errors
    /// [`KeyError`] when the store does not answer; everything then stays as it is.
    pub async fn change(&self, plan: &SigningPlan) -> Result<(), KeyError> {
        let _changing = self.changing.lock().await;
        let ring = settled(&self.records, plan, &self.clock).await?;
        self.plan.store(Arc::new(plan.clone()));
        self.take(ring);
        Ok(())
    }

    /// Takes over the keys that another process made, and the one that it signs with, if that fits
    /// our plan.
    ///
    /// # Errors
    /// [`KeyError`] when the store does not answer; the ring then stays as it is.
    pub async fn look_again(&self) -> Result<(), KeyError> {
        let _changing = self.changing.lock().await;
        let plan = self.plan.load_full();
        let ring = match Ring::new(&plan, read(&self.records).await?, self.clock.now())? {
            // Perhaps not settled: somebody signs with another algorithm for now (a change that comes to us
            // later), and our key is as good as before.
            Some(ring) => ring,
            // A store that was emptied.
            None => settled(&self.records, &plan, &self.clock).await?,
        };
        self.take(ring);
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

    /// A JWT (RFC 7519) with this header `typ`, signed by the key whose time it is, its `kid` in the header.
    ///
    /// # Errors
    /// [`KeyError::Sign`] if the claims do not serialize to a JSON object.
    pub fn sign<C: Serialize>(&self, typ: &str, claims: &C) -> Result<String, KeyError> {
        let ring = self.ring.load();
        let key = ring.signing(self.clock.now());
        let mut header = Header::new(key.algorithm().jose());
        header.typ = Some(typ.to_owned());
        header.kid = Some(key.kid().to_owned());
        let encoding = key.encoding().ok_or(KeyError::Unusable("its private half is not here"))?;
        encode(&header, claims, encoding).map_err(KeyError::Sign)
    }

    /// The public keys that are valid now, newest first (RFC 7517 section 5).
    pub fn jwks(&self) -> serde_json::Value {
        let ring = self.ring.load();
        let set = JwkSet { keys: ring.published(self.clock.now()).into_iter().map(|key| key.jwk().clone()).collect() };
        serde_json::to_value(set).unwrap_or_default()
    }

    /// A number that is another one whenever a key went before its time, here or in another process: what was
    /// verified before may have been signed by that one.
    pub fn losses(&self) -> u64 {
        self.losses.load(Ordering::Acquire)
    }

    fn take(&self, ring: Ring) {
        let (ring, now) = (Arc::new(ring), self.clock.now());
        let before = self.ring.swap(Arc::clone(&ring));
        let is_there = |kid: &String| ring.by_kid.get(kid).is_some_and(|key| key.is_valid(now));
        if !before.by_kid.iter().all(|(kid, key)| !key.is_valid(now) || is_there(kid)) {
            self.losses.fetch_add(1, Ordering::AcqRel);
        }
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

/// The keys in the store, with one to sign for the plan, which is made if there is none.
async fn settled(records: &Records, plan: &SigningPlan, clock: &Clock) -> Result<Ring, KeyError> {
    if let Some(key) = plan.keys.first() {
        // Before it signs anything.
        rotation::publish(records, key).await?;
    }
    for _ in 0..ATTEMPTS {
        // What was made last is read first: the key that it names was stored with it.
        let current = records.slot::<Current>(CURRENT).await?;
        let now = clock.now();
        let ring = Ring::new(plan, read(records).await?, now)?;
        if let Some(ring) = ring.filter(Ring::is_settled) {
            return Ok(ring);
        }
        // Whether ours was stored or somebody else's: the next round reads which one it is.
        replace(records, current, plan.algorithm, now, now.plus(OVERLAP)).await?;
    }
    Err(KeyError::Contended)
}

/// Stores a new key that signs from some time on, unless somebody did since `current` was read, and gives the one
/// before an end.
async fn replace(
    records: &Records,
    current: Slot<Current>,
    algorithm: SigningAlgorithm,
    signs_from: Timestamp,
    end: Timestamp,
) -> Result<(), KeyError> {
    let now = records.clock().now();
    let (key, kid) = StoredKey::generate(algorithm, now, signs_from, records.sealer()).await?;
    let mut batch = vec![
        records.expect::<Current>(CURRENT, current.version),
        records.put(CURRENT, &Current { kid: kid.clone() }, NEVER, Vec::new()),
        records.put(kid.as_bytes(), &key, NEVER, Vec::new()),
    ];
    if let Some(Current { kid }) = current.value {
        batch.extend(ended(records, &kid, end).await?);
    }
    told(records.commit(batch).await)
}

/// The step that gives a key an end, if it has a later one.
async fn ended(records: &Records, kid: &str, end: Timestamp) -> Result<Option<Change>, KeyError> {
    let before = records.get::<StoredKey>(kid.as_bytes()).await?.filter(|before| end < before.expires_at);
    Ok(before.map(|before| records.put(kid.as_bytes(), &before.value, end, Vec::new())))
}

/// That somebody else was faster is no mistake: the next look shows what they did.
fn told(committed: Result<(), CommitError>) -> Result<(), KeyError> {
    match committed {
        Ok(()) | Err(CommitError::Conflict) => Ok(()),
        Err(CommitError::Store(error)) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests;
