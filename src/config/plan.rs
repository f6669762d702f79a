//! The checked, completed, immutable configuration. A `Plan` that exists is valid.
//!
//! No I/O handles and no logic beyond look-ups: what runs is built from it (`crate::live`).

mod headers;
mod path;
mod policy;
mod protocol;
mod redis;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use ipnet::IpNet;
use url::Url;

use crate::{
    oauth::{ClientId, Issuer, RedirectPattern, RedirectUri, ResourceUri, Scopes},
    private_key::PrivateKey,
    secret::Secret,
};

pub use crate::private_key::SigningAlgorithm;
pub use headers::{HeaderSource, IdentityHeaders, PassHeaders, SetHeader};
pub use path::{PathMatch, folded};
pub use policy::{ClaimRule, People, PolicyPlan};
pub use protocol::{EmailVerified, EndpointsPlan, IdentityPlan, ProtocolPlan, ScopeNames, TenantsPlan};
pub use redis::{RedisNode, RedisPlan};

/// Where our own endpoints are, below each mount. Besides these: the callback
/// ([`ProviderPlan::redirect_path`]) and everything in `/.well-known/`.
pub const ENDPOINT_PATHS: [&str; 5] = ["/authorize", "/consent", "/token", "/register", "/revoke"];

/// Everything one running instance does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Origin that clients type; only scheme, host and port matter, the path is `/`.
    pub public_url: Url,
    /// Further `Host` values (lower case, with port if not the default) that are answered.
    pub allowed_hosts: Vec<String>,
    /// Where clients connect.
    pub listen: SocketAddr,
    /// `/metrics`, `/healthz`, `/readyz`; `None` switches the admin listener off.
    pub admin_listen: Option<SocketAddr>,
    /// What the public listener speaks TLS with; `None`: plain http, for a reverse proxy in front.
    pub tls: Option<TlsPlan>,
    /// Where state lives.
    pub storage: StoragePlan,
    /// Root secrets, the first one seals; empty: the store makes and keeps one.
    pub root_secrets: Vec<Secret>,
    /// Peers whose `Forwarded` and `X-Forwarded-*` headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Bounds of the listener.
    pub limits: LimitsPlan,
    /// How we sign.
    pub signing: SigningPlan,
    /// How logs look.
    pub log: LogPlan,
    /// Where decisions about people's access are written down.
    pub audit: AuditPlan,
    /// By name, in the order in which they were written.
    pub providers: Vec<Arc<ProviderPlan>>,
}

/// Where state lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoragePlan {
    /// Lost at the end of the process.
    Memory,
    /// One file in this folder; crash-safe.
    Embedded {
        /// The folder; made with mode 0700 if it does not exist.
        path: PathBuf,
    },
    /// A server that several replicas share.
    Redis(Box<RedisPlan>),
}

/// Where the public listener's certificate is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsPlan {
    /// PEM: the server's certificate, then the rest of its chain.
    pub certificate: PathBuf,
    /// PEM: the private key of that certificate, not encrypted.
    pub key: PathBuf,
}

/// Bounds of the public listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitsPlan {
    /// Open connections at one time.
    pub connections: usize,
    /// From accept to the end of the request's header.
    pub header_timeout: Duration,
    /// Bytes of one request's header.
    pub header_bytes: usize,
    /// How long running requests may go on after SIGTERM.
    pub drain_timeout: Duration,
    /// Different registrations from one client address in an hour; repeated ones are free, up to
    /// ten times this number in total.
    pub registrations_per_hour: u32,
    /// Authorization requests of one client from one client address in a minute; all clients
    /// together may send ten times this number.
    pub authorizations_per_minute: u32,
    /// Token and revocation requests of one client from one client address in a minute; all
    /// clients together may send ten times this number.
    pub token_requests_per_minute: u32,
}

/// How we sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningPlan {
    /// Algorithm of our access tokens; that of the first of `keys`, if there are any.
    pub algorithm: SigningAlgorithm,
    /// The operator's own keys: the first one signs, all verify. Empty: we make and rotate them.
    pub keys: Vec<PrivateKey>,
    /// How long a key that we made signs.
    pub lifetime: Duration,
}

// === impl SigningPlan ===

impl SigningPlan {
    /// How long a key that we made signs if nobody says.
    pub const LIFETIME: Duration = Duration::from_hours(90 * 24);

    /// With keys that we make, of this algorithm.
    pub const fn made_here(algorithm: SigningAlgorithm) -> Self {
        Self { algorithm, keys: Vec::new(), lifetime: Self::LIFETIME }
    }
}

/// How logs look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPlan {
    /// A `tracing` filter: `info`, `vestibule=debug,info`.
    pub filter: String,
    /// Text or JSON.
    pub format: LogFormat,
}

/// Where decisions about people's access are written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditPlan {
    /// Nowhere.
    Off,
    /// Standard output.
    Stdout,
    /// A file, appended to.
    File(PathBuf),
}

/// The shape of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// Readable text.
    Text,
    /// One JSON object a line.
    Json,
}

/// One OIDC upstream: an application at an identity provider, with everything mounted for it.
#[expect(clippy::struct_excessive_bools, reason = "independent switches, each with a key of its own")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderPlan {
    /// The name in the configuration; a metric label and part of nothing secret.
    pub name: String,
    /// What people read: "Sign in with …".
    pub display_name: String,
    /// `/` or `/name`, never with a trailing slash otherwise.
    pub mount: String,
    /// Our issuer for this mount.
    pub issuer: Issuer,
    /// A page for people who write clients.
    pub service_documentation: Option<Url>,
    /// The provider's discovery document; `None`: `protocol.endpoints` has at least the
    /// authorization and the token endpoint.
    pub config_url: Option<Url>,
    /// How the provider is spoken to.
    pub protocol: ProtocolPlan,
    /// The identity providers that people choose from, each as it is below this mount: with its own
    /// callback, and without routes. Empty: this one is the identity provider. Of a choice itself,
    /// nothing about an identity provider means anything.
    pub choice: Vec<Arc<ProviderPlan>>,
    /// The application's identifier at the provider; empty in [`Mode::Remote`].
    pub client_id: String,
    /// The application's secret; `None` for a public application.
    pub client_secret: Option<Secret>,
    /// How we authenticate at the provider's token endpoint; `None`: by its metadata, basic first.
    pub token_endpoint_auth_method: Option<ClientAuthMethod>,
    /// Who runs the authorization server that clients meet.
    pub mode: Mode,
    /// How the provider's own access tokens are checked; `None`: they are not looked at, the ID
    /// token says who signed in. Always there in [`Mode::Remote`].
    pub access_tokens: Option<AccessTokenPlan>,
    /// `audience` parameter at authorize, exchange and refresh.
    pub audience: Option<String>,
    /// Asked for at every sign-in, and demanded of what the provider granted.
    pub required_scopes: Scopes,
    /// Everything that clients may ask for; always includes the required ones, never
    /// `offline_access` (which is handled apart).
    pub valid_scopes: Scopes,
    /// Path below the mount that the provider sends the browser back to.
    pub redirect_path: String,
    /// What to enter at the provider: `public_url` + mount + redirect path.
    pub callback_url: Url,
    /// Sent at authorize, after everything else.
    pub extra_authorize_params: Vec<(String, String)>,
    /// Sent at exchange and refresh, after everything else.
    pub extra_token_params: Vec<(String, String)>,
    /// Ask the provider for a refresh token (`offline_access`) when it knows that scope.
    pub offline_access: bool,
    /// Clients may register themselves (RFC 7591).
    pub dynamic_registration: bool,
    /// Clients may be described by client ID metadata documents.
    pub enable_cimd: bool,
    /// Redirect URI schemes of applications (`cursor`) that dynamic clients may use; `None`: all
    /// that are not dangerous.
    pub private_use_schemes: Option<Vec<String>>,
    /// Where clients that nobody vouches for may be answered; `None`: wherever they registered.
    pub allowed_client_redirect_uris: Option<Vec<RedirectPattern>>,
    /// Whether people are asked before a client may act for them.
    pub consent: ConsentPlan,
    /// Clients written in the configuration.
    pub clients: Vec<StaticClient>,
    /// How long what we hand out lives.
    pub lifetimes: Lifetimes,
    /// Deadline of one request to the provider.
    pub timeout: Duration,
    /// May be reached over plain http (a provider on this machine; the demo).
    pub allow_insecure_http: bool,
    /// Who may pass, on every route.
    pub policy: PolicyPlan,
    /// Claims that a rule or a header here depends on: kept before all others.
    pub needed_claims: Vec<String>,
    /// What is protected, in the order written.
    pub routes: Vec<Arc<RoutePlan>>,
}

/// Who runs the authorization server that clients meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// We do: clients register here and get tokens of ours; people sign in at the provider.
    Proxy,
    /// The provider does: clients register there and show its tokens here.
    Remote,
}

/// Whether people are asked before a client may act for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsentPlan {
    /// At every authorization request.
    Always,
    /// Once, as long as the browser remembers and nothing changes.
    Remember,
    /// Somewhere else, before they come here.
    External,
    /// Never.
    Off,
}

/// How access tokens of the provider are checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessTokenPlan {
    /// Of tokens that come with a sign-in, `aud` must be one of these. In [`Mode::Remote`] each route
    /// has its own ([`RoutePlan::audiences`]).
    pub audiences: Vec<String>,
    /// What says for whom a token is.
    pub audience_claim: AudienceClaim,
    /// Claims that hold scopes.
    pub scope_claims: Vec<String>,
    /// Ask the provider about each token, instead of reading it as a JWT.
    pub introspection: Option<IntrospectionPlan>,
}

/// What says for whom an access token of the provider is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AudienceClaim {
    /// `aud`, and nothing else.
    Aud,
    /// `client_id` of a token without `aud`: whatever that application was given.
    ClientId,
}

/// How the provider is asked about tokens (RFC 7662).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntrospectionPlan {
    /// `None`: the `introspection_endpoint` of the provider's metadata.
    pub endpoint: Option<Url>,
    /// With which this gateway proves itself there.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Secret,
    /// How both travel.
    pub auth_method: ClientAuthMethod,
    /// How long an answer holds: how late a revocation at the provider is seen.
    pub cache_ttl: Duration,
    /// Tokens whose answer names no audience are refused.
    pub require_audience: bool,
}

/// RFC 6749 section 2.3.1, RFC 8414 `token_endpoint_auth_methods_supported`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientAuthMethod {
    /// `client_secret_basic`
    Basic,
    /// `client_secret_post`
    Post,
    /// `none`
    None,
}

/// Lifetimes of what we hand out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// From the authorization request to the return from the provider.
    pub transaction: Duration,
    /// An authorization code of ours.
    pub code: Duration,
    /// An access token of ours; shortened when the provider's token ends sooner and cannot be
    /// refreshed.
    pub access_token: Duration,
    /// A refresh token that is not used.
    pub refresh_token: Duration,
    /// A grant, however often it was refreshed.
    pub grant: Duration,
    /// After a rotation, how long the previous refresh token still gets the same successor.
    pub refresh_grace: Duration,
    /// With [`ConsentPlan::Remember`], how long a browser remembers an approval.
    pub consent: Duration,
}

/// A client that needs no registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticClient {
    /// Its identifier.
    pub client_id: ClientId,
    /// What people read on the consent page.
    pub name: String,
    /// `None` for a public client.
    pub secret: Option<Secret>,
    /// Where it may be answered.
    pub redirect_uris: Vec<RedirectUri>,
    /// The operator vouches for it: no consent page.
    pub skip_consent: bool,
}

/// One protected path and the server behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutePlan {
    /// `<provider>` + path; a metric label.
    pub id: String,
    /// The provider's name.
    pub provider: String,
    /// Public path with the mount: `/mcp`, `/auth0/mcp`, or `/`.
    pub path: String,
    /// Which paths are forwarded.
    pub matches: PathMatch,
    /// Its public URL: what clients ask tokens for.
    pub resource: ResourceUri,
    /// For whom a token has to be; never empty. Ours are for the first one, those of the provider
    /// ([`Mode::Remote`]) for any of them.
    pub audiences: Vec<String>,
    /// Where it goes: the public path is replaced by this URL's path.
    pub backend: BackendPlan,
    /// What a token must carry to pass.
    pub required_scopes: Scopes,
    /// Who may pass here, besides what the provider's policy says.
    pub policy: PolicyPlan,
    /// Bytes of one request body.
    pub max_body: u64,
    /// Browser origins that may call it (besides our own); `*` is any.
    pub allowed_origins: Vec<String>,
    /// Which headers tell the backend who calls.
    pub identity_headers: IdentityHeaders,
    /// What else the backend is told in every request.
    pub set_headers: Vec<SetHeader>,
    /// Which of the client's headers the backend gets; `None`: all but those that only we may say.
    pub pass_headers: Option<PassHeaders>,
    /// What the backend receives in `Authorization`.
    pub backend_authorization: BackendAuthorization,
}

/// The protected server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendPlan {
    /// http or https; its path replaces the route's.
    pub url: Url,
    /// To connect, TLS included.
    pub connect_timeout: Duration,
    /// From the request to the response's header; the body has no deadline.
    pub response_timeout: Duration,
    /// The longest silence of a response's body, or of both sides of a tunnel; `None`: it may last.
    pub idle_timeout: Option<Duration>,
}

/// What the backend receives in `Authorization`. The client's token never goes there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackendAuthorization {
    /// Nothing.
    None,
    /// `Bearer` with the provider's access token.
    ProviderToken,
    /// `Bearer` with the JWT of [`IdentityHeaders::assertion`].
    Assertion,
}

// === impl Plan ===

impl Plan {
    /// The provider with this name.
    pub fn provider(&self, name: &str) -> Option<&Arc<ProviderPlan>> {
        self.providers.iter().find(|provider| provider.name == name)
    }

    /// Whether clients reach us by https, so that cookies can be `Secure`.
    pub fn is_https(&self) -> bool {
        self.public_url.scheme() == "https"
    }
}

// === impl ConsentPlan ===

impl ConsentPlan {
    /// Whether there is a consent page.
    pub const fn asks(self) -> bool {
        matches!(self, Self::Always | Self::Remember)
    }
}

// === impl LimitsPlan ===

impl LimitsPlan {
    /// What bounds how often one address may ask: registrations, authorizations, token requests.
    pub fn quotas(&self) -> [u32; 3] {
        [self.registrations_per_hour, self.authorizations_per_minute, self.token_requests_per_minute]
    }
}

// === impl RoutePlan ===

impl RoutePlan {
    /// For whom our tokens for it are.
    pub fn audience(&self) -> &str {
        self.audiences.first().map_or(self.resource.as_str(), String::as_str)
    }
}

// === impl IntrospectionPlan ===

impl IntrospectionPlan {
    /// The longest [`cache_ttl`](Self::cache_ttl).
    pub const LONGEST: Duration = Duration::from_mins(10);
}

// === impl ProviderPlan ===

impl ProviderPlan {
    /// What makes it this provider and no other: its discovery document, or where people sign in;
    /// empty for a choice, which is what its members are.
    pub fn source(&self) -> &str {
        let url = self.config_url.as_ref().or(self.protocol.endpoints.authorization_endpoint.as_ref());
        url.map_or("", Url::as_str)
    }

    /// Whether people choose where they sign in.
    pub fn is_choice(&self) -> bool {
        !self.choice.is_empty()
    }

    /// Where people may sign in: the members of a choice, else this one.
    pub fn identity_providers(self: &Arc<Self>) -> &[Arc<Self>] {
        if self.choice.is_empty() { std::slice::from_ref(self) } else { &self.choice }
    }

    /// The path of an endpoint below the mount; `path` starts with a slash.
    pub fn path(&self, path: &str) -> String {
        format!("{}{path}", self.mount.trim_end_matches('/'))
    }

    /// Whether grants and what was learnt belong to `other` too: the same provider, entered in the
    /// same way.
    pub fn is_same_way_in(&self, other: &Self) -> bool {
        self.source() == other.source() && self.mode == other.mode
    }

    /// The route with this resource.
    pub fn route(&self, resource: &ResourceUri) -> Option<&Arc<RoutePlan>> {
        self.routes.iter().find(|route| route.resource == *resource)
    }
}
