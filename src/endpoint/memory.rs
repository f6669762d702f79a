//! What this process remembers of sign-ins that were used, so that each is used once.
//!
//! Bounded, in memory, and only the second line: the first is that a sign-in's cookie is taken
//! back. That a state is used once after a restart or on another replica, too, is in the store.

use std::{fmt, sync::Arc, time::Duration};

use moka::{policy::EvictionPolicy, sync::Cache};

use super::consent::Approval;
use crate::seal::sha256;

/// Each set keeps this many digests at most; the oldest go first.
const MAX_DIGESTS: u64 = 100_000;
/// Longer than any authorization request or sign-in can wait.
const KEEP: Duration = Duration::from_hours(24);
/// How long the same approval, sent again, gets the same answer (a double click).
const DOUBLE_CLICK: Duration = Duration::from_secs(15);
/// Approvals remembered whole; each is at most some 16 KB.
const MAX_APPROVALS: u64 = 1000;

/// Shared by all mounts; outlives a reload.
pub struct Memory {
    decisions: Cache<[u8; 32], Decision>,
    states: Cache<[u8; 32], ()>,
    /// States that came without their cookie. Anybody can fill this one, so it is another set.
    strangers: Cache<[u8; 32], ()>,
    pub(super) approvals: moka::future::Cache<[u8; 32], Arc<Approval>>,
}

/// What a person decided on the consent page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Approved,
    Denied,
}

/// Whether a decision counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decided {
    /// It is the first.
    Now,
    /// There was one before.
    Before(Decision),
}

// === impl Memory ===

impl Memory {
    /// Remembers nothing yet.
    pub fn new() -> Self {
        Self::of(MAX_DIGESTS)
    }

    fn of(digests: u64) -> Self {
        Self {
            decisions: bounded(digests),
            states: bounded(digests),
            strangers: bounded(digests),
            approvals: moka::future::Cache::builder().max_capacity(MAX_APPROVALS).time_to_live(DOUBLE_CLICK).build(),
        }
    }

    /// Marks an authorization request as decided, and says what was decided: `decision`, or
    /// whatever came before it.
    pub(super) fn decide(&self, transaction: [u8; 32], decision: Decision) -> Decided {
        let entry = self.decisions.entry(transaction).or_insert(decision);
        if entry.is_fresh() { Decided::Now } else { Decided::Before(entry.into_value()) }
    }

    /// What was decided about an authorization request.
    pub(super) fn decision(&self, transaction: [u8; 32]) -> Option<Decision> {
        self.decisions.get(&transaction)
    }

    /// Marks a `state` as used by the browser that it belongs to; false if it was used before, by
    /// anybody.
    pub(super) fn spend(&self, state: &str) -> bool {
        let digest = sha256(state.as_bytes());
        self.states.entry(digest).or_insert(()).is_fresh() && !self.strangers.contains_key(&digest)
    }

    /// Marks a `state` that came from a browser which does not have its cookie (S01).
    pub(super) fn burn(&self, state: &str) {
        self.strangers.insert(sha256(state.as_bytes()), ());
    }

    /// Whether the `state` was used, or burnt.
    pub(super) fn is_known(&self, state: &str) -> bool {
        let digest = sha256(state.as_bytes());
        self.states.contains_key(&digest) || self.strangers.contains_key(&digest)
    }

    /// Whether the `state` was used by the browser that it belongs to.
    pub(super) fn is_spent(&self, state: &str) -> bool {
        self.states.contains_key(&sha256(state.as_bytes()))
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Memory")
    }
}

/// The newest stay. The cache's own choice would be the most used ones, and then nothing new is
/// remembered any more once somebody has filled it.
fn bounded<V: Clone + Send + Sync + 'static>(digests: u64) -> Cache<[u8; 32], V> {
    Cache::builder().max_capacity(digests).time_to_live(KEEP).eviction_policy(EvictionPolicy::lru()).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S01: a state is used once, and not at all after it was seen elsewhere.
    #[test]
    fn s01_a_state_is_used_once() {
        let memory = Memory::new();
        assert!(memory.spend("a"));
        assert!(!memory.spend("a"));
        assert!(memory.is_spent("a"));
        memory.burn("b");
        assert!(!memory.is_spent("b"));
        assert!(!memory.spend("b"));
    }

    /// S01: whoever fills the memory pushes out the oldest; what comes then is remembered.
    #[test]
    fn s01_a_full_memory_remembers_the_newest() {
        let memory = Memory::of(10);
        for number in 0..200 {
            let state = number.to_string();
            assert!(memory.spend(&state), "{state}");
            memory.states.run_pending_tasks();
            assert!(memory.is_spent(&state) && !memory.spend(&state), "{state}");
        }
    }

    /// S02: an authorization request is answered once.
    #[test]
    fn s02_a_request_is_answered_once() {
        let memory = Memory::new();
        assert_eq!(memory.decision([1; 32]), None);
        assert_eq!(memory.decide([1; 32], Decision::Denied), Decided::Now);
        assert_eq!(memory.decide([1; 32], Decision::Approved), Decided::Before(Decision::Denied));
        assert_eq!(memory.decision([1; 32]), Some(Decision::Denied));
    }
}
