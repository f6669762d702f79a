//! Keeps a grant's provider tokens fresh: one request to the provider at a time for each grant,
//! and whatever it answered is stored even if the caller has gone (S55).

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use tracing::Instrument as _;

use super::{
    Authority,
    error::TokenError,
    grants::{
        GrantState, Grants,
        record::{Due, GrantRecord},
    },
};
use crate::{
    identity::Identity,
    metrics::{
        ProviderMetrics,
        outcome::{ProviderRefresh, RevocationInitiator},
    },
    provider::tokens::{RenewError, Renewal, TokenSource},
    secret::Secret,
    store::{StoreError, record::Sealed},
    time::{Clock, Timestamp},
};

pub(super) use super::grants::Turn;

/// How often a stored grant is written again when another process changed it meanwhile.
const ATTEMPTS: usize = 4;

/// How often a process looks whether another one is done with asking.
const LOOK: Duration = Duration::from_millis(50);

/// How long new tokens wait for a store that takes nothing right now: the provider may have
/// forgotten the old ones.
const PATIENCE: Duration = Duration::from_secs(10);

/// From one attempt to store them to the next.
const PAUSE: Duration = Duration::from_millis(250);

/// Why there is no usable token of the provider.
#[derive(Debug, thiserror::Error)]
pub enum ProviderTokenError {
    /// The grant was revoked, or its time is over.
    #[error("the grant has ended")]
    Gone,
    /// The provider ended the sign-in, or its token is over and cannot be renewed.
    #[error("the identity provider ended the sign-in")]
    Ended,
    /// The provider does not answer.
    #[error("the identity provider does not answer right now")]
    Unavailable,
    /// The store did not do its work.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Renews provider tokens. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Renewer {
    pub(super) grants: Arc<Grants>,
    pub(super) tokens: Arc<dyn TokenSource>,
    pub(super) clock: Clock,
    pub(super) metrics: ProviderMetrics,
    /// How long one process may take to ask, before another one does.
    pub(super) lease: Duration,
}

/// A grant that may be changed, with provider tokens that are as fresh as they can be.
#[derive(Debug)]
pub(super) struct Renewed {
    pub(super) turn: Turn,
    pub(super) record: Sealed<GrantRecord>,
    /// When an access token that stands for the provider's token has to end; `None`: the
    /// provider's token can be renewed.
    pub(super) limit: Option<Timestamp>,
}

// === impl Authority ===

impl Authority {
    /// The provider's access token of a grant, renewed first when it is about to end. For the
    /// backend only; it never goes to a client (D-11).
    ///
    /// # Errors
    /// [`ProviderTokenError`].
    pub async fn provider_access_token(&self, grant: &Arc<GrantState>) -> Result<Secret, ProviderTokenError> {
        let held = grant.provider_token();
        let now = self.clock.now();
        if grant.is_revoked() || now >= grant.expires_at {
            return Err(ProviderTokenError::Gone);
        }
        if !held.life.is_due(Due::ForUse, now) && !held.life.is_over(now) {
            return Ok(held.token.clone());
        }
        let turn = grant.turn().await;
        let record = self.grants.record(&grant.id).await?.ok_or(ProviderTokenError::Gone)?;
        let renewed = self.renewer.renew(turn, grant, record, Due::ForUse).await?;
        Ok(Secret::new(renewed.record.value.tokens.access_token))
    }
}

// === impl Renewer ===

impl Renewer {
    /// Renews the tokens of a stored grant if they are due. Only the holder of the turn may.
    ///
    /// A provider that does not answer is forgiven as long as its token can still be used.
    pub(super) async fn renew(
        &self,
        turn: Turn,
        state: &Arc<GrantState>,
        record: Sealed<GrantRecord>,
        due: Due,
    ) -> Result<Renewed, ProviderTokenError> {
        let now = self.clock.now();
        // Another process may have renewed it.
        state.adopt(&record.value);
        let life = record.value.life();
        if !life.renewable {
            if life.is_over(now) {
                self.metrics.provider_refresh(ProviderRefresh::NoRefreshToken);
                return Err(ProviderTokenError::Ended);
            }
            return Ok(Renewed { turn, record, limit: Some(life.until) });
        }
        if !life.is_due(due, now) {
            if turn.was_due(due, now) {
                self.metrics.provider_refresh(ProviderRefresh::Coalesced);
            }
            return Ok(Renewed { turn, record, limit: life.limit() });
        }
        let usable = !life.is_over(now) && (due == Due::ForUse || !life.is_due(Due::ForUse, now));
        let (turn, result) = if state.failed_meanwhile(&turn) {
            self.metrics.provider_refresh(ProviderRefresh::Coalesced);
            (turn, Err(ProviderTokenError::Unavailable))
        } else {
            self.ask_detached(turn, state, &record).await?
        };
        match result {
            Ok(record) => {
                let life = record.value.life();
                let limit = life.limit();
                Ok(Renewed { turn, record, limit })
            }
            Err(ProviderTokenError::Unavailable) if usable => Ok(Renewed { turn, record, limit: Some(life.until) }),
            Err(error) => Err(error),
        }
    }

    /// Asks in a task of its own: a provider that rotates has forgotten the old refresh token by
    /// the time it answers, so the answer is kept even if nobody waits for it any more.
    async fn ask_detached(
        &self,
        turn: Turn,
        state: &Arc<GrantState>,
        record: &Sealed<GrantRecord>,
    ) -> Result<(Turn, Result<Sealed<GrantRecord>, ProviderTokenError>), ProviderTokenError> {
        let (renewer, state, record) = (self.clone(), Arc::clone(state), record.clone());
        let asked = async move {
            let result = renewer.ask_alone(&state, record).await;
            (turn, result)
        };
        // What it causes is the request's that began it.
        let asked = tokio::spawn(asked.in_current_span());
        asked.await.map_err(|_| ProviderTokenError::Unavailable)
    }

    /// Of several processes, one asks at a time; the others wait for what it brings.
    async fn ask_alone(
        &self,
        state: &Arc<GrantState>,
        record: Sealed<GrantRecord>,
    ) -> Result<Sealed<GrantRecord>, ProviderTokenError> {
        if !self.grants.is_shared() {
            return self.ask(state, record).await;
        }
        let begun = Instant::now();
        while begun.elapsed() <= self.lease {
            let lease = self.grants.lease(&state.id, self.lease).await?;
            let current = self.grants.record(&state.id).await;
            let current = match (current, lease) {
                (Ok(Some(current)), Some(lease)) if !is_renewed(&record.value, &current.value) => {
                    let result = self.ask(state, current).await;
                    lease.give_back().await;
                    return result;
                }
                (current, Some(lease)) => {
                    lease.give_back().await;
                    current?
                }
                (current, None) => current?,
            };
            let current = current.ok_or(ProviderTokenError::Gone)?;
            if is_renewed(&record.value, &current.value) {
                self.metrics.provider_refresh(ProviderRefresh::Coalesced);
                state.adopt(&current.value);
                return Ok(current);
            }
            sleep(LOOK).await;
        }
        Err(ProviderTokenError::Unavailable)
    }

    pub(super) async fn ask(
        &self,
        state: &Arc<GrantState>,
        record: Sealed<GrantRecord>,
    ) -> Result<Sealed<GrantRecord>, ProviderTokenError> {
        match self.tokens.renew(&record.value.tokens).await {
            // Another person's ID token: nothing of this grant is theirs.
            Ok(Renewal { identity: Some(identity), .. }) if is_another(&identity, &record.value.identity) => {
                tracing::error!(grant = state.id.as_str(), "the provider renewed a grant for somebody else; it ends");
                self.grants.revoke(&state.id, RevocationInitiator::Policy).await?;
                Err(ProviderTokenError::Ended)
            }
            Ok(renewal) => {
                self.metrics.provider_refresh(ProviderRefresh::Ok);
                self.keep(state, record, renewal).await
            }
            Err(RenewError::Ended(_)) => {
                // Another process may have been faster with the same refresh token.
                if let Ok(Some(current)) = self.grants.record(&state.id).await
                    && is_renewed(&record.value, &current.value)
                {
                    state.adopt(&current.value);
                    return Ok(current);
                }
                self.metrics.provider_refresh(ProviderRefresh::InvalidGrant);
                // Nothing is left to revoke at the provider. If the store does not answer now, the
                // provider will say the same again next time.
                if let Err(error) = self.grants.revoke(&state.id, RevocationInitiator::Expiry).await {
                    tracing::warn!(grant = state.id.as_str(), %error, "an ended grant could not be removed");
                }
                Err(ProviderTokenError::Ended)
            }
            Err(RenewError::Unavailable(reason)) => {
                self.metrics.provider_refresh(ProviderRefresh::Transient);
                tracing::warn!(grant = state.id.as_str(), reason, "the provider did not renew a grant");
                state.count_failure();
                Err(ProviderTokenError::Unavailable)
            }
        }
    }

    /// Stores new tokens of the provider, over whatever else changed in the grant meanwhile, but never
    /// over tokens that came in place of those that were sent.
    async fn keep(
        &self,
        state: &Arc<GrantState>,
        mut record: Sealed<GrantRecord>,
        renewal: Renewal,
    ) -> Result<Sealed<GrantRecord>, ProviderTokenError> {
        let Renewal { mut tokens, identity } = renewal;
        let sent = record.value.clone();
        // Silence about scopes means no change (RFC 6749 section 6).
        tokens.scopes = tokens.scopes.or_else(|| sent.tokens.scopes.clone());
        let begun = Instant::now();
        let mut conflicts = 0;
        loop {
            let mut value = record.value.clone();
            value.tokens = tokens.clone();
            value.tokens_at = self.clock.now();
            if let Some(told) = &identity {
                value.identity = told_again(&value.identity, told);
            }
            let written = self.grants.replace(&state.id, &record, &value).await;
            let current = self.grants.record(&state.id).await;
            match (written, current) {
                (Ok(()), Ok(Some(current))) => {
                    state.adopt(&current.value);
                    return Ok(current);
                }
                // Written, and nobody heard of it; or somebody else asked too and was faster.
                (_, Ok(Some(current))) if is_renewed(&sent, &current.value) => {
                    state.adopt(&current.value);
                    return Ok(current);
                }
                (Err(TokenError::Contended), Ok(Some(current))) => {
                    conflicts += 1;
                    if conflicts == ATTEMPTS {
                        return Err(ProviderTokenError::Unavailable);
                    }
                    record = current;
                }
                // Revoked while the provider was asked: what it just gave is not left behind.
                (_, Ok(None)) => {
                    self.tokens.revoke(&tokens).await;
                    return Err(ProviderTokenError::Gone);
                }
                (Err(TokenError::Store(error)), _) | (_, Err(error)) if begun.elapsed() >= PATIENCE => {
                    tracing::error!(%error, grant = state.id.as_str(), "the provider's new tokens could not be stored");
                    return Err(error.into());
                }
                (_, current) => {
                    sleep(PAUSE).await;
                    if let Ok(Some(current)) = current {
                        record = current;
                    }
                }
            }
        }
    }
}

/// OpenID Connect Core section 12.2.
fn is_another(now: &Identity, before: &Identity) -> bool {
    (&now.issuer, &now.subject) != (&before.issuer, &before.subject)
}

/// Whether a grant has other tokens of the provider than it had, or the same ones anew.
fn is_renewed(before: &GrantRecord, now: &GrantRecord) -> bool {
    before.tokens_at != now.tokens_at || before.tokens != now.tokens
}

/// What the provider says now, and of an address or a name what it said before if it is silent now: those
/// may have come from user info.
fn told_again(before: &Identity, told: &Identity) -> Identity {
    let mut now = told.clone();
    if now.email.is_none() {
        now.email.clone_from(&before.email);
        now.email_verified = before.email_verified;
    }
    now.name = now.name.or_else(|| before.name.clone());
    now.provider.clone_from(&before.provider);
    now
}

impl From<ProviderTokenError> for TokenError {
    fn from(error: ProviderTokenError) -> Self {
        match error {
            ProviderTokenError::Gone => Self::RefreshUnknown,
            ProviderTokenError::Ended => Self::ProviderEnded,
            ProviderTokenError::Unavailable => Self::ProviderUnavailable,
            ProviderTokenError::Store(error) => Self::Store(error),
        }
    }
}

#[cfg(test)]
mod tests;
