//! Against a scriptable provider over a loopback socket.

mod fixture;
mod login;
mod readiness;
mod renew;
