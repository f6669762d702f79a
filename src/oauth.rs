//! The words of OAuth as types: each is valid once it exists. No rules between them, no I/O.

pub mod client_id;
pub mod issuer;
pub mod jws;
pub mod redirect_pattern;
pub mod redirect_uri;
pub mod resource;
pub mod scope;

pub use client_id::ClientId;
pub use issuer::Issuer;
pub use jws::JwsAlgorithm;
pub use redirect_pattern::{RedirectPattern, RedirectPatternError};
pub use redirect_uri::{RedirectUri, RedirectUriError};
pub use resource::ResourceUri;
pub use scope::{Scope, ScopeError, Scopes};
