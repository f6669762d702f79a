//! WebSocket: after both sides agreed, bytes are copied until one side ends or the lease does.

use http::{
    HeaderMap, HeaderValue, Method, Request, Version,
    header::{CONNECTION, UPGRADE},
};
use hyper::{
    body::Incoming,
    upgrade::{OnUpgrade, Upgraded},
};
use hyper_util::rt::TokioIo;
use tokio::io::{self, AsyncWriteExt};
use tracing::debug;

use super::{Lease, body::Ending};
use crate::{
    body::BoxError,
    metrics::{Running, outcome::Backend as Outcome},
};

/// Whether the client asks for a WebSocket (RFC 6455 section 4.1). No other protocol passes: with
/// `h2c` a client would speak to the backend past the gate.
pub(super) fn is_websocket(request: &Request<Incoming>) -> bool {
    let headers = request.headers();
    let Some(protocol) = headers.get(UPGRADE) else { return false };
    request.version() == Version::HTTP_11
        && request.method() == Method::GET
        && protocol.as_bytes().eq_ignore_ascii_case(b"websocket")
        && headers.get_all(CONNECTION).iter().any(names_upgrade)
}

fn names_upgrade(value: &HeaderValue) -> bool {
    value.to_str().is_ok_and(|text| text.split(',').any(|token| token.trim().eq_ignore_ascii_case("upgrade")))
}

/// Puts back what belongs between two hops: the question on the way in, the consent on the way
/// out.
pub(super) fn announce(headers: &mut HeaderMap) {
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
}

/// Copies until either side ends, or the lease.
pub(super) async fn run<L: Lease>(
    client: OnUpgrade,
    backend: OnUpgrade,
    lease: L,
    mut ending: Ending,
    stream: Running,
) {
    tokio::select! {
        biased;
        () = lease.over() => ending.is(Outcome::Ok),
        ended = tunnel(client, backend) => match ended {
            Ok(()) => ending.is(Outcome::Ok),
            Err(error) => {
                debug!(error, "a tunnel ended early");
                ending.is(Outcome::Reset);
            }
        }
    }
    drop((lease, stream));
}

async fn tunnel(client: OnUpgrade, backend: OnUpgrade) -> Result<(), BoxError> {
    let (client, backend): (Upgraded, Upgraded) = tokio::try_join!(client, backend)?;
    let (mut from_client, mut to_client) = io::split(TokioIo::new(client));
    let (mut from_backend, mut to_backend) = io::split(TokioIo::new(backend));
    // A copy has flushed everything when it ends, so the last message of the side that ends
    // first arrives.
    let copied = tokio::select! {
        copied = io::copy(&mut from_client, &mut to_backend) => copied,
        copied = io::copy(&mut from_backend, &mut to_client) => copied,
    };
    // Both ends go; one of them usually went before.
    drop(tokio::join!(to_client.shutdown(), to_backend.shutdown()));
    copied?;
    Ok(())
}
