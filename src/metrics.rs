//! The registry; every series is named once, in `families`.
//!
//! Labels carry configured identifiers and closed sets only: never a path, a person, a client or
//! an error text. Counters of outcomes exist at zero from the start.

mod config;
mod exposition;
mod families;
mod http;
pub mod outcome;
mod owner;
mod provider;
mod route;

use std::{sync::Arc, time::Duration};

use prometheus::{IntCounter, IntGauge, IntGaugeVec, Registry};

pub use config::ConfigMetrics;
pub use exposition::Format;
pub use families::{FAMILIES, Family, Label};
pub use http::HttpMetrics;
pub use provider::ProviderMetrics;
pub use route::RouteMetrics;

use crate::time::Timestamp;
use families::Families;
use outcome::{KeyUse, Limiter, SealedKind, StoreOperation, StoreOutcome, TlsHandshake};
use owner::{Owner, Owners};

/// All families of one process. Cheap to share behind an `Arc`.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    families: Families,
    /// In no registry: for what ends after its provider or route was removed.
    nowhere: Families,
    owners: Owners,
    config: ConfigMetrics,
}

/// The handles of a TLS listener.
#[derive(Clone, Debug)]
pub struct TlsMetrics {
    handshakes: Arc<[IntCounter]>,
    not_after: IntGaugeVec,
}

/// Counts something as running until it is dropped.
#[derive(Debug)]
pub struct Running(IntGauge);

// === impl Metrics ===

impl Metrics {
    /// Makes every family and registers it.
    ///
    /// # Errors
    /// Only for a bad or doubled family name, which any test of this crate would show.
    pub fn new() -> Result<Arc<Self>, prometheus::Error> {
        let registry = Registry::new();
        registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        let families = Families::new(&registry)?;
        families.start();
        let build = [env!("CARGO_PKG_VERSION"), env!("BUILD_REVISION"), env!("BUILD_RUSTC")];
        families.build_info.with_label_values(&build).set(1);
        let nowhere = Families::new(&Registry::new())?;
        let (config, owners) = (ConfigMetrics::new(&families), Owners::default());
        Ok(Arc::new(Self { registry, families, nowhere, owners, config }))
    }

    /// Everything, in Prometheus' own format.
    pub fn render(&self) -> String {
        self.render_as(Format::Text)
    }

    /// Everything, as a scraper wants it.
    pub fn render_as(&self, format: Format) -> String {
        exposition::text(&self.registry.gather(), format)
    }

    /// The handles of a provider. Its outcome counters exist at zero from now on, and as long as anybody
    /// has handles of this name.
    pub fn provider(self: &Arc<Self>, name: &str) -> ProviderMetrics {
        ProviderMetrics::new(self, name)
    }

    /// The handles of a route. Its backend's outcome counters exist at zero from now on, and as long as
    /// anybody has handles of this name.
    pub fn route(self: &Arc<Self>, id: &str) -> RouteMetrics {
        RouteMetrics::new(self, id)
    }

    /// The HTTP handles of an endpoint of ours, or of what belongs to no route.
    pub fn http(self: &Arc<Self>, id: &str) -> HttpMetrics {
        HttpMetrics::new(Owner::new(self, "route", id))
    }

    /// A limiter refused a request.
    pub fn rate_limited(&self, limiter: Limiter) {
        self.families.rate_limited.with_label_values(&[limiter.as_str()]).inc();
    }

    /// The outcomes of this store's operations exist at zero from now on.
    pub fn store(&self, backend: &str) {
        self.families.begin("backend", backend);
    }

    /// A store operation ended.
    pub fn store_operation(&self, backend: &str, operation: StoreOperation, outcome: StoreOutcome, took: Duration) {
        self.families.store_operations.with_label_values(&[backend, operation.as_str(), outcome.as_str()]).inc();
        self.families.store_duration.with_label_values(&[backend, operation.as_str()]).observe(took.as_secs_f64());
    }

    /// Whether the store answers.
    pub fn store_ready(&self, backend: &str, ready: bool) {
        self.families.store_ready.with_label_values(&[backend]).set(i64::from(ready));
    }

    /// How many of our keys are used so.
    pub fn signing_keys(&self, state: KeyUse, count: usize) {
        self.families.signing_keys.with_label_values(&[state.as_str()]).set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// The key that signs now has been signing since then.
    pub fn signing_since(&self, at: Timestamp) {
        self.families.signing_since.with_label_values::<&str>(&[]).set(i64::try_from(at.0).unwrap_or(i64::MAX));
    }

    /// A value in the store did not open.
    pub fn decrypt_failure(&self, kind: SealedKind) {
        self.families.decrypt_failures.with_label_values(&[kind.as_str()]).inc();
    }

    /// Counts audit lines that could not be written.
    pub fn audit_losses(&self) -> IntCounter {
        self.families.audit_dropped.with_label_values::<&str>(&[])
    }

    /// The series about the configuration.
    pub fn config(&self) -> &ConfigMetrics {
        &self.config
    }

    /// Drops every series of a provider that is gone. Whoever still has its handles brings none back.
    pub fn remove_provider(&self, name: &str) {
        self.owners.end(&self.families, "provider", name);
    }

    /// Drops every series of a route, or of an endpoint of ours, that is gone. Whoever still has its
    /// handles brings none back.
    pub fn remove_route(&self, id: &str) {
        self.owners.end(&self.families, "route", id);
    }

    /// The handles of a TLS listener.
    pub fn tls(&self) -> TlsMetrics {
        let counter = |o: &TlsHandshake| self.families.tls_handshakes.with_label_values(&[o.as_str()]);
        TlsMetrics {
            handshakes: TlsHandshake::ALL.iter().map(counter).collect(),
            not_after: self.families.tls_not_after.clone(),
        }
    }

    /// Counts an open connection until the result is dropped.
    pub fn connection(&self) -> Running {
        Running::new(&self.families.connections.with_label_values::<&str>(&[]))
    }
}

// === impl TlsMetrics ===

impl TlsMetrics {
    /// A handshake ended.
    pub fn handshake(&self, outcome: TlsHandshake) {
        if let Some(counter) = position(TlsHandshake::ALL, outcome).and_then(|index| self.handshakes.get(index)) {
            counter.inc();
        }
    }

    /// Another certificate is in use; `not_after` in seconds since the epoch.
    pub fn certificate(&self, name: &str, not_after: u64) {
        self.not_after.reset();
        self.not_after.with_label_values(&[name]).set(i64::try_from(not_after).unwrap_or(i64::MAX));
    }
}

// === impl Running ===

impl Running {
    fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn position<T: PartialEq + Copy>(all: &[T], value: T) -> Option<usize> {
    all.iter().position(|one| *one == value)
}

#[cfg(test)]
mod tests;
