//! An end that comes once and is seen at once: an atomic read for who asks, a wake for who waits.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Whether something is over.
#[derive(Debug, Default)]
pub struct End {
    reached: AtomicBool,
    waiting: Notify,
}

// === impl End ===

impl End {
    /// One atomic read.
    pub fn is_reached(&self) -> bool {
        self.reached.load(Ordering::SeqCst)
    }

    /// Resolves when the end comes; at once if it has.
    pub async fn reached(&self) {
        let notified = self.waiting.notified();
        tokio::pin!(notified);
        // From here on an end wakes this, so the look comes after.
        notified.as_mut().enable();
        if !self.is_reached() {
            notified.await;
        }
    }

    pub(super) fn reach(&self) {
        self.reached.store(true, Ordering::SeqCst);
        self.waiting.notify_waiters();
    }
}
