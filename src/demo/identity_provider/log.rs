//! What clients sent, for tests that assert on it: parameters by endpoint, in order of arrival.

use std::{collections::VecDeque, fmt, sync::Mutex};

use super::fault::{Endpoint, lock};

/// Requests kept; the oldest go first.
const MAX_REQUESTS: usize = 1000;

/// One request as it arrived. `Debug` shows the names of the parameters, never their values.
#[derive(Clone, PartialEq, Eq)]
pub struct SeenRequest {
    /// Where it arrived.
    pub endpoint: Endpoint,
    /// `GET`, `POST`, …
    pub method: http::Method,
    /// Query and form, as they came.
    pub parameters: Vec<(String, String)>,
    /// The scheme of `Authorization`, if there was one: `Basic`, `Bearer`.
    pub authorization_scheme: Option<String>,
}

/// The log; records nothing unless told to at the start.
#[derive(Debug)]
pub(super) struct RequestLog {
    enabled: bool,
    seen: Mutex<VecDeque<SeenRequest>>,
}

// === impl SeenRequest ===

impl SeenRequest {
    /// The first parameter with this name.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for SeenRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.parameters.iter().map(|(name, _)| name.as_str()).collect();
        formatter
            .debug_struct("SeenRequest")
            .field("endpoint", &self.endpoint)
            .field("method", &self.method)
            .field("parameters", &names)
            .field("authorization_scheme", &self.authorization_scheme)
            .finish()
    }
}

// === impl RequestLog ===

impl RequestLog {
    pub(super) fn new(enabled: bool) -> Self {
        Self { enabled, seen: Mutex::default() }
    }

    pub(super) fn record(&self, request: SeenRequest) {
        if !self.enabled {
            return;
        }
        let mut seen = lock(&self.seen);
        if seen.len() == MAX_REQUESTS {
            seen.pop_front();
        }
        seen.push_back(request);
    }

    pub(super) fn of(&self, endpoint: Endpoint) -> Vec<SeenRequest> {
        lock(&self.seen).iter().filter(|request| request.endpoint == endpoint).cloned().collect()
    }

    pub(super) fn clear(&self) {
        lock(&self.seen).clear();
    }
}
