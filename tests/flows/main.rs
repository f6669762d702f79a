//! Whole flows over real sockets: a scripted client and browser, the gateway, the demo identity
//! provider and the demo MCP server. Every test makes its own world and shares nothing.

mod browser;
mod client;
mod stage;

mod provider_trouble;
mod restart;
mod secrets_stay_in;
mod several_providers;
mod sign_in;
mod tokens;
