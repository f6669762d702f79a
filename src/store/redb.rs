//! State in one file: redb, one writer thread that commits whole groups.
//!
//! Reads run on the caller's thread. They take a snapshot and walk a few pages, nearly always from
//! memory (about a microsecond), which is less than handing them to another thread costs; they
//! never wait for the writer.

mod compaction;
mod file;
mod schema;
mod writer;

use std::{
    fmt,
    path::Path,
    sync::{Arc, PoisonError, RwLock},
    thread::JoinHandle,
};

use async_trait::async_trait;
use redb::{ReadTransaction, ReadableDatabase as _};
use tokio::sync::{mpsc, oneshot};

use super::{Change, CommitError, Record, Store, StoreError, Table, Term};
use crate::time::{Clock, Timestamp};
use file::Opener;
use writer::{Job, SWEEP, Slot, Work, Writer};

/// How many jobs wait for the writer before callers wait to hand theirs in.
const QUEUE: usize = 1024;

/// A [`Store`] in one file of a private folder. Belongs to one process: the file stays locked.
/// Dropping it finishes what waits and closes the file.
pub struct EmbeddedStore {
    slot: Slot,
    clock: Clock,
    /// `None` only while it is dropped.
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

// === impl EmbeddedStore ===

impl EmbeddedStore {
    /// Opens `vestibule.redb` in the folder `path`; makes both if they do not exist. Blocks for
    /// as long as the file takes to open (after a crash: to be checked).
    ///
    /// # Errors
    /// [`StoreError`] with what to do about it.
    pub fn open(path: &Path, clock: Clock) -> Result<Self, StoreError> {
        Self::start(Opener::new(path)?, clock)
    }

    fn start(opener: Opener, clock: Clock) -> Result<Self, StoreError> {
        let database = compaction::compact(&opener, opener.open()?)?;
        let slot: Slot = Arc::new(RwLock::new(Ok(database)));
        let (jobs, queue) = mpsc::channel(QUEUE);
        let writer = Writer { slot: Arc::clone(&slot), opener, clock: clock.clone(), failure: None };
        let thread = std::thread::Builder::new()
            .name("vestibule-store".to_owned())
            .spawn(move || writer.run(queue))
            .map_err(|error| StoreError::Unavailable(format!("its thread does not start: {error}")))?;
        Ok(Self { slot, clock, jobs: Some(jobs), thread: Some(thread) })
    }

    async fn ask(&self, work: Work) -> Result<usize, CommitError> {
        let (done, answer) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or_else(stopped)?;
        jobs.send(Job { work, done }).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    fn read<T>(
        &self,
        look: impl FnOnce(&ReadTransaction, Timestamp) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        let now = self.clock.now();
        let snapshot = match &*self.slot.read().unwrap_or_else(PoisonError::into_inner) {
            Ok(database) => database.begin_read().map_err(redb::Error::from),
            Err(error) => return Err(error.clone()),
        };
        snapshot
            .and_then(|snapshot| look(&snapshot, now))
            .map_err(|error| StoreError::Unavailable(format!("it cannot be read: {error}")))
    }
}

#[async_trait]
impl Store for EmbeddedStore {
    async fn get(&self, table: Table, key: &[u8]) -> Result<Option<Record>, StoreError> {
        self.read(|snapshot, now| schema::get(snapshot, table, key, now))
    }

    async fn commit(&self, batch: Vec<Change>) -> Result<(), CommitError> {
        self.ask(Work::Batch(batch)).await.map(|_| ())
    }

    async fn find(&self, table: Table, term: &Term) -> Result<Vec<Vec<u8>>, StoreError> {
        self.read(|snapshot, now| schema::find(snapshot, table, term, now))
    }

    async fn list(&self, table: Table) -> Result<Vec<(Vec<u8>, Record)>, StoreError> {
        self.read(|snapshot, now| schema::list(snapshot, table, now))
    }

    async fn sweep(&self) -> Result<usize, StoreError> {
        let mut total = 0;
        loop {
            let swept = self.ask(Work::Sweep).await.map_err(store_error)?;
            total += swept;
            if swept < SWEEP {
                return Ok(total);
            }
        }
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.ask(Work::Touch).await.map(|_| ()).map_err(store_error)
    }

    fn backend(&self) -> &'static str {
        "embedded"
    }
}

impl fmt::Debug for EmbeddedStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("EmbeddedStore").finish_non_exhaustive()
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic in it was reported when it happened; there is nothing left to lose.
            drop(thread.join());
        }
    }
}

fn stopped() -> StoreError {
    StoreError::Unavailable("its writer has stopped; restart the program".to_owned())
}

/// A sweep and a touch have no expectations, so they cannot conflict.
fn store_error(error: CommitError) -> StoreError {
    match error {
        CommitError::Store(error) => error,
        CommitError::Conflict => stopped(),
    }
}

#[cfg(test)]
mod tests;
