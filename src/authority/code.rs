//! Authorization codes (RFC 6749 section 4.1): single use, a minute, bound to client, redirect
//! URI, challenge and resource. A second use ends what the first one gave (AS-52, S57).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    Authority,
    access_token::TokenResponse,
    answer::{AnswerOutcome, ClientAnswer},
    client::Client,
    error::TokenError,
    grant_request::CodeRequest,
    grants::{
        GrantId,
        record::{GrantRecord, Life},
    },
    pkce, resource, scope,
    transaction::Transaction,
};
use crate::{
    identity::Identity,
    metrics::outcome::RevocationInitiator,
    oauth::{ClientId, Issuer, RedirectUri, ResourceUri, Scopes},
    policy::{self, Denied},
    provider::tokens::ProviderTokens,
    seal::{self, sha256},
    store::{
        CommitError, StoreError, Table,
        record::{Kind, Sealed},
    },
    time::Timestamp,
};

/// How long a code that was used, or is too old, is remembered.
const REMEMBERED: Duration = Duration::from_mins(10);

/// Why no code can be issued at the end of a sign-in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// The sign-in took too long.
    #[error("the sign-in took too long")]
    Expired,
    /// The client, or its redirect URI, is not known any more.
    #[error("the application is not known any more")]
    ClientGone,
    /// The route is not served any more.
    #[error("the resource is not served any more")]
    ResourceGone,
    /// The person may not pass.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The store did not do its work.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A code as it is kept, under its SHA-256.
#[derive(Debug, Serialize, Deserialize)]
struct CodeRecord {
    issuer: String,
    client_id: ClientId,
    redirect_uri: RedirectUri,
    code_challenge: String,
    resource: ResourceUri,
    valid_until: Timestamp,
    state: CodeState,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CodeState {
    Fresh(Box<Pending>),
    /// Remembered so that a second use ends this grant.
    Spent(GrantId),
}

/// What becomes a grant when the code is redeemed.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Pending {
    identity: Identity,
    scopes: Scopes,
    offline: bool,
    tokens: ProviderTokens,
    tokens_at: Timestamp,
}

// === impl CodeRecord ===

impl Kind for CodeRecord {
    const TABLE: Table = Table::Code;
    const NAME: &'static str = "code";
}

impl CodeRecord {
    /// Everything that a redemption must get right. The order does not matter: each reason leaves
    /// the code as it is.
    fn check(&self, issuer: &Issuer, client: &Client, request: &CodeRequest) -> Result<(), TokenError> {
        if self.issuer != issuer.as_str() || self.client_id != client.id {
            return Err(TokenError::CodeUnknown);
        }
        if request.redirect_uri.as_ref().is_some_and(|uri| uri != self.redirect_uri.as_str()) {
            return Err(TokenError::RedirectUriMismatch);
        }
        let verifier = request.code_verifier.as_ref().ok_or(TokenError::Missing("code_verifier"))?;
        if pkce::fits(verifier, &self.code_challenge) { Ok(()) } else { Err(TokenError::PkceMismatch) }
    }
}

// === impl Authority ===

impl Authority {
    /// Issues a code for a person who approved and signed in.
    ///
    /// # Errors
    /// [`IssueError`]; nothing was stored then.
    pub async fn issue_code(
        &self,
        transaction: &Transaction,
        identity: Identity,
        tokens: ProviderTokens,
    ) -> Result<ClientAnswer, IssueError> {
        let now = self.clock.now();
        if transaction.is_expired(now) {
            return Err(IssueError::Expired);
        }
        // The configuration, or the client's document, may have changed since (D-6).
        let client = self.client(&transaction.client_id).await.map_err(|_| IssueError::ClientGone)?;
        client.covers(transaction.redirect_uri.as_str(), &self.plan).map_err(|_| IssueError::ClientGone)?;
        let route = self.plan.route(&transaction.resource).ok_or(IssueError::ResourceGone)?;
        policy::check_all(&self.plan, Some(&route.policy), &identity)
            .inspect_err(|denied| self.metrics.denied(denied.kind))?;

        let code = seal::random_text::<32>();
        let record = CodeRecord {
            issuer: self.plan.issuer.to_string(),
            client_id: transaction.client_id.clone(),
            redirect_uri: transaction.redirect_uri.clone(),
            code_challenge: transaction.code_challenge.clone(),
            resource: transaction.resource.clone(),
            valid_until: now.plus(self.plan.lifetimes.code),
            state: CodeState::Fresh(Box::new(Pending {
                identity,
                scopes: transaction.scopes.clone(),
                offline: transaction.offline,
                tokens,
                tokens_at: now,
            })),
        };
        let key = sha256(code.as_bytes());
        let put = self.records.put(&key, &record, record.valid_until.plus(REMEMBERED), Vec::new());
        match self.records.commit(vec![put]).await {
            Ok(()) => Ok(self.answer(transaction, AnswerOutcome::Code(code))),
            Err(CommitError::Store(error)) => Err(error.into()),
            Err(error @ CommitError::Conflict) => Err(StoreError::Unavailable(error.to_string()).into()),
        }
    }

    /// Exchanges a code of an authenticated client.
    ///
    /// A refused request burns nothing, so that a stranger cannot spoil a sign-in; only a complete
    /// second use has an effect: it ends the grant of the first.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn exchange_code(&self, client: &Client, request: &CodeRequest) -> Result<TokenResponse, TokenError> {
        let key = sha256(request.code.as_bytes());
        let code = self.redeemable(&key, client, request).await?;
        match &code.value.state {
            CodeState::Spent(grant) => Err(self.replayed(grant).await?),
            CodeState::Fresh(pending) => match self.redeem(&key, &code, pending.as_ref().clone(), client).await {
                // Somebody was faster with the same code: this is its second use.
                Err(TokenError::Contended) => match self.redeemable(&key, client, request).await?.value.state {
                    CodeState::Spent(grant) => Err(self.replayed(&grant).await?),
                    CodeState::Fresh(_) => Err(TokenError::Contended),
                },
                result => result,
            },
        }
    }

    async fn redeemable(
        &self,
        key: &[u8],
        client: &Client,
        request: &CodeRequest,
    ) -> Result<Sealed<CodeRecord>, TokenError> {
        let code = self.records.get::<CodeRecord>(key).await?.ok_or(TokenError::CodeUnknown)?;
        code.value.check(&self.plan.issuer, client, request)?;
        resource::granted(&self.plan, &code.value.resource, request.resources.iter().map(String::as_str))?;
        Ok(code)
    }

    /// The one commit that spends the code and makes the grant.
    async fn redeem(
        &self,
        key: &[u8],
        code: &Sealed<CodeRecord>,
        pending: Pending,
        client: &Client,
    ) -> Result<TokenResponse, TokenError> {
        let now = self.clock.now();
        let CodeRecord { client_id, resource, valid_until, .. } = &code.value;
        if now >= *valid_until {
            return Err(TokenError::CodeExpired);
        }
        if self.plan.route(resource).is_none() {
            return Err(TokenError::ResourceGone);
        }
        let id = GrantId::random();
        let life = Life::of(&pending.tokens, pending.tokens_at);
        // A grant that the provider lets nobody renew ends with the provider's token, and a refresh
        // token that could never be used would only mislead the client.
        let (refresh_token, refresh) = if client.refresh && life.renewable {
            let (text, family) = self.first_refresh_token(&id, life.renewable_until);
            (Some(text), Some(family))
        } else {
            (None, None)
        };
        let mut grant = GrantRecord {
            provider: self.plan.name.clone(),
            client_id: client_id.clone(),
            client_name: client.name.clone(),
            identity: pending.identity,
            scopes: pending.scopes,
            offline: pending.offline,
            resource: resource.clone(),
            since: now,
            ends_at: now.plus(self.plan.lifetimes.grant),
            access_until: now,
            tokens: pending.tokens,
            tokens_at: pending.tokens_at,
            refresh,
        };
        let limit = life.limit();
        grant.access_until = self.access_until(&grant, limit).ok_or(TokenError::ProviderEnded)?;
        let scopes = scope::effective(&self.plan, &grant.scopes, grant.tokens.scopes.as_ref());
        let response = self.respond(&id, &grant, scopes, grant.access_until, refresh_token)?;
        let spent = code.value.spent(&id);
        self.records
            .commit(vec![
                self.records.expect::<CodeRecord>(key, Some(code.version.clone())),
                self.records.put(key, &spent, now.plus(REMEMBERED), Vec::new()),
                grant.put(&self.records, &id),
            ])
            .await?;
        // The provider was removed meanwhile: whoever deleted its grants may not have seen this one.
        if self.grants.is_closed() || !self.grants.serves(grant.tokens.given_by.as_ref()) {
            self.records.commit(vec![self.records.delete::<GrantRecord>(id.key())]).await?;
            return Err(TokenError::ResourceGone);
        }
        Ok(response)
    }

    async fn replayed(&self, grant: &GrantId) -> Result<TokenError, TokenError> {
        tracing::warn!(
            provider = %self.plan.name,
            grant = grant.as_str(),
            "an authorization code was used twice; the grant is revoked"
        );
        self.end_grant(grant, RevocationInitiator::Reuse).await?;
        Ok(TokenError::CodeReplayed)
    }
}

impl CodeRecord {
    fn spent(&self, grant: &GrantId) -> Self {
        Self {
            issuer: self.issuer.clone(),
            client_id: self.client_id.clone(),
            redirect_uri: self.redirect_uri.clone(),
            code_challenge: self.code_challenge.clone(),
            resource: self.resource.clone(),
            valid_until: self.valid_until,
            state: CodeState::Spent(grant.clone()),
        }
    }
}

#[cfg(test)]
mod tests;
