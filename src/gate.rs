//! May this request pass? A bearer token becomes an [`Admitted`], or the answer is a [`Refusal`].
//!
//! A token is verified once and then known by its digest; expiry and revocation are looked at on
//! every request, without I/O and without a lock.

mod bearer;
mod cache;
mod challenge;
mod identity;
mod outgoing;
mod policy;
mod verify;

use std::{fmt, sync::Arc, time::Instant};

use http::{HeaderName, HeaderValue, request};

pub use challenge::Refusal;

use crate::{
    authority::{Authority, GrantState, Grants, ProviderTokenError},
    config::plan::{BackendAuthorization, RoutePlan},
    flow::Flows,
    keys::KeyRing,
    metrics::{ProviderMetrics, outcome::Verification},
    oauth::Issuer,
    seal::sha256,
    time::{Clock, Timestamp},
};
use bearer::BearerError;
use cache::{Cache, Verified};
use challenge::Challenge;
use outgoing::Composer;
use policy::Policy;
use verify::Verifier;

/// Guards one route.
pub struct Gate {
    challenge: Challenge,
    policy: Policy,
    verifier: Verifier,
    cache: Cache,
    composer: Composer,
    authority: Arc<Authority>,
    provider_token: bool,
    flows: Arc<Flows>,
    path: String,
    clock: Clock,
    metrics: ProviderMetrics,
}

/// What a [`Gate`] is made of.
#[derive(Debug)]
pub struct Parts {
    /// The route that it guards.
    pub plan: Arc<RoutePlan>,
    /// Who issues its tokens.
    pub issuer: Issuer,
    /// Verifies tokens, signs assertions.
    pub keys: Arc<KeyRing>,
    /// Says whether a token's grant still holds.
    pub grants: Arc<Grants>,
    /// Gives the provider's token, for backends that get it.
    pub authority: Arc<Authority>,
    /// The sign-ins that first calls belong to.
    pub flows: Arc<Flows>,
    /// Now.
    pub clock: Clock,
    /// The provider's.
    pub metrics: ProviderMetrics,
}

/// A request that may pass, and what its backend is told.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// What the access hangs on; streams end with it.
    pub grant: Arc<GrantState>,
    /// Who calls, ready to be set.
    pub identity: Arc<[(HeaderName, HeaderValue)]>,
    /// The backend's own credential.
    pub authorization: Option<HeaderValue>,
}

// === impl Gate ===

impl Gate {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Self {
        let Parts { plan, issuer, keys, grants, authority, flows, clock, metrics } = parts;
        let policy = Policy::new(&plan.required_scopes);
        Self {
            challenge: Challenge::new(&plan.resource, &plan.path, policy.required()),
            policy,
            cache: Cache::new(),
            composer: Composer::new(&plan, issuer.clone(), Arc::clone(&keys)),
            verifier: Verifier { issuer, resource: plan.resource.clone(), keys, grants },
            authority,
            provider_token: plan.backend_authorization == BackendAuthorization::ProviderToken,
            flows,
            path: plan.path.clone(),
            clock,
            metrics,
        }
    }

    /// Decides about a request by its head. Every method is treated alike (RS-11, W6).
    ///
    /// # Errors
    /// [`Refusal`], which is the whole answer.
    pub async fn admit(&self, head: &request::Parts) -> Result<Admitted, Refusal> {
        let token = match bearer::token(&head.headers) {
            Ok(Some(token)) => token,
            Ok(None) => return Err(self.refuse(Verification::Missing, self.challenge.missing())),
            Err(BearerError::Repeated) => {
                let refusal = self.challenge.invalid_request("The request has more than one Authorization header");
                return Err(self.refuse(Verification::Malformed, refusal));
            }
            Err(BearerError::Malformed) => {
                let refusal = self.challenge.invalid_request("The Authorization header is malformed");
                return Err(self.refuse(Verification::Malformed, refusal));
            }
        };
        let now = self.clock.now();
        let verified = self.verified(token, now).await.map_err(|outcome| self.refuse_token(outcome))?;
        if let Some(insufficient) = &verified.insufficient {
            let refusal = self.challenge.insufficient_scope(&insufficient.needed);
            return Err(self.refuse(Verification::ScopeInsufficient, refusal));
        }
        let admitted = self.compose(&verified, now).await?;
        self.metrics.verification(Verification::Valid);
        Ok(admitted)
    }

    /// The token's facts, from the cache or verified now; good at `now` in either case.
    async fn verified(&self, token: &str, now: Timestamp) -> Result<Arc<Verified>, Verification> {
        let digest = sha256(token.as_bytes());
        let verified = match self.cache.get(&digest) {
            Some(verified) => verified,
            None => self.verify(token, digest, now).await?,
        };
        let outcome = if verified.grant.is_revoked() {
            Verification::Revoked
        } else if now >= verified.expires_at {
            Verification::Expired
        } else {
            return Ok(verified);
        };
        self.cache.remove(&digest);
        Err(outcome)
    }

    async fn verify(&self, token: &str, digest: [u8; 32], now: Timestamp) -> Result<Arc<Verified>, Verification> {
        let begun = Instant::now();
        let result = self.verifier.verify(token, now).await;
        self.metrics.verification_duration(begun.elapsed());
        let (claims, grant) = result?;
        let verified = Arc::new(Verified {
            insufficient: self.policy.check(&claims.scope).err(),
            outgoing: self.composer.first(&grant, &claims),
            grant,
            expires_at: claims.exp,
            scopes: claims.scope,
        });
        if verified.insufficient.is_none() {
            self.flows.accepted(&digest, &self.path);
        }
        self.cache.insert(digest, Arc::clone(&verified));
        Ok(verified)
    }

    async fn compose(&self, verified: &Arc<Verified>, now: Timestamp) -> Result<Admitted, Refusal> {
        let outgoing = self.composer.compose(verified, now).map_err(|error| {
            tracing::error!(%error, "an identity assertion could not be signed");
            Challenge::unavailable("The server cannot vouch for its callers right now")
        })?;
        let authorization = if self.provider_token {
            let token = self.authority.provider_access_token(&verified.grant).await;
            Some(outgoing::bearer(token.map_err(|error| self.refuse_provider(&error))?.expose()))
        } else {
            outgoing.authorization.clone()
        };
        Ok(Admitted { grant: Arc::clone(&verified.grant), identity: Arc::clone(&outgoing.identity), authorization })
    }

    fn refuse(&self, outcome: Verification, refusal: Refusal) -> Refusal {
        self.metrics.verification(outcome);
        refusal
    }

    /// Which check failed is counted, but not told: only that a new token is needed.
    fn refuse_token(&self, outcome: Verification) -> Refusal {
        let refusal = match outcome {
            Verification::StoreError => Challenge::unavailable("The server cannot check access tokens right now"),
            Verification::Expired => self.challenge.invalid_token("The access token has expired"),
            Verification::Revoked => self.challenge.invalid_token("The access was revoked"),
            _ => self.challenge.invalid_token("The access token is not valid for this server"),
        };
        self.refuse(outcome, refusal)
    }

    fn refuse_provider(&self, error: &ProviderTokenError) -> Refusal {
        match error {
            ProviderTokenError::Gone | ProviderTokenError::Ended => self.refuse_token(Verification::Revoked),
            ProviderTokenError::Unavailable => {
                let refusal = Challenge::unavailable("The identity provider does not answer right now");
                self.refuse(Verification::ProviderUnavailable, refusal)
            }
            ProviderTokenError::Store(_) => self.refuse_token(Verification::StoreError),
        }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Gate").field("policy", &self.policy).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
