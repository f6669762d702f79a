//! Against a scriptable provider over a loopback socket.

mod access_token;
mod demo;
mod fixture;
mod introspection;
mod login;
mod plain;
mod protocol;
mod quirks;
mod readiness;
mod renew;
mod tenants;
