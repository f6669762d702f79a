//! The HTTP series of one route (or own endpoint), without a look-up by label on the way of a
//! request: a counter is found by method and status in a map that is read without a lock.

use std::{collections::HashMap, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use http::{Method, StatusCode};
use prometheus::{Histogram, IntCounter, IntGauge};

use super::{Running, outcome, owner::Owner};

/// The handles of one value of the label `route`. Cheap to clone.
#[derive(Clone, Debug)]
pub struct HttpMetrics(Arc<Handles>);

#[derive(Debug)]
struct Handles {
    owner: Arc<Owner>,
    in_flight: IntGauge,
    /// Grows by what occurs: a closed set of methods times the status codes in use.
    counters: ArcSwap<HashMap<(&'static str, StatusCode), IntCounter>>,
    durations: ArcSwap<HashMap<&'static str, Histogram>>,
}

// === impl HttpMetrics ===

impl HttpMetrics {
    pub(super) fn new(owner: Arc<Owner>) -> Self {
        let in_flight = owner.families().http_in_flight.with_label_values(&[owner.value()]);
        Self(Arc::new(Handles { owner, in_flight, counters: ArcSwap::default(), durations: ArcSwap::default() }))
    }

    /// The value of the label `route`.
    pub fn id(&self) -> &str {
        self.0.owner.value()
    }

    pub(super) fn owner(&self) -> &Owner {
        &self.0.owner
    }

    /// A request was answered with this status after `took`; streams (`None`) have no duration.
    pub fn request(&self, method: &Method, status: StatusCode, took: Option<Duration>) {
        let method = method_label(method);
        self.0.count(method, status);
        if let Some(took) = took {
            self.0.observe(method, took);
        }
    }

    /// Counts a request as in flight until the result is dropped.
    pub fn in_flight(&self) -> Running {
        Running::new(&self.0.in_flight)
    }
}

// === impl Handles ===

impl Handles {
    fn count(&self, method: &'static str, status: StatusCode) {
        if let Some(counter) = self.counters.load().get(&(method, status)) {
            return counter.inc();
        }
        let counter =
            self.owner.families().http_requests.with_label_values(&[self.owner.value(), method, status.as_str()]);
        counter.inc();
        self.counters.rcu(|known| {
            let mut known = HashMap::clone(known);
            known.insert((method, status), counter.clone());
            known
        });
    }

    fn observe(&self, method: &'static str, took: Duration) {
        if let Some(histogram) = self.durations.load().get(method) {
            return histogram.observe(took.as_secs_f64());
        }
        let histogram = self.owner.families().http_duration.with_label_values(&[self.owner.value(), method]);
        histogram.observe(took.as_secs_f64());
        self.durations.rcu(|known| {
            let mut known = HashMap::clone(known);
            known.insert(method, histogram.clone());
            known
        });
    }
}

/// Closed label for a request method.
fn method_label(method: &Method) -> &'static str {
    let known = outcome::Method::LABELS.iter().find(|known| **known == method.as_str());
    known.copied().unwrap_or(outcome::Method::Other.as_str())
}

#[cfg(test)]
mod tests {
    use super::{super::Metrics, *};

    #[test]
    fn requests_are_counted_under_closed_labels() {
        let metrics = Metrics::new().unwrap();
        let http = metrics.http("auth0:token");
        for _ in 0..2 {
            http.request(&Method::POST, StatusCode::OK, Some(Duration::from_millis(3)));
            http.request(&Method::from_bytes(b"BREW").unwrap(), StatusCode::IM_A_TEAPOT, None);
        }
        let text = metrics.render();
        for line in [
            "vestibule_http_requests_total{code=\"200\",method=\"POST\",route=\"auth0:token\"} 2",
            "vestibule_http_requests_total{code=\"418\",method=\"OTHER\",route=\"auth0:token\"} 2",
            "vestibule_http_request_duration_seconds_count{method=\"POST\",route=\"auth0:token\"} 2",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
