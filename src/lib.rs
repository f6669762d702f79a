//! Vestibule: an OAuth 2.1 gateway between MCP clients and an identity provider.
//!
//! Two straight lines run through this crate.
//!
//! A configuration's way:
//!
//! ```text
//! source (YAML text, environment) -> Document -> Plan -> Live -> swapped in
//! ```
//!
//! A request's way:
//!
//! ```text
//! listener -> edge -> route table -> { endpoint (warp) | gate -> forward } -> response
//! ```
//!
//! Which module may use which is held by `tests/architecture.rs`.

#![forbid(unsafe_code)]

pub mod admin;
pub mod answer;
pub mod audit;
pub mod authority;
pub mod body;
pub mod cli;
pub mod config;
pub mod demo;
pub mod edge;
pub mod egress;
pub mod endpoint;
pub mod entrance;
pub mod flow;
pub mod forward;
pub mod gate;
pub mod identity;
pub mod keys;
pub mod listener;
pub mod live;
pub mod metrics;
pub mod oauth;
pub mod page;
pub mod policy;
pub mod printable;
pub mod private_key;
pub mod provider;
pub mod reload;
pub mod request_id;
pub mod reserved;
pub mod route;
pub mod seal;
pub mod secret;
pub mod server;
pub mod store;
pub mod supervisor;
pub mod survey;
pub mod telemetry;
pub mod time;

#[cfg(test)]
extern crate self as vestibule;
#[cfg(test)]
mod testing;
