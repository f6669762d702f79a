//! The one thread that writes: takes everything that waits and commits it as one durable
//! transaction (one fsync for all), and opens the file again after a failure.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use redb::{Database, WriteTransaction};
use tokio::sync::{mpsc, oneshot};

use super::{file::Opener, schema::Writing};
use crate::{
    store::{Change, CommitError, StoreError},
    time::Clock,
};

/// How many jobs one transaction takes.
const GROUP: usize = 256;

/// How many ended records one job removes, so that a sweep never holds others up for long.
pub(super) const SWEEP: usize = 1000;

/// How long a file that failed is not written to again.
const REST: Duration = Duration::from_millis(250);

/// The open database, or why there is none. Locked for moments only: readers take their snapshot
/// under it, the writer replaces what failed.
pub(super) type Slot = Arc<RwLock<Result<Database, StoreError>>>;

/// What the thread is asked to do.
pub(super) enum Work {
    /// Apply all or nothing.
    Batch(Vec<Change>),
    /// Remove up to [`SWEEP`] ended records.
    Sweep,
    /// Show that the file can be written to.
    Touch,
}

/// Work, and who waits for it. The number is how many records a sweep removed.
pub(super) struct Job {
    pub(super) work: Work,
    pub(super) done: oneshot::Sender<Done>,
}

/// How a job ended.
pub(super) type Done = Result<usize, CommitError>;

pub(super) struct Writer {
    pub(super) slot: Slot,
    pub(super) opener: Opener,
    pub(super) clock: Clock,
    /// The last failure, until something was written again.
    pub(super) failure: Option<(Instant, StoreError)>,
}

// === impl Writer ===

impl Writer {
    /// Until the last sender is gone and the queue is empty; then the file is closed.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        let mut jobs = Vec::new();
        while queue.blocking_recv_many(&mut jobs, GROUP) > 0 {
            let answers = match self.group(&jobs) {
                Ok(results) => results,
                Err(error) => vec![Err(error.into()); jobs.len()],
            };
            for (job, answer) in jobs.drain(..).zip(answers) {
                // Nobody may be waiting any more; the work is done all the same.
                drop(job.done.send(answer));
            }
        }
        self.replace(Err(StoreError::Unavailable("it was closed".to_owned())));
    }

    /// One transaction for all jobs. A conflict is its batch's alone; an error is everybody's, and
    /// each batch of the group is then either wholly written or not at all.
    pub(super) fn group(&mut self, jobs: &[Job]) -> Result<Vec<Done>, StoreError> {
        if let Some((at, error)) = &self.failure
            && at.elapsed() < REST
        {
            return Err(error.clone());
        }
        let result = self.begin().and_then(|transaction| {
            // The library may panic on a damaged file; this thread must outlive that.
            catch_unwind(AssertUnwindSafe(|| self.write(transaction, jobs)))
                .unwrap_or_else(|_| Err(redb::Error::Corrupted("the database library stopped".to_owned())))
                .map_err(|error| self.opener.explain(error))
        });
        self.failure = result.as_ref().err().map(|error| (Instant::now(), error.clone()));
        if self.failure.is_some() {
            self.reopen();
        }
        result
    }

    fn begin(&self) -> Result<WriteTransaction, StoreError> {
        if self.slot.read().unwrap_or_else(PoisonError::into_inner).is_err() {
            self.replace(self.opener.open());
        }
        match &*self.slot.read().unwrap_or_else(PoisonError::into_inner) {
            Ok(database) => database.begin_write().map_err(|error| self.opener.explain(error.into())),
            Err(error) => Err(error.clone()),
        }
    }

    fn write(&self, transaction: WriteTransaction, jobs: &[Job]) -> Result<Vec<Done>, redb::Error> {
        let now = self.clock.now();
        let mut results = Vec::with_capacity(jobs.len());
        let mut changed = false;
        {
            let mut writing = Writing::begin(&transaction)?;
            for job in jobs {
                results.push(match &job.work {
                    Work::Batch(batch) if !writing.holds(batch, now)? => Err(CommitError::Conflict),
                    Work::Batch(batch) => {
                        for change in batch {
                            writing.apply(change)?;
                        }
                        changed = true;
                        Ok(0)
                    }
                    Work::Sweep => {
                        let swept = writing.sweep(now, SWEEP)?;
                        changed |= swept > 0;
                        Ok(swept)
                    }
                    Work::Touch => {
                        writing.touch()?;
                        changed = true;
                        Ok(0)
                    }
                });
            }
        }
        if changed {
            transaction.commit()?;
        } else {
            transaction.abort()?;
        }
        Ok(results)
    }

    /// After a failure the library refuses everything, reads too, until its file was closed and
    /// opened again.
    fn reopen(&self) {
        // The old handle goes first: it holds the file's lock.
        self.replace(Err(StoreError::Unavailable("it is being opened again".to_owned())));
        self.replace(self.opener.open());
    }

    fn replace(&self, with: Result<Database, StoreError>) {
        let before = {
            let mut slot = self.slot.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *slot, with)
        };
        // Closing writes to the file: not under the lock.
        drop(before);
    }
}
