//! Logs: readable text on a terminal, JSON elsewhere. What must never be logged is a type
//! ([`crate::secret::Secret`]); nothing here filters it afterwards.

use std::{fmt, io::IsTerminal as _};

use tracing_subscriber::{
    EnvFilter, Layer, Registry, filter::ParseError, layer::Layered, layer::SubscriberExt as _, reload,
    util::SubscriberInitExt as _,
};

use crate::config::plan::{LogFormat, LogPlan};

/// The log's filter could not be used.
#[derive(Debug, thiserror::Error)]
#[error("log filter `{filter}`: {source}; write a level such as `info` or `vestibule=debug,info`")]
pub struct TelemetryError {
    filter: String,
    source: ParseError,
}

/// The running log, whose filter and format can be changed.
#[derive(Clone)]
pub struct Log {
    filter: reload::Handle<EnvFilter, Registry>,
    lines: reload::Handle<Lines, Filtered>,
}

type Filtered = Layered<reload::Layer<EnvFilter, Registry>, Registry>;
type Lines = Box<dyn Layer<Filtered> + Send + Sync>;

// === impl Log ===

impl Log {
    /// Logs like this from now on.
    ///
    /// # Errors
    /// [`TelemetryError`] if the filter cannot be parsed; nothing is changed then.
    pub fn change(&self, plan: &LogPlan) -> Result<(), TelemetryError> {
        let filter = filter(plan)?;
        // An error means that somebody else logs in this process (a test): nothing is lost.
        if let Err(error) = self.filter.reload(filter).and_then(|()| self.lines.reload(lines(plan))) {
            tracing::debug!(%error, "the log is somebody else's");
        }
        Ok(())
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Log")
    }
}

/// Starts logging to standard error. Called once, by the program; a second call changes nothing.
///
/// # Errors
/// [`TelemetryError`] if the filter cannot be parsed.
pub fn start(plan: &LogPlan) -> Result<Log, TelemetryError> {
    let (filter_layer, filter) = reload::Layer::new(filter(plan)?);
    let (lines_layer, lines) = reload::Layer::new(lines(plan));
    if tracing_subscriber::registry().with(filter_layer).with(lines_layer).try_init().is_err() {
        tracing::debug!("logging was started before");
    }
    Ok(Log { filter, lines })
}

fn filter(plan: &LogPlan) -> Result<EnvFilter, TelemetryError> {
    EnvFilter::try_new(&plan.filter).map_err(|source| TelemetryError { filter: plan.filter.clone(), source })
}

fn lines(plan: &LogPlan) -> Lines {
    let terminal = std::io::stderr().is_terminal();
    let json = match plan.format {
        LogFormat::Auto => !terminal,
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    if json { lines.json().flatten_event(true).boxed() } else { lines.with_ansi(terminal).with_target(false).boxed() }
}
