//! WebSocket: after both sides agreed, bytes are copied until one side ends or the lease does.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use http::{
    HeaderMap, HeaderValue, Method, Request, Version,
    header::{CONNECTION, UPGRADE},
};
use hyper::{
    body::Incoming,
    upgrade::{OnUpgrade, Upgraded},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{self, AsyncRead, AsyncWriteExt, ReadBuf},
    time::Instant,
};
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

/// When one of the two sides was heard last.
#[derive(Debug)]
struct Pulse {
    longest: Duration,
    began: Instant,
    /// In milliseconds since then.
    last: AtomicU64,
}

/// A side that leaves a mark when it is heard.
struct Heard<R> {
    from: R,
    pulse: Option<Arc<Pulse>>,
}

// === impl Pulse ===

impl Pulse {
    fn new(longest: Duration) -> Self {
        Self { longest, began: Instant::now(), last: AtomicU64::new(0) }
    }

    fn beat(&self) {
        let since = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(since, Ordering::Relaxed);
    }

    /// Resolves when nobody was heard for too long.
    async fn silence(&self) {
        loop {
            let end = Duration::from_millis(self.last.load(Ordering::Relaxed)).saturating_add(self.longest);
            let left = end.saturating_sub(self.began.elapsed());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left).await;
        }
    }
}

// === impl Heard ===

impl<R: AsyncRead + Unpin> AsyncRead for Heard<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.from).poll_read(context, buffer);
        if let (Some(pulse), Poll::Ready(Ok(()))) = (&self.pulse, &read) {
            pulse.beat();
        }
        read
    }
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

/// Copies until either side ends, or the lease, or until both are silent for too long.
pub(super) async fn run<L: Lease>(
    (client, backend): (OnUpgrade, OnUpgrade),
    lease: L,
    mut ending: Ending,
    stream: Running,
    longest_silence: Option<Duration>,
) {
    let pulse = longest_silence.map(|longest| Arc::new(Pulse::new(longest)));
    let silence = async {
        match &pulse {
            Some(pulse) => pulse.silence().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        () = lease.over() => ending.is(Outcome::Ok),
        () = silence => ending.is(Outcome::Timeout),
        ended = tunnel(client, backend, pulse.as_ref()) => match ended {
            Ok(()) => ending.is(Outcome::Ok),
            Err(error) => {
                debug!(error, "a tunnel ended early");
                ending.is(Outcome::Reset);
            }
        }
    }
    drop((lease, stream));
}

async fn tunnel(client: OnUpgrade, backend: OnUpgrade, pulse: Option<&Arc<Pulse>>) -> Result<(), BoxError> {
    let (client, backend): (Upgraded, Upgraded) = tokio::try_join!(client, backend)?;
    let (from_client, mut to_client) = io::split(TokioIo::new(client));
    let (from_backend, mut to_backend) = io::split(TokioIo::new(backend));
    let mut from_client = Heard { from: from_client, pulse: pulse.cloned() };
    let mut from_backend = Heard { from: from_backend, pulse: pulse.cloned() };
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
