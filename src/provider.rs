//! We as OpenID Connect client of one provider: discovery, sign-in, exchange, refresh, revocation.

pub mod tokens;
