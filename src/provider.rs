//! We as client of one provider, by OpenID Connect or by OAuth 2.0 alone: discovery, sign-in,
//! exchange, refresh, revocation.
//!
//! A provider that is down never stops the process: it is "not ready", tried again in the
//! background and whenever somebody wants to sign in, and what was once learnt stays in use.

mod access_token;
mod authorize;
mod choice;
mod claims;
mod client_auth;
mod client_request;
mod discovery;
mod error;
mod hints;
mod http_client;
mod introspection;
mod keys;
mod login;
mod metadata;
mod renew;
mod scope;
mod tenant;
mod token_answer;
pub mod tokens;
mod user_api;

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use arc_swap::ArcSwapOption;
use serde_json::{Map, Value};
use tokio::{sync::Mutex, task::JoinHandle};

use crate::{
    config::plan::ProviderPlan,
    egress::Egress,
    identity::Identity,
    metrics::{
        ProviderMetrics,
        outcome::{JwksTrigger, Refresh},
    },
    time::{Clock, Timestamp},
};
use discovery::{Discovered, DiscoveryError};
use error::clean;
use http_client::Http;
use introspection::Introspection;
use keys::{KeySet, Keys, KeysError};

pub use access_token::{AccessTokenError, ProviderAccess};
pub use choice::Choice;
pub use error::LoginError;
pub use hints::{Hints, Wishes};
pub use login::{CallbackParameters, Login};

/// How often metadata and keys are fetched anew while all is well.
const REFRESH_INTERVAL: Duration = Duration::from_hours(1);
/// The longest pause between two attempts while something is wrong.
const MAX_BACKOFF: Duration = Duration::from_mins(1);
/// Sign-ins that meet a provider which is not ready try at most once in this time.
const ATTEMPT_INTERVAL: Duration = Duration::from_secs(1);

/// One identity provider at run time.
#[derive(Debug)]
pub struct Provider {
    plan: Arc<ProviderPlan>,
    http: Http,
    clock: Clock,
    metrics: ProviderMetrics,
    discovered: ArcSwapOption<Discovered>,
    keys: Keys,
    introspection: Introspection,
    last_failure: ArcSwapOption<String>,
    /// When the last attempt ended; held while one runs, so that there is one.
    attempt: Mutex<Option<Timestamp>>,
}

/// Whether sign-in is possible, for `/readyz`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// Metadata and keys are known (and perhaps old).
    pub ready: bool,
    /// What went wrong last, if the last attempt failed.
    pub reason: Option<String>,
    /// When the metadata in use were fetched; `None` also for a provider whose endpoints are
    /// configured.
    pub discovery_at: Option<Timestamp>,
    /// When the keys in use were fetched; `None` also for a provider without ID tokens.
    pub jwks_at: Option<Timestamp>,
}

/// Why an attempt to learn metadata and keys failed.
#[derive(Debug, thiserror::Error)]
enum RefreshError {
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    #[error(transparent)]
    Keys(#[from] KeysError),
}

/// The identity that the claims of an ID token make, as a sign-in would have it; `needed` are the claims
/// that rules look at.
///
/// # Errors
/// Why they make none.
pub fn identity_of(issuer: &str, claims: Map<String, Value>, needed: &[String]) -> Result<Identity, String> {
    claims::identity(issuer, claims, needed).map_err(|error| error.to_string())
}

// === impl Provider ===

impl Provider {
    /// Puts a provider together; nothing is fetched until [`start`](Self::start) or the first
    /// sign-in.
    pub fn new(plan: Arc<ProviderPlan>, egress: Egress, clock: Clock, metrics: ProviderMetrics) -> Arc<Self> {
        let discovered = written(&plan);
        Self::starting_with(discovered, None, plan, egress, clock, metrics)
    }

    /// A provider of the same name with a new plan: what `before` learnt stays in use where it fits,
    /// so that a sign-in right after a change waits for nobody.
    pub fn following(
        before: &Self,
        plan: Arc<ProviderPlan>,
        egress: Egress,
        clock: Clock,
        metrics: ProviderMetrics,
    ) -> Arc<Self> {
        let before_known = before.known().filter(|_| before.plan.config_url == plan.config_url);
        let discovered = written(&plan).or_else(|| before_known.as_ref()?.with_plan(&plan));
        let keys_of = |known: &Discovered| known.jwks_uri().cloned();
        let same_keys = discovered.as_ref().map(keys_of) == before_known.as_deref().map(keys_of);
        let keys = before.keys.current().filter(|_| same_keys);
        Self::starting_with(discovered, keys, plan, egress, clock, metrics)
    }

    fn starting_with(
        discovered: Option<Discovered>,
        keys: Option<Arc<KeySet>>,
        plan: Arc<ProviderPlan>,
        egress: Egress,
        clock: Clock,
        metrics: ProviderMetrics,
    ) -> Arc<Self> {
        Arc::new(Self {
            plan,
            http: Http::new(egress, metrics.clone()),
            clock,
            metrics,
            discovered: ArcSwapOption::new(discovered.map(Arc::new)),
            keys: Keys::starting_with(keys),
            introspection: Introspection::new(),
            last_failure: ArcSwapOption::empty(),
            attempt: Mutex::new(None),
        })
    }

    /// Learns metadata and keys in the background, at once and then every hour; after a failure
    /// soon again. The task ends by itself when the provider is dropped, or when there is nothing to
    /// learn.
    pub fn start(self: &Arc<Self>) -> JoinHandle<()> {
        tokio::spawn(keep_fresh(Arc::downgrade(self)))
    }

    /// Learns metadata and keys once, and says whether sign-in is possible then.
    pub async fn try_once(&self) -> Readiness {
        // The reason is kept.
        drop(self.refresh().await);
        self.readiness()
    }

    /// Whether sign-in is possible, and if not, why.
    pub fn readiness(&self) -> Readiness {
        let discovered = self.discovered.load();
        Readiness {
            ready: self.known().is_some(),
            reason: self.last_failure.load().as_ref().map(|reason| reason.as_str().to_owned()),
            discovery_at: discovered.as_ref().and_then(|known| known.at),
            jwks_at: self.keys.current().map(|keys| keys.at),
        }
    }

    /// What was planned of it.
    pub fn plan(&self) -> &Arc<ProviderPlan> {
        &self.plan
    }

    /// Where its requests are counted.
    pub fn metrics(&self) -> &ProviderMetrics {
        &self.metrics
    }

    /// The provider's issuer, byte for byte, once it is known.
    pub fn issuer(&self) -> Option<String> {
        self.discovered.load().as_ref().map(|known| known.issuer.to_string())
    }

    /// The provider's metadata document as it was fetched last.
    pub fn metadata(&self) -> Option<Value> {
        self.discovered.load().as_ref().map(|known| known.document.to_value())
    }

    /// The metadata, if the keys are known too that sign-in needs.
    fn known(&self) -> Option<Arc<Discovered>> {
        let has_keys = |known: &Arc<Discovered>| known.jwks_uri().is_none() || self.keys.current().is_some();
        self.discovered.load_full().filter(has_keys)
    }

    /// Nothing has to be fetched before people can sign in, now or later.
    fn is_settled(&self) -> bool {
        self.plan.config_url.is_none() && self.known().is_some_and(|known| known.jwks_uri().is_none())
    }

    /// The metadata; when nothing is known yet, learns it now. All who wait share one attempt.
    async fn ready(&self) -> Result<Arc<Discovered>, String> {
        if let Some(known) = self.known() {
            return Ok(known);
        }
        let mut last = self.attempt.lock().await;
        if let Some(known) = self.known() {
            return Ok(known);
        }
        let now = self.clock.now();
        if last.is_some_and(|last| now >= last && now.since(last) < ATTEMPT_INTERVAL) {
            return Err(self.readiness().reason.unwrap_or_default());
        }
        let learnt = self.learn().await;
        *last = Some(self.clock.now());
        learnt.map_err(|error| clean(&error.to_string()))
    }

    /// One attempt of the background task.
    async fn refresh(&self) -> Result<(), RefreshError> {
        let mut last = self.attempt.lock().await;
        let learnt = self.learn().await;
        *last = Some(self.clock.now());
        learnt.map(|_| ())
    }

    /// Fetches metadata, then keys. What fails leaves the old in use. Only for who holds
    /// `attempt`.
    async fn learn(&self) -> Result<Arc<Discovered>, RefreshError> {
        let was_ready = self.known().is_some();
        let learnt = self.learn_both().await;
        let ready = self.known().is_some();
        self.metrics.ready(ready);
        let provider = self.plan.name.as_str();
        match &learnt {
            Ok(_) => {
                self.last_failure.store(None);
                if !was_ready {
                    tracing::info!(provider, "the identity provider is ready");
                }
            }
            Err(error) => {
                let error = clean(&error.to_string());
                self.last_failure.store(Some(Arc::new(error.clone())));
                tracing::warn!(provider, error, ready, "the identity provider's metadata or keys cannot be fetched");
            }
        }
        learnt
    }

    async fn learn_both(&self) -> Result<Arc<Discovered>, RefreshError> {
        let fetched = Discovered::fetch(&self.plan, &self.http, self.clock.now()).await;
        if self.plan.config_url.is_some() {
            let before = self.discovered.load_full();
            let outcome = match &fetched {
                Ok(new) if before.is_some_and(|before| new.is_unchanged(&before)) => Refresh::Unchanged,
                Ok(_) => Refresh::Ok,
                Err(DiscoveryError::IssuerMismatch { .. }) => Refresh::IssuerMismatch,
                Err(_) => Refresh::Error,
            };
            self.metrics.discovery(outcome, self.clock.now().0);
        }
        let discovered = Arc::new(fetched?);
        self.discovered.store(Some(Arc::clone(&discovered)));
        if let Some(jwks_uri) = discovered.jwks_uri() {
            let trigger = if self.keys.current().is_some() { JwksTrigger::Interval } else { JwksTrigger::Startup };
            self.keys.fetch(jwks_uri, trigger, &self.http, &self.clock, &self.metrics).await?;
        }
        Ok(discovered)
    }
}

/// What is known of a provider without a document before anybody was asked. What is wrong with it is
/// said by the first attempt to learn it.
fn written(plan: &ProviderPlan) -> Option<Discovered> {
    if plan.config_url.is_some() { None } else { Discovered::written(plan).ok() }
}

async fn keep_fresh(provider: Weak<Provider>) {
    let mut failures = 0;
    loop {
        let Some(strong) = provider.upgrade() else {
            return;
        };
        let refreshed = strong.refresh().await;
        if strong.is_settled() {
            return;
        }
        drop(strong);
        failures = if refreshed.is_ok() { 0 } else { failures + 1 };
        let pause = if failures == 0 { REFRESH_INTERVAL } else { backoff(failures, random_fraction()) };
        tokio::time::sleep(pause).await;
    }
}

/// One second, doubled with each failure up to a minute, of which `fraction` (0 to 1) takes away
/// up to a half: many instances must not ask in step.
fn backoff(failures: u32, fraction: f64) -> Duration {
    let doubled = Duration::from_secs(1 << failures.saturating_sub(1).min(6)).min(MAX_BACKOFF);
    doubled.mul_f64(1.0 - fraction.clamp(0.0, 1.0) / 2.0)
}

fn random_fraction() -> f64 {
    let mut byte = [0; 1];
    // Without randomness there is no jitter, and nothing worse.
    if aws_lc_rs::rand::fill(&mut byte).is_err() {
        return 0.0;
    }
    f64::from(byte[0]) / 255.0
}

#[cfg(test)]
mod tests;
