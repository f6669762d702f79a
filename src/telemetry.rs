//! Logs: readable text on a terminal, JSON elsewhere; and the audit log, which is apart. What must
//! never be logged is a type ([`crate::secret::Secret`]); nothing here filters it afterwards.

mod audit;
mod json;

use std::{
    fmt,
    io::{self, IsTerminal as _},
    path::PathBuf,
};

use prometheus::IntCounter;
use tracing::Metadata;
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{FilterExt as _, ParseError, filter_fn},
    layer::{Layered, SubscriberExt as _},
    reload,
    util::SubscriberInitExt as _,
};

use crate::{
    audit::TARGET,
    config::plan::{AuditPlan, LogFormat, LogPlan},
};
use audit::AuditSink;
use json::JsonLines;

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

type Lines = Box<dyn Layer<Registry> + Send + Sync>;
type WithLog = Layered<Box<dyn Layer<Registry> + Send + Sync>, Registry>;

/// Tells the spans' fields of the two kinds of lines apart.
struct LogFields;
struct AuditFields;

// === impl Log ===

impl Log {
    /// Logs like this from now on. A file of the audit log is opened anew even if nothing changed:
    /// it may have been rotated.
    ///
    /// # Errors
    /// [`TelemetryError`]; nothing is changed then.
    pub fn change(&self, log: &LogPlan, audit: &AuditPlan) -> Result<(), TelemetryError> {
        let filter = filter(log)?;
        self.audit.change(audit).map_err(|source| TelemetryError::audit(audit, source))?;
        // An error means that somebody else logs in this process (a test): nothing is lost.
        if let Err(error) = self.filter.reload(filter).and_then(|()| self.lines.reload(lines(log))) {
            tracing::debug!(%error, "the log is somebody else's");
        }
        tracing::callsite::rebuild_interest_cache();
        Ok(())
    }

    /// Opens the audit log's file anew: it was rotated.
    pub fn reopen_audit(&self, audit: &AuditPlan) {
        if let Err(error) = self.audit.change(audit) {
            tracing::error!(%error, "the audit log cannot be opened anew; lines go where they went before");
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
    let (filter, filter_handle) = reload::Layer::new(filter(log)?);
    let (lines, lines_handle) = reload::Layer::new(lines(log));
    let sink = AuditSink::open(audit).map_err(|source| TelemetryError::audit(audit, source))?;
    let is_audit = |metadata: &Metadata<'_>| metadata.target() == TARGET;
    let lines = lines.with_filter(filter.and(filter_fn(move |metadata| !is_audit(metadata)))).boxed();
    let wanted = sink.clone();
    // With the spans around it: they name the request.
    let concerned = move |metadata: &Metadata<'_>| wanted.is_on() && (is_audit(metadata) || metadata.is_span());
    let audit = JsonLines::<AuditFields, _>::new(sink.clone(), false);
    let audit = Layer::<WithLog>::with_filter(
        audit,
        tracing_subscriber::filter::dynamic_filter_fn(move |metadata, _| concerned(metadata)),
    );
    if tracing_subscriber::registry().with(lines).with(audit).try_init().is_err() {
        tracing::debug!("logging was started before");
    }
    Ok(Log { filter: filter_handle, lines: lines_handle, audit: sink })
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
