//! Puts store, keys, live configuration and listeners together; owns the order of start and stop.

use std::{fmt, io, net::SocketAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::{task::JoinHandle, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::{
    admin::{Admin, NamedPart, Part, Probe, Readiness},
    config::plan::{Plan, StoragePlan},
    keys::{KeyError, KeyRing},
    listener::{
        Listener,
        tls::{Certificate, Tls, TlsError},
    },
    live::{BuildError, Live, Shared},
    metrics::Metrics,
    seal::{RootSecretError, Sealer, random_text},
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
        source: io::Error,
    },
    /// The certificate cannot be used.
    #[error("tls: {0}")]
    Tls(#[from] TlsError),
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

/// A running server. Dropping it does not stop it; [`Running::stop`] does.
pub struct Running {
    /// Where clients connect (the real port, if the plan says 0).
    pub address: SocketAddr,
    /// Where operators connect.
    pub admin_address: Option<SocketAddr>,
    stop: CancellationToken,
    public: JoinHandle<()>,
    rest: Vec<JoinHandle<()>>,
}

// === impl Running ===

impl Running {
    /// Asks the server to drain: `/readyz` turns 503, no new connections, running requests may end.
    pub fn drain(&self) {
        self.stop.cancel();
    }

    /// Drains, and returns when the last connection is gone or the deadline has passed.
    pub async fn stop(self) {
        self.stop.cancel();
        self.wait().await;
    }

    /// Returns when the server has stopped.
    pub async fn wait(self) {
        if let Err(error) = self.public.await {
            tracing::error!(%error, "the public listener ended badly");
        }
        for task in self.rest {
            task.abort();
        }
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Running").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Reads the files that a plan only names, as [`start`] would, and starts nothing.
///
/// # Errors
/// [`TlsError`] if the certificate cannot be used.
pub fn check_files(plan: &Plan) -> Result<(), TlsError> {
    load_certificate(plan, &Clock::system()).map(drop)
}

/// Starts everything a plan describes. When this returns, both listeners accept.
///
/// The sockets are bound before anything else is touched but the certificate: an address in use changes nothing.
///
/// # Errors
/// [`ServeError`]; nothing runs then.
pub async fn start(plan: Plan) -> Result<Running, ServeError> {
    let clock = Clock::system();
    let metrics = Metrics::new()?;
    let certificate = load_certificate(&plan, &clock)?;
    let tls = certificate.map(|certificate| Tls::new(certificate, &metrics)).transpose()?.map(Arc::new);
    let public = bind(plan.listen, &plan, Some(Arc::clone(&metrics))).await?.with_tls(tls);
    let admin = match plan.admin_listen {
        Some(address) => Some(bind(address, &plan, None).await?),
        None => None,
    };
    let address = public.local_address().map_err(|source| ServeError::Listen { address: plan.listen, source })?;
    let admin_address = admin.as_ref().and_then(|listener| listener.local_address().ok());

    let (store, root_secrets) = open_store(&plan, &clock).await?;
    let sealer = Arc::new(Sealer::new(&root_secrets)?);
    let records = Records::new(store, Arc::clone(&sealer), Arc::clone(&metrics), clock.clone());
    let keys = Arc::new(KeyRing::load(&records, plan.signing, clock.clone()).await?);
    let shared = Shared::new(sealer, records.clone(), keys, Arc::clone(&metrics), clock)?;

    let live = Live::build(plan, &shared, None)?;
    let live = Arc::new(ArcSwap::from_pointee(live));
    let stop = CancellationToken::new();
    let mut rest = vec![tokio::spawn(sweep(records.clone()))];
    if let Some(listener) = admin {
        let admin = Admin::new(metrics, probe(Arc::clone(&live), records, stop.clone()));
        // The admin listener outlives the drain: whoever watches wants to see it.
        rest.push(tokio::spawn(async move {
            let handler = move |request, peer| {
                let admin = admin.clone();
                async move { admin.answer(request, peer).await }
            };
            listener.serve(handler, std::future::pending()).await;
        }));
    }
    let public = tokio::spawn(serve_public(public, Arc::clone(&live), stop.clone()));
    Ok(Running { address, admin_address, stop, public, rest })
}

/// What `/readyz` asks.
fn probe(live: Arc<ArcSwap<Live>>, records: Records, stop: CancellationToken) -> Probe {
    Arc::new(move || {
        let (live, records, draining) = (live.load_full(), records.clone(), stop.is_cancelled());
        Box::pin(async move {
            let store = match records.health().await {
                Ok(()) => Part { ready: true, reason: None },
                Err(error) => Part { ready: false, reason: Some(error.to_string()) },
            };
            let providers = live.readiness().into_iter().map(|(name, readiness)| NamedPart {
                name,
                state: Part { ready: readiness.ready, reason: readiness.reason },
            });
            Readiness { draining, store, providers: providers.collect() }
        })
    })
}

fn load_certificate(plan: &Plan, clock: &Clock) -> Result<Option<Certificate>, TlsError> {
    plan.tls.as_ref().map(|tls| Certificate::load(tls, clock.now())).transpose()
}

async fn serve_public(listener: Listener, live: Arc<ArcSwap<Live>>, stop: CancellationToken) {
    let handler = move |request, peer| {
        // Whatever is under way finishes on the configuration that it began with.
        let live = live.load_full();
        async move { live.surface().answer(peer, request).await }
    };
    let drained = listener.serve(handler, async move { stop.cancelled().await }).await;
    tracing::info!(open = drained.open, cut = drained.cut, "stopped");
}

async fn bind(address: SocketAddr, plan: &Plan, metrics: Option<Arc<Metrics>>) -> Result<Listener, ServeError> {
    Listener::bind(address, &plan.limits, metrics).await.map_err(|source| ServeError::Listen { address, source })
}

/// Opens the store, and finds the root secrets: the configured ones, else one that the store keeps.
async fn open_store(plan: &Plan, clock: &Clock) -> Result<(Arc<dyn Store>, Vec<Secret>), ServeError> {
    let (store, own): (Arc<dyn Store>, Secret) = match &plan.storage {
        StoragePlan::Memory => (Arc::new(MemoryStore::new(clock.clone())), Secret::new(random_text::<32>())),
        StoragePlan::Embedded { path } => {
            let (path, clock) = (path.clone(), clock.clone());
            let opened = tokio::task::spawn_blocking(move || {
                let secret = root_secret::load_or_create(&path)?;
                Ok::<_, StoreError>((EmbeddedStore::open(&path, clock)?, secret))
            });
            let (store, secret) = opened.await.map_err(|error| StoreError::Unusable(error.to_string()))??;
            (Arc::new(store), secret)
        }
    };
    let secrets = if plan.root_secrets.is_empty() { vec![own] } else { plan.root_secrets.clone() };
    Ok((store, secrets))
}

async fn sweep(records: Records) {
    let mut ticks = tokio::time::interval(SWEEP_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match records.sweep().await {
            Ok(0) => {}
            Ok(removed) => tracing::debug!(removed, "expired records removed"),
            Err(error) => tracing::warn!(%error, "expired records could not be removed"),
        }
    }
}
