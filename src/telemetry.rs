//! Logs: readable text on a terminal, JSON elsewhere. What must never be logged is a type
//! ([`crate::secret::Secret`]); nothing here filters it afterwards.

use std::io::IsTerminal as _;

use tracing_subscriber::{EnvFilter, filter::ParseError, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::config::plan::{LogFormat, LogPlan};

/// The log's filter could not be used.
#[derive(Debug, thiserror::Error)]
#[error("log filter `{filter}`: {source}; write a level such as `info` or `vestibule=debug,info`")]
pub struct TelemetryError {
    filter: String,
    source: ParseError,
}

/// Starts logging to standard error. Called once, by the program; a second call changes nothing.
///
/// # Errors
/// [`TelemetryError`] if the filter cannot be parsed.
pub fn start(plan: &LogPlan) -> Result<(), TelemetryError> {
    let filter =
        EnvFilter::try_new(&plan.filter).map_err(|source| TelemetryError { filter: plan.filter.clone(), source })?;
    let terminal = std::io::stderr().is_terminal();
    let json = match plan.format {
        LogFormat::Auto => !terminal,
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let registry = tracing_subscriber::registry().with(filter);
    let started = if json {
        registry.with(fmt::layer().json().flatten_event(true).with_writer(std::io::stderr)).try_init()
    } else {
        registry.with(fmt::layer().with_ansi(terminal).with_target(false).with_writer(std::io::stderr)).try_init()
    };
    if started.is_err() {
        tracing::debug!("logging was started before");
    }
    Ok(())
}
