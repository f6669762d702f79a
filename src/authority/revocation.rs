//! Revocation (RFC 7009): either token of a client's own ends the whole grant, here and at the
//! provider (T7).

use tracing::Instrument as _;

use super::{
    Authority,
    access_token::{ACCESS_TOKEN_TYPE, AccessTokenClaims},
    client::Client,
    error::TokenError,
    grants::GrantId,
    refresh::{self, RefreshToken},
};
use crate::{metrics::outcome::RevocationInitiator, store::StoreError};

// === impl Authority ===

impl Authority {
    /// Ends the grant of a token. An unknown token, or another client's, is no error and has no
    /// effect (RFC 7009 section 2.2). The hint is not needed: our tokens say what they are.
    ///
    /// # Errors
    /// [`TokenError::Store`] when the store does not answer: the client should try again.
    pub async fn revoke(&self, client: &Client, token: &str) -> Result<(), TokenError> {
        let Some(grant) = self.grant_of(token) else { return Ok(()) };
        let record = self.grants.record(&grant).await?;
        if record.is_some_and(|record| record.value.client_id == client.id) {
            self.end_grant(&grant, RevocationInitiator::Client).await?;
        }
        Ok(())
    }

    /// Ends a grant because an operator says so; false if there was none (any more).
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer; the grant then goes on.
    pub async fn revoke_for_operator(&self, id: &GrantId) -> Result<bool, StoreError> {
        self.end_grant(id, RevocationInitiator::Admin).await
    }

    /// Ends a grant here, then at the provider without waiting for it. False if there was none.
    pub(super) async fn end_grant(&self, id: &GrantId, initiator: RevocationInitiator) -> Result<bool, StoreError> {
        let Some(tokens) = self.grants.revoke(id, initiator).await? else { return Ok(false) };
        let provider = std::sync::Arc::clone(&self.renewer.tokens);
        tokio::spawn(async move { provider.revoke(&tokens).await }.in_current_span());
        Ok(true)
    }

    fn grant_of(&self, token: &str) -> Option<GrantId> {
        if token.starts_with(refresh::PREFIX) {
            return RefreshToken::open(&self.sealer, &self.plan.issuer, token).map(|token| token.grant);
        }
        // Which route it is for, only the token says; the check demands exactly that one.
        let claimed: AccessTokenClaims = jsonwebtoken::dangerous::insecure_decode_claims(token).ok()?;
        let (issuer, now) = (&self.plan.issuer, self.clock.now());
        let claims: Result<AccessTokenClaims, _> =
            self.keys.verify(token, ACCESS_TOKEN_TYPE, issuer, &claimed.aud, now);
        claims.ok().map(|claims| claims.sid)
    }
}

#[cfg(test)]
mod tests;
