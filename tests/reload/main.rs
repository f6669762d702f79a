//! A configuration changes under a running gateway: real files, real sockets, and the real program
//! where signals and descriptors count.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a test fails by panicking; the soak tells its numbers"
)]

#[path = "../flows/browser.rs"]
mod browser;
#[expect(dead_code, reason = "shared with the tests of flows")]
#[path = "../flows/client.rs"]
mod client;

mod backend;
#[path = "../support/port.rs"]
mod port;
#[expect(dead_code, reason = "shared with the tests of stores")]
#[path = "../support/redis.rs"]
mod servers;
mod world;

mod addresses;
mod admin;
mod audit;
mod choice;
mod files;
mod flight;
mod keys;
mod policy;
mod process;
mod providers;
mod redis;
mod routes;
mod soak;
