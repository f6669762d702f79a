//! Why a sign-in failed, in words that a person and a log may read: no token, no code, no secret,
//! and nothing a provider sends can break a line or a page.

use openidconnect::{RequestTokenError, StandardErrorResponse, core::CoreErrorResponseType};

use crate::{egress::EgressError, metrics::outcome::Callback, oauth::Scopes};

/// Longest text of a provider's that is kept, in characters.
const MAX_REASON: usize = 500;

/// Why a sign-in at the provider did not give an identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// Nothing is known of the provider yet, or it did not answer: trying again may help.
    #[error("the identity provider cannot be reached: {0}")]
    Unavailable(String),
    /// The authorization response names another issuer, or none although this provider always
    /// does (RFC 9207).
    #[error("the authorization response does not come from this identity provider")]
    IssMismatch,
    /// The token endpoint refused the code, or its answer is of no use.
    #[error("the identity provider did not exchange the code: {0}")]
    ExchangeFailed(String),
    /// There is no ID token, or it fails a check.
    #[error("the identity provider's ID token is not acceptable: {0}")]
    IdTokenInvalid(String),
    /// The access token is not for the configured audience, or fails another check.
    #[error("the identity provider's access token is not acceptable: {0}")]
    AccessTokenInvalid(String),
    /// The ID token is not for this sign-in.
    #[error("the ID token belongs to another sign-in")]
    NonceMismatch,
    /// The user info endpoint speaks of somebody else.
    #[error("the user info is not about the person who signed in")]
    UserinfoFailed,
    /// The user API does not say who signed in.
    #[error("the identity provider's user API does not say who signed in: {0}")]
    UserApi(String),
    /// Somebody of an organisation that may not sign people in here.
    #[error("the identity provider's ID token is for nobody who may sign in: {0}")]
    ForeignTenant(String),
    /// The provider granted less than the configuration demands.
    #[error("the identity provider did not grant: {missing}")]
    PolicyDenied {
        /// What is missing.
        missing: Scopes,
    },
}

/// How a token request failed.
#[derive(Debug)]
pub(super) enum TokenFailure {
    /// An OAuth error response (RFC 6749 section 5.2).
    Refused { error: String, text: String },
    /// No answer, or a 5xx, a 429, a redirect.
    Unreachable(EgressError),
    /// An answer that makes no sense.
    Useless(String),
}

type LibraryError = RequestTokenError<EgressError, StandardErrorResponse<CoreErrorResponseType>>;

// === impl LoginError ===

impl LoginError {
    /// The label for metrics.
    pub const fn outcome(&self) -> Callback {
        match self {
            Self::Unavailable(_) => Callback::ProviderUnavailable,
            Self::IssMismatch => Callback::IssMismatch,
            Self::ExchangeFailed(_) => Callback::ExchangeFailed,
            Self::IdTokenInvalid(_) => Callback::IdTokenInvalid,
            Self::AccessTokenInvalid(_) => Callback::AccessTokenInvalid,
            Self::NonceMismatch => Callback::NonceMismatch,
            Self::UserinfoFailed | Self::UserApi(_) => Callback::UserinfoFailed,
            Self::ForeignTenant(_) | Self::PolicyDenied { .. } => Callback::PolicyDenied,
        }
    }
}

// === impl TokenFailure ===

impl From<LibraryError> for TokenFailure {
    fn from(error: LibraryError) -> Self {
        match error {
            RequestTokenError::ServerResponse(response) => {
                let error = clean(response.error().as_ref());
                let text = match response.error_description() {
                    Some(description) => format!("{error}: {}", clean(description)),
                    None => error.clone(),
                };
                Self::Refused { error, text }
            }
            RequestTokenError::Request(error) => Self::Unreachable(error),
            // The parser's own message would quote the body, and with it tokens.
            RequestTokenError::Parse(error, _) => Self::Useless(format!(
                "the answer is not a token response, or its ID token is malformed (at `{}`)",
                clean(&error.path().to_string())
            )),
            RequestTokenError::Other(text) => Self::Useless(clean(&text)),
        }
    }
}

/// A text from outside on one line, without control characters, cut.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { ' ' } else { char }).take(MAX_REASON).collect()
}
