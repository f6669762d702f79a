//! A configuration changes under a running gateway: real files, real sockets, and the real program
//! where signals and descriptors count.

#[path = "../flows/browser.rs"]
mod browser;
#[path = "../flows/client.rs"]
mod client;

mod backend;
mod world;

mod addresses;
mod admin;
mod files;
mod flight;
mod process;
mod providers;
mod soak;
