//! The accept loop: connection permits, deadlines, protocol limits, drain with a deadline.
//!
//! It knows nothing of paths or of what a request means: whatever it reads goes to one handler.

mod connection;
pub mod tls;

use std::{
    io,
    net::SocketAddr,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use http::{Request, Response};
use hyper::body::Incoming;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::{JoinError, JoinSet},
};
use tracing::{error, info, warn};

pub use connection::Peer;

use self::tls::Tls;
use crate::{
    body::Body,
    config::plan::LimitsPlan,
    metrics::{Metrics, Running},
};

/// After this silence the operating system asks whether the other side still exists, so that a
/// vanished reader of a quiet stream gives its permit back.
const KEEPALIVE_IDLE: Duration = Duration::from_mins(1);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// How long a drain goes on taking connections.
const QUEUE: Duration = Duration::from_millis(20);

/// How long a drain leaves idle connections open.
const LINGER: Duration = Duration::from_secs(1);

/// Bounds of the pause after an accept that failed for lack of descriptors or memory.
const MIN_PAUSE: Duration = Duration::from_millis(10);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// A bound socket, not yet served.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    limits: LimitsPlan,
    permits: Arc<Semaphore>,
    /// How many permits there are in all.
    capacity: u32,
    metrics: Option<Arc<Metrics>>,
    tls: Option<Arc<Tls>>,
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections (and tunnels) that were open when the drain began.
    pub open: u32,
    /// Those of them that the deadline cut off.
    pub cut: u32,
}

// === impl Listener ===

impl Listener {
    /// Binds the socket. `metrics` counts the open connections; the admin listener has none.
    ///
    /// # Errors
    /// What the operating system says: the address is in use, or not ours.
    pub async fn bind(address: SocketAddr, limits: &LimitsPlan, metrics: Option<Arc<Metrics>>) -> io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        let capacity = u32::try_from(limits.connections.clamp(1, Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
        let permits = Arc::new(Semaphore::new(usize::try_from(capacity).unwrap_or(Semaphore::MAX_PERMITS)));
        Ok(Self { socket, limits: limits.clone(), permits, capacity, metrics, tls: None })
    }

    /// Speaks TLS, and nothing else, on every connection; `None` is plain http. Keep the `Arc` to
    /// replace the certificate.
    #[must_use]
    pub fn with_tls(self, tls: Option<Arc<Tls>>) -> Self {
        Self { tls, ..self }
    }

    /// The address that was bound; tells the port when `:0` was asked for.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until `drain` resolves, then closes the socket, lets what is running end within
    /// [`LimitsPlan::drain_timeout`], and cuts the rest.
    ///
    /// The handler holds its [`Peer`] for as long as it works for the request, the response's
    /// body and a tunnel included: the connection counts as busy, and keeps its permit, until then.
    pub async fn serve<H, F>(self, handler: H, drain: impl Future<Output = ()>) -> Drained
    where
        H: Fn(Request<Incoming>, Peer) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let Self { socket, limits, permits, capacity, metrics, tls } = self;
        let protocol = Arc::new(connection::protocol(&limits));
        let (draining, _) = watch::channel(Duration::ZERO);
        let (ending, _) = watch::channel(());
        let mut tasks = JoinSet::new();
        let mut drain = pin!(drain);
        let mut closing = pin!(tokio::time::sleep(Duration::ZERO));
        let mut is_closing = false;
        let mut pause = MIN_PAUSE;
        loop {
            let (stream, address, permit) = tokio::select! {
                biased;
                () = &mut drain, if !is_closing => {
                    // Who is in the kernel's queue may have sent a request already.
                    is_closing = true;
                    closing.as_mut().reset(tokio::time::Instant::now() + QUEUE);
                    continue;
                }
                () = closing.as_mut(), if is_closing => break,
                Some(ended) = tasks.join_next() => {
                    report(ended);
                    continue;
                }
                accepted = accept(&socket, &permits, &mut pause) => accepted,
            };
            prepare(&stream);
            let running = metrics.as_deref().map(Metrics::connection);
            let peer = Peer::new(address, ending.subscribe(), Hold { _permit: permit, _running: running });
            let (handler, protocol, draining) = (handler.clone(), Arc::clone(&protocol), draining.subscribe());
            let deadline = tokio::time::Instant::now() + limits.header_timeout;
            match &tls {
                None => tasks.spawn(connection::run(stream, peer, handler, protocol, deadline, draining)),
                Some(tls) => {
                    let tls = Arc::clone(tls);
                    tasks.spawn(connection::run_secured(tls, stream, peer, handler, protocol, deadline, draining))
                }
            };
        }
        drop(socket);
        // A closed channel would read as "changed": both senders live until the end.
        let drained = finish(&limits, &permits, capacity, &mut tasks, &draining, &ending).await;
        drop((draining, ending));
        drained
    }
}

/// What a connection takes from the whole, given back when its last user is gone.
#[derive(Debug)]
pub(crate) struct Hold {
    _permit: OwnedSemaphorePermit,
    _running: Option<Running>,
}

/// The next connection. Waits for a permit first: beyond the limit, connections queue in the
/// kernel instead of being taken and dropped.
async fn accept(
    socket: &TcpListener,
    permits: &Arc<Semaphore>,
    pause: &mut Duration,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    loop {
        let Ok(permit) = Arc::clone(permits).acquire_owned().await else {
            // Nobody closes the semaphore.
            std::future::pending::<()>().await;
            continue;
        };
        match socket.accept().await {
            Ok((stream, address)) => {
                *pause = MIN_PAUSE;
                return (stream, address, permit);
            }
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                drop(permit);
                warn!(%error, pause = ?*pause, "no connection can be accepted");
                tokio::time::sleep(*pause).await;
                *pause = pause.saturating_mul(2).min(MAX_PAUSE);
            }
        }
    }
}

/// Whether the error is about the connection that was to be accepted and not about us (out of
/// descriptors or memory).
fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionAborted | Kind::ConnectionReset | Kind::ConnectionRefused | Kind::Interrupted | Kind::TimedOut
    )
}

/// Socket options; a socket that refuses them is already closed, and reading it says so.
fn prepare(stream: &TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY was refused");
    }
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL);
    if let Err(error) = SockRef::from(stream).set_tcp_keepalive(&keepalive) {
        tracing::debug!(%error, "SO_KEEPALIVE was refused");
    }
}

/// Lets everything end by itself until the deadline, then cuts it.
async fn finish(
    limits: &LimitsPlan,
    permits: &Semaphore,
    capacity: u32,
    tasks: &mut JoinSet<()>,
    draining: &watch::Sender<Duration>,
    ending: &watch::Sender<()>,
) -> Drained {
    let begun = Instant::now();
    let open = in_use(permits, capacity);
    info!(open, deadline = ?limits.drain_timeout, "draining");
    draining.send_replace(LINGER.min(limits.drain_timeout / 2));
    // Every connection, response body and tunnel holds its permit, so "all permits are back" is
    // the end of all work.
    let all_back = tokio::time::timeout(limits.drain_timeout, permits.acquire_many(capacity)).await;
    let cut = if all_back.is_ok() { 0 } else { in_use(permits, capacity) };
    ending.send_replace(());
    tasks.abort_all();
    while let Some(ended) = tasks.join_next().await {
        report(ended);
    }
    info!(open, cut, took = ?begun.elapsed(), "drained");
    Drained { open, cut }
}

fn in_use(permits: &Semaphore, capacity: u32) -> u32 {
    capacity.saturating_sub(u32::try_from(permits.available_permits()).unwrap_or(capacity))
}

/// A connection's task ended; only a panic is news.
fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        error!("a connection ended in a panic");
    }
}

#[cfg(test)]
mod tests;
