//! Why a request did not come back from its backend, and what the client is told.

use std::{error::Error, io};

use http::{Response, StatusCode};

use super::body::RequestBodyError;
use crate::{answer, body::Body, metrics::outcome::Backend as Outcome};

/// Everything that ends an exchange before the response's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// The backend cannot be reached.
    #[error("the server behind this gateway cannot be reached")]
    Connect,
    /// The backend's certificate or TLS is not acceptable.
    #[error("the connection to the server behind this gateway is not secure")]
    Tls,
    /// No connection, or no response's head, in time.
    #[error("the server behind this gateway did not answer in time")]
    Timeout,
    /// The backend closed the connection instead of answering.
    #[error("the server behind this gateway closed the connection")]
    Reset,
    /// The backend does not speak HTTP properly.
    #[error("the server behind this gateway sent an answer that cannot be understood")]
    Protocol,
    /// The request's body is larger than the route allows.
    #[error("the request's body is larger than this server accepts")]
    BodyTooLarge,
    /// The client broke off its own body.
    #[error("the request's body ended early")]
    ClientAbort,
}

// === impl Failure ===

impl Failure {
    /// Reads the reason out of a chain of errors.
    pub(super) fn of(error: &hyper_util::client::legacy::Error) -> Self {
        let mut reason = if error.is_connect() { Self::Connect } else { Self::Reset };
        let mut next: Option<&(dyn Error + 'static)> = Some(error);
        while let Some(error) = next {
            if let Some(body) = error.downcast_ref::<RequestBodyError>() {
                return match body {
                    RequestBodyError::TooLarge => Self::BodyTooLarge,
                    RequestBodyError::Client(_) => Self::ClientAbort,
                };
            }
            if let Some(error) = error.downcast_ref::<io::Error>() {
                reason = of_io(error).unwrap_or(reason);
            }
            if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
                reason = Self::Protocol;
            }
            next = error.source();
        }
        reason
    }

    /// The outcome to count.
    pub(super) const fn outcome(self) -> Outcome {
        match self {
            Self::Connect => Outcome::ConnectError,
            Self::Tls => Outcome::TlsError,
            Self::Timeout => Outcome::Timeout,
            Self::Reset => Outcome::Reset,
            Self::Protocol => Outcome::ProtocolError,
            Self::BodyTooLarge => Outcome::BodyTooLarge,
            Self::ClientAbort => Outcome::ClientAbort,
        }
    }

    /// The answer. Never 404 or 405, and 400 only to who broke off: MCP clients read meaning into
    /// these (P-26).
    pub(super) fn into_response(self) -> Response<Body> {
        let (status, error) = match self {
            Self::Connect | Self::Tls | Self::Reset | Self::Protocol => (StatusCode::BAD_GATEWAY, "bad_gateway"),
            Self::Timeout => (StatusCode::GATEWAY_TIMEOUT, "gateway_timeout"),
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "request_too_large"),
            Self::ClientAbort => (StatusCode::BAD_REQUEST, "invalid_request"),
        };
        answer::error(status, error, &self.to_string())
    }
}

/// An `io::Error` hides what it wraps from `source`.
fn of_io(error: &io::Error) -> Option<Failure> {
    if error.kind() == io::ErrorKind::TimedOut {
        return Some(Failure::Timeout);
    }
    let inner = error.get_ref()?;
    if inner.is::<rustls::Error>() {
        return Some(Failure::Tls);
    }
    inner.downcast_ref::<io::Error>().and_then(of_io)
}
