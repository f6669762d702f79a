//! The gate and the proxy from outside: bytes in, bytes out, over real sockets.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

#[path = "proxy/access.rs"]
mod access;
#[path = "support/gateway.rs"]
mod gateway;
#[path = "proxy/headers.rs"]
mod headers;
#[path = "support/plan.rs"]
mod plan;
#[path = "proxy/routing.rs"]
mod routing;
#[path = "proxy/smuggling.rs"]
mod smuggling;
#[path = "proxy/streams.rs"]
mod streams;
#[path = "support/world.rs"]
mod world;
