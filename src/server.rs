//! Puts store, keys, live configuration and listeners together; owns the order of start and stop.

mod follow;
mod keys;
mod process;
mod storage;

use std::{
    fmt,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use tokio::{task::JoinHandle, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::{
    admin::Admin,
    config::plan::Plan,
    entrance::{Bound, Entrance, Exit, ListenError, Serve},
    flow::Flows,
    keys::{KeyError, KeyRing},
    listener::{
        Listener,
        tls::{Certificate, Tls, TlsError},
    },
    live::{BuildError, Live, Shared},
    metrics::Metrics,
    reload::{Entrances, Parts, Reloader, Source, Worker},
    seal::{RootSecretError, Sealer},
    store::{StoreError, record::Records},
    time::Clock,
};
use process::Process;

/// How often expired records are removed.
const SWEEP_INTERVAL: Duration = Duration::from_mins(1);

/// How often the grants in the store are counted.
const COUNT_INTERVAL: Duration = Duration::from_mins(1);

/// How often the store is asked whether it is there.
const HEALTH_INTERVAL: Duration = Duration::from_secs(10);

/// How often sign-ins that took too long are given up.
const SETTLE_INTERVAL: Duration = Duration::from_secs(10);

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// An address could not be bound.
    #[error(transparent)]
    Listen(#[from] ListenError),
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
    /// Where clients connect at first (the real port, if the plan says 0).
    pub address: SocketAddr,
    /// Where operators connect at first.
    pub admin_address: Option<SocketAddr>,
    stop: CancellationToken,
    public: Exit,
    admin: Exit,
    rest: Vec<JoinHandle<()>>,
    reloader: Arc<Reloader>,
}

// === impl Running ===

impl Running {
    /// Reads the configuration again, or tells how that last ended.
    pub fn reloader(&self) -> &Arc<Reloader> {
        &self.reloader
    }

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
        self.stop.cancelled().await;
        self.public.drained().await;
        // The admin listener outlives the drain: whoever watches wants to see it.
        self.admin.end();
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

/// Starts everything a plan describes, for good: there is nothing that could be read again.
///
/// # Errors
/// [`ServeError`]; nothing runs then.
pub async fn start(plan: Plan) -> Result<Running, ServeError> {
    run(plan, None).await
}

/// Starts what was loaded, and follows its source: changes become what runs.
///
/// # Errors
/// [`ServeError`]; nothing runs then.
pub async fn follow(plan: Plan, source: Source) -> Result<Running, ServeError> {
    run(plan, Some(source)).await
}

/// When this returns, both listeners accept.
///
/// The sockets are bound before anything else is touched but the certificate: an address in use
/// changes nothing.
async fn run(plan: Plan, source: Option<Source>) -> Result<Running, ServeError> {
    let begun = Instant::now();
    let clock = Clock::system();
    let metrics = Metrics::new()?;
    let certificate = load_certificate(&plan, &clock)?;
    let tls = certificate.map(|certificate| Tls::new(certificate, &metrics)).transpose()?.map(Arc::new);
    let bound = bind(plan.listen, &plan, Some(Arc::clone(&metrics)), tls.clone()).await?;
    let bound_admin = match plan.admin_listen {
        Some(address) => Some(bind(address, &plan, None, None).await?),
        None => None,
    };
    let (address, admin_address) = (bound.local(), bound_admin.as_ref().map(Bound::local));

    let storage::Opened { store, redis, own_secret } = storage::open(&plan.storage, &clock).await?;
    let own = std::slice::from_ref(&own_secret);
    let sealer = Arc::new(Sealer::new(if plan.root_secrets.is_empty() { own } else { &plan.root_secrets })?);
    let records = Records::new(store, Arc::clone(&sealer), Arc::clone(&metrics), clock.clone());
    let keys = Arc::new(KeyRing::load(&records, &plan.signing, clock.clone()).await?);
    let shared = Arc::new(Shared::new(
        Arc::clone(&sealer),
        records.clone(),
        Arc::clone(&keys),
        Arc::clone(&metrics),
        clock.clone(),
    )?);

    let live = Live::build(plan, &shared, None)?;
    shared.settle(live.plan()).await?;
    let live = Arc::new(ArcSwap::from_pointee(live));
    let (settled, flows) = (Arc::clone(&live), Arc::clone(shared.flows()));
    let stop = CancellationToken::new();
    let public = Entrance::new(public(Arc::clone(&live)), stop.clone());
    let log = source.as_ref().and_then(|source| source.log.clone());
    let parts = Parts {
        source,
        live: Arc::clone(&live),
        shared,
        keys: Arc::clone(&keys),
        sealer,
        own_secret,
        redis,
        tls,
        metrics: Arc::clone(&metrics),
        clock: clock.clone(),
    };
    let (worker, reloader) = Worker::new(parts, begun);
    if let Some(log) = &log {
        log.count_audit_losses(metrics.audit_losses());
    }
    let process = Process {
        live,
        records: records.clone(),
        keys: Arc::clone(&keys),
        reloader: Arc::clone(&reloader),
        stop: stop.clone(),
        started: clock.now(),
        flows: Arc::clone(&flows),
        clock,
    };
    let admin = Admin::new(metrics, Arc::new(process));
    let admin = Entrance::new(self::admin(admin), CancellationToken::new());
    let (exit, admin_exit) = (public.exit(), admin.exit());
    let work = worker.run(Entrances::open(public, bound, admin, bound_admin), stop.clone());
    let rest = vec![
        tokio::spawn(follow::follow(records.clone(), Arc::clone(&settled))),
        tokio::spawn(self::keys::tend(keys)),
        tokio::spawn(self::keys::seal_anew(records.clone(), Arc::clone(&settled))),
        tokio::spawn(records.clone().watch(HEALTH_INTERVAL)),
        tokio::spawn(sweep(records)),
        tokio::spawn(count(Arc::clone(&settled))),
        tokio::spawn(settle(settled, flows)),
        tokio::spawn(work),
    ];
    Ok(Running { address, admin_address, stop, public: exit, admin: admin_exit, rest, reloader })
}

fn load_certificate(plan: &Plan, clock: &Clock) -> Result<Option<Certificate>, TlsError> {
    plan.tls.as_ref().map(|tls| Certificate::load(tls, clock.now())).transpose()
}

/// The public listener's work.
fn public(live: Arc<ArcSwap<Live>>) -> Serve {
    Box::new(move |listener, stop| {
        let live = Arc::clone(&live);
        Box::pin(async move {
            let handler = move |request, peer| {
                // Whatever is under way finishes on the configuration that it began with.
                let live = live.load_full();
                async move { live.surface().answer(peer, request).await }
            };
            let drained = listener.serve(handler, stop.cancelled_owned()).await;
            tracing::info!(open = drained.open, cut = drained.cut, "stopped");
        })
    })
}

/// The admin listener's work.
fn admin(admin: Admin) -> Serve {
    Box::new(move |listener, stop| {
        let admin = admin.clone();
        Box::pin(async move {
            let handler = move |request, peer| {
                let admin = admin.clone();
                async move { admin.answer(request, peer).await }
            };
            listener.serve(handler, stop.cancelled_owned()).await;
        })
    })
}

async fn bind(
    address: SocketAddr,
    plan: &Plan,
    metrics: Option<Arc<Metrics>>,
    tls: Option<Arc<Tls>>,
) -> Result<Bound, ServeError> {
    let listener = Listener::bind(address, &plan.limits, metrics).await;
    let listener = listener.map_err(|source| ListenError { address, source })?;
    Ok(Bound::new(listener.with_tls(tls), address)?)
}

/// Sign-ins that nobody ends.
async fn settle(live: Arc<ArcSwap<Live>>, flows: Arc<Flows>) {
    let mut ticks = tokio::time::interval(SETTLE_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        live.load().settle_flows(&flows);
    }
}

/// For the metrics.
async fn count(live: Arc<ArcSwap<Live>>) {
    let mut ticks = tokio::time::interval(COUNT_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let live = live.load_full();
        live.count_grants().await;
    }
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
