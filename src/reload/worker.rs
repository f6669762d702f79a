//! The task that makes attempts: it waits for a reason, and owns everything that an attempt touches.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Asked, ReloadOutcome, ReloadReport, ReloadTrigger, Reloader, WAITING};
use crate::{
    audit::{Entry, Event},
    config::{
        self, Diagnostics, Loaded, Severity, Sources,
        diff::diff,
        facts::facts,
        plan::{Plan, StoragePlan},
        watch::{Trigger, Watch},
    },
    entrance::{Bound, Entrance, ListenError},
    keys::{KeyError, KeyRing},
    listener::{
        Listener,
        tls::{Certificate, Tls, TlsError},
    },
    live::{BuildError, Live, Shared},
    metrics::Metrics,
    seal::{RootSecretError, Sealer},
    secret::Secret,
    store::redis::RedisStore,
    supervisor,
    telemetry::{Log, Prepared, TelemetryError},
    time::Clock,
};

/// What a [`Worker`] works on.
#[derive(Debug)]
pub struct Parts {
    /// Where the configuration comes from; `None`: it was handed over whole, and stays.
    pub source: Option<Source>,
    /// What runs.
    pub live: Arc<ArcSwap<Live>>,
    /// What outlives a change.
    pub shared: Arc<Shared>,
    /// Our signing keys.
    pub keys: Arc<KeyRing>,
    /// Seals for everybody.
    pub sealer: Arc<Sealer>,
    /// The root secret that the store keeps, for when none is configured.
    pub own_secret: Secret,
    /// The store, if its user and password can change.
    pub redis: Option<Arc<RedisStore>>,
    /// The public listener's certificate.
    pub tls: Option<Arc<Tls>>,
    /// Everybody's.
    pub metrics: Arc<Metrics>,
    /// Now.
    pub clock: Clock,
}

/// Where a configuration was read from.
#[derive(Debug)]
pub struct Source {
    /// The file, the `.env` file and the environment.
    pub sources: Sources,
    /// Every file that was read.
    pub files: Vec<PathBuf>,
    /// How often they are read in any case.
    pub poll: Duration,
    /// The program's log.
    pub log: Option<Log>,
}

/// The listeners, which may move.
#[derive(Debug)]
pub struct Entrances {
    public: Entrance,
    admin: Entrance,
}

/// Makes attempts, one at a time.
#[derive(Debug)]
pub struct Worker {
    parts: Parts,
    watch: Option<Watch>,
    asked: mpsc::Receiver<Asked>,
    reloader: Arc<Reloader>,
}

/// Why what was read does not run.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("{}", on_one_line(.0))]
    Configuration(Diagnostics),
    #[error("tls: {0}")]
    Certificate(#[from] TlsError),
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error("secret: {0}")]
    RootSecret(#[from] RootSecretError),
    #[error(transparent)]
    Keys(#[from] KeyError),
    #[error(transparent)]
    Log(#[from] TelemetryError),
    #[error(
        "`storage` (but its user and password), and whether there is `tls`, cannot change while the process runs: restart it"
    )]
    Restart,
    #[error("this process was started with a fixed configuration: there is nothing to read again")]
    Fixed,
    #[error("the attempt ended badly")]
    Panicked,
}

/// What was read: a good plan, and the certificate that it names.
struct Read {
    plan: Plan,
    certificate: Option<Certificate>,
    warnings: Vec<String>,
}

/// An attempt's end.
enum Done {
    Unchanged,
    Applied,
}

// === impl Entrances ===

impl Entrances {
    /// Serves both from now on.
    pub fn open(mut public: Entrance, bound: Bound, mut admin: Entrance, bound_admin: Option<Bound>) -> Self {
        public.turn_to(Some(bound));
        admin.turn_to(bound_admin);
        Self { public, admin }
    }
}

// === impl Worker ===

impl Worker {
    /// Nothing is watched before [`Worker::run`]; `begun` is when the start began.
    pub fn new(parts: Parts, begun: Instant) -> (Self, Arc<Reloader>) {
        let (send, asked) = mpsc::channel(WAITING);
        let report = ReloadReport {
            at: parts.clock.now(),
            trigger: ReloadTrigger::Startup,
            outcome: ReloadOutcome::Applied,
            error: None,
            changes: String::new(),
            sha256: String::new(),
            took: begun.elapsed(),
        };
        let reloader = Arc::new(Reloader { asked: send, last: ArcSwap::from_pointee(report.clone()) });
        let watch = parts.source.as_ref().map(|source| Watch::start(watched(source, &source.files), source.poll));
        let worker = Self { parts, watch, asked, reloader: Arc::clone(&reloader) };
        worker.publish(report);
        (worker, reloader)
    }

    /// Waits for reasons and makes attempts until `stop`.
    pub async fn run(mut self, mut entrances: Entrances, stop: CancellationToken) {
        loop {
            let changed = async {
                match &mut self.watch {
                    Some(watch) => watch.changed().await,
                    None => std::future::pending().await,
                }
            };
            let (trigger, answer) = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                Some(asked) = self.asked.recv() => (asked.trigger, Some(asked.answer)),
                trigger = changed => (self.trigger(trigger), None),
            };
            let report = self.attempt(trigger, &mut entrances).await;
            if let Some(answer) = answer
                && answer.send(report).is_err()
            {
                tracing::debug!("whoever asked for the attempt is gone");
            }
        }
    }

    /// Events about secret and certificate files only are told apart.
    fn trigger(&self, trigger: Trigger) -> ReloadTrigger {
        let (Some(watch), Some(source)) = (&self.watch, &self.parts.source) else { return ReloadTrigger::File };
        let sources = &source.sources;
        let is_text = |path: &PathBuf| sources.config.as_ref() == Some(path) || *path == environment_file(sources);
        match trigger {
            Trigger::Poll => ReloadTrigger::Poll,
            Trigger::File if watch.different().iter().any(is_text) => ReloadTrigger::File,
            Trigger::File => ReloadTrigger::Secret,
        }
    }

    async fn attempt(&mut self, trigger: ReloadTrigger, entrances: &mut Entrances) -> Arc<ReloadReport> {
        let begun = Instant::now();
        supervisor::reloading();
        if trigger == ReloadTrigger::Signal
            && let Some(log) = self.log()
        {
            log.reopen_audit(&self.parts.live.load_full().plan().audit).await;
        }
        let mut changes = String::new();
        let done = self.attempt_to(&mut changes, entrances).await;
        supervisor::ready();
        let (outcome, error) = match &done {
            Ok(Done::Applied) => (ReloadOutcome::Applied, None),
            Ok(Done::Unchanged) => (ReloadOutcome::Unchanged, None),
            Err(refused @ Refused::Restart) => (ReloadOutcome::RestartRequired, Some(refused.to_string())),
            Err(refused) => (ReloadOutcome::Rejected, Some(refused.to_string())),
        };
        let report = ReloadReport {
            at: self.parts.clock.now(),
            trigger,
            outcome,
            error,
            changes,
            sha256: String::new(),
            took: begun.elapsed(),
        };
        say(&report);
        self.publish(report)
    }

    /// The attempt itself. Up to the swap everything may fail and nothing is changed.
    async fn attempt_to(&mut self, changes: &mut String, entrances: &mut Entrances) -> Result<Done, Refused> {
        let read = self.read().await?;
        let old = self.parts.live.load_full();
        let certificate = read.certificate.filter(|new| self.parts.tls.as_ref().is_none_or(|tls| !tls.uses(new)));
        if *old.plan() == read.plan && certificate.is_none() {
            return Ok(Done::Unchanged);
        }
        let difference = diff(&facts(old.plan()), &facts(&read.plan));
        *changes = match &certificate {
            None => difference.to_string(),
            Some(new) if difference.is_empty() => format!("another certificate in {}", new.name()),
            Some(new) => format!("another certificate in {}; {difference}", new.name()),
        };
        if difference.needs_restart() {
            return Err(Refused::Restart);
        }
        let sealer = match read.plan.root_secrets.as_slice() {
            [] => Sealer::new(std::slice::from_ref(&self.parts.own_secret))?,
            secrets => Sealer::new(secrets)?,
        };
        let log = self.log_for(&read.plan, old.plan()).await?;
        let public = self.bind_public(&read.plan, old.plan()).await?;
        let admin = self.bind_admin(&read.plan, entrances.admin.asked()).await?;
        let (shared, previous) = (Arc::clone(&self.parts.shared), Arc::clone(&old));
        let plan = read.plan;
        let built = tokio::task::spawn_blocking(move || Live::build(plan, &shared, Some(&previous)));
        let new = Arc::new(built.await.map_err(|_| Refused::Panicked)??);
        if old.plan().signing != new.plan().signing {
            self.parts.keys.change(&new.plan().signing).await?;
        }

        if let Some((log, prepared)) = log {
            log.change(prepared);
        }
        if let (Some(store), StoragePlan::Redis(plan)) = (&self.parts.redis, &new.plan().storage) {
            store.change_credentials(plan).await;
        }
        self.parts.sealer.adopt(&sealer);
        if let (Some(tls), Some(certificate)) = (&self.parts.tls, certificate) {
            tls.replace(certificate);
        }
        self.parts.live.store(Arc::clone(&new));
        if let Some(bound) = public {
            entrances.public.turn_to(Some(bound));
        }
        if new.plan().admin_listen != entrances.admin.asked() {
            entrances.admin.turn_to(admin);
        }
        new.cut_denied(&old);
        new.retired(&old).end(&new, &self.parts.shared).await;
        for warning in read.warnings {
            tracing::warn!("{warning}");
        }
        Ok(Done::Applied)
    }

    /// Reads the files, and again if that told of files that nobody watched until now: they may
    /// have changed between.
    async fn read(&mut self) -> Result<Read, Refused> {
        let Some(source) = &self.parts.source else { return Err(Refused::Fixed) };
        loop {
            if let Some(watch) = &mut self.watch {
                watch.look();
            }
            let (sources, clock) = (source.sources.clone(), self.parts.clock.clone());
            let read = tokio::task::spawn_blocking(move || read(&sources, &clock)).await;
            let (result, files) = read.map_err(|_| Refused::Panicked)?;
            let has_new = self.watch.as_mut().is_some_and(|watch| watch.set(watched(source, &files)));
            if !has_new {
                return result;
            }
        }
    }

    fn log(&self) -> Option<&Log> {
        self.parts.source.as_ref()?.log.as_ref()
    }

    /// The log, with what it has to become if that is another one.
    async fn log_for(&self, new: &Plan, old: &Plan) -> Result<Option<(Log, Prepared)>, TelemetryError> {
        let Some(log) = self.log().filter(|_| new.log != old.log || new.audit != old.audit) else { return Ok(None) };
        Ok(Some((log.clone(), Prepared::in_time(&new.log, &new.audit).await?)))
    }

    async fn bind_public(&self, new: &Plan, old: &Plan) -> Result<Option<Bound>, ListenError> {
        if new.listen == old.listen {
            return Ok(None);
        }
        let metrics = Some(Arc::clone(&self.parts.metrics));
        let listener = Listener::bind(new.listen, &new.limits, metrics).await;
        let listener = listener.map_err(|source| ListenError { address: new.listen, source })?;
        Bound::new(listener.with_tls(self.parts.tls.clone()), new.listen).map(Some)
    }

    /// Plain http, and no part of the count of connections.
    async fn bind_admin(&self, new: &Plan, open: Option<SocketAddr>) -> Result<Option<Bound>, ListenError> {
        let Some(address) = new.admin_listen.filter(|address| open != Some(*address)) else { return Ok(None) };
        let listener = Listener::bind(address, &new.limits, None).await;
        Bound::new(listener.map_err(|source| ListenError { address, source })?, address).map(Some)
    }

    /// Metrics and the report; the objects are those that run now.
    fn publish(&self, mut report: ReloadReport) -> Arc<ReloadReport> {
        let live = self.parts.live.load();
        let plan = live.plan();
        let metrics = self.parts.metrics.config();
        report.sha256 = facts(plan).hash();
        metrics.info(&report.sha256);
        metrics.reload(report.trigger, report.outcome, report.took, report.at);
        let (by, reason) = (Some(report.trigger.as_str()), report.error.as_deref());
        Entry { by, reason, ..Entry::default() }.tell(Event::Reload, report.outcome.as_str());
        metrics.objects(
            plan.providers.len(),
            plan.providers.iter().map(|provider| provider.routes.len()).sum(),
            plan.providers.iter().map(|provider| provider.clients.len()).sum(),
        );
        let report = Arc::new(report);
        self.reloader.last.store(Arc::clone(&report));
        report
    }
}

/// What the sources say now, and every file that they name. Blocks.
fn read(sources: &Sources, clock: &Clock) -> (Result<Read, Refused>, BTreeSet<PathBuf>) {
    match config::load(sources) {
        Err(found) => {
            let files = found.files().cloned().collect();
            (Err(Refused::Configuration(found)), files)
        }
        Ok(Loaded { plan, files, notes, .. }) => {
            let certificate = plan.tls.as_ref().map(|tls| Certificate::load(tls, clock.now())).transpose();
            let warnings = notes.iter().filter(|note| note.severity == Severity::Warning);
            let warnings = warnings.map(|note| format!("{}: {}", note.origin, note.sentence())).collect();
            let read = certificate.map(|certificate| Read { plan, certificate, warnings });
            (read.map_err(Refused::Certificate), files.into_iter().collect())
        }
    }
}

/// The named files, and those that would be read if they were there.
fn watched(source: &Source, files: impl IntoIterator<Item = impl AsRef<std::path::Path>>) -> BTreeSet<PathBuf> {
    let named = files.into_iter().map(|path| path.as_ref().to_owned());
    named.chain([environment_file(&source.sources)]).chain(source.sources.config.clone()).collect()
}

fn environment_file(sources: &Sources) -> PathBuf {
    sources.env_file.clone().unwrap_or_else(|| PathBuf::from(".env"))
}

/// The errors without their help: a log has lines.
fn on_one_line(found: &Diagnostics) -> String {
    let errors = found.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
    errors.map(|error| format!("{}: {}", error.origin, error.sentence())).collect::<Vec<_>>().join("; ")
}

/// One line an attempt.
fn say(report: &ReloadReport) {
    let ReloadReport { trigger, outcome, error, changes, took, .. } = report;
    let trigger = trigger.as_str();
    match (outcome, error) {
        (ReloadOutcome::Unchanged, _) => {
            tracing::info!(trigger, ?took, "the configuration was read again; nothing has changed");
        }
        (ReloadOutcome::Applied, _) => tracing::info!(trigger, changes, ?took, "the new configuration runs"),
        (ReloadOutcome::RestartRequired, error) => tracing::error!(
            trigger,
            error,
            changes,
            "the new configuration needs a restart and was not applied, not even in part; the old one runs on"
        ),
        (ReloadOutcome::Rejected, error) => {
            tracing::error!(trigger, error, "the new configuration was refused; the old one runs on");
        }
    }
}
