//! Against a scriptable provider over a loopback socket.

mod demo;
mod fixture;
mod login;
mod plain;
mod protocol;
mod readiness;
mod renew;
