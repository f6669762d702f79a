//! Why authorization requests are refused.

use std::time::Duration;

use super::RETRY_AFTER;
use crate::{
    authority::{
        answer::{AnswerError, ClientAnswer},
        client::ClientKind,
        client_id_document::DocumentError,
        parameters::Duplicate,
        resource::TargetError,
    },
    metrics::outcome::{Authorize, ClientType},
};

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
    /// One of the client's, but the operator does not allow it.
    #[error("the application registered an address to return to that this server does not allow (redirect_uri)")]
    RedirectUriNotAllowed,
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
    /// See [`TargetError`].
    #[error(transparent)]
    Target(#[from] TargetError),
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
            Self::RedirectUriMissing | Self::RedirectUriMismatch { .. } | Self::RedirectUriNotAllowed => {
                Authorize::RedirectUriMismatch
            }
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

impl From<DocumentError> for PageError {
    fn from(error: DocumentError) -> Self {
        match error {
            DocumentError::Unavailable => Self::ClientDocumentUnavailable,
            DocumentError::Busy => Self::ClientDocumentBusy,
            error => Self::ClientDocument(error),
        }
    }
}
