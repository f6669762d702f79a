//! A changed configuration becomes the running one, or nothing changes: read, checked and built
//! beside what runs, then swapped in by one pointer.
//!
//! One task owns everything that an attempt touches, so there is one attempt at a time. Whatever
//! may fail comes before the swap, and nothing after it can.

mod report;
mod worker;

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot};

pub use crate::metrics::outcome::{ReloadOutcome, ReloadTrigger};
pub use report::ReloadReport;
pub use worker::{Entrances, Parts, Source, Worker};

/// How often the files are read in any case: what no event tells (bind mounts, network file
/// systems) is found within this time.
pub const POLL: Duration = Duration::from_secs(30);

/// Callers that may wait for an attempt; the next one waits for a place.
const WAITING: usize = 16;

/// Asks for attempts, and knows how the last one ended. Shared behind an `Arc`.
#[derive(Debug)]
pub struct Reloader {
    asked: mpsc::Sender<Asked>,
    last: ArcSwap<ReloadReport>,
}

/// Somebody wants the configuration to be read.
#[derive(Debug)]
struct Asked {
    trigger: ReloadTrigger,
    answer: oneshot::Sender<Arc<ReloadReport>>,
}

// === impl Reloader ===

impl Reloader {
    /// How the last attempt ended; the start counts as one.
    pub fn last(&self) -> Arc<ReloadReport> {
        self.last.load_full()
    }

    /// Reads the configuration now and returns how that ended. While the process stops, nothing is
    /// read and the last report is the answer.
    pub async fn reload(&self, trigger: ReloadTrigger) -> Arc<ReloadReport> {
        let (answer, answered) = oneshot::channel();
        if self.asked.send(Asked { trigger, answer }).await.is_err() {
            return self.last();
        }
        answered.await.unwrap_or_else(|_| self.last())
    }
}
