//! One authorization in progress, from the authorization request to the redirect back.
//!
//! It is sealed and carried by the browser: nobody who has not signed in writes to a store. It is
//! the only truth about the request; nothing of it is ever read from the browser again (D-6).

use serde::{Deserialize, Serialize};

use super::{
    Authority,
    answer::{AnswerError, AnswerOutcome, ClientAnswer},
    client::{self, ClientKind},
};
use crate::{
    oauth::{ClientId, RedirectUri, ResourceUri, Scopes},
    provider::Hints,
    seal::{self, Purpose, sha256},
    secret::equal,
    time::Timestamp,
};

/// The most bytes of a transaction: it has to fit into cookies while the browser is away at the
/// provider.
pub const MAX_TRANSACTION: usize = 8_000;

/// A valid authorization request. Only [`Authority::begin`] makes one.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Transaction {
    /// Who asks.
    pub client_id: ClientId,
    /// How the client became known.
    pub client_kind: ClientKind,
    /// What the client calls itself.
    pub client_name: String,
    /// All of the client's redirect URIs lead to the person's own machine.
    pub client_is_local: bool,
    /// Stands for all redirect URIs of the client.
    #[serde(default)]
    pub(super) client_redirect_uris: String,
    /// The operator vouches for the client, or wants nobody asked: no consent page.
    pub skip_consent: bool,
    /// Where the answer goes, exactly as the client wrote it.
    pub redirect_uri: RedirectUri,
    /// For which route.
    pub resource: ResourceUri,
    /// What is granted if the person agrees; without `offline_access`.
    pub scopes: Scopes,
    /// The client asked for `offline_access`.
    pub offline: bool,
    /// What the client would like of the sign-in at the provider.
    #[serde(default, skip_serializing_if = "Hints::is_empty")]
    pub hints: Hints,
    /// When the authorization request came.
    pub started_at: Timestamp,
    /// The client's `state`, echoed exactly.
    pub(super) state: Option<String>,
    /// PKCE, S256.
    pub(super) code_challenge: String,
    /// SHA-256 of the browser's binding, base64url.
    pub(super) browser: String,
    pub(super) expires_at: Timestamp,
}

/// The random value in a cookie that ties a transaction to one browser.
#[derive(Clone, PartialEq, Eq)]
pub struct BrowserBinding(String);

/// Why a transaction cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    /// Not sealed by us, or changed.
    #[error("the sign-in was not started here")]
    Invalid,
    /// Older than the plan allows.
    #[error("the sign-in took too long")]
    Expired,
    /// Started in another browser (S01, S02).
    #[error("the sign-in was started in another browser")]
    OtherBrowser,
}

// === impl BrowserBinding ===

impl BrowserBinding {
    /// A new one: 256 random bits.
    pub fn random() -> Self {
        Self(seal::random_text::<32>())
    }

    /// From the cookie; `None` if it cannot be one of ours.
    pub fn from_cookie(text: &str) -> Option<Self> {
        let plausible =
            text.len() == 43 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        plausible.then(|| Self(text.to_owned()))
    }

    /// The cookie's value.
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub(super) fn digest(&self) -> String {
        base64url(&sha256(self.0.as_bytes()))
    }
}

impl std::fmt::Debug for BrowserBinding {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("BrowserBinding([redacted])")
    }
}

// === impl Transaction ===

impl Transaction {
    /// Whether its time is over.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        now >= self.expires_at
    }

    /// Whether it was started in this browser.
    pub fn is_of(&self, browser: &BrowserBinding) -> bool {
        equal(self.browser.as_bytes(), browser.digest().as_bytes())
    }
}

impl std::fmt::Debug for Transaction {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Transaction")
            .field("client_id", &self.client_id)
            .field("resource", &self.resource)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

// === impl Authority ===

impl Authority {
    /// The transaction as a text that only this issuer can read and nobody can change.
    pub fn seal_transaction(&self, transaction: &Transaction) -> String {
        let json = serde_json::to_vec(transaction).unwrap_or_default();
        self.sealer.seal_text(Purpose::Transaction, self.plan.issuer.as_str().as_bytes(), &json)
    }

    /// Opens [`Authority::seal_transaction`]'s text in the browser that started it.
    ///
    /// # Errors
    /// [`TransactionError`].
    pub fn open_transaction(&self, text: &str, browser: &BrowserBinding) -> Result<Transaction, TransactionError> {
        let json = self
            .sealer
            .open_text(Purpose::Transaction, self.plan.issuer.as_str().as_bytes(), text)
            .map_err(|_| TransactionError::Invalid)?;
        let transaction: Transaction = serde_json::from_slice(&json).map_err(|_| TransactionError::Invalid)?;
        if !transaction.is_of(browser) {
            return Err(TransactionError::OtherBrowser);
        }
        if transaction.is_expired(self.clock.now()) {
            return Err(TransactionError::Expired);
        }
        Ok(transaction)
    }

    /// Whether the client may still be answered where it asked for: the configuration may have changed
    /// since. Without it nobody is sent there, not even with an error.
    pub fn may_be_answered(&self, transaction: &Transaction) -> bool {
        client::may_be_answered(&self.plan, transaction.client_kind, &transaction.redirect_uri)
    }

    /// The answer to a client whose request ended without a code: the person or the provider said
    /// no, or something failed. `description` is ours: printable ASCII without quotes.
    pub fn decline(&self, transaction: &Transaction, code: AnswerError, description: &str) -> ClientAnswer {
        let outcome = AnswerOutcome::Error { code, description: description.to_owned() };
        self.answer(transaction, outcome)
    }

    pub(super) fn answer(&self, transaction: &Transaction, outcome: AnswerOutcome) -> ClientAnswer {
        ClientAnswer {
            redirect_uri: transaction.redirect_uri.clone(),
            issuer: self.plan.issuer.clone(),
            state: transaction.state.clone(),
            outcome,
        }
    }
}

pub(super) fn base64url(bytes: &[u8]) -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests;
