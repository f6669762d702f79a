//! May this request pass? A bearer token becomes an [`Admitted`], or the answer is a [`Refusal`].
//!
//! A token is verified once and then known by its digest; expiry and revocation are looked at on
//! every request, without I/O and without a lock.

mod access;
mod bearer;
mod cache;
mod challenge;
mod identity;
mod outgoing;
mod policy;
mod story;
mod verify;

use std::{fmt, net::IpAddr, sync::Arc, time::Instant};

use http::{HeaderName, HeaderValue, request};

pub use access::{Access, TokenAccess};
pub use challenge::Refusal;

use crate::{
    audit,
    authority::{Authority, End, Grants, ProviderTokenError},
    config::plan::{AccessTokenPlan, BackendAuthorization, PolicyPlan, ProviderPlan, RoutePlan},
    flow::Flows,
    identity::Identity,
    keys::KeyRing,
    metrics::{ProviderMetrics, outcome::Verification},
    oauth::{ClientId, Issuer, ResourceUri, Scopes},
    policy::Denied,
    provider::Provider,
    seal::sha256,
    time::{Clock, Timestamp},
};
use bearer::BearerError;
use cache::{Cache, Verified};
use challenge::Challenge;
use outgoing::Composer;
use policy::Policy;
use story::Story;
use verify::{Bad, Good, Verifier};

/// Guards one route.
pub struct Gate {
    challenge: Challenge,
    policy: Policy,
    verifier: Verifier,
    cache: Cache,
    composer: Composer,
    /// Gives the provider's token, for a backend that gets it.
    provider_token: Option<Arc<Authority>>,
    /// Who may pass: on all routes, and on this one.
    people: (Arc<ProviderPlan>, PolicyPlan),
    provider: String,
    story: Story,
    resource: ResourceUri,
    clock: Clock,
    metrics: ProviderMetrics,
}

/// What a [`Gate`] is made of.
#[derive(Debug)]
pub struct Parts {
    /// The route that it guards.
    pub plan: Arc<RoutePlan>,
    /// Says who may pass at all.
    pub provider: Arc<ProviderPlan>,
    /// Our issuer.
    pub issuer: Issuer,
    /// Verifies our tokens, signs assertions.
    pub keys: Arc<KeyRing>,
    /// Whose tokens open it.
    pub issued: Issued,
    /// The sign-ins that first calls belong to.
    pub flows: Arc<Flows>,
    /// Now.
    pub clock: Clock,
    /// The provider's.
    pub metrics: ProviderMetrics,
}

/// Whose access tokens open a route.
#[expect(clippy::large_enum_variant, reason = "one for each route, and gone when its gate is made")]
#[derive(Clone, Debug)]
pub enum Issued {
    /// Ours.
    ByUs {
        /// Says whether a token's grant still holds.
        grants: Arc<Grants>,
        /// Gives the provider's token, for backends that get it.
        authority: Arc<Authority>,
    },
    /// The provider's (`mode: remote`).
    ByProvider {
        /// Checks them.
        provider: Arc<Provider>,
        /// How.
        plan: AccessTokenPlan,
        /// Access ends with the provider's place in the configuration.
        end_of_provider: Arc<End>,
    },
}

/// A request that may pass, and what its backend is told.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// Who calls, and what streams end with.
    pub access: Access,
    /// Who calls, ready to be set.
    pub identity: Arc<[(HeaderName, HeaderValue)]>,
    /// The backend's own credential.
    pub authorization: Option<HeaderValue>,
}

// === impl Gate ===

impl Gate {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Self {
        let Parts { plan, provider, issuer, keys, issued, flows, clock, metrics } = parts;
        let is_remote = matches!(issued, Issued::ByProvider { .. });
        let policy = Policy::new(&plan.required_scopes);
        let wants_provider_token = plan.backend_authorization == BackendAuthorization::ProviderToken;
        Self {
            challenge: Challenge::new(&plan.resource, policy.required()),
            policy,
            cache: Cache::new(),
            composer: Composer::new(&plan, issuer.clone(), Arc::clone(&keys)),
            verifier: Verifier::new(&issued, issuer, &plan, keys, clock.clone()),
            provider_token: match issued {
                Issued::ByUs { authority, .. } if wants_provider_token => Some(authority),
                _ => None,
            },
            people: (provider, plan.policy.clone()),
            provider: plan.provider.clone(),
            story: Story::new(flows, Arc::clone(&plan), is_remote),
            resource: plan.resource.clone(),
            clock,
            metrics,
        }
    }

    /// Decides about a request by its head; `address` is the client's. Every method is treated alike
    /// (RS-11, W6).
    ///
    /// # Errors
    /// [`Refusal`], which is the whole answer.
    pub async fn admit(&self, head: &request::Parts, address: IpAddr) -> Result<Admitted, Refusal> {
        let token = match bearer::token(&head.headers) {
            Ok(Some(token)) => token,
            Ok(None) => {
                self.story.missing(address);
                return Err(self.refuse(Verification::Missing, self.challenge.missing()));
            }
            Err(BearerError::Repeated) => {
                let refusal = self.challenge.invalid_request("The request has more than one Authorization header");
                return Err(self.refuse(Verification::Malformed, refusal));
            }
            Err(BearerError::Malformed) => {
                let refusal = self.challenge.invalid_request("The Authorization header is malformed");
                return Err(self.refuse(Verification::Malformed, refusal));
            }
        };
        let (now, digest) = (self.clock.now(), sha256(token.as_bytes()));
        let verified = self.verified(token, digest, address, now).await;
        let verified = verified.map_err(|bad| self.refuse_token(&digest, address, &bad))?;
        if let Some(denied) = &verified.denied {
            self.tell_denied(&verified, denied);
            self.story.refused(&digest, address, Verification::PolicyDenied, Some(&denied.reason));
            return Err(self.refuse(Verification::PolicyDenied, Challenge::forbidden()));
        }
        if let Some(insufficient) = &verified.insufficient {
            let needed = format!("it needs {}, the token has {}", insufficient.needed, verified.scopes);
            self.story.refused(&digest, address, Verification::ScopeInsufficient, Some(&needed));
            let refusal = self.challenge.insufficient_scope(&insufficient.needed);
            return Err(self.refuse(Verification::ScopeInsufficient, refusal));
        }
        let admitted = self.compose(&verified, &digest, address, now).await?;
        self.count(Verification::Valid);
        Ok(admitted)
    }

    /// The token's facts, from the cache or verified now; good at `now` in either case.
    async fn verified(
        &self,
        token: &str,
        digest: [u8; 32],
        address: IpAddr,
        now: Timestamp,
    ) -> Result<Arc<Verified>, Bad> {
        let known = self.cache.get(&digest).filter(|known| self.verifier.still_knows(known, now));
        let verified = match known {
            Some(verified) => verified,
            None => self.verify(token, digest, address, now).await?,
        };
        let outcome = if verified.access.is_revoked() {
            Verification::Revoked
        } else if verified.expires_at.is_some_and(|end| now >= end) {
            Verification::Expired
        } else {
            return Ok(verified);
        };
        self.cache.remove(&digest);
        Err(outcome.into())
    }

    async fn verify(
        &self,
        token: &str,
        digest: [u8; 32],
        address: IpAddr,
        now: Timestamp,
    ) -> Result<Arc<Verified>, Bad> {
        let begun = Instant::now();
        // Read first: a key that goes meanwhile makes what comes out of date.
        let losses = self.verifier.signature_losses();
        let result = self.verifier.verify(token, now).await;
        self.metrics.verification_duration(self.verifier.credential(), begun.elapsed());
        let Good { access, scopes, expires_at } = result?;
        let identity = access.identity();
        let verified = Arc::new(Verified {
            denied: crate::policy::check_all(&self.people.0, Some(&self.people.1), &identity).err(),
            insufficient: self.policy.check(&scopes).err(),
            outgoing: self.composer.first(&access, &scopes),
            access,
            losses,
            expires_at,
            scopes,
        });
        if verified.insufficient.is_none() && verified.denied.is_none() {
            self.story.accepted(&digest, address, &verified.access);
        }
        self.cache.insert(digest, Arc::clone(&verified));
        Ok(verified)
    }

    async fn compose(
        &self,
        verified: &Arc<Verified>,
        digest: &[u8; 32],
        address: IpAddr,
        now: Timestamp,
    ) -> Result<Admitted, Refusal> {
        let outgoing = self.composer.compose(verified, now).map_err(|error| {
            tracing::error!(%error, "an identity assertion could not be signed");
            Challenge::unavailable("The server cannot vouch for its callers right now")
        })?;
        let authorization = match (&self.provider_token, &verified.access) {
            (Some(authority), Access::Grant(grant)) => {
                let token = authority.provider_access_token(grant).await;
                Some(outgoing::bearer(token.map_err(|error| self.refuse_provider(digest, address, &error))?.expose()))
            }
            _ => outgoing.authorization.clone(),
        };
        Ok(Admitted { access: verified.access.clone(), identity: Arc::clone(&outgoing.identity), authorization })
    }

    fn count(&self, outcome: Verification) {
        self.metrics.verification(self.verifier.credential(), outcome);
    }

    /// A person who was let in once and may not pass any more.
    fn tell_denied(&self, verified: &Verified, denied: &Denied) {
        let (access, scopes) = (&verified.access, verified.scopes.to_string());
        let entry = audit::Entry {
            provider: Some(&self.provider),
            client_id: access.client_id().map(ClientId::as_str),
            subject: Some(&access.identity().subject),
            resource: Some(self.resource.as_str()),
            scopes: Some(&scopes),
            by: Some("gate"),
            reason: Some(&denied.reason),
            ..audit::Entry::default()
        };
        entry.tell(audit::Event::PolicyDenied, denied.kind.as_str());
    }

    fn refuse(&self, outcome: Verification, refusal: Refusal) -> Refusal {
        self.count(outcome);
        refusal
    }

    /// Which check failed is counted, but not told: only that a new token is needed.
    fn refuse_token(&self, digest: &[u8; 32], address: IpAddr, bad: &Bad) -> Refusal {
        let outcome = bad.outcome;
        self.story.refused(digest, address, outcome, bad.reason.as_deref());
        let refusal = match outcome {
            Verification::StoreError => Challenge::unavailable("The server cannot check access tokens right now"),
            Verification::KeysUnavailable | Verification::IntrospectionFailed => {
                Challenge::unavailable("The identity provider does not answer right now")
            }
            Verification::Expired => self.challenge.invalid_token("The access token has expired"),
            Verification::Revoked => self.challenge.invalid_token("The access was revoked"),
            _ => self.challenge.invalid_token("The access token is not valid for this server"),
        };
        self.refuse(outcome, refusal)
    }

    fn refuse_provider(&self, digest: &[u8; 32], address: IpAddr, error: &ProviderTokenError) -> Refusal {
        match error {
            ProviderTokenError::Gone | ProviderTokenError::Ended => {
                self.refuse_token(digest, address, &Verification::Revoked.into())
            }
            ProviderTokenError::Unavailable => {
                self.story.refused(digest, address, Verification::ProviderUnavailable, None);
                let refusal = Challenge::unavailable("The identity provider does not answer right now");
                self.refuse(Verification::ProviderUnavailable, refusal)
            }
            ProviderTokenError::Store(_) => self.refuse_token(digest, address, &Verification::StoreError.into()),
        }
    }
}

/// What the backend of a route is told about a caller in every request, but for an assertion: for
/// whoever wants to know before there is one.
pub fn told(
    route: &RoutePlan,
    identity: &Identity,
    client: Option<&ClientId>,
    scopes: &Scopes,
) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = identity::headers(&route.identity_headers, identity, client, scopes);
    headers.extend(identity::set(&route.set_headers, identity));
    headers
}

impl fmt::Debug for Gate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Gate").field("policy", &self.policy).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
