//! Fetches client ID metadata documents for the authorization server: the way out behind its
//! [`DocumentFetch`].

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use http::{
    HeaderMap, HeaderName, Request, Response, StatusCode,
    header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, ETAG, EXPIRES, IF_NONE_MATCH},
    request, response,
};
use http_cache_semantics::{CacheOptions, CachePolicy};

use super::{Egress, EgressError};
use crate::authority::client_id_document::{DocumentFetch, DocumentRequest, DocumentResponse, FetchError};

/// A client for URLs that strangers chose. Made by [`Egress::for_documents`] and a type of its
/// own, so that no client with a longer reach can stand in for it.
#[derive(Clone, Debug)]
pub struct DocumentFetcher(pub(super) Egress);

// === impl DocumentFetcher ===

impl DocumentFetcher {
    async fn get(&self, request: &DocumentRequest) -> Result<DocumentResponse, EgressError> {
        let mut builder = Request::get(request.url.as_str()).header(ACCEPT, "application/json");
        if let Some(etag) = &request.etag {
            builder = builder.header(IF_NONE_MATCH, etag);
        }
        let request_message = builder.body(Vec::new())?;
        let (asked, body) = request_message.into_parts();
        let request_message = Request::from_parts(asked.clone(), body);
        let answer = self.0.send_within(request_message, request.max_bytes).await?;
        let (head, body) = Response::into_parts(answer);
        Ok(DocumentResponse {
            status: head.status.as_u16(),
            content_type: text(&head.headers, &CONTENT_TYPE),
            fresh_for: freshness(&asked, &head, SystemTime::now()),
            etag: text(&head.headers, &ETAG),
            body,
        })
    }
}

#[async_trait]
impl DocumentFetch for DocumentFetcher {
    async fn fetch(&self, request: DocumentRequest) -> Result<DocumentResponse, FetchError> {
        self.get(&request).await.map_err(|error| {
            // The host is a stranger's: named for the operator, bounded by the URL's own parser.
            tracing::info!(host = request.url.host_str(), %error, "a client ID metadata document cannot be fetched");
            match error {
                EgressError::Blocked(_) => FetchError::Blocked,
                EgressError::TooLarge(_) => FetchError::TooLarge,
                _ => FetchError::Failed,
            }
        })
    }
}

/// How long an answer is fresh; nothing if it does not say. What must not be kept is fresh for no
/// time at all.
fn freshness(asked: &request::Parts, answered: &response::Parts, now: SystemTime) -> Option<Duration> {
    let says = [CACHE_CONTROL, EXPIRES].iter().any(|name| answered.headers.contains_key(name));
    says.then(|| {
        let mut answered = answered.clone();
        // "Not modified" carries the freshness of the answer that it renews (RFC 9111 section 4.3.4).
        if answered.status == StatusCode::NOT_MODIFIED {
            answered.status = StatusCode::OK;
        }
        let policy =
            CachePolicy::new_options(asked, &answered, now, CacheOptions { shared: true, ..Default::default() });
        if policy.is_storable() { policy.time_to_live(now) } else { Duration::ZERO }
    })
}

/// The longest header value that is read, in bytes. An entity tag is kept with every copy, and a
/// stranger's server may send one of hundreds of kilobytes.
const MAX_TEXT: usize = 1024;

/// A header's lines, joined by commas; `None` if one is not text, or all are too long.
fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let lines: Result<Vec<&str>, _> = headers.get_all(name).iter().map(http::HeaderValue::to_str).collect();
    lines.ok().filter(|lines| !lines.is_empty()).map(|lines| lines.join(", ")).filter(|text| text.len() <= MAX_TEXT)
}

#[cfg(test)]
mod tests;
