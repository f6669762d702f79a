//! A token that was not seen before: ours by signature, issuer, audience, time and its grant; the
//! provider's as the provider's own part checks it.

use std::sync::Arc;

use super::{Access, Issued, access::TokenAccess, cache::Verified};
use crate::{
    authority::{ACCESS_TOKEN_TYPE, AccessTokenClaims, End, Grants},
    config::plan::{AccessTokenPlan, RoutePlan},
    keys::{KeyRing, VerifyError},
    metrics::outcome::{Credential, Verification},
    oauth::{Issuer, ResourceUri, Scopes},
    provider::Provider,
    time::{Clock, Timestamp},
};

/// Verifies the tokens of one route.
#[derive(Debug)]
pub(super) enum Verifier {
    /// Those that we issue.
    Own { issuer: Issuer, resource: ResourceUri, audience: String, keys: Arc<KeyRing>, grants: Arc<Grants> },
    /// Those that the provider issues.
    Provider {
        provider: Arc<Provider>,
        plan: AccessTokenPlan,
        audiences: Vec<String>,
        end_of_provider: Arc<End>,
        clock: Clock,
    },
}

/// Why a token opens nothing.
pub(super) struct Bad {
    /// Everything but `Valid`.
    pub(super) outcome: Verification,
    /// For the operator; nothing of the token itself is in it.
    pub(super) reason: Option<String>,
}

/// A good token.
pub(super) struct Good {
    pub(super) access: Access,
    pub(super) scopes: Scopes,
    /// The token's own end, if it has one.
    pub(super) expires_at: Option<Timestamp>,
}

// === impl Verifier ===

impl Verifier {
    pub(super) fn new(of: &Issued, issuer: Issuer, route: &RoutePlan, keys: Arc<KeyRing>, clock: Clock) -> Self {
        match of {
            Issued::ByUs { grants, .. } => Self::Own {
                issuer,
                resource: route.resource.clone(),
                audience: route.audience().to_owned(),
                keys,
                grants: Arc::clone(grants),
            },
            Issued::ByProvider { provider, plan, end_of_provider } => Self::Provider {
                provider: Arc::clone(provider),
                audiences: route.audiences.clone(),
                plan: plan.clone(),
                end_of_provider: Arc::clone(end_of_provider),
                clock,
            },
        }
    }

    /// What is counted.
    pub(super) fn credential(&self) -> Credential {
        match self {
            Self::Provider { plan: AccessTokenPlan { introspection: Some(_), .. }, .. } => Credential::Opaque,
            Self::Own { .. } | Self::Provider { .. } => Credential::Jwt,
        }
    }

    /// What a good token gives.
    ///
    /// # Errors
    /// [`Bad`].
    pub(super) async fn verify(&self, token: &str, now: Timestamp) -> Result<Good, Bad> {
        match self {
            Self::Own { issuer, resource, audience, keys, grants } => {
                own(token, now, issuer, (resource, audience), keys, grants).await.map_err(Bad::from)
            }
            Self::Provider { provider, plan, audiences, end_of_provider, clock } => {
                let found = provider.check_access_token(plan, token, audiences).await.map_err(|error| {
                    // Clients are told nothing of it; an operator who wonders turns this on.
                    tracing::debug!(%error, "an access token of the provider is refused");
                    Bad { outcome: error.outcome(), reason: Some(error.to_string()) }
                })?;
                let (scopes, expires_at) = (found.scopes.clone(), found.expires_at);
                let (end_of_provider, clock) = (Arc::clone(end_of_provider), clock.clone());
                let access = Access::Token(Arc::new(TokenAccess { found, end_of_provider, clock }));
                Ok(Good { access, scopes, expires_at })
            }
        }
    }

    /// Whether what was found may still be used without a look at the provider or the signature.
    pub(super) fn still_knows(&self, known: &Verified, now: Timestamp) -> bool {
        match (self, &known.access) {
            (Self::Provider { provider, .. }, Access::Token(token)) => provider.still_knows(&token.found, now),
            (Self::Own { .. }, Access::Grant(_)) => known.losses == self.signature_losses(),
            _ => false,
        }
    }

    /// Another number when signatures that were good may not be any more ([`KeyRing::losses`]).
    pub(super) fn signature_losses(&self) -> u64 {
        match self {
            Self::Own { keys, .. } => keys.losses(),
            Self::Provider { .. } => 0,
        }
    }
}

// === impl Bad ===

impl From<Verification> for Bad {
    fn from(outcome: Verification) -> Self {
        Self { outcome, reason: None }
    }
}

async fn own(
    token: &str,
    now: Timestamp,
    issuer: &Issuer,
    (resource, audience): (&ResourceUri, &str),
    keys: &KeyRing,
    grants: &Grants,
) -> Result<Good, Verification> {
    let check = || keys.verify(token, ACCESS_TOKEN_TYPE, issuer, audience, now);
    let claims: AccessTokenClaims = match check() {
        Err(VerifyError::UnknownKid) if keys.look_for_unknown().await => check(),
        result => result,
    }
    .map_err(VerifyError::outcome)?;
    let grant = grants.state(&claims.sid).await.map_err(|error| {
        tracing::warn!(%error, "a grant could not be looked up");
        Verification::StoreError
    })?;
    let grant = grant.ok_or(Verification::Revoked)?;
    // We made both, so this cannot differ; if it ever does, nobody passes.
    let same = grant.client_id == claims.client_id
        && grant.resource == *resource
        && grant.identity().subject_here() == claims.sub;
    if same {
        Ok(Good { access: Access::Grant(grant), scopes: claims.scope, expires_at: Some(claims.exp) })
    } else {
        Err(Verification::Malformed)
    }
}
