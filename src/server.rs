//! Puts store, keys, live configuration and listeners together; owns the order of start and stop.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    admin::{Admin, Readiness},
    config::plan::{Plan, StoragePlan},
    edge,
    keys::{KeyError, KeyRing},
    listener::{self, Settings},
    live::{BuildError, Live, Shared},
    metrics::Metrics,
    seal::{RootSecretError, Sealer},
    secret::Secret,
    store::{Store, StoreError, memory::MemoryStore, record::Records, redb::EmbeddedStore, root_secret},
    time::Clock,
};

/// How often expired records are removed.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// An address could not be bound.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// What the configuration says.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The store could not be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A root secret cannot be used.
    #[error(transparent)]
    RootSecret(#[from] RootSecretError),
    /// The signing keys could not be read or made.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The plan could not be made live.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The metrics could not be set up.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// A running server.
#[derive(Debug)]
pub struct Running {
    /// Where clients connect (the real port, if the plan says 0).
    pub address: SocketAddr,
    /// Where operators connect.
    pub admin_address: Option<SocketAddr>,
    stop: CancellationToken,
    public: JoinHandle<()>,
    admin: Option<JoinHandle<()>>,
    background: Vec<JoinHandle<()>>,
}
