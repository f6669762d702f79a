//! Why token and revocation requests are refused.

use std::time::Duration;

use super::RETRY_AFTER;
use crate::{
    authority::{parameters::Duplicate, resource::TargetError},
    keys::KeyError,
    metrics::outcome::TokenRequest,
    store::{CommitError, StoreError},
};

/// Why a token or revocation request was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// A parameter of the protocol is there twice.
    #[error(transparent)]
    Duplicate(#[from] Duplicate),
    /// A parameter that the grant type needs is not there.
    #[error("the parameter {0} is missing")]
    Missing(&'static str),
    /// Two different ways to authenticate, or two client identifiers (RFC 6749 section 2.3).
    #[error("the client authenticates in more than one way")]
    SeveralCredentials,
    /// No `client_id` and no credentials.
    #[error("the client does not say who it is")]
    ClientMissing,
    /// No such client.
    #[error("the client is not known here; register again")]
    UnknownClient,
    /// A wrong or missing secret, a refused assertion.
    #[error("client authentication failed")]
    ClientAuthentication,
    /// The client's metadata document or its keys cannot be read now.
    #[error("the client's metadata cannot be read right now")]
    ClientUnavailable,
    /// The client did not register this grant type.
    #[error("the client is not registered for this grant type")]
    UnauthorizedClient,
    /// Neither `authorization_code` nor `refresh_token`.
    #[error("only authorization_code and refresh_token are supported")]
    UnsupportedGrantType,
    /// Never issued, long gone, or issued to another client.
    #[error("the authorization code is not valid")]
    CodeUnknown,
    /// Older than its lifetime.
    #[error("the authorization code has expired")]
    CodeExpired,
    /// Used before; what it gave is revoked (RFC 6749 section 4.1.2, S57).
    #[error("the authorization code was used before")]
    CodeReplayed,
    /// Not the one of the authorization request.
    #[error("redirect_uri is not the one of the authorization request")]
    RedirectUriMismatch,
    /// The verifier does not fit the challenge, or is not 43 to 128 unreserved characters.
    #[error("code_verifier does not fit code_challenge")]
    PkceMismatch,
    /// Not ours, revoked, or another client's.
    #[error("the refresh token is not valid")]
    RefreshUnknown,
    /// Not used for too long, or the grant is over.
    #[error("the refresh token has expired")]
    RefreshExpired,
    /// Used again after its grace; the grant is revoked (RFC 9700 section 4.14.2).
    #[error("the refresh token was used before; sign in again")]
    RefreshReused,
    /// More than was granted, unknown, or malformed.
    #[error("the requested scope is unknown, malformed or exceeds what was granted")]
    InvalidScope,
    /// Not the resource of the grant.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The protected route is not served any more.
    #[error("the resource of this grant is not served any more")]
    ResourceGone,
    /// The provider ended the sign-in.
    #[error("the identity provider ended the sign-in; sign in again")]
    ProviderEnded,
    /// The person may not pass any more; the grant is revoked.
    #[error("this account may not use this server any more")]
    PolicyDenied,
    /// The provider does not answer; the token that was sent stays usable.
    #[error("the identity provider does not answer right now; the token stays valid, try again")]
    ProviderUnavailable,
    /// The store did not do its work.
    #[error("the server cannot answer right now")]
    Store(#[source] StoreError),
    /// Somebody else changed the grant at the same moment, again and again.
    #[error("the server cannot answer right now")]
    Contended,
    /// The access token could not be signed.
    #[error("the server cannot answer right now")]
    Signing(#[source] KeyError),
}

// === impl TokenError ===

impl TokenError {
    /// `error` of the token response (RFC 6749 section 5.2, RFC 8707 section 2).
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Duplicate(_) | Self::Missing(_) | Self::SeveralCredentials => "invalid_request",
            Self::ClientMissing | Self::UnknownClient | Self::ClientAuthentication => "invalid_client",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::CodeUnknown
            | Self::CodeExpired
            | Self::CodeReplayed
            | Self::RedirectUriMismatch
            | Self::PkceMismatch
            | Self::RefreshUnknown
            | Self::RefreshExpired
            | Self::RefreshReused
            | Self::ResourceGone
            | Self::PolicyDenied
            | Self::ProviderEnded => "invalid_grant",
            Self::InvalidScope => "invalid_scope",
            Self::Target(_) => "invalid_target",
            Self::ClientUnavailable
            | Self::ProviderUnavailable
            | Self::Store(_)
            | Self::Contended
            | Self::Signing(_) => "temporarily_unavailable",
        }
    }

    /// The HTTP status: 401 for a client that is not who it says, 503 for what may work later,
    /// 400 for everything else.
    pub const fn status(&self) -> u16 {
        match self {
            Self::ClientMissing | Self::UnknownClient | Self::ClientAuthentication => 401,
            Self::ClientUnavailable
            | Self::ProviderUnavailable
            | Self::Store(_)
            | Self::Contended
            | Self::Signing(_) => 503,
            _ => 400,
        }
    }

    /// `Retry-After` of every 503.
    pub const fn retry_after(&self) -> Option<Duration> {
        if self.status() == 503 { Some(RETRY_AFTER) } else { None }
    }

    /// The outcome to count.
    pub const fn outcome(&self) -> TokenRequest {
        match self {
            Self::Duplicate(_) | Self::Missing(_) | Self::SeveralCredentials => TokenRequest::InvalidRequest,
            Self::ClientMissing | Self::UnknownClient | Self::ClientAuthentication | Self::ClientUnavailable => {
                TokenRequest::InvalidClient
            }
            Self::UnauthorizedClient => TokenRequest::UnauthorizedClient,
            Self::UnsupportedGrantType => TokenRequest::UnsupportedGrantType,
            Self::CodeUnknown => TokenRequest::CodeUnknown,
            Self::CodeExpired => TokenRequest::CodeExpired,
            Self::CodeReplayed => TokenRequest::CodeReplayed,
            Self::RedirectUriMismatch => TokenRequest::RedirectUriMismatch,
            Self::PkceMismatch => TokenRequest::PkceMismatch,
            Self::RefreshUnknown => TokenRequest::RefreshUnknown,
            Self::RefreshExpired => TokenRequest::RefreshExpired,
            Self::RefreshReused => TokenRequest::RefreshReused,
            Self::InvalidScope => TokenRequest::InvalidScope,
            Self::Target(_) | Self::ResourceGone => TokenRequest::InvalidTarget,
            Self::PolicyDenied => TokenRequest::PolicyDenied,
            Self::ProviderEnded => TokenRequest::IdpGrantEnded,
            Self::ProviderUnavailable => TokenRequest::IdpRefreshFailed,
            Self::Store(_) | Self::Contended | Self::Signing(_) => TokenRequest::StoreError,
        }
    }
}

impl From<StoreError> for TokenError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<CommitError> for TokenError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Conflict => Self::Contended,
            CommitError::Store(error) => Self::Store(error),
        }
    }
}

impl From<KeyError> for TokenError {
    fn from(error: KeyError) -> Self {
        Self::Signing(error)
    }
}
