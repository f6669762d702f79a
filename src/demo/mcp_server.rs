//! A small MCP server for the demo and for tests, on loopback only: Streamable HTTP, revisions
//! 2025-03-26 to 2025-11-25, four tools, one of which streams.
//!
//! It authenticates nobody: it believes the identity headers, as a server behind the gateway does.

mod dispatch;
mod message;
mod session;
mod stream;
mod tool;
mod transport;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use self::session::Sessions;
use super::loopback::{Loopback, Serving};
use crate::config::plan::IdentityHeaders;

/// The path of the one MCP endpoint.
pub const PATH: &str = "/mcp";

/// How the server is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// On 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// The headers that tell who calls; the tool `whoami` shows them.
    pub identity_headers: IdentityHeaders,
}

/// The server; see [`DemoMcpServer::start`].
#[derive(Clone, Copy, Debug)]
pub struct DemoMcpServer;

/// A server that runs until this is dropped.
#[derive(Debug)]
pub struct Running {
    server: Arc<Server>,
    serving: Serving,
}

/// The port could not be taken.
#[derive(Debug, thiserror::Error)]
#[error("the demo MCP server could not listen on 127.0.0.1:{port}")]
pub struct StartError {
    /// The port that was asked for.
    port: u16,
    /// What the system said.
    source: io::Error,
}

/// What the requests share.
#[derive(Debug)]
struct Server {
    identity_headers: IdentityHeaders,
    sessions: Sessions,
    open_streams: Arc<AtomicUsize>,
}

// === impl DemoMcpServer ===

impl DemoMcpServer {
    /// Starts a server on 127.0.0.1.
    ///
    /// # Errors
    /// [`StartError`] if the port is in use.
    pub async fn start(options: Options) -> Result<Running, StartError> {
        let port = options.port;
        let listener = Loopback::bind(port).await.map_err(|source| StartError { port, source })?;
        let server = Arc::new(Server {
            identity_headers: options.identity_headers,
            sessions: Sessions::default(),
            open_streams: Arc::default(),
        });
        let shared = Arc::clone(&server);
        let serving = listener.serve(move |request| {
            let server = Arc::clone(&shared);
            async move { Ok(transport::answer(&server, request).await) }
        });
        Ok(Running { server, serving })
    }
}

// === impl Running ===

impl Running {
    /// The MCP endpoint.
    pub fn url(&self) -> String {
        format!("http://{}:{}{PATH}", super::ADDRESS, self.serving.port())
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.serving.port()
    }

    /// Event streams that somebody is still reading.
    pub fn open_streams(&self) -> usize {
        self.server.open_streams.load(Ordering::Acquire)
    }

    /// Sessions that have not ended.
    pub fn sessions(&self) -> usize {
        self.server.sessions.count()
    }

    /// Forgets every session, as a restart would: clients get 404 and start again.
    pub fn end_sessions(&self) {
        self.server.sessions.end_all();
    }
}

#[cfg(test)]
mod tests;
