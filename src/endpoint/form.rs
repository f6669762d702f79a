//! Request bodies, read within bounds: at most 64 KiB, and not slower than ten seconds.
//!
//! The only place that reads bodies for our own endpoints. What is read here is still hostile.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt, pin_mut};
use http::{HeaderMap, header};
use mime::Mime;
use warp::{Filter, Rejection, reject::Reject};

/// The longest body, in bytes.
pub(super) const MAX_BODY: usize = 64 * 1024;
/// From the end of the header to the end of the body.
const DEADLINE: Duration = Duration::from_secs(10);

/// What a body holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// `application/x-www-form-urlencoded`
    Form,
    /// `application/json`, or a type that is JSON underneath (`application/…+json`).
    Json,
}

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BodyError {
    #[error("the request is longer than {MAX_BODY} bytes")]
    TooLarge,
    #[error("the request took longer than {} seconds", DEADLINE.as_secs())]
    TooSlow,
    #[error("the request ended before its end")]
    Interrupted,
    #[error("the request must be {}", .0.name())]
    WrongType(Format),
}

impl Reject for BodyError {}

// === impl Format ===

impl Format {
    const fn name(self) -> &'static str {
        match self {
            Self::Form => "application/x-www-form-urlencoded",
            Self::Json => "application/json",
        }
    }

    /// A body without a type is taken for what the endpoint expects.
    fn fits(self, headers: &HeaderMap) -> bool {
        let Some(value) = headers.get(header::CONTENT_TYPE) else { return true };
        let Some(found) = value.to_str().ok().and_then(|text| text.parse::<Mime>().ok()) else { return false };
        match self {
            Self::Form => found.essence_str() == mime::APPLICATION_WWW_FORM_URLENCODED.essence_str(),
            Self::Json => {
                found.type_() == mime::APPLICATION
                    && (found.subtype() == mime::JSON || found.suffix() == Some(mime::JSON))
            }
        }
    }
}

/// Extracts a whole body.
///
/// Rejects with [`BodyError`].
pub(super) fn body(format: Format) -> impl Filter<Extract = (Bytes,), Error = Rejection> + Clone {
    warp::header::headers_cloned().and(warp::body::stream()).and_then(move |headers: HeaderMap, stream| async move {
        if !format.fits(&headers) {
            return Err(warp::reject::custom(BodyError::WrongType(format)));
        }
        match tokio::time::timeout(DEADLINE, read(stream)).await {
            Ok(read) => read.map_err(warp::reject::custom),
            Err(_) => Err(warp::reject::custom(BodyError::TooSlow)),
        }
    })
}

async fn read<S, B, E>(stream: S) -> Result<Bytes, BodyError>
where
    S: Stream<Item = Result<B, E>>,
    B: Buf,
{
    pin_mut!(stream);
    let mut whole = BytesMut::new();
    while let Some(piece) = stream.next().await {
        let mut piece = piece.map_err(|_| BodyError::Interrupted)?;
        let length = piece.remaining();
        if whole.len() + length > MAX_BODY {
            return Err(BodyError::TooLarge);
        }
        whole.extend_from_slice(&piece.copy_to_bytes(length));
    }
    Ok(whole.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn send(format: Format, content_type: Option<&str>, body: Vec<u8>) -> Result<Bytes, BodyError> {
        let mut request = warp::test::request().method("POST").body(body);
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        request.filter(&self::body(format)).await.map_err(|rejection| *rejection.find::<BodyError>().unwrap())
    }

    #[tokio::test]
    async fn bodies_are_bounded() {
        let whole = send(Format::Form, None, vec![b'x'; MAX_BODY]).await;
        assert_eq!(whole.unwrap().len(), MAX_BODY);
        assert_eq!(send(Format::Form, None, vec![b'x'; MAX_BODY + 1]).await, Err(BodyError::TooLarge));
    }

    /// S71: nothing at all is a body too.
    #[tokio::test]
    async fn s71_an_empty_body_is_empty() {
        assert_eq!(send(Format::Form, Some("application/x-www-form-urlencoded"), Vec::new()).await.unwrap(), "");
    }

    #[tokio::test]
    async fn a_body_of_another_type_is_refused() {
        for (format, content_type, fits) in [
            (Format::Form, "application/x-www-form-urlencoded; charset=UTF-8", true),
            (Format::Form, "application/json", false),
            (Format::Form, "nonsense", false),
            (Format::Json, "application/json; charset=utf-8", true),
            (Format::Json, "application/problem+json", true),
            (Format::Json, "text/plain", false),
        ] {
            let sent = send(format, Some(content_type), b"x".to_vec()).await;
            assert_eq!(sent.is_ok(), fits, "{content_type}");
        }
    }

    /// A body that never comes does not hold the endpoint.
    #[tokio::test(start_paused = true)]
    async fn a_slow_body_is_given_up() {
        let never = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
        assert!(tokio::time::timeout(DEADLINE, read(never)).await.is_err());
    }
}
