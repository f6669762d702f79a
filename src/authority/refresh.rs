//! Refresh tokens (RFC 6749 section 6, OAuth 2.1 section 4.3): rotated at every use, with a grace
//! for lost answers and parallel requests; a use after that ends the grant (S56, T1, T2).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    Authority,
    access_token::TokenResponse,
    client::Client,
    error::TokenError,
    grant_request::RefreshRequest,
    grants::{
        GrantId,
        record::{Due, GrantRecord},
    },
    resource, scope,
    transaction::base64url,
};
use crate::{
    metrics::outcome::{RefreshReuse, RevocationInitiator},
    oauth::{Issuer, Scopes},
    policy,
    seal::{Purpose, Sealer, sha256},
    secret::equal,
    time::Timestamp,
};

/// What every refresh token starts with.
pub(super) const PREFIX: &str = "vrt_";

/// The longest text that is opened, in bytes.
const MAX_LENGTH: usize = 1_024;

/// How many rotated tokens are remembered at one time. More in one grace period is no accident.
const MAX_RETIRED: usize = 16;

/// How often a rotation is tried when another process changes the grant at the same moment.
const ATTEMPTS: usize = 4;

/// What is inside a refresh token. Sealed, so a made-up token never reaches the store.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RefreshToken {
    #[serde(rename = "g")]
    pub(super) grant: GrantId,
    /// 1 for the first of a grant, one more at every rotation.
    #[serde(rename = "n")]
    pub(super) generation: u64,
}

/// The refresh tokens of one grant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Family {
    generation: u64,
    /// SHA-256 of the token that is good now, base64url.
    digest: String,
    /// The token itself, for those who come with one that it replaced. Sealed with the grant.
    successor: Option<Successor>,
    /// Rotated lately, oldest first.
    retired: Vec<Retired>,
    /// Without a use until then, the family ends.
    pub(super) expires_at: Timestamp,
}

#[derive(Clone, Serialize, Deserialize)]
struct Successor(String);

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Retired {
    digest: String,
    at: Timestamp,
}

/// What a token is to its family.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Position {
    /// The one that is good now.
    Current,
    /// Rotated within the grace: whoever sent it gets the one that is good now.
    Retired(String),
    /// Rotated before that.
    Reused,
    /// Ours, but this family does not know it: from a store that was set back.
    Foreign,
}

// === impl RefreshToken ===

impl RefreshToken {
    /// Opens a token of this issuer.
    pub(super) fn open(sealer: &Sealer, issuer: &Issuer, text: &str) -> Option<Self> {
        let inner = text.strip_prefix(PREFIX).filter(|inner| inner.len() <= MAX_LENGTH)?;
        let json = sealer.open_text(Purpose::RefreshToken, issuer.as_str().as_bytes(), inner).ok()?;
        serde_json::from_slice(&json).ok()
    }

    /// Every sealing is another text, so no randomness of our own is needed.
    fn seal(&self, sealer: &Sealer, issuer: &Issuer) -> String {
        let json = serde_json::to_vec(self).unwrap_or_default();
        format!("{PREFIX}{}", sealer.seal_text(Purpose::RefreshToken, issuer.as_str().as_bytes(), &json))
    }
}

// === impl Family ===

impl Family {
    fn position(&self, token: &RefreshToken, text: &str, now: Timestamp, grace: Duration) -> Position {
        let digest = digest(text);
        let is = |own: &str| equal(own.as_bytes(), digest.as_bytes());
        if is(&self.digest) {
            return Position::Current;
        }
        let retired = self.retired.iter().find(|retired| is(&retired.digest));
        match (retired, &self.successor) {
            (Some(retired), Some(successor)) if now < retired.at.plus(grace) => Position::Retired(successor.0.clone()),
            (Some(_), _) => Position::Reused,
            (None, _) if token.generation < self.generation => Position::Reused,
            (None, _) => Position::Foreign,
        }
    }

    fn rotate(&mut self, generation: u64, successor: String, expires_at: Timestamp, now: Timestamp, grace: Duration) {
        let digest = digest(&successor);
        self.retired.retain(|retired| now < retired.at.plus(grace));
        if self.retired.len() >= MAX_RETIRED {
            self.retired.remove(0);
        }
        self.retired.push(Retired { digest: std::mem::replace(&mut self.digest, digest), at: now });
        self.generation = generation;
        self.successor = Some(Successor(successor));
        self.expires_at = expires_at;
    }
}

// === impl Successor ===

impl std::fmt::Debug for Successor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("[redacted]")
    }
}

// === impl Authority ===

impl Authority {
    /// The first refresh token of a grant and its family; `limit` is the end of the provider's.
    pub(super) fn first_refresh_token(&self, grant: &GrantId, limit: Option<Timestamp>) -> (String, Family) {
        let token = RefreshToken { grant: grant.clone(), generation: 1 };
        let text = token.seal(&self.sealer, &self.plan.issuer);
        let expires_at = self.idle_until(self.clock.now(), limit);
        let family = Family { generation: 1, digest: digest(&text), successor: None, retired: Vec::new(), expires_at };
        (text, family)
    }

    /// Exchanges a refresh token of an authenticated client.
    ///
    /// Nothing that is refused burns the token, except a reuse, which ends the grant.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn refresh(&self, client: &Client, request: &RefreshRequest) -> Result<TokenResponse, TokenError> {
        if !client.refresh {
            return Err(TokenError::UnauthorizedClient);
        }
        let text = &request.refresh_token;
        let token = RefreshToken::open(&self.sealer, &self.plan.issuer, text).ok_or(TokenError::RefreshUnknown)?;
        for _ in 0..ATTEMPTS {
            match self.refresh_once(client, request, &token).await {
                Err(TokenError::Contended) => {}
                result => return result,
            }
        }
        Err(TokenError::Contended)
    }

    async fn refresh_once(
        &self,
        client: &Client,
        request: &RefreshRequest,
        token: &RefreshToken,
    ) -> Result<TokenResponse, TokenError> {
        let state = self.grants.state(&token.grant).await?.ok_or(TokenError::RefreshUnknown)?;
        if state.client_id != client.id {
            return Err(TokenError::RefreshUnknown);
        }
        let turn = state.turn().await;
        let record = self.grants.record(&token.grant).await?.ok_or(TokenError::RefreshUnknown)?;
        self.position(client, request, token, &record.value).await?;
        self.refreshed_scopes(&record.value, request)?;
        resource::granted(&self.plan, &record.value.resource, request.resources.iter().map(String::as_str))?;
        if self.plan.route(&record.value.resource).is_none() {
            return Err(TokenError::ResourceGone);
        }

        let renewed = self.renewer.renew(turn, &state, record, Due::AtRefresh).await?;
        let mut grant = renewed.record.value.clone();
        // While the provider was asked, another replica may have rotated the same token.
        let position = self.position(client, request, token, &grant).await?;
        self.may_still_pass(&token.grant, &grant).await?;
        // The provider may have taken some scopes back just now.
        let scopes = self.refreshed_scopes(&grant, request)?;
        let until = self.access_until(&grant, renewed.limit).ok_or(TokenError::RefreshExpired)?;
        let rotates = position == Position::Current;
        let successor = if let Position::Retired(successor) = position {
            self.metrics.refresh_reuse(RefreshReuse::Grace);
            successor
        } else {
            grant.access_until = grant.access_until.max(until);
            self.rotate(token, &mut grant)
        };
        let response = self.respond(&token.grant, &grant, scopes, until, Some(successor))?;
        if rotates {
            self.grants.replace(&token.grant, &renewed.record, &grant).await?;
        }
        drop(renewed.turn);
        Ok(response)
    }

    /// What the token is to the family of a grant: good, or rotated within the grace. Everything else
    /// is refused, and a reuse ends the grant.
    async fn position(
        &self,
        client: &Client,
        request: &RefreshRequest,
        token: &RefreshToken,
        grant: &GrantRecord,
    ) -> Result<Position, TokenError> {
        let family = grant.refresh.as_ref().ok_or(TokenError::RefreshUnknown)?;
        let (now, grace) = (self.clock.now(), self.plan.lifetimes.refresh_grace);
        match family.position(token, &request.refresh_token, now, grace) {
            Position::Reused => Err(self.reused(client, &token.grant).await?),
            Position::Foreign => Err(TokenError::RefreshUnknown),
            _ if now >= family.expires_at => Err(TokenError::RefreshExpired),
            position @ (Position::Current | Position::Retired(_)) => Ok(position),
        }
    }

    /// The person's groups, or the rules, may have changed since (S33).
    async fn may_still_pass(&self, id: &GrantId, grant: &GrantRecord) -> Result<(), TokenError> {
        let of_route = self.plan.route(&grant.resource).map(|route| &route.policy);
        let Err(denied) = policy::check_all(&self.plan, of_route, &grant.identity) else {
            return Ok(());
        };
        self.metrics.denied(denied.kind);
        tracing::info!(
            provider = %self.plan.name,
            grant = id.as_str(),
            rule = denied.kind.as_str(),
            reason = denied.reason,
            "a person may not pass any more; the grant is revoked"
        );
        self.end_grant(id, RevocationInitiator::Policy).await?;
        Err(TokenError::PolicyDenied)
    }

    /// Replaces the good token of a grant by its successor, which is returned.
    fn rotate(&self, token: &RefreshToken, grant: &mut GrantRecord) -> String {
        let now = self.clock.now();
        let next = RefreshToken { grant: token.grant.clone(), generation: token.generation.saturating_add(1) };
        let successor = next.seal(&self.sealer, &self.plan.issuer);
        let expires_at = self.idle_until(now, grant.tokens.refresh_expires_at);
        if let Some(family) = &mut grant.refresh {
            family.rotate(next.generation, successor.clone(), expires_at, now, self.plan.lifetimes.refresh_grace);
        }
        successor
    }

    /// When an unused refresh token ends: no later than the provider's, which it stands for.
    fn idle_until(&self, now: Timestamp, limit: Option<Timestamp>) -> Timestamp {
        let idle = now.plus(self.plan.lifetimes.refresh_token);
        limit.map_or(idle, |limit| limit.min(idle))
    }

    fn refreshed_scopes(&self, grant: &GrantRecord, request: &RefreshRequest) -> Result<Scopes, TokenError> {
        let effective = scope::effective(&self.plan, &grant.scopes, grant.tokens.scopes.as_ref());
        scope::narrowed(&self.plan, &effective, request.scope.as_deref()).map_err(|_| TokenError::InvalidScope)
    }

    /// A token came again after its grace: somebody else has it too. One event, then the grant and
    /// all that hangs off it are gone.
    async fn reused(&self, client: &Client, grant: &GrantId) -> Result<TokenError, TokenError> {
        self.metrics.refresh_reuse(RefreshReuse::FamilyRevoked);
        tracing::warn!(
            provider = %self.plan.name,
            grant = grant.as_str(),
            client_kind = client.kind.label().as_str(),
            "a refresh token was used again after its grace; the grant is revoked"
        );
        self.end_grant(grant, RevocationInitiator::Reuse).await?;
        Ok(TokenError::RefreshReused)
    }
}

fn digest(text: &str) -> String {
    base64url(&sha256(text.as_bytes()))
}

#[cfg(test)]
mod tests;
