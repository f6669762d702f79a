//! The one response body type: what warp's endpoints, the gate and a streamed backend answer share.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full, combinators::UnsyncBoxBody};

/// Any error a body can end with.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A streamed or complete body. Boxed once, never copied.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// How much of a body that nobody wants is read nevertheless, and for how long.
const DISCARD_BYTES: u64 = 4 * 1024 * 1024;
const DISCARD_TIME: Duration = Duration::from_secs(5);

/// A body with nothing in it.
pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A complete body.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// Reads and forgets the body of a request that is answered without it, within bounds.
///
/// A server that closes a connection with unread bytes resets it, and a client that is still
/// sending then never sees the answer that told it why.
pub fn discard<B>(mut body: B)
where
    B: http_body::Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: Send,
{
    if body.is_end_stream() || body.size_hint().lower() > DISCARD_BYTES {
        return;
    }
    let read = async move {
        let mut remaining = DISCARD_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            let Some(rest) = remaining.checked_sub(u64::try_from(length).unwrap_or(u64::MAX)) else { return };
            remaining = rest;
        }
    };
    // Dropped unread beyond the bounds: the connection then closes.
    drop(tokio::spawn(tokio::time::timeout(DISCARD_TIME, read)));
}
