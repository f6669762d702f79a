//! The series of one route: what its requests have in common with our own endpoints, and its
//! backend's.

use std::{sync::Arc, time::Duration};

use prometheus::{Histogram, IntCounter};

use super::{
    HttpMetrics, Metrics, Running,
    outcome::{Backend, StreamKind},
    position,
};

/// The handles of one route, resolved once.
#[derive(Clone, Debug)]
pub struct RouteMetrics {
    http: HttpMetrics,
    backend: Arc<[IntCounter]>,
    head_duration: Histogram,
    request_bytes: IntCounter,
    response_bytes: IntCounter,
}

// === impl RouteMetrics ===

impl RouteMetrics {
    /// Its backend's counters exist at zero from now on.
    pub(super) fn new(all: &Arc<Metrics>, id: &str) -> Self {
        let http = all.http(id);
        let families = http.owner().families();
        families.begin("route", id);
        let counter = |o: &Backend| families.backend_requests.with_label_values(&[id, o.as_str()]);
        Self {
            backend: Backend::ALL.iter().map(counter).collect(),
            head_duration: families.backend_head_duration.with_label_values(&[id]),
            request_bytes: families.http_request_bytes.with_label_values(&[id]),
            response_bytes: families.http_response_bytes.with_label_values(&[id]),
            http,
        }
    }

    /// The series that a route shares with our own endpoints.
    pub fn http(&self) -> &HttpMetrics {
        &self.http
    }

    /// A forwarded request ended.
    pub fn backend(&self, outcome: Backend) {
        if let Some(counter) = position(Backend::ALL, outcome).and_then(|index| self.backend.get(index)) {
            counter.inc();
        }
    }

    /// The backend's response header came after `took`.
    pub fn backend_head(&self, took: Duration) {
        self.head_duration.observe(took.as_secs_f64());
    }

    /// A part of a request's body went to the backend.
    pub fn request_bytes(&self, count: usize) {
        self.request_bytes.inc_by(u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// A part of a response's body came from the backend.
    pub fn response_bytes(&self, count: usize) {
        self.response_bytes.inc_by(u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// Counts a long-lived response as open until the result is dropped.
    pub fn stream(&self, kind: StreamKind) -> Running {
        let families = self.http.owner().families();
        Running::new(&families.backend_streams.with_label_values(&[self.http.id(), kind.as_str()]))
    }
}
