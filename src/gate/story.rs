//! What a route's gate tells of the sign-ins behind its requests: that the first call passed, and why a
//! later one did not.
//!
//! Nothing is told of a request whose token is known and good.

use std::sync::Arc;

use crate::{flow::Flows, metrics::outcome::Verification};

/// The stories that one route adds to.
#[derive(Debug)]
pub(super) struct Story {
    flows: Arc<Flows>,
    /// The route's.
    path: String,
}

// === impl Story ===

impl Story {
    pub(super) fn new(flows: Arc<Flows>, path: String) -> Self {
        Self { flows, path }
    }

    /// A token that was not seen before is good.
    pub(super) fn accepted(&self, digest: &[u8; 32]) {
        self.flows.accepted(digest, &self.path);
    }

    /// A token is refused. That its time is over is no story: the client renews it.
    pub(super) fn refused(&self, digest: &[u8; 32], outcome: Verification, reason: Option<&str>) {
        if outcome == Verification::Expired {
            return;
        }
        let (path, word) = (&self.path, outcome.as_str());
        let text = match reason {
            Some(reason) => format!("a call to {path} was refused ({word}): {reason}"),
            None => format!("a call to {path} was refused ({word})"),
        };
        self.flows.refuse_token(digest, word, &text);
    }
}
