//! Logs: readable text on a terminal, JSON elsewhere; and the audit log, which is apart. What must
//! never be logged is a type ([`crate::secret::Secret`]); nothing here filters it afterwards.

mod audit;
mod json;

use std::{
    fmt,
    io::{self, IsTerminal as _},
    path::PathBuf,
    time::Duration,
};

use prometheus::IntCounter;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{FilterExt as _, LevelFilter, ParseError, filter_fn},
    layer::{Layered, SubscriberExt as _},
    registry::LookupSpan,
    reload,
    util::SubscriberInitExt as _,
};

use crate::{
    audit::TARGET,
    config::plan::{AuditPlan, LogFormat, LogPlan},
};
use audit::{AuditSink, Output};
use json::JsonLines;

/// What the targets of our own spans begin with.
const OURS: &str = env!("CARGO_CRATE_NAME");
/// How long a file system has to open the audit log while others wait.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why nothing can be logged like that.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The log's filter could not be used.
    #[error("log filter `{filter}`: {source}; write a level such as `info` or `vestibule=debug,info`")]
    Filter {
        /// As written.
        filter: String,
        /// What is wrong with it.
        source: ParseError,
    },
    /// The audit log's file could not be opened.
    #[error("audit: `{}` cannot be written: {source}; its folder must exist and be this user's", path.display())]
    Audit {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The running log, whose filter, format and audit file can be changed.
#[derive(Clone)]
pub struct Log {
    filter: reload::Handle<EnvFilter, Registry>,
    lines: reload::Handle<Lines, Registry>,
    audit: AuditSink,
}

/// All that a plan says about logs, opened and understood, and not in use yet.
pub struct Prepared {
    filter: EnvFilter,
    lines: Lines,
    audit: Output,
}

type Lines = Box<dyn Layer<Registry> + Send + Sync>;
type WithLog = Layered<Box<dyn Layer<Registry> + Send + Sync>, Registry>;

/// Tells the spans' fields of the two kinds of lines apart.
struct LogFields;
struct AuditFields;

// === impl Log ===

impl Log {
    /// Logs like this from now on.
    pub fn change(&self, Prepared { filter, lines, audit }: Prepared) {
        self.audit.change(audit);
        // An error means that somebody else logs in this process (a test): nothing is lost.
        if let Err(error) = self.filter.reload(filter).and_then(|()| self.lines.reload(lines)) {
            tracing::debug!(%error, "the log is somebody else's");
        }
        tracing::callsite::rebuild_interest_cache();
    }

    /// Opens the audit log's file anew: it was rotated.
    pub async fn reopen_audit(&self, plan: &AuditPlan) {
        match in_time(plan, {
            let plan = plan.clone();
            move || open(&plan)
        })
        .await
        {
            Ok(output) => self.audit.change(output),
            Err(error) => {
                tracing::error!(%error, "the audit log cannot be opened anew; lines go where they went before");
            }
        }
    }

    /// Counts audit lines that are lost.
    pub fn count_audit_losses(&self, counter: IntCounter) {
        self.audit.count_losses(counter);
    }

    /// Waits until the audit log is written, but not for long. For the end of the program.
    pub fn settle(&self) {
        self.audit.settle();
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Log")
    }
}

// === impl Prepared ===

impl Prepared {
    /// Understands the filter and opens the audit log, which waits for the file system. A file is opened
    /// even if it is the one in use: it may have been rotated.
    ///
    /// # Errors
    /// [`TelemetryError`].
    pub fn new(log: &LogPlan, audit: &AuditPlan) -> Result<Self, TelemetryError> {
        Ok(Self { filter: filter(log)?, lines: lines(log), audit: open(audit)? })
    }

    /// As [`Prepared::new`], and no thread of the runtime waits for the file system, nor anybody for
    /// long.
    ///
    /// # Errors
    /// [`TelemetryError`].
    pub async fn in_time(log: &LogPlan, audit: &AuditPlan) -> Result<Self, TelemetryError> {
        let (log, plan) = (log.clone(), audit.clone());
        in_time(audit, move || Self::new(&log, &plan)).await
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Prepared")
    }
}

// === impl TelemetryError ===

impl TelemetryError {
    fn audit(plan: &AuditPlan, source: io::Error) -> Self {
        let path = if let AuditPlan::File(path) = plan { path.clone() } else { PathBuf::from("standard output") };
        Self::Audit { path, source }
    }
}

/// Starts logging to standard error, and the audit log. Called once, by the program; a second call
/// changes nothing.
///
/// # Errors
/// [`TelemetryError`] if the filter cannot be parsed or the audit log not opened.
pub fn start(log: &LogPlan, audit: &AuditPlan) -> Result<Log, TelemetryError> {
    let Prepared { filter, lines, audit: output } = Prepared::new(log, audit)?;
    let (filter, filter_handle) = reload::Layer::new(filter);
    let (lines, lines_handle) = reload::Layer::new(lines);
    let sink = AuditSink::start(output).map_err(|source| TelemetryError::audit(audit, source))?;
    let lines = lines.with_filter(filter.and(filter_fn(|metadata| !is_audit(metadata)))).boxed();
    let audit = audit_lines::<WithLog>(sink.clone());
    if tracing_subscriber::registry().with(lines).with(audit).try_init().is_err() {
        tracing::debug!("logging was started before");
    }
    Ok(Log { filter: filter_handle, lines: lines_handle, audit: sink })
}

/// Audit events, with the spans around them: they name the request. Everything else costs nothing:
/// whether it is wanted is remembered for each place in the code, until [`Log::change`].
fn audit_lines<S>(sink: AuditSink) -> impl Layer<S>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
{
    let wanted = sink.clone();
    let is_around = |metadata: &Metadata<'_>| metadata.is_span() && metadata.target().starts_with(OURS);
    let concerned = filter_fn(move |metadata| wanted.is_on() && (is_audit(metadata) || is_around(metadata)));
    let lines = JsonLines::<AuditFields, _>::new(sink, false);
    Layer::<S>::with_filter(lines, concerned.with_max_level_hint(LevelFilter::INFO))
}

fn is_audit(metadata: &Metadata<'_>) -> bool {
    metadata.target() == TARGET
}

/// Does what may wait for a file system where nobody is held up by it, and gives up on one that hangs.
async fn in_time<T: Send + 'static>(
    plan: &AuditPlan,
    work: impl FnOnce() -> Result<T, TelemetryError> + Send + 'static,
) -> Result<T, TelemetryError> {
    let late = |kind: io::ErrorKind| TelemetryError::audit(plan, kind.into());
    let done = tokio::time::timeout(PATIENCE, tokio::task::spawn_blocking(work)).await;
    done.map_err(|_| late(io::ErrorKind::TimedOut))?.map_err(|_| late(io::ErrorKind::Other))?
}

fn open(plan: &AuditPlan) -> Result<Output, TelemetryError> {
    Output::open(plan).map_err(|source| TelemetryError::audit(plan, source))
}

fn filter(plan: &LogPlan) -> Result<EnvFilter, TelemetryError> {
    EnvFilter::try_new(&plan.filter).map_err(|source| TelemetryError::Filter { filter: plan.filter.clone(), source })
}

fn lines(plan: &LogPlan) -> Lines {
    let terminal = io::stderr().is_terminal();
    let json = match plan.format {
        LogFormat::Auto => !terminal,
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    if json {
        return JsonLines::<LogFields, _>::new(io::stderr, true).boxed();
    }
    tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(terminal).with_target(false).boxed()
}

#[cfg(test)]
mod tests {
    use tracing::{Level, enabled, span_enabled};

    use super::*;

    /// With the audit log on, only its events and our spans around them are looked at: not those of
    /// every library, on the way of every request.
    #[test]
    fn the_audit_log_wants_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let output = Output::open(&AuditPlan::File(folder.path().join("audit.jsonl"))).unwrap();
        let sink = AuditSink::start(output).unwrap();
        let subscriber = tracing_subscriber::registry().with(audit_lines::<Registry>(sink.clone()));
        assert_eq!(subscriber.max_level_hint(), Some(LevelFilter::INFO));
        tracing::subscriber::with_default(subscriber, || {
            let wanted =
                || (enabled!(target: TARGET, Level::INFO), span_enabled!(target: "vestibule::edge", Level::ERROR));
            assert_eq!(wanted(), (true, true));
            assert!(!span_enabled!(target: "hyper::proto", Level::ERROR));
            assert!(!enabled!(target: "vestibule::edge", Level::ERROR));
            sink.change(open(&AuditPlan::Off).unwrap());
            tracing::callsite::rebuild_interest_cache();
            assert_eq!(wanted(), (false, false));
        });
    }
}
