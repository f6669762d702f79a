//! What became of an attempt, for the log, the admin listener and whoever asked for it.

use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::{
    metrics::outcome::{ReloadOutcome, ReloadTrigger},
    time::Timestamp,
};

/// One attempt. Holds no secrets: they are short hashes in `changes`, and errors do not repeat them.
#[derive(Clone, Debug)]
pub struct ReloadReport {
    /// When it ended.
    pub at: Timestamp,
    /// Why it was made.
    pub trigger: ReloadTrigger,
    /// What became of it.
    pub outcome: ReloadOutcome,
    /// What is wrong, with file, line and column.
    pub error: Option<String>,
    /// What it changed, or would have changed.
    pub changes: String,
    /// The hash of the configuration that runs now: 12 hex digits.
    pub sha256: String,
    /// From the first look at the files to the end of the attempt, in seconds.
    pub took: Duration,
}

// === impl ReloadReport ===

impl ReloadReport {
    /// Whether what was read is what runs.
    pub fn is_good(&self) -> bool {
        matches!(self.outcome, ReloadOutcome::Applied | ReloadOutcome::Unchanged)
    }
}

/// The shape that others see.
#[derive(Serialize)]
struct Shown<'a> {
    at: String,
    trigger: &'static str,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    changes: &'a str,
    sha256: &'a str,
    seconds: f64,
}

impl Serialize for ReloadReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shown = Shown {
            at: self.at.to_string(),
            trigger: self.trigger.as_str(),
            outcome: self.outcome.as_str(),
            error: self.error.as_deref(),
            changes: &self.changes,
            sha256: &self.sha256,
            seconds: self.took.as_secs_f64(),
        };
        shown.serialize(serializer)
    }
}
