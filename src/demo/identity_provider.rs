//! A small, correct OpenID provider for the demo and for tests, on loopback only.
//!
//! Code flow with PKCE S256, ES256 ID tokens, refresh rotation with reuse detection, user info,
//! revocation (RFC 7009), introspection (RFC 7662), `iss` in the answer (RFC 9207). Nobody has a password: a plain page asks
//! who to be. Tests script its faults, turn it off and on, and read what it was sent.
//!
//! ```
//! # async fn run() -> Result<(), vestibule::demo::identity_provider::StartError> {
//! use vestibule::demo::identity_provider::{DemoIdentityProvider, Endpoint, Fault, Options};
//!
//! let provider = DemoIdentityProvider::start(Options::default()).await?;
//! provider.faults().set_times(Endpoint::Token, Fault::Status(500), 1);
//! assert!(provider.config_url().ends_with("/.well-known/openid-configuration"));
//! assert!(provider.requests(Endpoint::Token).is_empty());
//! # Ok(())
//! # }
//! ```

mod answer;
mod authorize;
mod dialect;
mod direct;
mod discovery;
mod fault;
mod form;
mod grant;
mod id_token;
mod key;
mod log;
mod options;
mod page;
mod person;
mod running;
mod token;

use std::{
    fmt, io,
    sync::{Arc, Mutex},
};

use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use serde_json::{Map, Value};

use crate::{body::Body, time::Clock};

use self::{
    fault::lock,
    form::Parameters,
    grant::Grants,
    key::{KeyError, Keys},
    log::RequestLog,
};
use super::loopback::{Disconnect, Loopback};

pub use self::{
    dialect::Dialect,
    fault::{CallbackFault, Endpoint, Fault, Faults, IdTokenFault},
    key::Rotation,
    log::SeenRequest,
    options::{AccessTokens, Lifetimes, Options, RefreshTokens},
    person::Person,
    running::{Running, SIGN_IN_PATH, SignInForm},
};

/// The provider; see [`DemoIdentityProvider::start`].
#[derive(Clone, Copy, Debug)]
pub struct DemoIdentityProvider;

/// Why the provider did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port is in use.
    #[error("the demo identity provider could not listen on 127.0.0.1:{port}")]
    Listen {
        /// The port that was asked for.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
    /// No signing key.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// What the endpoints share.
struct Provider {
    options: Options,
    /// Scheme, address and port.
    origin: String,
    issuer: String,
    clock: Clock,
    faults: Faults,
    log: RequestLog,
    keys: Mutex<Keys>,
    grants: Mutex<Grants>,
    lifetimes: Mutex<Lifetimes>,
    metadata_changes: Mutex<Map<String, Value>>,
}

// === impl DemoIdentityProvider ===

impl DemoIdentityProvider {
    /// Starts a provider on 127.0.0.1.
    ///
    /// # Errors
    /// [`StartError`] if the port is in use or no key can be made.
    pub async fn start(options: Options) -> Result<Running, StartError> {
        let port = options.port;
        let listener = Loopback::bind(port).await.map_err(|source| StartError::Listen { port, source })?;
        let origin = listener.origin();
        let provider = Arc::new(Provider {
            issuer: format!("{origin}{}", options.issuer_path),
            origin,
            clock: options.clock.clone(),
            faults: Faults::default(),
            log: RequestLog::new(options.record_requests),
            keys: Mutex::new(Keys::new()?),
            grants: Mutex::new(Grants::new(options.clock.clone())),
            lifetimes: Mutex::new(options.lifetimes),
            metadata_changes: Mutex::default(),
            options,
        });
        let shared = Arc::clone(&provider);
        let serving = listener.serve(move |request| answer_request(Arc::clone(&shared), request));
        Ok(Running { provider, serving })
    }
}

// === impl Provider ===

impl Provider {
    fn lifetimes(&self) -> Lifetimes {
        *lock(&self.lifetimes)
    }

    fn metadata_changes(&self) -> Map<String, Value> {
        lock(&self.metadata_changes).clone()
    }

    fn endpoint(&self, path: &str) -> Option<Endpoint> {
        if !self.options.dialect.is_openid() && (path == "/jwks" || path.contains("/.well-known/")) {
            return None;
        }
        let config_path = self.options.issuer_path.trim_end_matches('/');
        if path.strip_prefix(config_path) == Some("/.well-known/openid-configuration") {
            return Some(Endpoint::Discovery);
        }
        match path {
            "/jwks" => Some(Endpoint::Jwks),
            "/authorize" => Some(Endpoint::Authorize),
            SIGN_IN_PATH => Some(Endpoint::SignIn),
            "/token" => Some(Endpoint::Token),
            "/userinfo" => Some(Endpoint::UserInfo),
            "/revoke" => Some(Endpoint::Revoke),
            "/introspect" => Some(Endpoint::Introspect),
            _ => None,
        }
    }

    fn answer(&self, endpoint: Endpoint, headers: &HeaderMap, parameters: &Parameters) -> Response<Body> {
        match endpoint {
            Endpoint::Discovery => answer::json(StatusCode::OK, &discovery::document(self)),
            Endpoint::Jwks => answer::json(StatusCode::OK, &lock(&self.keys).jwks()),
            Endpoint::Authorize => authorize::page(self, parameters),
            Endpoint::SignIn => authorize::sign_in(self, parameters),
            Endpoint::Token => token::token(self, headers, parameters),
            Endpoint::UserInfo => token::user_info(self, headers),
            Endpoint::Revoke => token::revoke(self, headers, parameters),
            Endpoint::Introspect => token::introspect(self, headers, parameters),
        }
    }

    fn record(&self, endpoint: Endpoint, head: &http::request::Parts, parameters: &Parameters) {
        let authorization = head.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        self.log.record(SeenRequest {
            endpoint,
            method: head.method.clone(),
            parameters: parameters.clone().into_pairs(),
            authorization_scheme: authorization.and_then(|value| value.split(' ').next()).map(str::to_owned),
        });
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Provider").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// One request: read, noted, and answered with whatever is to go wrong.
async fn answer_request(provider: Arc<Provider>, request: Request<Incoming>) -> Result<Response<Body>, Disconnect> {
    let Some(endpoint) = provider.endpoint(request.uri().path()) else {
        return Ok(page::error(StatusCode::NOT_FOUND, "There is no such page here."));
    };
    if !endpoint.methods().contains(request.method()) {
        return Ok(answer::empty(StatusCode::METHOD_NOT_ALLOWED));
    }
    let (head, body) = request.into_parts();
    let has_form = head.method == Method::POST && endpoint != Endpoint::UserInfo;
    let parameters = if has_form {
        match Parameters::read(&head.headers, body).await {
            Ok(form) => form,
            Err(error) => {
                return Ok(answer::oauth_error(StatusCode::BAD_REQUEST, "invalid_request", &error.to_string()));
            }
        }
    } else {
        Parameters::parse(head.uri.query().unwrap_or_default().as_bytes())
    };
    provider.record(endpoint, &head, &parameters);
    let fault = provider.faults.take(endpoint);
    answer_with(&provider, fault, endpoint, &head.headers, &parameters).await
}

async fn answer_with(
    provider: &Provider,
    fault: Option<Fault>,
    endpoint: Endpoint,
    headers: &HeaderMap,
    parameters: &Parameters,
) -> Result<Response<Body>, Disconnect> {
    let status = |code| StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match fault {
        None => Ok(provider.answer(endpoint, headers, parameters)),
        Some(Fault::Delay(delay)) => {
            tokio::time::sleep(delay).await;
            Ok(provider.answer(endpoint, headers, parameters))
        }
        Some(Fault::LoseAnswer) => {
            provider.answer(endpoint, headers, parameters);
            Err(Disconnect)
        }
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Disconnect) => Err(Disconnect),
        Some(Fault::Status(code)) => Ok(page::error(status(code), "Something is broken on purpose.")),
        Some(Fault::Body { content_type, body }) => Ok(answer::bytes(StatusCode::OK, content_type, body)),
        Some(Fault::InvalidGrant) => Ok(answer::oauth_error(StatusCode::BAD_REQUEST, "invalid_grant", "on purpose")),
        Some(Fault::OAuthError { status: code, error }) => Ok(answer::oauth_error(status(code), error, "on purpose")),
        Some(Fault::RateLimited { retry_after }) => {
            let mut response = answer::empty(StatusCode::TOO_MANY_REQUESTS);
            response.headers_mut().insert(header::RETRY_AFTER, retry_after.as_secs().into());
            Ok(response)
        }
    }
}

#[cfg(test)]
mod tests;
