//! Why requests are refused: each reason once, with its OAuth error, its HTTP status and the
//! outcome that is counted. Nothing a stranger sent is part of a message.

use std::time::Duration;

use super::{
    answer::{AnswerError, ClientAnswer},
    client::ClientKind,
    client_id_document::DocumentError,
    parameters::Duplicate,
};
use crate::{
    keys::KeyError,
    metrics::outcome::{Authorize, ClientType, TokenRequest},
    store::{CommitError, StoreError},
};

/// How long a client waits before it asks again when something behind us does not answer.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(10);

/// Why an authorization request was refused.
#[derive(Debug, thiserror::Error)]
pub enum AuthorizeError {
    /// The client or its redirect URI is not known to be good: a person reads about it on a page,
    /// nobody is redirected (RFC 6749 section 4.1.2.1, AS-43).
    #[error("{reason}")]
    Page {
        /// What is wrong.
        reason: PageError,
        /// Who asked, as far as it is known.
        client: ClientType,
    },
    /// The client is told.
    #[error("{}", .0.reason)]
    Answer(Box<Refused>),
}

/// A refused authorization request whose redirect URI is good.
#[derive(Debug)]
pub struct Refused {
    /// What the client is told, and where.
    pub answer: ClientAnswer,
    /// What is wrong.
    pub reason: RequestError,
    /// How the client became known. Only a static one may be redirected to at once; for the
    /// others a person first reads where it goes (AS-44: nobody has signed in yet).
    pub client: ClientKind,
    /// What the client calls itself.
    pub client_name: String,
}

/// Why nobody can be redirected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PageError {
    /// No `client_id`.
    #[error("the application did not say who it is (client_id is missing)")]
    ClientIdMissing,
    /// No such client; its registration may be from before a new set-up of this server.
    #[error("the application is not known here (unknown client_id)")]
    UnknownClient,
    /// The client ID metadata document cannot be used.
    #[error("the application's description cannot be used: {0}")]
    ClientDocument(DocumentError),
    /// The client ID metadata document cannot be read now.
    #[error("the application's description cannot be read right now")]
    ClientDocumentUnavailable,
    /// Too many fetches of documents from this client's host.
    #[error("too many requests for descriptions of applications on this host")]
    ClientDocumentBusy,
    /// One of the parameters that come before the redirect URI is good.
    #[error(transparent)]
    Duplicate(#[from] Duplicate),
    /// No `redirect_uri`.
    #[error("the application did not say where to return to (redirect_uri is missing)")]
    RedirectUriMissing,
    /// Not one of the client's.
    #[error("the application wants to return to an address that it did not register (redirect_uri)")]
    RedirectUriMismatch {
        /// The hosts (or schemes) that it registered.
        registered: Vec<String>,
    },
    /// `state` and the rest are more than a sign-in can carry.
    #[error("the authorization request is too long")]
    TooLong,
}

/// Why an authorization request of a known client was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// A parameter of the protocol is there twice.
    #[error(transparent)]
    Duplicate(#[from] Duplicate),
    /// No `response_type`.
    #[error("response_type is missing")]
    ResponseTypeMissing,
    /// Anything but `code`.
    #[error("only response_type=code is supported")]
    ResponseTypeUnsupported,
    /// Anything but `query`.
    #[error("only response_mode=query is supported")]
    ResponseModeUnsupported,
    /// `request` (RFC 9101).
    #[error("request objects are not supported")]
    RequestObject,
    /// `request_uri` (RFC 9101, RFC 9126).
    #[error("request_uri is not supported")]
    RequestUri,
    /// `prompt=none`.
    #[error("a person has to approve, so prompt=none cannot be answered")]
    NoInteraction,
    /// No `code_challenge`.
    #[error("code_challenge is missing (PKCE is required)")]
    PkceMissing,
    /// `plain`, also by leaving the method out.
    #[error("only code_challenge_method=S256 is supported")]
    PkceMethod,
    /// Not the 43 characters of a SHA-256 digest.
    #[error("code_challenge is not the base64url text of a SHA-256 digest")]
    PkceMalformed,
    /// Not a scope by its characters, or none that this server knows.
    #[error("none of the requested scopes is known, or they are malformed")]
    InvalidScope,
    /// See [`super::resource::TargetError`].
    #[error(transparent)]
    Target(#[from] super::resource::TargetError),
}

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
    Target(#[from] super::resource::TargetError),
    /// The protected route is not served any more.
    #[error("the resource of this grant is not served any more")]
    ResourceGone,
    /// The provider ended the sign-in.
    #[error("the identity provider ended the sign-in; sign in again")]
    ProviderEnded,
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

// === impl AuthorizeError ===

impl AuthorizeError {
    /// The outcome to count.
    pub const fn outcome(&self) -> Authorize {
        match self {
            Self::Page { reason, .. } => reason.outcome(),
            Self::Answer(refused) => refused.reason.outcome(),
        }
    }

    /// How the client became known.
    pub const fn client_type(&self) -> ClientType {
        match self {
            Self::Page { client, .. } => *client,
            Self::Answer(refused) => refused.client.label(),
        }
    }
}

// === impl Refused ===

impl Refused {
    /// Whether the browser may be sent there without asking: the operator vouches for the client.
    pub const fn redirects_at_once(&self) -> bool {
        matches!(self.client, ClientKind::Static)
    }
}

// === impl PageError ===

impl PageError {
    /// `error` for those who prefer JSON.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownClient | Self::ClientDocument(_) => "invalid_client",
            Self::ClientDocumentUnavailable | Self::ClientDocumentBusy => "temporarily_unavailable",
            _ => "invalid_request",
        }
    }

    /// The HTTP status of the page.
    pub const fn status(&self) -> u16 {
        match self {
            Self::ClientDocumentUnavailable => 503,
            Self::ClientDocumentBusy => 429,
            _ => 400,
        }
    }

    /// When to try again, where that may help.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::ClientDocumentUnavailable | Self::ClientDocumentBusy => Some(RETRY_AFTER),
            _ => None,
        }
    }

    const fn outcome(&self) -> Authorize {
        match self {
            Self::UnknownClient | Self::ClientDocument(_) | Self::ClientDocumentUnavailable => Authorize::UnknownClient,
            Self::ClientDocumentBusy => Authorize::RateLimited,
            Self::Duplicate(_) => Authorize::DuplicateParam,
            Self::RedirectUriMissing | Self::RedirectUriMismatch { .. } => Authorize::RedirectUriMismatch,
            Self::ClientIdMissing | Self::TooLong => Authorize::InvalidRequest,
        }
    }
}

// === impl RequestError ===

impl RequestError {
    /// `error` of the authorization response.
    pub const fn code(&self) -> AnswerError {
        match self {
            Self::ResponseTypeUnsupported => AnswerError::UnsupportedResponseType,
            Self::RequestObject => AnswerError::RequestNotSupported,
            Self::RequestUri => AnswerError::RequestUriNotSupported,
            Self::NoInteraction => AnswerError::InteractionRequired,
            Self::InvalidScope => AnswerError::InvalidScope,
            Self::Target(_) => AnswerError::InvalidTarget,
            Self::Duplicate(_)
            | Self::ResponseTypeMissing
            | Self::ResponseModeUnsupported
            | Self::PkceMissing
            | Self::PkceMethod
            | Self::PkceMalformed => AnswerError::InvalidRequest,
        }
    }

    const fn outcome(&self) -> Authorize {
        match self {
            Self::Duplicate(_) => Authorize::DuplicateParam,
            Self::ResponseTypeUnsupported => Authorize::UnsupportedResponseType,
            Self::PkceMissing => Authorize::PkceMissing,
            Self::PkceMethod => Authorize::PkceMethod,
            Self::InvalidScope => Authorize::InvalidScope,
            Self::Target(_) => Authorize::InvalidTarget,
            Self::ResponseTypeMissing
            | Self::ResponseModeUnsupported
            | Self::RequestObject
            | Self::RequestUri
            | Self::NoInteraction
            | Self::PkceMalformed => Authorize::InvalidRequest,
        }
    }
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
            Self::ProviderEnded => TokenRequest::IdpGrantEnded,
            Self::ProviderUnavailable => TokenRequest::IdpRefreshFailed,
            Self::Store(_) | Self::Contended | Self::Signing(_) => TokenRequest::StoreError,
        }
    }
}

impl From<DocumentError> for PageError {
    fn from(error: DocumentError) -> Self {
        match error {
            DocumentError::Unavailable => Self::ClientDocumentUnavailable,
            DocumentError::Busy => Self::ClientDocumentBusy,
            error => Self::ClientDocument(error),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// T3, T5: the error classes that clients act on.
    #[test]
    fn t3_t5_error_classes() {
        for (error, code, status, retry) in [
            (TokenError::UnknownClient, "invalid_client", 401, false),
            (TokenError::RefreshUnknown, "invalid_grant", 400, false),
            (TokenError::RefreshExpired, "invalid_grant", 400, false),
            (TokenError::ProviderEnded, "invalid_grant", 400, false),
            (TokenError::ProviderUnavailable, "temporarily_unavailable", 503, true),
            (TokenError::Store(StoreError::Unavailable("x".into())), "temporarily_unavailable", 503, true),
            (TokenError::UnsupportedGrantType, "unsupported_grant_type", 400, false),
            (TokenError::UnauthorizedClient, "unauthorized_client", 400, false),
        ] {
            assert_eq!((error.code(), error.status(), error.retry_after().is_some()), (code, status, retry), "{error}");
        }
    }

    /// RFC 6749 section 5.2: an `error_description` is printable ASCII without `"` and `\`.
    #[test]
    fn messages_may_be_descriptions() {
        let texts = [
            TokenError::Missing("code").to_string(),
            TokenError::Duplicate(Duplicate("code")).to_string(),
            TokenError::Store(StoreError::Unavailable("disk \"x\"".into())).to_string(),
            RequestError::InvalidScope.to_string(),
            RequestError::PkceMethod.to_string(),
        ];
        for text in texts {
            assert!(text.bytes().all(|byte| matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e)), "{text}");
        }
    }
}
