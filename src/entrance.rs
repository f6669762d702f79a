//! A listener that can move: the new address is bound first, then served, and the old one drains.
//!
//! Knows addresses and the order of moving; what is served, and how, is handed in.

use std::{fmt, future::Future, io, net::SocketAddr, pin::Pin};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::listener::Listener;

/// An address that cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub struct ListenError {
    /// What the configuration says.
    pub address: SocketAddr,
    /// What the system says.
    #[source]
    pub source: io::Error,
}

/// Serves a listener until the token is cancelled, then drains it.
pub type Serve = Box<dyn Fn(Listener, CancellationToken) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// The public or the admin listener over the life of the process.
pub struct Entrance {
    serve: Serve,
    tasks: TaskTracker,
    stop: CancellationToken,
    end: CancellationToken,
    open: Option<Open>,
}

/// Waits until every listener of an [`Entrance`] has drained, or ends them.
#[derive(Clone, Debug)]
pub struct Exit {
    tasks: TaskTracker,
    end: CancellationToken,
}

/// A bound listener that nobody serves yet.
#[derive(Debug)]
pub struct Bound {
    listener: Listener,
    asked: SocketAddr,
    local: SocketAddr,
}

#[derive(Debug)]
struct Open {
    asked: SocketAddr,
    close: CancellationToken,
}

// === impl Bound ===

impl Bound {
    /// A listener for the address that the configuration asks for.
    ///
    /// # Errors
    /// [`ListenError`] if the system does not tell the listener's own address.
    pub fn new(listener: Listener, asked: SocketAddr) -> Result<Self, ListenError> {
        let local = listener.local_address().map_err(|source| ListenError { address: asked, source })?;
        Ok(Self { listener, asked, local })
    }

    /// The address that was bound; tells the port when `:0` was asked for.
    pub fn local(&self) -> SocketAddr {
        self.local
    }
}

// === impl Entrance ===

impl Entrance {
    /// Nothing is open yet. When `stop` is cancelled, everything drains.
    pub fn new(serve: Serve, stop: CancellationToken) -> Self {
        let tasks = TaskTracker::new();
        tasks.close();
        Self { serve, tasks, stop, end: CancellationToken::new(), open: None }
    }

    /// The address that the configuration asked for, if one is open.
    pub fn asked(&self) -> Option<SocketAddr> {
        self.open.as_ref().map(|open| open.asked)
    }

    /// Serves `bound` from now on; what was open until now drains. `None` only drains.
    pub fn turn_to(&mut self, bound: Option<Bound>) {
        let next = bound.map(|Bound { listener, asked, .. }| {
            let close = self.stop.child_token();
            let serving = (self.serve)(listener, close.clone());
            self.tasks.spawn(self.end.clone().run_until_cancelled_owned(serving));
            Open { asked, close }
        });
        if let Some(old) = std::mem::replace(&mut self.open, next) {
            tracing::info!(address = %old.asked, "the old address takes no new connections");
            old.close.cancel();
        }
    }

    /// For whoever waits for the end.
    pub fn exit(&self) -> Exit {
        Exit { tasks: self.tasks.clone(), end: self.end.clone() }
    }
}

impl fmt::Debug for Entrance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Entrance").field("open", &self.open).finish_non_exhaustive()
    }
}

// === impl Exit ===

impl Exit {
    /// Returns when every listener has drained.
    pub async fn drained(&self) {
        self.tasks.wait().await;
    }

    /// Ends every listener and its connections at once.
    pub fn end(&self) {
        self.end.cancel();
    }
}
