//! One protected path as written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::kind::{Duration, Header, Size, UrlPath, WebUrl};
use super::value::{List, Scalar};

/// A protected path and the server behind it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a mapping with `path:` and `backend:`")]
pub struct Route {
    /// The path below the mount; it and everything below it is forwarded. Required.
    #[schemars(with = "UrlPath")]
    pub path: Option<String>,
    /// The protected server, `http://127.0.0.1:3000/mcp`. Required.
    #[schemars(with = "WebUrl")]
    pub backend: Option<String>,
    /// What a token must carry besides the provider's required scopes.
    pub scopes: Option<List>,
    /// To connect to the backend, TLS included; default `5s`.
    #[schemars(with = "Duration")]
    pub connect_timeout: Option<Scalar>,
    /// From the request to the response's header, the body has no deadline; default `5m`.
    #[schemars(with = "Duration")]
    pub response_timeout: Option<Scalar>,
    /// Bytes of one request body; default `16MiB`.
    #[schemars(with = "Size")]
    pub max_body: Option<Scalar>,
    /// Browser origins that may call it besides our own; `*` is any.
    pub allowed_origins: Option<List>,
    /// Which headers tell the backend who calls.
    pub identity_headers: IdentityHeaders,
    /// `none` (default), `provider_token` or `assertion`.
    #[schemars(extend("enum" = ["none", "provider_token", "assertion"]))]
    pub backend_authorization: Option<String>,
}

/// Names of the headers that tell the backend who calls; `off` leaves one out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a mapping such as `subject: x-user`, `email: off`")]
pub struct IdentityHeaders {
    /// The provider's `sub`; default `x-vestibule-subject`.
    #[schemars(with = "Header")]
    pub subject: Option<String>,
    /// A verified e-mail address; default `x-vestibule-email`.
    #[schemars(with = "Header")]
    pub email: Option<String>,
    /// Granted scopes; default `x-vestibule-scopes`.
    #[schemars(with = "Header")]
    pub scopes: Option<String>,
    /// The client's identifier; default `x-vestibule-client`.
    #[schemars(with = "Header")]
    pub client: Option<String>,
    /// A short-lived JWT signed by us; default `off`.
    #[schemars(with = "Header")]
    pub assertion: Option<String>,
}
