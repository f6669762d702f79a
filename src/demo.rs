//! The demo: an identity provider and an MCP server on this machine, for `vestibule demo` and for
//! tests. Both listen on loopback only, by a constant; nothing in a configuration leads here.

pub mod identity_provider;
mod loopback;
pub mod mcp_server;

pub use loopback::ADDRESS;
