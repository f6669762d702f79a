//! A small HTTP server that listens on loopback and nowhere else: what both demo servers stand on.
//!
//! Knows nothing of OpenID or MCP. The address is a constant: there is no way to ask for another.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use http::{HeaderMap, Request, Response, StatusCode, header};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::{JoinHandle, JoinSet},
};

use crate::body::{Body, full};

/// The only address that the demo servers listen on.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// Connections that one demo server keeps open; more wait.
const MAX_CONNECTIONS: usize = 2048;

/// From accept to the end of a request's header.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// A bound port that nobody serves yet.
#[derive(Debug)]
pub(super) struct Loopback {
    listener: TcpListener,
    address: SocketAddr,
}

/// A running server; dropping it closes the port and every connection.
#[derive(Debug)]
pub(super) struct Serving {
    address: SocketAddr,
    down: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// The handler wants the connection closed without an answer.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the connection is closed without an answer")]
pub(super) struct Disconnect;

// === impl Loopback ===

impl Loopback {
    /// Binds a port on [`ADDRESS`]; 0 takes a free one.
    ///
    /// # Errors
    /// When the port is in use.
    pub(super) async fn bind(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((ADDRESS, port)).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// `http://127.0.0.1:<port>`
    pub(super) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Serves `handler` until the answer is dropped. Requests with a `Host` that is not this
    /// machine are answered with 421, so that no web page reaches the server by DNS rebinding.
    pub(super) fn serve<H, F>(self, handler: H) -> Serving
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Response<Body>, Disconnect>> + Send + 'static,
    {
        let (down, down_seen) = watch::channel(false);
        let address = self.address;
        let task = tokio::spawn(accept(self.listener, down_seen, handler));
        Serving { address, down, task }
    }
}

// === impl Serving ===

impl Serving {
    /// The port that was bound.
    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    /// While down, every connection is reset; those that were open are, too. The port stays
    /// reserved, so that nobody else can take it in the meantime.
    pub(super) fn set_down(&self, down: bool) {
        self.down.send_replace(down);
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept<H, F>(listener: TcpListener, down: watch::Receiver<bool>, handler: H)
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response<Body>, Disconnect>> + Send + 'static,
{
    // Dropped with this future, and with it every connection.
    let mut connections = JoinSet::new();
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, most likely: pause, do not spin.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        if *down.borrow() {
            reset(stream);
            continue;
        }
        let (handler, mut down) = (handler.clone(), down.clone());
        connections.spawn(async move {
            let _permit = permit;
            let service = service_fn(move |request| answer(handler.clone(), request));
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .serve_connection(TokioIo::new(stream), service);
            // Either way the connection is over; why is of no interest to a demo.
            tokio::select! {
                _ = connection => {}
                _ = down.wait_for(|down| *down) => {}
            }
        });
    }
}

async fn answer<H, F>(handler: H, request: Request<Incoming>) -> Result<Response<Body>, Disconnect>
where
    H: Fn(Request<Incoming>) -> F,
    F: Future<Output = Result<Response<Body>, Disconnect>>,
{
    if is_this_machine(request.headers()) {
        return handler(request).await;
    }
    let text = "This demo server answers on 127.0.0.1 and localhost only.\n";
    Ok(text_response(StatusCode::MISDIRECTED_REQUEST, text))
}

/// A plain text answer.
pub(super) fn text_response(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(full(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// Whether `Host` names this machine, with any port.
fn is_this_machine(headers: &HeaderMap) -> bool {
    headers.get(header::HOST).and_then(|value| value.to_str().ok()).is_some_and(|host| {
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        matches!(name, "127.0.0.1" | "localhost")
    })
}

fn reset(stream: TcpStream) {
    // If the option cannot be set, the peer sees an orderly end instead of a reset.
    drop(stream.set_zero_linger());
    drop(stream);
}
