//! The demo: an identity provider and an MCP server on this machine, for `vestibule demo` and for
//! tests.
//!
//! Only the command `demo` leads here, nothing in a configuration does. Every address is a
//! constant, every secret is made at the start, and the sign-in page says what it is.

pub mod identity_provider;
pub mod instructions;
mod loopback;
pub mod mcp_server;
mod plan;

use std::{io, net::TcpListener};

pub use self::{instructions::Instructions, loopback::ADDRESS};

use self::{identity_provider::DemoIdentityProvider, instructions::Port, mcp_server::DemoMcpServer, plan::Places};
use crate::config::{Diagnostics, plan::Plan};

/// Which ports are tried first; a free one is taken if one is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The gateway's.
    pub port: u16,
    /// For metrics and health.
    pub admin_port: u16,
}

/// Why the demo did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DemoError {
    /// Not even a free port could be had.
    #[error("no port on 127.0.0.1 could be had")]
    Port(#[source] io::Error),
    /// The identity provider did not start.
    #[error(transparent)]
    IdentityProvider(#[from] identity_provider::StartError),
    /// The MCP server did not start.
    #[error(transparent)]
    McpServer(#[from] mcp_server::StartError),
    /// An address was no part of a URL.
    #[error("the demo's addresses make no URL")]
    Address(#[from] url::ParseError),
    /// The demo's own configuration was refused.
    #[error("the demo's configuration is wrong")]
    Configuration(#[from] Diagnostics),
}

// === impl Options ===

impl Default for Options {
    fn default() -> Self {
        Self { port: 8000, admin_port: 9464 }
    }
}

/// Starts the identity provider and the MCP server, and has `serve` run the gateway between them.
/// Both stop when what `serve` returned is done.
///
/// `serve` gets the plan to run and the text to print once it runs.
///
/// # Errors
/// [`DemoError`] before `serve` was called; its own outcome is the value.
pub async fn run<S, F>(options: Options, serve: S) -> Result<F::Output, DemoError>
where
    S: FnOnce(Plan, Instructions) -> F,
    F: Future,
{
    let (port, admin_port) = ports(options).map_err(DemoError::Port)?;
    let places = Places::new(port.taken, admin_port.taken)?;
    let provider = DemoIdentityProvider::start(identity_provider::Options {
        redirect_uris: vec![places.callback_url.to_string()],
        record_requests: false,
        ..identity_provider::Options::default()
    })
    .await?;
    let identity_headers = plan::identity_headers();
    let server = DemoMcpServer::start(mcp_server::Options { port: 0, identity_headers }).await?;
    let plan = plan::compile(&places, &provider, &server)?;
    let outcome = serve(plan, Instructions { port, admin_port }).await;
    drop((provider, server));
    Ok(outcome)
}

/// The wanted ports, or free ones. Both are held until both are known, so that they differ; the
/// gateway binds them a moment later.
fn ports(options: Options) -> io::Result<(Port, Port)> {
    let (first, port) = try_port(options.port)?;
    let (second, admin_port) = try_port(options.admin_port)?;
    drop((first, second));
    Ok((port, admin_port))
}

fn try_port(wanted: u16) -> io::Result<(TcpListener, Port)> {
    let listener = TcpListener::bind((ADDRESS, wanted)).or_else(|_| TcpListener::bind((ADDRESS, 0)))?;
    let taken = listener.local_addr()?.port();
    Ok((listener, Port { wanted, taken }))
}

#[cfg(test)]
mod tests;
