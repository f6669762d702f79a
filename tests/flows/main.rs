//! Whole flows over real sockets: a scripted client and browser, the gateway, the demo identity
//! provider and the demo MCP server. Every test makes its own world and shares nothing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "a test fails by panicking; its helpers are used by the benches too"
)]

mod backend;
mod browser;
mod client;
#[expect(dead_code, reason = "shared with the tests of stores")]
#[path = "../support/redis.rs"]
mod servers;
mod stage;

mod backend_credentials;
mod choice;
mod consent;
mod discovery;
mod fastmcp;
mod https;
mod pages;
mod plain_oauth;
mod policy;
mod provider_trouble;
mod redirect_uris;
mod registration;
mod remote;
mod resources;
mod restart;
mod scopes;
mod secrets_stay_in;
mod several_providers;
mod sign_in;
mod stolen_store;
mod tokens;
mod transport;
mod websocket;
