//! What a client was told survives what happens to processes and disks: the real program on real
//! files, killed, filled up, taken away.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a test fails by panicking; the long one tells what it did"
)]

#[path = "../reload/backend.rs"]
mod backend;
#[path = "../support/port.rs"]
mod port;

mod chance;
mod gateway;
mod person;
mod wire;

mod disk;
mod kill;
mod registrations;
