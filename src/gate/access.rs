//! What a request passes on, and what its streams end with: a grant of ours, or in `mode: remote`
//! a token of the provider's.

use std::{sync::Arc, time::Duration};

use crate::{
    authority::{End, GrantState},
    identity::Identity,
    oauth::ClientId,
    provider::ProviderAccess,
    time::{Clock, Timestamp},
};

/// Sleeps are cut in pieces: a machine that was suspended looks at its clock again.
const LONGEST_SLEEP: Duration = Duration::from_mins(1);

/// What access hangs on. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Access {
    /// Ends when the grant is revoked.
    Grant(Arc<GrantState>),
    /// Ends with the token, since nobody would tell us of another end, or with the provider's
    /// place in the configuration.
    Token(Arc<TokenAccess>),
}

/// A token of the provider's that was found good.
#[derive(Debug)]
pub struct TokenAccess {
    pub(super) found: ProviderAccess,
    pub(super) end_of_provider: Arc<End>,
    pub(super) clock: Clock,
}

// === impl Access ===

impl Access {
    /// Who calls.
    pub fn identity(&self) -> Arc<Identity> {
        match self {
            Self::Grant(grant) => grant.identity(),
            Self::Token(token) => Arc::clone(&token.found.identity),
        }
    }

    /// Through which client; a token of the provider's may not say.
    pub fn client_id(&self) -> Option<&ClientId> {
        match self {
            Self::Grant(grant) => Some(&grant.client_id),
            Self::Token(token) => token.found.client_id.as_ref(),
        }
    }

    /// Whether somebody ended it: one atomic read.
    pub fn is_revoked(&self) -> bool {
        match self {
            Self::Grant(grant) => grant.is_revoked(),
            Self::Token(token) => token.end_of_provider.is_reached(),
        }
    }

    /// Whether a stream that hangs on it has to end.
    pub fn is_over(&self) -> bool {
        self.is_revoked() || self.ends_at().is_some_and(|(end, clock)| clock.now() >= end)
    }

    /// Resolves when it is over.
    pub async fn over(&self) {
        match self {
            Self::Grant(grant) => grant.revoked().await,
            Self::Token(token) => tokio::select! {
                () = token.end_of_provider.reached() => {}
                () = self.end_of_time() => {}
            },
        }
    }

    fn ends_at(&self) -> Option<(Timestamp, &Clock)> {
        match self {
            Self::Grant(_) => None,
            Self::Token(token) => token.found.expires_at.map(|end| (end, &token.clock)),
        }
    }

    async fn end_of_time(&self) {
        let Some((end, clock)) = self.ends_at() else { return std::future::pending().await };
        loop {
            let left = end.since(clock.now());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(LONGEST_SLEEP)).await;
        }
    }
}
