//! Sessions (Streamable HTTP, "Session Management"): made by `initialize`, named by
//! `Mcp-Session-Id`, ended by DELETE, by disuse or to make room.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::seal::random_text;

/// Sessions at one time; the one that was used longest ago makes room.
const MAX_SESSIONS: usize = 1000;

/// A session that nobody used for this long is over.
const IDLE: Duration = Duration::from_hours(1);

/// A revision of the protocol that the server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Revision {
    V2025_03_26,
    V2025_06_18,
    V2025_11_25,
}

/// All sessions.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<HashMap<String, Entry>>);

#[derive(Debug)]
struct Entry {
    session: Arc<Session>,
    used_at: Instant,
}

/// One session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) revision: Revision,
    /// Who made it. An id in other hands is unknown, so that a stolen one is worth nothing.
    owner: Option<String>,
    /// Log messages of level `info` are not wanted.
    quiet: Mutex<bool>,
    /// Requests that stream their answer, by their id.
    running: Mutex<HashMap<String, CancellationToken>>,
    ended: CancellationToken,
}

/// A running request; no longer listed when dropped.
#[derive(Debug)]
pub(super) struct RunningRequest {
    session: Arc<Session>,
    id: String,
    pub(super) cancelled: CancellationToken,
}

// === impl Revision ===

impl Revision {
    /// What is offered to a client that asks for something else.
    pub(super) const LATEST: Self = Self::V2025_11_25;

    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::V2025_03_26, Self::V2025_06_18, Self::V2025_11_25].into_iter().find(|own| own.as_str() == text)
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
        }
    }

    /// Arrays of messages went away with 2025-06-18.
    pub(super) fn has_batches(self) -> bool {
        self == Self::V2025_03_26
    }
}

// === impl Sessions ===

impl Sessions {
    /// A new session and its id.
    pub(super) fn start(&self, revision: Revision, owner: Option<String>) -> (String, Arc<Session>) {
        let session = Arc::new(Session {
            revision,
            owner,
            quiet: Mutex::default(),
            running: Mutex::default(),
            ended: CancellationToken::new(),
        });
        let id = random_text::<24>();
        let mut sessions = lock(&self.0);
        let now = Instant::now();
        sessions.retain(|_, entry| now.duration_since(entry.used_at) < IDLE);
        if sessions.len() >= MAX_SESSIONS {
            let oldest = sessions.iter().min_by_key(|(_, entry)| entry.used_at).map(|(id, _)| id.clone());
            drop(oldest.and_then(|id| sessions.remove(&id)));
        }
        sessions.insert(id.clone(), Entry { session: Arc::clone(&session), used_at: now });
        (id, session)
    }

    /// The session with this id, if it belongs to `owner` and is not over.
    pub(super) fn find(&self, id: &str, owner: Option<&str>) -> Option<Arc<Session>> {
        let mut sessions = lock(&self.0);
        let entry = sessions.get_mut(id)?;
        let now = Instant::now();
        if now.duration_since(entry.used_at) >= IDLE {
            sessions.remove(id);
            return None;
        }
        if entry.session.owner.as_deref() != owner {
            return None;
        }
        entry.used_at = now;
        Some(Arc::clone(&entry.session))
    }

    pub(super) fn end(&self, id: &str) {
        lock(&self.0).remove(id);
    }

    pub(super) fn end_all(&self) {
        lock(&self.0).clear();
    }

    pub(super) fn count(&self) -> usize {
        lock(&self.0).len()
    }
}

/// However a session leaves the table, its streams end.
impl Drop for Entry {
    fn drop(&mut self) {
        self.session.ended.cancel();
    }
}

// === impl Session ===

impl Session {
    /// Lists a request, so that it can be cancelled.
    pub(super) fn begin(self: &Arc<Self>, id: &Value) -> RunningRequest {
        let cancelled = self.ended.child_token();
        let id = id.to_string();
        lock(&self.running).insert(id.clone(), cancelled.clone());
        RunningRequest { session: Arc::clone(self), id, cancelled }
    }

    /// `notifications/cancelled`; an id that nothing runs under is ignored.
    pub(super) fn cancel(&self, id: &Value) {
        if let Some(token) = lock(&self.running).get(&id.to_string()) {
            token.cancel();
        }
    }

    /// Resolves when the session is over.
    pub(super) fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }

    /// `logging/setLevel`; the server's messages all have the level `info`.
    pub(super) fn set_log_level(&self, level: &str) {
        *lock(&self.quiet) = !matches!(level, "debug" | "info");
    }

    pub(super) fn is_quiet(&self) -> bool {
        *lock(&self.quiet)
    }
}

impl Drop for RunningRequest {
    fn drop(&mut self) {
        lock(&self.session.running).remove(&self.id);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
