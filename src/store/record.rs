//! Versioned, sealed records on top of a store.
//!
//! A value in the store is JSON with a version and a kind, sealed for its table and key, so that
//! a record cannot be read without the root secret nor be moved to another place.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::time::MissedTickBehavior;

use super::{Change, CommitError, Deletions, Record, Store, StoreError, Table, Term};
use crate::{
    metrics::{
        Metrics,
        outcome::{SealedKind, StoreOperation, StoreOutcome},
    },
    seal::{Purpose, Sealer, sha256},
    time::{Clock, Timestamp},
};

/// The version of the JSON around every value. Another one is from another version of this
/// program.
const VERSION: u8 = 1;

/// A store that says nothing for so long does not answer.
const HEALTH_DEADLINE: Duration = Duration::from_secs(5);

/// A type that is kept in one table. Its serialization must not fail: plain structs with text keys.
pub trait Kind: Serialize + DeserializeOwned + Send {
    /// Where values of this type live.
    const TABLE: Table;
    /// A short name inside the record; two types in one table have different names.
    const NAME: &'static str;
}

/// Reads and writes [`Kind`]s. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Records {
    store: Arc<dyn Store>,
    sealer: Arc<Sealer>,
    metrics: Arc<Metrics>,
    clock: Clock,
}

/// A value as it was read.
#[derive(Clone, Debug)]
pub struct Sealed<T> {
    /// The value.
    pub value: T,
    /// For [`Records::expect`]: nobody wrote since it was read.
    pub version: Bytes,
    /// When the record ends.
    pub expires_at: Timestamp,
}

/// What is under a key, for [`Records::slot`].
#[derive(Clone, Debug)]
pub struct Slot<T> {
    /// For [`Records::expect`].
    pub version: Option<Bytes>,
    /// `None` if there is no record, or none that opens.
    pub value: Option<T>,
}

/// That something was used.
#[derive(Debug, Serialize, Deserialize)]
struct Used {}

#[derive(Serialize)]
struct EnvelopeOut<'a, T> {
    v: u8,
    kind: &'static str,
    value: &'a T,
}

/// What every version has in common.
#[derive(Deserialize)]
struct EnvelopeHead {
    v: u8,
    kind: String,
}

#[derive(Deserialize)]
struct EnvelopeIn<T> {
    value: T,
}

// === impl Used ===

impl Kind for Used {
    const TABLE: Table = Table::Used;
    const NAME: &'static str = "used";
}

// === impl Records ===

impl Records {
    /// Records in `store`, sealed by `sealer`.
    pub fn new(store: Arc<dyn Store>, sealer: Arc<Sealer>, metrics: Arc<Metrics>, clock: Clock) -> Self {
        metrics.store(store.backend());
        Self { store, sealer, metrics, clock }
    }

    /// The live value under a key. A value that no key opens is counted and reads as absent.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the store does not answer, [`StoreError::Unusable`] for a
    /// value that another version of this program wrote.
    pub async fn get<T: Kind>(&self, key: &[u8]) -> Result<Option<Sealed<T>>, StoreError> {
        match self.read::<T>(key).await? {
            Some(record) => self.open(key, record),
            None => Ok(None),
        }
    }

    /// What is under a key together with its version, whether or not the value opens: the way to
    /// replace what an unknown root secret sealed.
    ///
    /// # Errors
    /// Like [`Records::get`].
    pub async fn slot<T: Kind>(&self, key: &[u8]) -> Result<Slot<T>, StoreError> {
        match self.read::<T>(key).await? {
            Some(record) => {
                let version = Some(record.value.clone());
                Ok(Slot { version, value: self.open(key, record)?.map(|sealed| sealed.value) })
            }
            None => Ok(Slot { version: None, value: None }),
        }
    }

    /// All live values of a kind, with their keys.
    ///
    /// # Errors
    /// Like [`Records::get`].
    pub async fn list<T: Kind>(&self) -> Result<Vec<(Vec<u8>, Sealed<T>)>, StoreError> {
        let started = Instant::now();
        let result = self.store.list(T::TABLE).await;
        self.count(StoreOperation::List, outcome(&result, Vec::is_empty), started);
        let mut values = Vec::new();
        for (key, record) in result? {
            if let Some(sealed) = self.open(&key, record)? {
                values.push((key, sealed));
            }
        }
        Ok(values)
    }

    /// The keys of live records of a kind's table that were put with this term.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn find<T: Kind>(&self, term: &Term) -> Result<Vec<Vec<u8>>, StoreError> {
        let started = Instant::now();
        let result = self.store.find(T::TABLE, term).await;
        self.count(StoreOperation::Find, outcome(&result, Vec::is_empty), started);
        result
    }

    /// A step that writes `value`, sealed for this table and key.
    pub fn put<T: Kind>(&self, key: &[u8], value: &T, expires_at: Timestamp, terms: Vec<Term>) -> Change {
        let json = serde_json::to_vec(&EnvelopeOut { v: VERSION, kind: T::NAME, value })
            .unwrap_or_else(|_| unserializable(T::NAME));
        let sealed = self.sealer.seal(Purpose::Record, &context(T::TABLE, key), &json);
        let record = Record { value: sealed.into(), expires_at };
        Change::Put { table: T::TABLE, key: key.to_vec(), record, terms }
    }

    /// A step that holds only if the record still has this version (`None`: there is none).
    pub fn expect<T: Kind>(&self, key: &[u8], version: Option<Bytes>) -> Change {
        Change::Expect { table: T::TABLE, key: key.to_vec(), value: version }
    }

    /// A step that removes a record.
    pub fn delete<T: Kind>(&self, key: &[u8]) -> Change {
        Change::Delete { table: T::TABLE, key: key.to_vec() }
    }

    /// Applies all steps or none.
    ///
    /// # Errors
    /// [`CommitError::Conflict`] when an expectation did not hold.
    pub async fn commit(&self, batch: Vec<Change>) -> Result<(), CommitError> {
        let started = Instant::now();
        let result = self.store.commit(batch).await;
        let outcome = match &result {
            Ok(()) => StoreOutcome::Ok,
            Err(CommitError::Conflict) => StoreOutcome::Conflict,
            Err(CommitError::Store(_)) => StoreOutcome::Error,
        };
        self.count(StoreOperation::Commit, outcome, started);
        result
    }

    /// Uses something that may be used once, by whichever process; false if another one used it before.
    /// `until` is when it could not be used any more anyway.
    ///
    /// Within a process the caller's own memory knows what was used. A store that no other process has
    /// is only asked whether it works: strangers must not be able to fill a disk.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer; it may be used or not then.
    pub async fn use_once(&self, what: &'static str, name: &[u8], until: Timestamp) -> Result<bool, StoreError> {
        if !self.is_shared() {
            return self.health().await.map(|()| true);
        }
        let key = used_key(what, name);
        let batch = vec![self.expect::<Used>(&key, None), self.put(&key, &Used {}, until, Vec::new())];
        match self.commit(batch).await {
            Ok(()) => Ok(true),
            Err(CommitError::Conflict) => Ok(false),
            Err(CommitError::Store(error)) => Err(error),
        }
    }

    /// Whether something was used by any process ([`Records::use_once`]).
    ///
    /// # Errors
    /// Like [`Records::get`].
    pub async fn was_used(&self, what: &'static str, name: &[u8]) -> Result<bool, StoreError> {
        Ok(self.is_shared() && self.get::<Used>(&used_key(what, name)).await?.is_some())
    }

    /// See [`Store::is_shared`].
    pub fn is_shared(&self) -> bool {
        self.store.is_shared()
    }

    /// See [`Store::deletions`].
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn deletions(&self, since: Option<&str>) -> Result<Option<Deletions>, StoreError> {
        self.store.deletions(since).await
    }

    /// Removes what has expired; returns how many records went.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn sweep(&self) -> Result<usize, StoreError> {
        let started = Instant::now();
        let result = self.store.sweep().await;
        self.count(StoreOperation::Sweep, outcome(&result, |_| false), started);
        result
    }

    /// Whether the store answers within a few seconds and can be written to; the gauge follows.
    ///
    /// # Errors
    /// [`StoreError`] when it does not.
    pub async fn health(&self) -> Result<(), StoreError> {
        let result = tokio::time::timeout(HEALTH_DEADLINE, self.store.health()).await.unwrap_or_else(|_| {
            Err(StoreError::Unavailable(format!("it did not answer within {} s", HEALTH_DEADLINE.as_secs())))
        });
        self.metrics.store_ready(self.store.backend(), result.is_ok());
        result
    }

    /// Asks that again and again: the gauge is right where nobody asks. The log hears of changes.
    pub async fn watch(self, interval: Duration) {
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut answered = true;
        loop {
            ticks.tick().await;
            let health = self.health().await;
            match &health {
                Err(error) if answered => tracing::error!(%error, "the store does not answer"),
                Ok(()) if !answered => tracing::info!("the store answers again"),
                _ => {}
            }
            answered = health.is_ok();
        }
    }

    /// What seals the records; for values inside a record that have a purpose of their own.
    pub fn sealer(&self) -> &Sealer {
        &self.sealer
    }

    /// Where what happens to records is counted.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The clock that expiries are measured with.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    async fn read<T: Kind>(&self, key: &[u8]) -> Result<Option<Record>, StoreError> {
        let started = Instant::now();
        let result = self.store.get(T::TABLE, key).await;
        self.count(StoreOperation::Get, outcome(&result, Option::is_none), started);
        result
    }

    fn open<T: Kind>(&self, key: &[u8], record: Record) -> Result<Option<Sealed<T>>, StoreError> {
        let Ok(json) = self.sealer.open(Purpose::Record, &context(T::TABLE, key), &record.value) else {
            self.metrics.decrypt_failure(sealed_kind(T::TABLE));
            return Ok(None);
        };
        let other = |_| other_version(T::NAME);
        let head: EnvelopeHead = serde_json::from_slice(&json).map_err(other)?;
        if head.v != VERSION {
            return Err(other_version(T::NAME));
        }
        if head.kind != T::NAME {
            return Ok(None);
        }
        let EnvelopeIn { value } = serde_json::from_slice(&json).map_err(other)?;
        Ok(Some(Sealed { value, version: record.value, expires_at: record.expires_at }))
    }

    fn count(&self, operation: StoreOperation, outcome: StoreOutcome, started: Instant) {
        self.metrics.store_operation(self.store.backend(), operation, outcome, started.elapsed());
    }
}

fn outcome<T>(result: &Result<T, StoreError>, is_miss: impl FnOnce(&T) -> bool) -> StoreOutcome {
    match result {
        Ok(value) if is_miss(value) => StoreOutcome::Miss,
        Ok(_) => StoreOutcome::Ok,
        Err(_) => StoreOutcome::Error,
    }
}

/// What was used, under a digest of its name.
fn used_key(what: &str, name: &[u8]) -> [u8; 32] {
    sha256(&[what.as_bytes(), &[0], name].concat())
}

/// Table name and key: what a sealed record is bound to. Names have no zero byte.
fn context(table: Table, key: &[u8]) -> Vec<u8> {
    [table.as_str().as_bytes(), &[0], key].concat()
}

const fn sealed_kind(table: Table) -> SealedKind {
    match table {
        Table::Grant => SealedKind::Grant,
        Table::Code => SealedKind::Code,
        Table::SigningKey => SealedKind::Key,
        Table::Used | Table::Lease | Table::Meta => SealedKind::Meta,
    }
}

fn other_version(kind: &str) -> StoreError {
    StoreError::Unusable(format!("a record of kind {kind} was written by another version of this program"))
}

#[expect(clippy::panic, reason = "a type that breaks the contract of Kind must not be half stored")]
fn unserializable(kind: &str) -> ! {
    panic!("a value of kind {kind} cannot be written as JSON")
}

#[cfg(test)]
mod tests;
