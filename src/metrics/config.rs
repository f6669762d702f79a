//! The series about the configuration: what runs, and how the last attempt to change it ended.

use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, IntCounterVec, IntGauge, IntGaugeVec, Registry};

use super::{
    counter, gauge,
    outcome::{ReloadOutcome, ReloadTrigger},
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
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let single = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let reloads = counter(
            registry,
            "vestibule_config_reloads_total",
            "Attempts to read the configuration, the start included, by trigger and outcome.",
            &["trigger", "outcome"],
        )?;
        for trigger in ReloadTrigger::ALL {
            for outcome in ReloadOutcome::ALL {
                reloads.with_label_values(&[trigger.as_str(), outcome.as_str()]);
            }
        }
        let buckets = vec![0.01, 0.05, 0.1, 0.5, 1.0, 5.0];
        let options = HistogramOpts::new(
            "vestibule_config_reload_duration_seconds",
            "From the first look at the files to the end of the attempt.",
        );
        let duration = Histogram::with_opts(options.buckets(buckets))?;
        registry.register(Box::new(duration.clone()))?;
        Ok(Self {
            reloads,
            last_successful: single(
                "vestibule_config_last_reload_successful",
                "1 when what was last read is what runs, 0 when it was refused.",
            )?,
            restart_required: single(
                "vestibule_config_restart_required",
                "1 when the configuration holds a change that only a restart can apply.",
            )?,
            last_attempt: single(
                "vestibule_config_last_reload_attempt_timestamp_seconds",
                "When the configuration was last read.",
            )?,
            last_success: single(
                "vestibule_config_last_reload_success_timestamp_seconds",
                "When the configuration was last read and found good.",
            )?,
            duration,
            objects: gauge(registry, "vestibule_config_objects", "Configured objects.", &["kind"])?,
            info: gauge(
                registry,
                "vestibule_config_info",
                "Always 1; the label is a hash of the running configuration without its secrets.",
                &["sha256"],
            )?,
        })
    }

    /// An attempt ended at `now`.
    pub fn reload(&self, trigger: ReloadTrigger, outcome: ReloadOutcome, took: Duration, now: Timestamp) {
        let good = matches!(outcome, ReloadOutcome::Applied | ReloadOutcome::Unchanged);
        let seconds = i64::try_from(now.0).unwrap_or(i64::MAX);
        self.reloads.with_label_values(&[trigger.as_str(), outcome.as_str()]).inc();
        self.duration.observe(took.as_secs_f64());
        self.last_successful.set(i64::from(good));
        self.last_attempt.set(seconds);
        if good {
            self.last_success.set(seconds);
        }
        // What cannot even be read says nothing about a restart.
        if outcome != ReloadOutcome::Rejected {
            self.restart_required.set(i64::from(outcome == ReloadOutcome::RestartRequired));
        }
    }

    /// What the running configuration holds.
    pub fn objects(&self, providers: usize, routes: usize, clients: usize) {
        for (kind, count) in [("provider", providers), ("route", routes), ("client", clients)] {
            self.objects.with_label_values(&[kind]).set(i64::try_from(count).unwrap_or(i64::MAX));
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
        config.reload(ReloadTrigger::File, ReloadOutcome::Rejected, Duration::ZERO, Timestamp(9));
        for expected in [
            "vestibule_config_last_reload_successful 0",
            "vestibule_config_restart_required 1",
            "vestibule_config_last_reload_attempt_timestamp_seconds 9",
            "vestibule_config_last_reload_success_timestamp_seconds 7",
        ] {
            assert!(line(expected), "{expected}\n{}", metrics.render());
        }
        config.reload(ReloadTrigger::File, ReloadOutcome::Applied, Duration::ZERO, Timestamp(10));
        assert!(line("vestibule_config_last_reload_successful 1") && line("vestibule_config_restart_required 0"));
    }
}
