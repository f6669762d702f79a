//! The series about the configuration: what runs, and how the last attempt to change it ended.

use std::time::Duration;

use prometheus::{Histogram, IntCounterVec, IntGauge, IntGaugeVec};

use super::{
    families::Families,
    outcome::{ConfigObject, ReloadOutcome, ReloadTrigger},
};
use crate::time::Timestamp;

/// The handles; all exist from the start.
#[derive(Debug)]
pub struct ConfigMetrics {
    reloads: IntCounterVec,
    last_successful: IntGauge,
    restart_required: IntGauge,
    last_attempt: IntGauge,
    last_success: IntGauge,
    duration: Histogram,
    objects: IntGaugeVec,
    info: IntGaugeVec,
}

// === impl ConfigMetrics ===

impl ConfigMetrics {
    pub(super) fn new(families: &Families) -> Self {
        let single = |family: &IntGaugeVec| family.with_label_values::<&str>(&[]);
        Self {
            reloads: families.config_reloads.clone(),
            last_successful: single(&families.config_last_successful),
            restart_required: single(&families.config_restart_required),
            last_attempt: single(&families.config_last_attempt),
            last_success: single(&families.config_last_success),
            duration: families.config_reload_duration.with_label_values::<&str>(&[]),
            objects: families.config_objects.clone(),
            info: families.config_info.clone(),
        }
    }

    /// An attempt ended at `now`.
    pub fn reload(&self, trigger: ReloadTrigger, outcome: ReloadOutcome, took: Duration, now: Timestamp) {
        // One that waits for a restart is good: a restart comes up with it.
        let good = outcome != ReloadOutcome::Rejected;
        let seconds = i64::try_from(now.0).unwrap_or(i64::MAX);
        self.reloads.with_label_values(&[trigger.as_str(), outcome.as_str()]).inc();
        self.duration.observe(took.as_secs_f64());
        self.last_successful.set(i64::from(good));
        self.last_attempt.set(seconds);
        // What cannot even be read says nothing about a restart.
        if good {
            self.last_success.set(seconds);
            self.restart_required.set(i64::from(outcome == ReloadOutcome::RestartRequired));
        }
    }

    /// What the running configuration holds.
    pub fn objects(&self, providers: usize, routes: usize, clients: usize) {
        for (kind, count) in
            [(ConfigObject::Provider, providers), (ConfigObject::Route, routes), (ConfigObject::Client, clients)]
        {
            self.objects.with_label_values(&[kind.as_str()]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// The running configuration's hash: 12 hex digits.
    pub fn info(&self, sha256: &str) {
        self.info.reset();
        self.info.with_label_values(&[sha256]).set(1);
    }
}

#[cfg(test)]
mod tests {
    use crate::metrics::Metrics;

    use super::*;

    #[test]
    fn a_refused_configuration_shows() {
        let metrics = Metrics::new().unwrap();
        let line = |text: &str| metrics.render().lines().any(|line| line == text);
        let zero = "vestibule_config_reloads_total{outcome=\"rejected\",trigger=\"file\"} 0";
        assert!(line(zero), "{}", metrics.render());
        let config = metrics.config();
        config.reload(ReloadTrigger::Startup, ReloadOutcome::Applied, Duration::ZERO, Timestamp(7));
        config.reload(ReloadTrigger::File, ReloadOutcome::RestartRequired, Duration::ZERO, Timestamp(8));
        assert!(line("vestibule_config_last_reload_successful 1") && line("vestibule_config_restart_required 1"));
        config.reload(ReloadTrigger::File, ReloadOutcome::Rejected, Duration::ZERO, Timestamp(9));
        for expected in [
            "vestibule_config_last_reload_successful 0",
            "vestibule_config_restart_required 1",
            "vestibule_config_last_reload_attempt_timestamp_seconds 9",
            "vestibule_config_last_reload_success_timestamp_seconds 8",
        ] {
            assert!(line(expected), "{expected}\n{}", metrics.render());
        }
        config.reload(ReloadTrigger::File, ReloadOutcome::Applied, Duration::ZERO, Timestamp(10));
        assert!(line("vestibule_config_last_reload_successful 1") && line("vestibule_config_restart_required 0"));
    }
}
