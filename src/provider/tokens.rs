//! What a provider gave us for a person, and how it is renewed and revoked.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{config::plan::ProviderPlan, identity::Identity, oauth::Scopes, time::Timestamp};

/// The provider's tokens of one grant. Lives sealed in the store and never goes to a client.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderTokens {
    /// For the provider's APIs.
    pub access_token: String,
    /// Absent when the provider gave none: the grant then ends with the access token.
    pub refresh_token: Option<String>,
    /// When the access token ends; `None` when the provider did not say.
    pub expires_at: Option<Timestamp>,
    /// What the provider granted; `None` when it did not say (then: what was asked).
    pub scopes: Option<Scopes>,
    /// When the refresh token ends; `None`: when the provider refuses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_expires_at: Option<Timestamp>,
    /// From then on the access token is renewed, also if much of its life is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renew_at: Option<Timestamp>,
    /// Which identity provider of a choice gave them; `None` if there was no choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_by: Option<GivenBy>,
    /// The access token has no end, and the provider tells whether it still counts: it is checked
    /// instead of renewed.
    #[serde(default)]
    pub lasting: bool,
}

/// What a renewal gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// The new tokens.
    pub tokens: ProviderTokens,
    /// Who it is, if the provider told it again with an ID token: groups may have changed (S33).
    pub identity: Option<Identity>,
}

/// One identity provider of a choice. Under the name alone there may be another one some day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenBy {
    /// In the configuration.
    pub name: String,
    /// [`ProviderPlan::source`](crate::config::plan::ProviderPlan::source).
    pub source: String,
}

/// Why the provider did not renew a grant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenewError {
    /// The provider says that it is over (`invalid_grant`), or there is no refresh token.
    #[error("the provider ended the sign-in: {0}")]
    Ended(String),
    /// A timeout, a 5xx, no connection, or our own registration there is wrong: try again later.
    #[error("the provider did not answer usefully: {0}")]
    Unavailable(String),
}

/// Renews and revokes a grant's provider tokens. The authorization server's rules use this and
/// know nothing else of a provider.
#[async_trait]
pub trait TokenSource: Send + Sync + std::fmt::Debug {
    /// Exchanges the refresh token; a provider that does not rotate keeps the old one in the
    /// result. A lasting access token is checked, and stays.
    async fn renew(&self, tokens: &ProviderTokens) -> Result<Renewal, RenewError>;

    /// Revokes at the provider where it offers that (RFC 7009); best effort.
    async fn revoke(&self, tokens: &ProviderTokens);
}

// === impl Renewal ===

impl From<ProviderTokens> for Renewal {
    fn from(tokens: ProviderTokens) -> Self {
        Self { tokens, identity: None }
    }
}

// === impl GivenBy ===

impl GivenBy {
    /// A member of a choice.
    pub fn of(plan: &ProviderPlan) -> Self {
        Self { name: plan.name.clone(), source: plan.source().to_owned() }
    }
}

// === impl ProviderTokens ===

impl std::fmt::Debug for ProviderTokens {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ProviderTokens")
            .field("refreshable", &self.refresh_token.is_some())
            .field("expires_at", &self.expires_at)
            .field("scopes", &self.scopes)
            .field("lasting", &self.lasting)
            .finish_non_exhaustive()
    }
}
