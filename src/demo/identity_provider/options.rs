//! How a demo provider behaves: a well-behaved one by default.

use std::time::Duration;

use super::{
    dialect::Dialect,
    person::{Person, demo_people},
};
use crate::{seal::random_text, secret::Secret, time::Clock};

/// How a provider behaves. The default is a well-behaved one on a free port, with a secret of its
/// own, that takes any loopback redirect URI.
#[derive(Clone, Debug)]
pub struct Options {
    /// What it speaks.
    pub dialect: Dialect,
    /// On 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Follows the origin in the issuer: empty, `/` (as Auth0 has it) or `/realms/demo`.
    pub issuer_path: String,
    /// The one registered application.
    pub client_id: String,
    /// Its secret; `None` makes it a public application.
    pub client_secret: Option<Secret>,
    /// `client_secret_basic`, `client_secret_post`, `none`: what is enabled and advertised.
    pub token_endpoint_auth_methods: Vec<&'static str>,
    /// Registered redirect URIs, compared as text; none: any on loopback.
    pub redirect_uris: Vec<String>,
    /// Scopes besides `openid`, `profile`, `email` and `offline_access`.
    pub scopes: Vec<String>,
    /// Whom the sign-in page offers.
    pub people: Vec<Person>,
    /// How long what it hands out lives.
    pub lifetimes: Lifetimes,
    /// Who gets a refresh token.
    pub refresh_tokens: RefreshTokens,
    /// A refresh spends the refresh token and answers with a new one.
    pub rotate_refresh_tokens: bool,
    /// Name and e-mail address are in the ID token, not only in user info.
    pub claims_in_id_token: bool,
    /// What access tokens for an `audience` are; without one they are opaque.
    pub access_tokens: AccessTokens,
    /// Keep what was sent, for [`super::Running::requests`].
    pub record_requests: bool,
    /// Where "now" comes from.
    pub clock: Clock,
}

/// How long what the provider hands out lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// An authorization code.
    pub code: Duration,
    /// An access token.
    pub access_token: Duration,
    /// An ID token.
    pub id_token: Duration,
    /// A refresh token.
    pub refresh_token: Duration,
}

/// What access tokens for an `audience` are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessTokens {
    /// JWTs (RFC 9068).
    Jwt,
    /// A text that only the provider understands.
    Opaque,
}

/// Who gets a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshTokens {
    /// Whoever asked for the scope `offline_access` (OpenID Connect Core section 11).
    WhenAsked,
    /// Everybody.
    Always,
    /// Nobody.
    Never,
}

// === impl Options ===

impl Default for Options {
    fn default() -> Self {
        Self {
            dialect: Dialect::default(),
            port: 0,
            issuer_path: String::new(),
            client_id: "vestibule-demo".to_owned(),
            client_secret: Some(Secret::new(random_text::<32>())),
            token_endpoint_auth_methods: vec!["client_secret_basic", "client_secret_post"],
            redirect_uris: Vec::new(),
            scopes: Vec::new(),
            people: demo_people(),
            lifetimes: Lifetimes::default(),
            refresh_tokens: RefreshTokens::WhenAsked,
            rotate_refresh_tokens: true,
            claims_in_id_token: true,
            access_tokens: AccessTokens::Jwt,
            record_requests: true,
            clock: Clock::system(),
        }
    }
}

impl Options {
    /// A public application: no secret, `none` at the token endpoint.
    #[must_use]
    pub fn public_client(self) -> Self {
        Self { client_secret: None, token_endpoint_auth_methods: vec!["none"], ..self }
    }
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            code: Duration::from_mins(1),
            access_token: Duration::from_hours(1),
            id_token: Duration::from_hours(1),
            refresh_token: Duration::from_hours(30 * 24),
        }
    }
}
