//! One OIDC upstream as written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    kind::{Duration, Switch, UrlPath, WebUrl},
    route::Route,
    value::{List, Params, Scalar, SecretSource},
};

/// An application at an identity provider, and what is mounted for it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a mapping with `config_url:`, `client_id:`, `routes:` …")]
pub struct Provider {
    /// What is known about this provider: `oidc` (default, nothing) or `auth0`.
    #[schemars(extend("enum" = ["oidc", "auth0"]))]
    pub preset: Option<String>,
    /// What people read, "Sign in with …"; default: the preset's, else the provider's name.
    pub display_name: Option<String>,
    /// Path prefix of everything of this provider; default `/` for the only one, else `/<name>`.
    #[schemars(with = "UrlPath")]
    pub mount: Option<String>,
    /// The discovery document, ending in `/.well-known/openid-configuration`. Required.
    #[schemars(with = "WebUrl")]
    pub config_url: Option<String>,
    /// The application's identifier. Required.
    pub client_id: Option<String>,
    /// The application's secret; leave it out for a public application.
    pub client_secret: Option<SecretSource>,
    /// `client_secret_basic`, `client_secret_post` or `none`; default: what the provider says.
    #[schemars(extend("enum" = ["client_secret_basic", "client_secret_post", "none"]))]
    pub token_endpoint_auth_method: Option<String>,
    /// Sent as `audience` at sign-in, exchange and refresh. Required for `auth0`.
    pub audience: Option<String>,
    /// Asked for at every sign-in and demanded of it; default `openid`, which is always added.
    pub required_scopes: Option<List>,
    /// Everything that clients may ask for; default: the required ones and those of the routes.
    pub valid_scopes: Option<List>,
    /// Where the provider sends the browser back to, below the mount; default `/auth/callback`.
    #[schemars(with = "UrlPath")]
    pub redirect_path: Option<String>,
    /// Sent to the authorization endpoint in addition.
    pub extra_authorize_params: Option<Params>,
    /// Sent to the token endpoint in addition.
    pub extra_token_params: Option<Params>,
    /// Ask the provider for a refresh token; default `true`.
    #[schemars(with = "Switch")]
    pub offline_access: Option<Scalar>,
    /// Clients may register themselves; default `true`.
    #[schemars(with = "Switch")]
    pub dynamic_registration: Option<Scalar>,
    /// Clients may be described by client ID metadata documents; default `true`.
    #[schemars(with = "Switch")]
    pub client_id_metadata_documents: Option<Scalar>,
    /// Application schemes (`cursor`) that clients may redirect to; default: all harmless ones.
    pub private_use_schemes: Option<List>,
    /// Clients that need no registration.
    pub clients: Vec<Client>,
    /// How long what is handed out lives.
    pub lifetimes: Lifetimes,
    /// Deadline of one request to the provider; default `10s`.
    #[schemars(with = "Duration")]
    pub timeout: Option<Scalar>,
    /// The provider may be reached by plain http; default: only if it is on this machine.
    #[schemars(with = "Switch")]
    pub allow_insecure_http: Option<Scalar>,
    /// What is protected. At least one.
    pub routes: Vec<Route>,
}

/// A client that needs no registration.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a mapping with `client_id:` and `redirect_uris:`")]
pub struct Client {
    /// Its identifier. Required.
    pub client_id: Option<String>,
    /// What people read on the consent page; default: the identifier.
    pub name: Option<String>,
    /// Leave it out for a public client.
    pub secret: Option<SecretSource>,
    /// Where it may be answered. At least one.
    pub redirect_uris: Option<List>,
    /// The operator vouches for it: no consent page; default `false`.
    #[schemars(with = "Switch")]
    pub skip_consent: Option<Scalar>,
}

/// How long what is handed out lives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a mapping of lifetimes such as `access_token: 15m`")]
pub struct Lifetimes {
    /// From the authorization request to the return from the provider; default `15m`.
    #[schemars(with = "Duration")]
    pub transaction: Option<Scalar>,
    /// An authorization code; default `60s`, at most `10m`.
    #[schemars(with = "Duration")]
    pub code: Option<Scalar>,
    /// An access token; default `15m`.
    #[schemars(with = "Duration")]
    pub access_token: Option<Scalar>,
    /// A refresh token that is not used; default `30d`.
    #[schemars(with = "Duration")]
    pub refresh_token: Option<Scalar>,
    /// A grant, however often it was refreshed; default `90d`.
    #[schemars(with = "Duration")]
    pub grant: Option<Scalar>,
    /// How long a replaced refresh token still gets the same successor; default `60s`.
    #[schemars(with = "Duration")]
    pub refresh_grace: Option<Scalar>,
}
