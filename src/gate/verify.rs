//! A token that was not seen before: signature, issuer, audience, time, and its grant.

use std::sync::Arc;

use crate::{
    authority::{ACCESS_TOKEN_TYPE, AccessTokenClaims, GrantState, Grants},
    keys::{KeyRing, VerifyError},
    metrics::outcome::Verification,
    oauth::{Issuer, ResourceUri},
    time::Timestamp,
};

/// Verifies the tokens of one route.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) issuer: Issuer,
    pub(super) resource: ResourceUri,
    pub(super) keys: Arc<KeyRing>,
    pub(super) grants: Arc<Grants>,
}

// === impl Verifier ===

impl Verifier {
    /// The claims of a good token and the state of its grant.
    ///
    /// # Errors
    /// The outcome to count; everything but `Valid`.
    pub(super) async fn verify(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<(AccessTokenClaims, Arc<GrantState>), Verification> {
        let claims: AccessTokenClaims = self
            .keys
            .verify(token, ACCESS_TOKEN_TYPE, &self.issuer, self.resource.as_str(), now)
            .map_err(VerifyError::outcome)?;
        let grant = self.grants.state(&claims.sid).await.map_err(|error| {
            tracing::warn!(%error, "a grant could not be looked up");
            Verification::StoreError
        })?;
        let grant = grant.ok_or(Verification::Revoked)?;
        // We made both, so this cannot differ; if it ever does, nobody passes.
        let same = grant.client_id == claims.client_id
            && grant.resource == self.resource
            && grant.identity.subject == claims.sub;
        if same { Ok((claims, grant)) } else { Err(Verification::Malformed) }
    }
}
