//! The provider's public keys: the last good set is kept for ever, an unknown `kid` fetches anew,
//! but never more often than [`UNKNOWN_KID_INTERVAL`].

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse},
};
use openidconnect::core::CoreJsonWebKeySet;
use serde_json::Value;
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
    /// How often another set came: what was checked with an earlier one is to be checked anew.
    generation: AtomicU64,
    /// The last fetch failed.
    failed: AtomicBool,
}

/// What came of the look for a key that is not known.
#[derive(Debug)]
pub(super) enum NewKeys {
    /// A newer set.
    Newer(Arc<KeySet>),
    /// The last look was a moment ago: there is no such key.
    TooEarly,
    /// The keys cannot be had: perhaps there is one.
    Failed,
}

/// A public key as jsonwebtoken uses it, for access tokens.
pub(super) struct VerifyingKey {
    pub(super) id: Option<String>,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) key: DecodingKey,
}

/// One fetched set.
#[derive(Debug)]
pub(super) struct KeySet {
    pub(super) keys: CoreJsonWebKeySet,
    pub(super) verifying: Vec<VerifyingKey>,
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
        Self {
            current: ArcSwapOption::new(known),
            unknown_kid: Mutex::new(None),
            generation: AtomicU64::new(0),
            failed: AtomicBool::new(false),
        }
    }

    /// Another number after every change of the keys.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
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
        self.failed.store(fetched.is_err(), Ordering::Release);
        let (keys, verifying) = match fetched {
            Ok(fetched) => fetched,
            Err(error) => {
                metrics.jwks(trigger, Refresh::Error, now.0, before.map_or(0, |set| set.keys.keys().len()));
                return Err(error);
            }
        };
        let unchanged = before.is_some_and(|set| set.keys == keys);
        let outcome = if unchanged { Refresh::Unchanged } else { Refresh::Ok };
        metrics.jwks(trigger, outcome, now.0, keys.keys().len());
        let set = Arc::new(KeySet { keys, verifying, at: now });
        self.current.store(Some(Arc::clone(&set)));
        if !unchanged {
            self.generation.fetch_add(1, Ordering::AcqRel);
        }
        Ok(set)
    }

    /// A token names a key that `seen` does not have. Gives a newer set, if there is one: it was
    /// fetched by somebody else meanwhile, or it is fetched now.
    pub(super) async fn after_unknown_kid(
        &self,
        seen: &Arc<KeySet>,
        url: &Url,
        http: &Http,
        clock: &Clock,
        metrics: &ProviderMetrics,
    ) -> NewKeys {
        let mut last = self.unknown_kid.lock().await;
        let current = self.current();
        if let Some(newer) = current.filter(|current| !Arc::ptr_eq(current, seen)) {
            return NewKeys::Newer(newer);
        }
        let now = clock.now();
        // A clock that was set back must not lock new keys out until it has caught up.
        let too_early = last.is_some_and(|last| now >= last && now.since(last) < UNKNOWN_KID_INTERVAL);
        if too_early {
            metrics.jwks(JwksTrigger::UnknownKid, Refresh::Throttled, now.0, seen.keys.keys().len());
            return if self.failed.load(Ordering::Acquire) { NewKeys::Failed } else { NewKeys::TooEarly };
        }
        *last = Some(now);
        self.fetch(url, JwksTrigger::UnknownKid, http, clock, metrics)
            .await
            .inspect_err(|error| {
                let error = clean(&error.to_string());
                tracing::warn!(error, "the identity provider's keys cannot be fetched for an unknown kid");
            })
            .map_or(NewKeys::Failed, NewKeys::Newer)
    }
}

// === impl NewKeys ===

impl NewKeys {
    pub(super) fn newer(self) -> Option<Arc<KeySet>> {
        match self {
            Self::Newer(set) => Some(set),
            Self::TooEarly | Self::Failed => None,
        }
    }
}

// === impl VerifyingKey ===

impl VerifyingKey {
    /// `None` for a key that signs nothing, or not in a way that is accepted here.
    fn of(jwk: &Jwk) -> Option<Self> {
        let common = &jwk.common;
        if common.public_key_use.as_ref().is_some_and(|usage| *usage != PublicKeyUse::Signature) {
            return None;
        }
        let mut algorithms = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => vec![
                Algorithm::RS256,
                Algorithm::RS384,
                Algorithm::RS512,
                Algorithm::PS256,
                Algorithm::PS384,
                Algorithm::PS512,
            ],
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => vec![Algorithm::ES256],
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => vec![Algorithm::ES384],
            AlgorithmParameters::OctetKeyPair(_) => vec![Algorithm::EdDSA],
            _ => return None,
        };
        if let Some(only) = common.key_algorithm {
            algorithms.retain(|algorithm| KeyAlgorithm::from(*algorithm) == only);
        }
        let key = DecodingKey::from_jwk(jwk).ok().filter(|_| !algorithms.is_empty())?;
        Some(Self { id: common.key_id.clone(), algorithms, key })
    }
}

impl std::fmt::Debug for VerifyingKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("VerifyingKey").field("id", &self.id).finish_non_exhaustive()
    }
}

async fn request(url: &Url, http: &Http) -> Result<(CoreJsonWebKeySet, Vec<VerifyingKey>), KeysError> {
    let body = http
        .get_json(ProviderEndpoint::Jwks, url)
        .await
        .map_err(|source| KeysError::Fetch { url: url.clone(), source })?;
    let not_keys = |source| KeysError::NotKeys { url: url.clone(), source };
    let keys: CoreJsonWebKeySet = serde_json::from_slice(&body).map_err(not_keys)?;
    // An empty set is a provider's accident; it must not replace keys that work.
    if keys.keys().is_empty() {
        return Err(KeysError::Empty(url.clone()));
    }
    let document: Value = serde_json::from_slice(&body).map_err(not_keys)?;
    Ok((keys, verifying(&document)))
}

/// Every key by itself: one that is not understood hides no other.
fn verifying(document: &Value) -> Vec<VerifyingKey> {
    let keys = document.get("keys").and_then(Value::as_array).into_iter().flatten();
    keys.filter_map(|key| VerifyingKey::of(&serde_json::from_value(key.clone()).ok()?)).collect()
}
