//! The only way out for requests of our own: no redirects, no proxy from the environment, capped
//! bodies, one deadline for everything, and an address filter for URLs that strangers chose.
//!
//! Knows nothing of OpenID Connect or of whom it asks; metrics are its callers' business.

mod address;
mod document;

use std::{error::Error, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use reqwest::{Client, ClientBuilder, redirect};

pub use address::Blocked;
use address::{Guarded, PublicOnly};
pub use document::DocumentFetcher;

/// Largest answer of a provider, in bytes: discovery documents and key sets of real providers stay
/// below 100 KiB.
pub const PROVIDER_BODY: usize = 1024 * 1024;
/// Largest answer for a URL that a stranger chose, in bytes; a fetch of a client ID metadata
/// document sets less for itself.
pub const DOCUMENT_BODY: usize = 64 * 1024;
/// How long an unused connection is kept: shorter than the shortest that servers in the wild do
/// (five seconds), because a code that was sent into a closing connection cannot be sent again.
const IDLE: Duration = Duration::from_secs(4);
/// How long one fetch of a client ID metadata document may take in all.
pub const DOCUMENT_DEADLINE: Duration = Duration::from_secs(5);

/// How far a client may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Only https, and only addresses that are globally reachable, whatever DNS says.
    Public,
    /// Only https, to any address: the operator named the host, which may well be in this cluster.
    AnyAddress,
    /// Plain http too: a provider that the operator placed on this machine, and tests.
    Anywhere,
}

/// An HTTP client with fixed bounds. Cheap to clone; clones share connections.
#[derive(Clone, Debug)]
pub struct Egress {
    client: Client,
    reach: Reach,
    body: usize,
    deadline: Duration,
}

/// Why there is no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    /// The URL or the address behind its name may not be reached.
    #[error("refused to connect: {0}")]
    Blocked(#[from] Blocked),
    /// The deadline passed, wherever the request was.
    #[error("no complete answer within {0:?}")]
    Timeout(Duration),
    /// Name resolution or TCP failed.
    #[error("cannot connect: {}", root_cause(.0))]
    Connect(#[source] reqwest::Error),
    /// The TLS handshake failed: certificate, name or protocol.
    #[error("TLS failed: {}", root_cause(.0))]
    Tls(#[source] reqwest::Error),
    /// The body is larger than this many bytes.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    /// An answer with a status that the caller cannot use.
    #[error("the answer has status {0}")]
    Status(StatusCode),
    /// The connection broke, or what came is not HTTP.
    #[error("the answer broke off: {}", root_cause(.0))]
    Broken(#[source] reqwest::Error),
    /// The request cannot be expressed in HTTP.
    #[error("the request cannot be expressed: {0}")]
    Inexpressible(#[from] http::Error),
    /// The request cannot be made, or the client cannot be built.
    #[error("the request cannot be made: {}", root_cause(.0))]
    Setup(#[source] reqwest::Error),
}

// === impl Egress ===

impl Egress {
    /// For one identity provider: `deadline` bounds one request. `allow_insecure_http` permits
    /// plain http. Private addresses are possible in any case: an operator's own provider is often
    /// at one, and strangers choose nothing here.
    ///
    /// # Errors
    /// [`EgressError::Setup`] if TLS cannot be set up at all.
    pub fn for_provider(deadline: Duration, allow_insecure_http: bool) -> Result<Self, EgressError> {
        let reach = if allow_insecure_http { Reach::Anywhere } else { Reach::AnyAddress };
        Self::new(reach, PROVIDER_BODY, deadline)
    }

    /// The same client, connections and all, with another deadline for one request.
    #[must_use]
    pub fn with_deadline(&self, deadline: Duration) -> Self {
        Self { deadline, ..self.clone() }
    }

    /// For client ID metadata documents, whose URLs strangers choose. Outside of tests the reach
    /// is [`Reach::Public`]; no configuration leads to another.
    ///
    /// # Errors
    /// [`EgressError::Setup`] if TLS cannot be set up at all.
    pub fn for_documents(reach: Reach) -> Result<DocumentFetcher, EgressError> {
        Self::new(reach, DOCUMENT_BODY, DOCUMENT_DEADLINE).map(DocumentFetcher)
    }

    fn new(reach: Reach, body: usize, deadline: Duration) -> Result<Self, EgressError> {
        let builder = || {
            let builder = Client::builder()
                .user_agent(concat!("vestibule/", env!("CARGO_PKG_VERSION")))
                .redirect(redirect::Policy::none())
                .referer(false)
                .no_proxy()
                .pool_idle_timeout(IDLE);
            match reach {
                Reach::Public => builder.https_only(true).dns_resolver(Arc::new(PublicOnly::new())),
                Reach::AnyAddress => builder.https_only(true),
                Reach::Anywhere => builder,
            }
        };
        let client = builder().build().or_else(|error| without_roots(builder(), &error)).map_err(EgressError::Setup)?;
        Ok(Self { client, reach, body, deadline })
    }

    /// Sends a request. Every status is an answer, a redirect too.
    ///
    /// # Errors
    /// [`EgressError`], but never [`EgressError::Status`].
    pub async fn send(&self, request: http::Request<Vec<u8>>) -> Result<http::Response<Bytes>, EgressError> {
        self.send_within(request, self.body).await
    }

    /// Sends a request and reads at most `max` bytes of the answer's body, if that is less than
    /// the client's own cap.
    ///
    /// # Errors
    /// [`EgressError`], but never [`EgressError::Status`].
    pub async fn send_within(
        &self,
        request: http::Request<Vec<u8>>,
        max: usize,
    ) -> Result<http::Response<Bytes>, EgressError> {
        let request = reqwest::Request::try_from(request).map_err(EgressError::Setup)?;
        match self.reach {
            Reach::Public => address::check(request.url())?,
            Reach::AnyAddress if request.url().scheme() != "https" => return Err(Blocked::NotHttps.into()),
            Reach::AnyAddress | Reach::Anywhere => {}
        }
        tokio::time::timeout(self.deadline, self.exchange(request, max.min(self.body)))
            .await
            .unwrap_or(Err(EgressError::Timeout(self.deadline)))
    }

    async fn exchange(&self, request: reqwest::Request, max: usize) -> Result<http::Response<Bytes>, EgressError> {
        let mut answer = self.client.execute(request).await.map_err(classify)?;
        if answer.content_length().is_some_and(|length| length > u64::try_from(max).unwrap_or(u64::MAX)) {
            return Err(EgressError::TooLarge(max));
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(classify)? {
            if body.len() + chunk.len() > max {
                return Err(EgressError::TooLarge(max));
            }
            body.extend_from_slice(&chunk);
        }
        let mut response = http::Response::new(body.freeze());
        *response.status_mut() = answer.status();
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(response)
    }
}

// === impl EgressError ===

impl EgressError {
    /// The word for metrics; a status code stands for itself.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Blocked(_) => "blocked",
            Self::Timeout(_) => "timeout",
            Self::Connect(_) | Self::Broken(_) | Self::Inexpressible(_) | Self::Setup(_) => "connect_error",
            Self::Tls(_) => "tls_error",
            Self::TooLarge(_) => "too_large",
            Self::Status(_) => "status",
        }
    }
}

/// A machine without any root certificate must still start, and reach a provider by plain http:
/// every TLS handshake then fails with a certificate error that names the cause.
fn without_roots(builder: ClientBuilder, error: &reqwest::Error) -> Result<Client, reqwest::Error> {
    let reason = root_cause(error);
    tracing::warn!(%reason, "no root certificates: https to providers will fail; set SSL_CERT_FILE");
    builder.tls_certs_only(std::iter::empty()).build()
}

fn classify(error: reqwest::Error) -> EgressError {
    let error = error.without_url();
    if let Some(Guarded(blocked)) = find(&error) {
        return EgressError::Blocked(*blocked);
    }
    if find::<rustls::Error>(&error).is_some() {
        EgressError::Tls(error)
    } else if error.is_connect() {
        EgressError::Connect(error)
    } else if error.is_builder() {
        EgressError::Setup(error)
    } else {
        EgressError::Broken(error)
    }
}

/// The first cause of this type.
fn find<'e, E: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        next = cause(error);
    }
    None
}

/// What the innermost cause says: the outer ones only say "error sending request".
fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(inner) = cause(innermost) {
        innermost = inner;
    }
    innermost.to_string()
}

/// One step down. An `io::Error` skips the very error that it wraps in its `source`.
fn cause<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

#[cfg(test)]
mod tests;
