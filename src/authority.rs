//! We as authorization server: rules only, no HTTP types.
//!
//! A request's way through here:
//!
//! ```text
//! begin -> Transaction -> (consent, sign-in at the provider) -> issue_code -> ClientAnswer
//! authenticate_client -> exchange_code | refresh -> TokenResponse
//! authenticate_client -> revoke
//! ```
//!
//! Nothing is stored before somebody signed in at the provider, and what is refused changes
//! nothing.

pub mod access_token;
pub mod answer;
mod assertion;
pub mod authentication;
pub mod client;
pub mod client_id_document;
pub mod code;
pub mod consent;
pub mod error;
pub mod grant_request;
pub mod grants;
mod lease;
pub mod metadata;
pub mod parameters;
mod pkce;
pub mod refresh;
pub mod registration;
pub mod remembered;
pub mod renewal;
pub mod request;
pub mod resource;
pub mod revocation;
pub mod scope;
pub mod transaction;

use std::{sync::Arc, time::Duration};

pub use access_token::{ACCESS_TOKEN_TYPE, AccessTokenClaims, TokenResponse};
pub use answer::{AnswerError, AnswerOutcome, ClientAnswer};
pub use authentication::ClientCredentials;
pub use client::{Client, ClientError, ClientKind};
pub use client_id_document::ClientDocuments;
pub use code::IssueError;
pub use consent::{ConsentFacts, RedirectTarget};
pub use error::{AuthorizeError, PageError, Refused, RequestError, TokenError};
pub use grant_request::{CodeRequest, GrantRequest, RefreshRequest};
pub use grants::{End, GrantFilter, GrantId, GrantList, GrantOverview, GrantState, Grants};
pub use parameters::{Duplicate, Parameters};
pub use registration::{Registered, RegistrationError, RegistrationRequest};
pub use remembered::{Approver, Remembered};
pub use renewal::ProviderTokenError;
pub use transaction::{BrowserBinding, Transaction, TransactionError};

use crate::{
    config::plan::ProviderPlan,
    keys::KeyRing,
    metrics::ProviderMetrics,
    provider::tokens::TokenSource,
    seal::Sealer,
    store::{StoreError, record::Records},
    time::Clock,
};
use renewal::Renewer;

/// How much longer a lease lasts than the provider may take to renew and to tell who it is.
const LEASE_MARGIN: Duration = Duration::from_secs(5);

/// The authorization server of one provider's mount.
#[derive(Debug)]
pub struct Authority {
    plan: Arc<ProviderPlan>,
    records: Records,
    sealer: Arc<Sealer>,
    keys: Arc<KeyRing>,
    grants: Arc<Grants>,
    renewer: Renewer,
    documents: Arc<ClientDocuments>,
    clock: Clock,
    metrics: ProviderMetrics,
}

/// What an [`Authority`] is made of.
#[derive(Debug)]
pub struct Parts {
    /// The provider and what is mounted for it.
    pub plan: Arc<ProviderPlan>,
    /// Where codes and grants are.
    pub records: Records,
    /// Seals what the browser and the client carry.
    pub sealer: Arc<Sealer>,
    /// Signs access tokens.
    pub keys: Arc<KeyRing>,
    /// This provider's grants; shared with the gate, and with the authority after a reload.
    pub grants: Arc<Grants>,
    /// Renews and revokes at the provider.
    pub tokens: Arc<dyn TokenSource>,
    /// Client ID metadata documents; shared by all.
    pub documents: Arc<ClientDocuments>,
    /// Now.
    pub clock: Clock,
    /// This provider's.
    pub metrics: ProviderMetrics,
}

// === impl Authority ===

impl Authority {
    /// Puts the parts together; does nothing yet.
    pub fn new(parts: Parts) -> Self {
        let Parts { plan, records, sealer, keys, grants, tokens, documents, clock, metrics } = parts;
        let renewer = Renewer {
            grants: Arc::clone(&grants),
            tokens,
            clock: clock.clone(),
            metrics: metrics.clone(),
            lease: plan.timeout * 2 + LEASE_MARGIN,
        };
        Self { plan, records, sealer, keys, grants, renewer, documents, clock, metrics }
    }

    /// Uses up the `state` of a sign-in that its own browser brought back; false if it was used
    /// before, here or at another replica (S01).
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn spend(&self, state: &str, transaction: &Transaction) -> Result<bool, StoreError> {
        // Later its sign-in has expired.
        let until =
            transaction.expires_at.plus(Duration::from_mins(1)).max(self.clock.now().plus(Duration::from_mins(1)));
        self.records.use_once("state", state.as_bytes(), until).await
    }

    /// Whether a `state` was used up, by whichever replica; false if the store does not tell.
    pub async fn is_spent(&self, state: &str) -> bool {
        self.records.was_used("state", state.as_bytes()).await.unwrap_or_default()
    }

    /// The provider and what is mounted for it.
    pub fn plan(&self) -> &Arc<ProviderPlan> {
        &self.plan
    }
}

#[cfg(test)]
mod tests;
