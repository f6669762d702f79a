//! Token introspection (RFC 7662): the provider is asked whether a token is good. Answers are kept
//! for a short time, all who wait for one token share one request, and there are never more than a
//! few requests at once.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::StatusCode;
use moka::future::Cache;
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

use super::{
    Provider,
    access_token::{AccessTokenError, Facts},
    client_auth::ClientAuth,
    client_request,
    error::clean,
};
use crate::{
    config::plan::{AccessTokenPlan, ClientAuthMethod, IntrospectionPlan},
    metrics::outcome::ProviderEndpoint,
    seal::sha256,
    time::Timestamp,
};

/// Tokens of one provider whose answers are kept.
const CAPACITY: u64 = 10_000;

/// Requests to the provider at one time; whoever comes then waits for a place.
const AT_ONCE: usize = 16;

/// How long "not active" is kept. Short: a token may be known to the provider a moment later.
const INACTIVE: Duration = Duration::from_secs(10);

/// After a failure nobody asks for this long: the provider may be overloaded.
const PAUSE: Duration = Duration::from_secs(1);

/// The answers, and the way to ask.
pub(super) struct Introspection {
    answers: Cache<[u8; 32], Answer>,
    places: Semaphore,
    /// When a request failed last, in seconds.
    failed_at: AtomicU64,
}

/// A good token as the provider described it.
pub(super) struct Introspected {
    pub(super) facts: Arc<Facts>,
    /// From then on it has to be asked again.
    pub(super) known_until: Timestamp,
}

#[derive(Clone)]
struct Answer {
    found: Result<Arc<Facts>, AccessTokenError>,
    known_until: Timestamp,
}

// === impl Introspection ===

impl Introspection {
    pub(super) fn new() -> Self {
        Self {
            answers: Cache::builder().max_capacity(CAPACITY).time_to_live(IntrospectionPlan::LONGEST).build(),
            places: Semaphore::new(AT_ONCE),
            failed_at: AtomicU64::new(0),
        }
    }

    fn is_pausing(&self, now: Timestamp) -> bool {
        let failed_at = Timestamp(self.failed_at.load(Ordering::Relaxed));
        // A clock that was set back does not pause until it has caught up.
        failed_at <= now && now.since(failed_at) < PAUSE
    }
}

impl fmt::Debug for Introspection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Introspection").field("kept", &self.answers.entry_count()).finish_non_exhaustive()
    }
}

// === impl Provider ===

impl Provider {
    /// What the provider says of a token, now or a moment ago.
    pub(super) async fn introspect(
        &self,
        plan: &AccessTokenPlan,
        introspection: &IntrospectionPlan,
        token: &str,
    ) -> Result<Introspected, AccessTokenError> {
        let digest = sha256(token.as_bytes());
        let is_over = |answer: &Answer| self.clock.now() >= answer.known_until;
        let asked = async {
            let found = self.ask_about(plan, introspection, token).await;
            // From the answer on: a slow one is not over before it is used.
            let now = self.clock.now();
            let kept = match &found {
                Ok(facts) => {
                    let kept = now.plus(introspection.cache_ttl);
                    return Answer { known_until: facts.expires_at.map_or(kept, |end| kept.min(end)), found };
                }
                Err(error) if error.is_unavailable() => PAUSE,
                Err(_) => INACTIVE.min(introspection.cache_ttl),
            };
            Answer { known_until: now.plus(kept), found }
        };
        let entry = self.introspection.answers.entry(digest).or_insert_with_if(asked, is_over).await;
        let Answer { found, known_until } = entry.into_value();
        found.map(|facts| Introspected { facts, known_until })
    }

    async fn ask_about(
        &self,
        plan: &AccessTokenPlan,
        introspection: &IntrospectionPlan,
        token: &str,
    ) -> Result<Arc<Facts>, AccessTokenError> {
        let failed = |reason: String| {
            self.introspection.failed_at.store(self.clock.now().0, Ordering::Relaxed);
            let provider = self.plan.name.as_str();
            tracing::warn!(provider, reason, "an access token could not be introspected");
            AccessTokenError::IntrospectionFailed(reason)
        };
        let waited = tokio::time::timeout(self.plan.timeout, self.introspection.places.acquire()).await;
        let Ok(Ok(_place)) = waited else {
            return Err(AccessTokenError::IntrospectionFailed("too many are under way".to_owned()));
        };
        if self.introspection.is_pausing(self.clock.now()) {
            return Err(AccessTokenError::IntrospectionFailed("the last one failed a moment ago".to_owned()));
        }
        let known = self.ready().await.map_err(failed)?;
        let url = introspection.endpoint.as_ref().or(known.introspection_endpoint.as_ref()).ok_or_else(|| {
            failed(
                "the provider's metadata name no `introspection_endpoint`: write `introspection.endpoint`".to_owned(),
            )
        })?;
        let secret = introspection.client_secret.clone();
        let auth = match introspection.auth_method {
            ClientAuthMethod::Basic => ClientAuth::Basic(secret),
            ClientAuthMethod::Post => ClientAuth::Post(secret),
            ClientAuthMethod::None => ClientAuth::None,
        };
        let pairs = [("token", token), ("token_type_hint", "access_token")];
        let request = client_request::post(url, &introspection.client_id, &auth, &pairs)
            .map_err(|error| failed(error.to_string()))?;
        let answer = self.http.send(ProviderEndpoint::Introspection, request).await;
        let answer = answer.map_err(|error| failed(error.to_string()))?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err(failed(format!(
                    "status {}: may `introspection.client_id` introspect tokens there?",
                    answer.status()
                )));
            }
            status => return Err(failed(format!("status {status}"))),
        }
        let members: Map<String, Value> =
            serde_json::from_slice(answer.body()).map_err(|_| failed("the answer is not a JSON object".to_owned()))?;
        // RFC 7662 section 2.2: required, and nothing but `true` means good.
        match members.get("active") {
            Some(Value::Bool(true)) => {}
            Some(Value::Bool(false)) => return Err(AccessTokenError::Inactive),
            _ => return Err(failed(clean("the answer has no `active`"))),
        }
        let plan = (plan, self.plan.needed_claims.as_slice());
        Facts::read(members, false, self.issuers(&known), plan, self.clock.now()).map(Arc::new)
    }
}
