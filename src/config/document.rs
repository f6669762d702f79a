//! The configuration as a person writes it. Types only: every key is here and documented, unknown
//! ones are refused, nothing is required and nothing is understood yet (`crate::config::compile`).

pub mod described;
pub mod keys;
pub mod kind;
pub mod provider;
pub mod route;
pub mod server;
pub mod value;

use std::slice;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use kind::{SocketAddress, SocketAddressOrOff, WebUrl};
pub use provider::{Client, Lifetimes, Provider};
pub use route::{IdentityHeaders, Route};
pub use server::{Limits, Log, LogTable, Storage, StorageTable, Tls};
pub use value::{List, Params, Scalar, SecretList, SecretSource};

/// The whole configuration.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "keys such as `public_url:` and `providers:`")]
#[schemars(extend("patternProperties" = { "^x-": true }))]
pub struct Document {
    /// The version of this format: `1`.
    #[schemars(extend("enum" = [1, "1"]))]
    pub version: Option<Scalar>,
    /// The origin that clients type, `https://mcp.example.com`. Required.
    #[schemars(with = "WebUrl")]
    pub public_url: Option<String>,
    /// Further host names that are answered.
    pub allowed_hosts: Option<List>,
    /// Where clients connect; default `127.0.0.1:8000`.
    #[schemars(with = "SocketAddress")]
    pub listen: Option<Scalar>,
    /// Metrics and health, or `off`; default `127.0.0.1:9464`.
    #[schemars(with = "SocketAddressOrOff")]
    pub admin_listen: Option<Scalar>,
    /// The public listener's certificate; default: plain http, for a reverse proxy in front.
    pub tls: Option<Tls>,
    /// Where state lives; default embedded in `./vestibule-data`.
    pub storage: Option<Storage>,
    /// The root secret, or several of which the first seals; default: made and kept by the store.
    pub secret: Option<SecretList>,
    /// Addresses (`10.0.0.0/8`) of reverse proxies whose forwarded headers are believed.
    pub trusted_proxies: Option<List>,
    /// Bounds of the public listener.
    pub limits: Limits,
    /// `ES256` (default), `EdDSA` or `RS256`.
    #[schemars(extend("enum" = ["ES256", "EdDSA", "RS256"]))]
    pub signing_algorithm: Option<String>,
    /// What is logged and how.
    pub log: Option<Log>,
    /// The OIDC upstreams by name. At least one.
    pub providers: IndexMap<String, Provider>,
}

// === impl Document ===

impl Document {
    /// Every secret.
    fn secrets(&self) -> impl Iterator<Item = &SecretSource> {
        let roots = match &self.secret {
            None => &[],
            Some(SecretList::One(source)) => slice::from_ref(source),
            Some(SecretList::Many(sources)) => sources.as_slice(),
        };
        let own = self.providers.values().filter_map(|provider| provider.client_secret.as_ref());
        let clients = self.providers.values().flat_map(|provider| &provider.clients);
        let clients = clients.filter_map(|client| client.secret.as_ref());
        roots.iter().chain(own).chain(clients)
    }

    /// The paths of all files that secrets are read from.
    pub fn secret_files(&self) -> impl Iterator<Item = &str> {
        self.secrets().filter_map(|source| match source {
            SecretSource::File(path) => Some(path.as_str()),
            SecretSource::Text(_) | SecretSource::Env(_) => None,
        })
    }
}
