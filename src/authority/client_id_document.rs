//! Client ID metadata documents (draft-ietf-oauth-client-id-metadata-document, AS-20 to AS-33):
//! clients whose identifier is the `https` URL of their own description.
//!
//! The rules only: which URL, which document, how long a copy is good. The fetch itself, with its
//! guard against requests to inner addresses, is behind [`DocumentFetch`].

mod cache;
mod document;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use url::Url;

pub use cache::{ClientDocuments, Found};
pub use document::{ClientIdDocument, ClientKeys};

use crate::{metrics::outcome::Registration, oauth::ClientId};

/// The most bytes of a document (the draft's section 6.6 recommends 5 KB).
pub const MAX_DOCUMENT: usize = 5 * 1024;

/// The most bytes of a client's key set.
pub const MAX_KEYS: usize = 64 * 1024;

/// What to fetch: one GET, `Accept: application/json`, no redirect followed, no credentials.
#[derive(Clone, Debug)]
pub struct DocumentRequest {
    /// An `https` URL that a stranger chose.
    pub url: Url,
    /// For `If-None-Match`.
    pub etag: Option<String>,
    /// The most bytes of a body to read.
    pub max_bytes: usize,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct DocumentResponse {
    /// The HTTP status; redirects are not followed.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// How long the answer says that it is fresh (RFC 9111 section 4.2.1); `None` if it says nothing.
    pub fresh_for: Option<Duration>,
    /// `ETag`.
    pub etag: Option<String>,
    /// The body, at most [`DocumentRequest::max_bytes`].
    pub body: Bytes,
}

/// Why nothing came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The address may not be asked: not public, or not https.
    #[error("the address may not be asked")]
    Blocked,
    /// The body is larger than allowed.
    #[error("the answer is too large")]
    TooLarge,
    /// No connection, a timeout, a broken answer.
    #[error("no usable answer came")]
    Failed,
}

/// The way out. The implementation guards against inner addresses, caps size and time, and
/// follows no redirect.
#[async_trait]
pub trait DocumentFetch: Send + Sync + std::fmt::Debug {
    /// One GET request.
    async fn fetch(&self, request: DocumentRequest) -> Result<DocumentResponse, FetchError>;
}

/// Why a document gives no client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// The identifier is not the URL of a document.
    #[error("client_id is an https URL with a path, without dot segments, user name and fragment")]
    Url,
    /// The address may not be asked.
    #[error("its host may not be asked by this server")]
    Blocked,
    /// The document's host does not answer as it should, and there is no copy that may be used.
    #[error("its host does not answer")]
    Unavailable,
    /// Anything but 200.
    #[error("it was not found")]
    Status,
    /// Too many fetches from this host.
    #[error("its host is asked too often")]
    Busy,
    /// Not JSON by its content type.
    #[error("its content type is not JSON")]
    ContentType,
    /// Larger than [`MAX_DOCUMENT`].
    #[error("it is larger than 5 KiB")]
    TooLarge,
    /// Not a JSON object.
    #[error("it is not a JSON object")]
    Json,
    /// `client_id` is not byte for byte the document's URL.
    #[error("its client_id is not its own URL")]
    ClientId,
    /// No `client_name`.
    #[error("client_name is missing")]
    ClientName,
    /// No `redirect_uris` that may be used.
    #[error("it has no redirect URI that may be used")]
    RedirectUris,
    /// A secret, or a way to authenticate with one: everybody can read the document.
    #[error("it has a client secret or wants to authenticate with one")]
    SharedSecret,
    /// A way to authenticate that this server does not know.
    #[error("only none and private_key_jwt are possible for token_endpoint_auth_method")]
    AuthenticationMethod,
    /// `private_key_jwt` without keys that may be used.
    #[error("private_key_jwt needs jwks or an https jwks_uri")]
    Keys,
    /// It did not register for the code flow.
    #[error("it does not use the authorization code flow")]
    GrantTypes,
}

// === impl DocumentError ===

impl DocumentError {
    /// Whether it may work later, without the client's developer changing anything.
    pub const fn is_temporary(self) -> bool {
        matches!(self, Self::Unavailable | Self::Busy)
    }

    /// The outcome to count.
    pub const fn outcome(self) -> Registration {
        match self {
            Self::Blocked => Registration::FetchBlocked,
            Self::Unavailable | Self::Status => Registration::FetchFailed,
            Self::Busy => Registration::RateLimited,
            Self::RedirectUris => Registration::InvalidRedirectUri,
            _ => Registration::InvalidMetadata,
        }
    }
}

impl From<FetchError> for DocumentError {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Blocked => Self::Blocked,
            FetchError::TooLarge => Self::TooLarge,
            FetchError::Failed => Self::Unavailable,
        }
    }
}

/// The URL of a client identifier (AS-22), judged by the text as it came: a parser would repair
/// what must be refused.
///
/// # Errors
/// [`DocumentError::Url`].
pub fn document_url(id: &ClientId) -> Result<Url, DocumentError> {
    let text = id.as_str();
    let rest = text.strip_prefix("https://").ok_or(DocumentError::Url)?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let path = rest.strip_prefix(authority).and_then(|rest| rest.split(['?', '#']).next()).unwrap_or_default();
    let dots = path.to_ascii_lowercase().replace("%2e", ".");
    let plain = !authority.is_empty()
        && !authority.contains('@')
        && path.len() > 1
        && !text.contains(['#', '\\', ' '])
        && !dots.split('/').any(|segment| segment == "." || segment == "..");
    let url = Url::parse(text).map_err(|_| DocumentError::Url)?;
    if plain && url.scheme() == "https" { Ok(url) } else { Err(DocumentError::Url) }
}

/// Whether a content type is JSON: `application/json` or `application/<something>+json`.
fn is_json(content_type: Option<&str>) -> bool {
    let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

#[cfg(test)]
mod tests;
