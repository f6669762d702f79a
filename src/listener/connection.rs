//! One connection: HTTP/1.1 or HTTP/2, whichever the client speaks, until it ends, idles or drains.

use std::{
    convert::Infallible,
    fmt,
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use http::{HeaderValue, Request, Response, StatusCode, Version, header::CONNECTION};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::watch,
    time::{Instant, sleep, sleep_until},
};
use tracing::debug;

use super::{Hold, tls::Tls};
use crate::{body::Body, config::plan::LimitsPlan};

/// The smallest buffer that hyper accepts.
const MIN_HEADER_BYTES: usize = 8192;
/// Requests at one time on one HTTP/2 connection.
const MAX_STREAMS: u32 = 200;
/// Streams that a client may open and reset before we have looked at them (rapid reset).
const MAX_PENDING_RESETS: usize = 20;
/// Protocol errors of single streams that a connection survives.
const MAX_LOCAL_RESETS: usize = 256;
/// An HTTP/2 peer is asked for a sign of life this often.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// And has this long for it.
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// A connection without any request for one to two of these is told to go (HTTP/2; HTTP/1.1
/// ends by the header timeout).
const IDLE: Duration = Duration::from_secs(90);

/// Who is at the other end of the connection that a request came on. Cheap to clone.
#[derive(Clone)]
pub struct Peer(Arc<Connection>);

struct Connection {
    address: SocketAddr,
    /// The address as `X-Forwarded-For` writes it, so that no request formats it anew.
    text: HeaderValue,
    /// Requests so far.
    requests: AtomicU64,
    /// It speaks HTTP/2.
    is_multiplexed: AtomicBool,
    /// The next answer is the last one.
    is_leaving: AtomicBool,
    ending: watch::Receiver<()>,
    _hold: Hold,
}

/// hyper's settings, shared by all connections.
pub(super) type Protocol = auto::Builder<TokioExecutor>;

// === impl Peer ===

impl Peer {
    pub(super) fn new(address: SocketAddr, ending: watch::Receiver<()>, hold: Hold) -> Self {
        // One family only: an IPv4 client of a dual-stack socket is an IPv4 address.
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        let text = HeaderValue::try_from(address.ip().to_string()).unwrap_or(HeaderValue::from_static("unknown"));
        Self(Arc::new(Connection {
            address,
            text,
            requests: AtomicU64::new(0),
            is_multiplexed: AtomicBool::new(false),
            is_leaving: AtomicBool::new(false),
            ending,
            _hold: hold,
        }))
    }

    /// Where the connection comes from; never an IPv4-mapped IPv6 address.
    pub fn ip(&self) -> IpAddr {
        self.0.address.ip()
    }

    /// The address as text.
    pub fn text(&self) -> &HeaderValue {
        &self.0.text
    }

    /// Resolves when the drain's deadline has passed: a tunnel, which no connection task owns any
    /// more, must end then.
    pub async fn cut(&self) {
        let mut ending = self.0.ending.clone();
        // An error means that the listener is gone, which is the same.
        drop(ending.changed().await);
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Peer").field(&self.0.address).finish()
    }
}

/// What hyper may spend on a connection.
pub(super) fn protocol(limits: &LimitsPlan) -> Protocol {
    let header_bytes = limits.header_bytes.max(MIN_HEADER_BYTES);
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(header_bytes)
        .half_close(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(MAX_LOCAL_RESETS)
        .max_header_list_size(u32::try_from(header_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
}

/// Serves one connection to its end, TLS first.
pub(super) async fn run_secured<H, F>(
    tls: Arc<Tls>,
    stream: TcpStream,
    peer: Peer,
    handler: H,
    protocol: Arc<Protocol>,
    deadline: Instant,
    mut draining: watch::Receiver<Duration>,
) where
    H: Fn(Request<Incoming>, Peer) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let secured = tokio::select! {
        biased;
        // Nothing was asked on it yet: whoever it is can ask the next instance.
        _ = draining.changed() => return,
        secured = tls.handshake(stream, peer.0.address, deadline) => secured,
    };
    if let Some(secured) = secured {
        run(secured, peer, handler, protocol, deadline, draining).await;
    }
}

/// Serves one connection to its end. Generic over the stream: TLS is one more stream type. The
/// first request's header must be there by `deadline`.
///
/// `draining` says how long an idle connection of HTTP/1.1 stays open: somebody may be sending a request on it right
/// now. That one is answered, as the last one.
pub(super) async fn run<I, H, F>(
    io: I,
    peer: Peer,
    handler: H,
    protocol: Arc<Protocol>,
    deadline: Instant,
    mut draining: watch::Receiver<Duration>,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Fn(Request<Incoming>, Peer) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let connection = Arc::clone(&peer.0);
    let service = service_fn(move |request: Request<Incoming>| {
        let peer = peer.clone();
        peer.0.requests.fetch_add(1, Ordering::Relaxed);
        let is_multiplexed = request.version() == Version::HTTP_2;
        peer.0.is_multiplexed.store(is_multiplexed, Ordering::Relaxed);
        let answer = handler(request, peer.clone());
        async move {
            let mut answer = answer.await;
            let is_last = !is_multiplexed && peer.0.is_leaving.load(Ordering::Relaxed);
            if is_last && answer.status() != StatusCode::SWITCHING_PROTOCOLS {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(answer)
        }
    });
    // Ours and the service's; more means that somebody works for a request.
    let at_rest = Arc::strong_count(&connection);
    let mut served = pin!(protocol.serve_connection_with_upgrades(TokioIo::new(io), service));
    let mut look = pin!(sleep_until(deadline));
    let mut told = draining.clone();
    let mut drain = pin!(told.changed());
    let mut linger = pin!(sleep(Duration::ZERO));
    let (mut drained, mut lingers) = (false, false);
    let mut seen = 0;
    loop {
        tokio::select! {
            biased;
            result = served.as_mut() => {
                if let Err(error) = result {
                    debug!(peer = ?connection.address, error, "a connection ended early");
                }
                return;
            }
            () = look.as_mut() => {
                let requests = connection.requests.load(Ordering::Relaxed);
                if requests == 0 {
                    // hyper's own timer starts only after it has told HTTP/1.1 from HTTP/2.
                    debug!(peer = ?connection.address, "no request within the header timeout");
                    return;
                }
                if requests == seen && Arc::strong_count(&connection) <= at_rest {
                    served.as_mut().graceful_shutdown();
                }
                seen = requests;
                look.as_mut().reset(Instant::now() + IDLE);
            }
            _ = drain.as_mut(), if !drained => {
                drained = true;
                connection.is_leaving.store(true, Ordering::Relaxed);
                if connection.is_multiplexed.load(Ordering::Relaxed) {
                    // HTTP/2 says which requests it still takes.
                    served.as_mut().graceful_shutdown();
                } else {
                    lingers = true;
                    linger.as_mut().reset(Instant::now() + *draining.borrow_and_update());
                }
            }
            () = linger.as_mut(), if lingers => {
                lingers = false;
                served.as_mut().graceful_shutdown();
            }
        }
    }
}
