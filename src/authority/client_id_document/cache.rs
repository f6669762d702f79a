//! Copies of documents: shared by everybody, fetched once at a time, kept as long as the document's
//! host wants within bounds, used a while longer when that host does not answer (AS-27, D9).
//!
//! Errors are not remembered. What keeps a stranger from making us fetch without end is a limit
//! for each host.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use jsonwebtoken::jwk::JwkSet;
use moka::{future::Cache, policy::EvictionPolicy, sync};
use url::Url;

use super::{
    ClientIdDocument, ClientKeys, DocumentError, DocumentFetch, DocumentRequest, DocumentResponse, MAX_DOCUMENT,
    MAX_KEYS, document::key_set, document_url, is_json,
};
use crate::{
    authority::assertion::SeenAssertions,
    oauth::ClientId,
    time::{Clock, Timestamp},
};

/// A copy is used at least this long without asking again, whatever its host says.
pub(super) const MIN_FRESH: Duration = Duration::from_mins(1);

/// A copy is used at most this long without asking again, whatever its host says.
pub(super) const MAX_FRESH: Duration = Duration::from_hours(24);

/// How long a copy is fresh whose host does not say.
const DEFAULT_FRESH: Duration = Duration::from_mins(5);

/// How long past its freshness a copy is used when its host does not answer.
pub(super) const STALE_LIMIT: Duration = Duration::from_hours(24);

/// How many documents, and how many hosts, are remembered.
const CAPACITY: u64 = 1_000;
const HOSTS: u64 = 10_000;

/// Fetches in a minute from one host.
const FETCHES_PER_MINUTE: NonZeroU32 = NonZeroU32::new(30).unwrap();

/// All client ID metadata documents, and the key sets they point at. Shared behind an `Arc`.
#[derive(Debug)]
pub struct ClientDocuments {
    fetch: Arc<dyn DocumentFetch>,
    clock: Clock,
    documents: Copies<ClientIdDocument>,
    keys: Copies<JwkSet>,
    hosts: sync::Cache<String, Arc<DefaultDirectRateLimiter>>,
    /// How clients that are described in this way have proved themselves: remembered for as long as
    /// the process runs, whatever the configuration becomes.
    assertions: SeenAssertions,
}

/// A document, and whether it had to be asked for.
#[derive(Clone, Debug)]
pub struct Found {
    /// The document.
    pub document: Arc<ClientIdDocument>,
    /// A new copy came for this call.
    pub fetched: bool,
}

#[derive(Debug)]
struct Copies<T: Send + Sync + 'static> {
    kept: Cache<String, Copy<T>>,
    /// Fetches under way, so that whoever comes meanwhile waits for the same one.
    flights: Cache<String, Copy<T>>,
    max_bytes: usize,
}

#[derive(Debug)]
struct Copy<T> {
    value: Arc<T>,
    etag: Option<String>,
    fresh_until: Timestamp,
    usable_until: Timestamp,
}

// === impl ClientDocuments ===

impl ClientDocuments {
    /// Documents that are fetched through `fetch`.
    pub fn new(fetch: Arc<dyn DocumentFetch>, clock: Clock) -> Self {
        Self {
            fetch,
            clock,
            documents: Copies::new(MAX_DOCUMENT),
            keys: Copies::new(MAX_KEYS),
            hosts: sync::Cache::builder()
                .max_capacity(HOSTS)
                .eviction_policy(EvictionPolicy::lru())
                .time_to_idle(Duration::from_mins(5))
                .build(),
            assertions: SeenAssertions::new(),
        }
    }

    /// Assertions that were used.
    pub(in crate::authority) fn assertions(&self) -> &SeenAssertions {
        &self.assertions
    }

    /// The document of a client.
    ///
    /// # Errors
    /// [`DocumentError`]; shared with everybody who waited for the same fetch.
    pub async fn get(&self, id: &ClientId) -> Result<Found, Arc<DocumentError>> {
        let url = document_url(id).map_err(Arc::new)?;
        let (document, fetched) =
            self.documents.get(self, id.as_str(), &url, |body| ClientIdDocument::parse(id, body)).await?;
        Ok(Found { document, fetched })
    }

    /// The public keys of a confidential client.
    ///
    /// # Errors
    /// [`DocumentError`] if they are elsewhere and cannot be read.
    pub async fn keys(&self, keys: &ClientKeys) -> Result<Arc<JwkSet>, Arc<DocumentError>> {
        match keys {
            ClientKeys::Inline(keys) => Ok(Arc::new(keys.clone())),
            ClientKeys::Remote(url) => {
                let parse = |body: &[u8]| key_set(&serde_json::from_slice(body).map_err(|_| DocumentError::Keys)?);
                self.keys.get(self, url.as_str(), url, parse).await.map(|(keys, _)| keys)
            }
        }
    }

    /// One fetch, if the host is not asked too often.
    async fn ask(&self, request: DocumentRequest) -> Result<DocumentResponse, DocumentError> {
        let host = request.url.host_str().unwrap_or_default().to_owned();
        let limiter =
            self.hosts.get_with(host, || Arc::new(RateLimiter::direct(Quota::per_minute(FETCHES_PER_MINUTE))));
        if limiter.check().is_err() {
            return Err(DocumentError::Busy);
        }
        Ok(self.fetch.fetch(request).await?)
    }
}

// === impl Copies ===

impl<T: Send + Sync + 'static> Copies<T> {
    fn new(max_bytes: usize) -> Self {
        Self { kept: Cache::new(CAPACITY), flights: Cache::new(CAPACITY), max_bytes }
    }

    /// The value under a URL, and whether this very call fetched it.
    async fn get(
        &self,
        all: &ClientDocuments,
        key: &str,
        url: &Url,
        parse: impl Fn(&[u8]) -> Result<T, DocumentError>,
    ) -> Result<(Arc<T>, bool), Arc<DocumentError>> {
        if let Some(copy) = self.fresh(all, key).await {
            return Ok((copy.value, false));
        }
        let mut fetched = false;
        let flight = async {
            // Whoever was in the air just before may have landed.
            if let Some(copy) = self.fresh(all, key).await {
                return Ok(copy);
            }
            fetched = true;
            let copy = self.fetch(all, key, url, parse).await?;
            self.kept.insert(key.to_owned(), copy.clone()).await;
            Ok(copy)
        };
        let result: Result<Copy<T>, Arc<DocumentError>> = self.flights.try_get_with(key.to_owned(), flight).await;
        self.flights.invalidate(key).await;
        if result.as_ref().is_err_and(|error| !error.is_temporary()) {
            // Gone, or changed into something unusable: the copy from before does not outlive that.
            self.kept.invalidate(key).await;
        }
        result.map(|copy| (copy.value, fetched))
    }

    async fn fresh(&self, all: &ClientDocuments, key: &str) -> Option<Copy<T>> {
        self.kept.get(key).await.filter(|copy| all.clock.now() < copy.fresh_until)
    }

    async fn fetch(
        &self,
        all: &ClientDocuments,
        key: &str,
        url: &Url,
        parse: impl Fn(&[u8]) -> Result<T, DocumentError>,
    ) -> Result<Copy<T>, DocumentError> {
        let now = all.clock.now();
        let stale = self.kept.get(key).await.filter(|copy| now < copy.usable_until);
        let etag = stale.as_ref().and_then(|copy| copy.etag.clone());
        let response = all.ask(DocumentRequest { url: url.clone(), etag, max_bytes: self.max_bytes }).await;
        let response = match (response, stale) {
            (Ok(response), Some(stale)) if response.status == 304 => return Ok(stale.renewed(now, &response)),
            (Ok(response), Some(stale)) if response.status >= 500 || response.status == 429 => {
                return Ok(stale.extended(now));
            }
            (Ok(response), _) => response,
            (Err(error), Some(stale)) if error.is_temporary() => return Ok(stale.extended(now)),
            (Err(error), _) => return Err(error),
        };
        match response.status {
            200 => {}
            429 | 500.. => return Err(DocumentError::Unavailable),
            _ => return Err(DocumentError::Status),
        }
        if response.body.len() > self.max_bytes {
            return Err(DocumentError::TooLarge);
        }
        if !is_json(response.content_type.as_deref()) {
            return Err(DocumentError::ContentType);
        }
        Ok(Copy::new(parse(&response.body)?, now, &response))
    }
}

// === impl Copy ===

impl<T> Copy<T> {
    fn new(value: T, now: Timestamp, response: &DocumentResponse) -> Self {
        Self::until(Arc::new(value), now, response, response.etag.clone())
    }

    /// The host says that the copy is still good.
    fn renewed(self, now: Timestamp, response: &DocumentResponse) -> Self {
        let etag = response.etag.clone().or(self.etag);
        Self::until(self.value, now, response, etag)
    }

    /// The host does not answer: leave it alone for a while, but not longer than the limit.
    fn extended(self, now: Timestamp) -> Self {
        Self { fresh_until: now.plus(MIN_FRESH).min(self.usable_until), ..self }
    }

    fn until(value: Arc<T>, now: Timestamp, response: &DocumentResponse, etag: Option<String>) -> Self {
        let fresh_until = now.plus(freshness(response));
        Self { value, etag, fresh_until, usable_until: fresh_until.plus(STALE_LIMIT) }
    }
}

impl<T> Clone for Copy<T> {
    fn clone(&self) -> Self {
        Self {
            value: Arc::clone(&self.value),
            etag: self.etag.clone(),
            fresh_until: self.fresh_until,
            usable_until: self.usable_until,
        }
    }
}

/// How long an answer is fresh, within our bounds.
fn freshness(response: &DocumentResponse) -> Duration {
    response.fresh_for.unwrap_or(DEFAULT_FRESH).clamp(MIN_FRESH, MAX_FRESH)
}
