//! A small, correct OpenID provider for the demo and for tests, on loopback only.
//!
//! Code flow with PKCE S256, ES256 ID tokens, refresh rotation with reuse detection, user info,
//! revocation (RFC 7009), `iss` in the answer (RFC 9207). Nobody has a password: a plain page asks
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
mod discovery;
mod fault;
mod form;
mod grant;
mod id_token;
mod key;
mod log;
mod page;
mod person;
mod token;

use std::{
    fmt, io,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use serde_json::{Map, Value};
use url::Url;

use crate::{body::Body, seal::random_text, secret::Secret, time::Clock};

use self::{
    fault::lock,
    form::Parameters,
    grant::Grants,
    key::{KeyError, Keys},
    log::RequestLog,
};
use super::loopback::{Disconnect, Loopback, Serving};

pub use self::{
    fault::{CallbackFault, Endpoint, Fault, Faults, IdTokenFault},
    key::Rotation,
    log::SeenRequest,
    person::Person,
};

/// Where the sign-in page's forms go; see [`Running::sign_in_form`].
pub const SIGN_IN_PATH: &str = "/sign-in";

/// How a provider behaves. The default is a well-behaved one on a free port, with a secret of its
/// own, that takes any loopback redirect URI.
#[derive(Clone, Debug)]
pub struct Options {
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
    /// Keep what was sent, for [`Running::requests`].
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

/// The provider; see [`DemoIdentityProvider::start`].
#[derive(Clone, Copy, Debug)]
pub struct DemoIdentityProvider;

/// A provider that runs until this is dropped.
#[derive(Debug)]
pub struct Running {
    provider: Arc<Provider>,
    serving: Serving,
}

/// What a person would submit on the sign-in page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignInForm {
    /// Where to POST it.
    pub action: String,
    /// As `application/x-www-form-urlencoded`.
    pub fields: Vec<(&'static str, String)>,
}

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

// === impl Options ===

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            issuer_path: String::new(),
            client_id: "vestibule-demo".to_owned(),
            client_secret: Some(Secret::new(random_text::<32>())),
            token_endpoint_auth_methods: vec!["client_secret_basic", "client_secret_post"],
            redirect_uris: Vec::new(),
            scopes: Vec::new(),
            people: person::demo_people(),
            lifetimes: Lifetimes::default(),
            refresh_tokens: RefreshTokens::WhenAsked,
            rotate_refresh_tokens: true,
            claims_in_id_token: true,
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

// === impl Running ===

impl Running {
    /// `iss` of its tokens.
    pub fn issuer(&self) -> &str {
        &self.provider.issuer
    }

    /// Its discovery document.
    pub fn config_url(&self) -> String {
        format!("{}/.well-known/openid-configuration", self.provider.issuer.trim_end_matches('/'))
    }

    /// The registered application.
    pub fn client_id(&self) -> &str {
        &self.provider.options.client_id
    }

    /// The application's secret.
    pub fn client_secret(&self) -> Option<&Secret> {
        self.provider.options.client_secret.as_ref()
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.serving.port()
    }

    /// What goes wrong.
    pub fn faults(&self) -> &Faults {
        &self.provider.faults
    }

    /// Everything that arrived at an endpoint, oldest first (at most 1,000 in total).
    pub fn requests(&self, endpoint: Endpoint) -> Vec<SeenRequest> {
        self.provider.log.of(endpoint)
    }

    /// Forgets what arrived.
    pub fn clear_requests(&self) {
        self.provider.log.clear();
    }

    /// From now on every connection is reset, the open ones first.
    pub fn down(&self) {
        self.serving.set_down(true);
    }

    /// Answers again.
    pub fn up(&self) {
        self.serving.set_down(false);
    }

    /// Signs with a new key from now on.
    ///
    /// # Errors
    /// [`StartError::Key`] if none can be made.
    pub fn rotate_key(&self, rotation: Rotation) -> Result<(), StartError> {
        Ok(lock(&self.provider.keys).rotate(rotation)?)
    }

    /// Lifetimes of what is handed out from now on.
    pub fn set_lifetimes(&self, lifetimes: Lifetimes) {
        *lock(&self.provider.lifetimes) = lifetimes;
    }

    /// Changes one field of the discovery document; `null` takes it away.
    pub fn change_metadata(&self, field: &str, value: Value) {
        lock(&self.provider.metadata_changes).insert(field.to_owned(), value);
    }

    /// How many grants have not been revoked or ended by reuse.
    pub fn grants(&self) -> usize {
        lock(&self.provider.grants).count()
    }

    /// Ends every grant: access tokens are dead, a refresh is answered `invalid_grant`.
    pub fn end_all_grants(&self) {
        lock(&self.provider.grants).end_all();
    }

    /// What a person submits who arrived at `authorization_url` and is `person` (`ada`, `grace`,
    /// `linus` by default).
    pub fn sign_in_form(&self, authorization_url: &Url, person: &str) -> SignInForm {
        let request = authorization_url.query().unwrap_or_default().to_owned();
        let action = format!("{}{SIGN_IN_PATH}", self.provider.origin);
        SignInForm { action, fields: vec![("request", request), ("person", person.to_owned())] }
    }

    /// What a person submits who does not want to.
    pub fn cancel_form(&self, authorization_url: &Url) -> SignInForm {
        let mut form = self.sign_in_form(authorization_url, "");
        form.fields.push(("cancel", "yes".to_owned()));
        form
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
