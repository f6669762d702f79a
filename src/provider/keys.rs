//! The provider's public keys: the last good set is kept for ever, an unknown `kid` fetches anew,
//! but never more often than [`UNKNOWN_KID_INTERVAL`].

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use openidconnect::core::CoreJsonWebKeySet;
use tokio::sync::Mutex;
use url::Url;

use super::{discovery::hint, error::clean, http_client::Http};
use crate::{
    egress::EgressError,
    metrics::{
        ProviderMetrics,
        outcome::{JwksTrigger, ProviderEndpoint, Refresh},
    },
    time::{Clock, Timestamp},
};

/// The shortest time between two fetches because of unknown key ids.
const UNKNOWN_KID_INTERVAL: Duration = Duration::from_secs(30);

/// The keys that are known now.
#[derive(Debug)]
pub(super) struct Keys {
    current: ArcSwapOption<KeySet>,
    /// When an unknown key id last led to a fetch; held while one runs, so that there is one.
    unknown_kid: Mutex<Option<Timestamp>>,
}

/// One fetched set.
#[derive(Debug)]
pub(super) struct KeySet {
    pub(super) keys: CoreJsonWebKeySet,
    pub(super) at: Timestamp,
}

/// Why there are no new keys.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeysError {
    #[error("{url}: {source}{}", hint(source))]
    Fetch { url: Url, source: EgressError },
    #[error("{url} is not a JSON Web Key Set: {source}")]
    NotKeys { url: Url, source: serde_json::Error },
    #[error("{0} has no key that could be used")]
    Empty(Url),
}

// === impl Keys ===

impl Keys {
    pub(super) fn starting_with(known: Option<Arc<KeySet>>) -> Self {
        Self { current: ArcSwapOption::new(known), unknown_kid: Mutex::new(None) }
    }

    /// The last good set.
    pub(super) fn current(&self) -> Option<Arc<KeySet>> {
        self.current.load_full()
    }

    /// Fetches the set and keeps it; on failure the old one stays.
    pub(super) async fn fetch(
        &self,
        url: &Url,
        trigger: JwksTrigger,
        http: &Http,
        clock: &Clock,
        metrics: &ProviderMetrics,
    ) -> Result<Arc<KeySet>, KeysError> {
        let fetched = request(url, http).await;
        let now = clock.now();
        let before = self.current();
        let keys = match fetched {
            Ok(keys) => keys,
            Err(error) => {
                metrics.jwks(trigger, Refresh::Error, now.0, before.map_or(0, |set| set.keys.keys().len()));
                return Err(error);
            }
        };
        let unchanged = before.is_some_and(|set| set.keys == keys);
        let outcome = if unchanged { Refresh::Unchanged } else { Refresh::Ok };
        metrics.jwks(trigger, outcome, now.0, keys.keys().len());
        let set = Arc::new(KeySet { keys, at: now });
        self.current.store(Some(Arc::clone(&set)));
        Ok(set)
    }

    /// A token names a key that `seen` does not have. Gives a newer set: one that somebody else
    /// has fetched meanwhile, or a fetched one; `None` when it is too early for a fetch, or it
    /// fails.
    pub(super) async fn after_unknown_kid(
        &self,
        seen: &Arc<KeySet>,
        url: &Url,
        http: &Http,
        clock: &Clock,
        metrics: &ProviderMetrics,
    ) -> Option<Arc<KeySet>> {
        let mut last = self.unknown_kid.lock().await;
        let current = self.current();
        if let Some(newer) = current.filter(|current| !Arc::ptr_eq(current, seen)) {
            return Some(newer);
        }
        let now = clock.now();
        // A clock that was set back must not lock new keys out until it has caught up.
        let too_early = last.is_some_and(|last| now >= last && now.since(last) < UNKNOWN_KID_INTERVAL);
        if too_early {
            metrics.jwks(JwksTrigger::UnknownKid, Refresh::Throttled, now.0, seen.keys.keys().len());
            return None;
        }
        *last = Some(now);
        self.fetch(url, JwksTrigger::UnknownKid, http, clock, metrics)
            .await
            .inspect_err(|error| {
                let error = clean(&error.to_string());
                tracing::warn!(error, "the identity provider's keys cannot be fetched for an unknown kid");
            })
            .ok()
    }
}

async fn request(url: &Url, http: &Http) -> Result<CoreJsonWebKeySet, KeysError> {
    let body = http
        .get_json(ProviderEndpoint::Jwks, url)
        .await
        .map_err(|source| KeysError::Fetch { url: url.clone(), source })?;
    let keys: CoreJsonWebKeySet =
        serde_json::from_slice(&body).map_err(|source| KeysError::NotKeys { url: url.clone(), source })?;
    // An empty set is a provider's accident; it must not replace keys that work.
    if keys.keys().is_empty() { Err(KeysError::Empty(url.clone())) } else { Ok(keys) }
}
