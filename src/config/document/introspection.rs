//! How a provider is asked about access tokens, as written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    kind::{Seconds, Switch, WebUrl},
    value::{Scalar, SecretSource},
};

/// Token introspection (RFC 7662): the provider is asked about each access token that was not asked
/// about a moment ago.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a mapping with `client_id:` and `client_secret:`")]
pub struct Introspection {
    /// Where; default: the `introspection_endpoint` of the provider's metadata.
    #[schemars(with = "WebUrl")]
    pub endpoint: Option<String>,
    /// Who asks; default: the provider's `client_id`. Required with `mode: remote`.
    pub client_id: Option<String>,
    /// Its secret; default: the provider's `client_secret`. Required with `mode: remote`.
    pub client_secret: Option<SecretSource>,
    /// How both are sent; default: `client_secret_basic`.
    #[schemars(extend("enum" = ["client_secret_basic", "client_secret_post"]))]
    pub auth_method: Option<String>,
    /// How long an answer holds, at most 600; default: 30. For so long a token that was revoked at the
    /// provider still opens the routes.
    #[schemars(with = "Seconds")]
    pub cache_ttl_seconds: Option<Scalar>,
    /// Refuse tokens whose answer names no audience; default: yes. With `false`, every active token
    /// of the provider opens the routes, unless it names another audience.
    #[schemars(with = "Switch")]
    pub require_audience: Option<Scalar>,
}
