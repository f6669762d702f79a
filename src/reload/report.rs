//! What became of an attempt, for the log, the admin listener and whoever asked for it.

use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::{
    metrics::outcome::{ReloadOutcome, ReloadTrigger},
    time::Timestamp,
};

/// One attempt. Holds no secrets: they are short hashes in `changes`, and errors do not repeat them.
#[derive(Clone, Debug, Serialize)]
pub struct ReloadReport {
    /// When it ended.
    #[serde(serialize_with = "as_text")]
    pub at: Timestamp,
    /// Why it was made.
    #[serde(serialize_with = "as_trigger")]
    pub trigger: ReloadTrigger,
    /// What became of it.
    #[serde(serialize_with = "as_outcome")]
    pub outcome: ReloadOutcome,
    /// What is wrong, with file, line and column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What it changed, or would have changed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub changes: String,
    /// The hash of the configuration that runs now: 12 hex digits.
    pub sha256: String,
    /// From the first look at the files to the end of the attempt, in seconds.
    #[serde(rename = "seconds", serialize_with = "as_seconds")]
    pub took: Duration,
}

// === impl ReloadReport ===

impl ReloadReport {
    /// Whether what was read is what runs.
    pub fn is_good(&self) -> bool {
        matches!(self.outcome, ReloadOutcome::Applied | ReloadOutcome::Unchanged)
    }
}

fn as_text<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

fn as_trigger<S: Serializer>(trigger: &ReloadTrigger, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(trigger.as_str())
}

fn as_outcome<S: Serializer>(outcome: &ReloadOutcome, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(outcome.as_str())
}

fn as_seconds<S: Serializer>(took: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(took.as_secs_f64())
}
