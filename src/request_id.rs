//! One name for a request, from the first proxy to the backend: `X-Request-Id`.

use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::seal;

/// The header's name.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest name that is taken over.
const MAX_LENGTH: usize = 128;

/// Makes names: unique among all processes, cheap, and no secret.
#[derive(Debug)]
pub struct RequestIds {
    process: u64,
    next: AtomicU64,
}

// === impl RequestIds ===

impl Default for RequestIds {
    fn default() -> Self {
        Self::new()
    }
}

impl RequestIds {
    /// Another process's are others. From 1: the second half is the parent id of a trace, and all zeros are none (W3C Trace Context).
    pub fn new() -> Self {
        let mut bytes = [0; 8];
        seal::fill(&mut bytes);
        Self { process: u64::from_be_bytes(bytes), next: AtomicU64::new(1) }
    }

    /// The name that a trusted proxy gave, or a new one.
    pub fn of(&self, headers: &HeaderMap, by_trusted_proxy: bool) -> HeaderValue {
        let given = by_trusted_proxy.then(|| headers.get(X_REQUEST_ID)).flatten();
        given.filter(|value| is_decent(value)).cloned().unwrap_or_else(|| self.make())
    }

    /// A new name.
    pub fn make(&self) -> HeaderValue {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        let text = format!("{:016x}{next:016x}", self.process);
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("-"))
    }
}

/// Visible ASCII of bounded length: it goes into logs (S62).
fn is_decent(value: &HeaderValue) -> bool {
    (1..=MAX_LENGTH).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S62: only a trusted proxy names requests, and only decently.
    #[test]
    fn s62_who_names_a_request() {
        let ids = RequestIds::new();
        let long = "x".repeat(129);
        for (value, by_trusted_proxy, kept) in [
            ("abc-1", true, true),
            ("abc-1", false, false),
            ("a b", true, false),
            ("", true, false),
            (&long, true, false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(X_REQUEST_ID, HeaderValue::try_from(value).unwrap());
            assert_eq!(ids.of(&headers, by_trusted_proxy) == value, kept, "{value}");
        }
        let (first, second) = (ids.of(&HeaderMap::new(), true), ids.of(&HeaderMap::new(), true));
        assert_ne!(first, second);
        assert_eq!(first.len(), 32);
    }
}
