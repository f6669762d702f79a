//! One protected path as written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::headers::SetHeaders;
use super::kind::{Duration, DurationOrOff, Header, Size, UrlPath, WebUrl};
use super::policy::Policy;
use super::value::{List, Scalar};

/// A protected path and the server behind it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a mapping with `path:` and `backend:`")]
pub struct Route {
    /// Path below the mount; `/` is the mount itself. Required, but `/mcp` for variables.
    #[schemars(with = "UrlPath")]
    pub path: Option<String>,
    /// Which paths belong to it; default `prefix`, its own and everything below it. With `exact`
    /// only its own, with or without a slash at its end.
    #[schemars(extend("enum" = ["prefix", "exact"]))]
    pub r#match: Option<String>,
    /// The protected server. Its path replaces the route's. Required.
    #[schemars(with = "WebUrl")]
    pub backend: Option<String>,
    /// What a token must carry besides the provider's `required_scopes`.
    pub scopes: Option<List>,
    /// For whom a token has to be to open it: `aud` of our tokens, or with `mode: remote` of the
    /// provider's, where one or several are accepted; default: the route's public URL, or the
    /// provider's `audience` with `mode: remote`.
    pub audience: Option<List>,
    /// Who may pass here, besides what the provider's `policy` says.
    pub policy: Policy,
    /// To connect to the backend, TLS included; default `5s`.
    #[schemars(with = "Duration")]
    pub connect_timeout: Option<Scalar>,
    /// From the request to the response's header; default `5m`. Bodies and streams have no
    /// deadline.
    #[schemars(with = "Duration")]
    pub response_timeout: Option<Scalar>,
    /// The longest silence of a response or a tunnel before it is ended; default `off`. A stream that
    /// has nothing to say for minutes is nothing unusual.
    #[schemars(with = "DurationOrOff")]
    pub idle_timeout: Option<Scalar>,
    /// Size of one request's body; default `16MiB`.
    #[schemars(with = "Size")]
    pub max_body: Option<Scalar>,
    /// Browser origins that may call it besides `public_url`; `*` is any.
    pub allowed_origins: Option<List>,
    /// Headers that tell the backend who calls; `off` leaves one out. All are removed from what a
    /// client sends.
    pub identity_headers: IdentityHeaders,
    /// Headers that the backend gets besides: texts, secrets, or [claims](#headers-for-the-backend) of
    /// the person, `{X-Tenant: acme, X-Api-Key: {env: API_KEY}, X-Groups: {claim: groups}}`. All are
    /// removed from what a client sends. As a variable: `X-Tenant=acme&X-Plan=b`, or a JSON object.
    pub set_headers: Option<SetHeaders>,
    /// Which of the client's headers the backend gets besides those of the protocol, `x-acme-*` for a
    /// family; default: all but credentials and [what only Vestibule may
    /// say](#headers-for-the-backend).
    pub pass_headers: Option<List>,
    /// What the backend receives in `Authorization`: nothing, the provider's access token, or a JWT
    /// about the caller; default `none`. The client's own token never goes there.
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
    /// The e-mail address, if the provider says that it is verified; default `x-vestibule-email`.
    #[schemars(with = "Header")]
    pub email: Option<String>,
    /// The granted scopes, separated by spaces; default `x-vestibule-scopes`.
    #[schemars(with = "Header")]
    pub scopes: Option<String>,
    /// The client's identifier; default `x-vestibule-client`.
    #[schemars(with = "Header")]
    pub client: Option<String>,
    /// A short-lived JWT about the caller, signed by us, with the backend as audience; default
    /// `off`.
    #[schemars(with = "Header")]
    pub assertion: Option<String>,
}
