//! The configuration as a person writes it. Types only: every key is here and documented, unknown
//! ones are refused, nothing is required and nothing is understood yet (`crate::config::compile`).
//!
//! # A new key
//!
//! 1. A field with a doc comment: what editors show and the reference says ([`described`] has the
//!    convention for defaults). A number, a switch, a duration … is an `Option<Scalar>` whose
//!    `#[schemars(with = "Duration")]` names one of [`kind`]; one of several words is an
//!    `Option<String>` with `#[schemars(extend("enum" = ["a", "b"]))]`.
//! 2. A new table derives the same and has a row in [`keys::all`].
//! 3. Its variable: one word in `crate::config::env::tables`, without which nothing compiles.
//! 4. What it means: `crate::config::compile`, [`plan`](crate::config::plan), facts.
//! 5. `tests/config/everything.yaml` and `.env`, mistakes in `tests/config/broken`.
//! 6. `INSTA_UPDATE=always cargo test --test config` writes the schema, the tables of
//!    `docs/configuration.md` and the golden texts. Read the difference; the tests say what is
//!    forgotten, and whether schema and `compile` disagree.

pub mod described;
pub mod headers;
pub mod introspection;
pub mod keys;
pub mod kind;
pub mod policy;
pub mod provider;
pub mod route;
pub mod server;
pub mod value;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

pub use headers::{HeaderText, SetHeaders};
pub use introspection::Introspection;
use kind::{AuditPlace, Duration, SocketAddress, SocketAddressOrOff, WebUrl};
pub use policy::Policy;
pub use provider::{Client, IdentityMembers, Lifetimes, Provider};
pub use route::{IdentityHeaders, Route};
pub use server::{Limits, Log, LogTable, Storage, StorageTable, Tls};
pub use value::{ClaimValues, Claims, List, Params, Scalar, SecretList, SecretSource};

/// The whole configuration.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "keys such as `public_url:` and `providers:`")]
#[schemars(extend("patternProperties" = { "^x-": true }))]
pub struct Document {
    /// Version of this format; default `1`.
    #[schemars(extend("enum" = [1, "1"]))]
    pub version: Option<Scalar>,
    /// The origin that clients type: scheme, host and port, no path. `https`, or `http` on
    /// localhost, `127.0.0.1` and `[::1]`. It is never taken from a request. Required.
    #[schemars(with = "WebUrl")]
    pub public_url: Option<String>,
    /// Further `Host` values that are answered, with the port if it is not the usual one.
    pub allowed_hosts: Option<List>,
    /// Where clients (or the reverse proxy in front) connect; default `127.0.0.1:8000`.
    #[schemars(with = "SocketAddress")]
    pub listen: Option<Scalar>,
    /// Where metrics, health and status are, for operators only; default `127.0.0.1:9464`. They are
    /// never on the public listener.
    #[schemars(with = "SocketAddressOrOff")]
    pub admin_listen: Option<Scalar>,
    /// The public listener's certificate; default: none, plain http. Without it, a reverse proxy
    /// has to speak https in front.
    pub tls: Option<Tls>,
    /// Where registrations, grants and keys live; default `embedded`.
    pub storage: Option<Storage>,
    /// The root secret, at least 32 characters, that seals everything stored; default: made and
    /// kept by the embedded store. In a list, the first one seals and all open: put a new one in
    /// front to replace it.
    pub secret: Option<SecretList>,
    /// Addresses and networks (`10.0.0.0/8`) of peers whose `Forwarded` and `X-Forwarded-*` headers are believed.
    pub trusted_proxies: Option<List>,
    /// Bounds of the public listener.
    pub limits: Limits,
    /// How access tokens are signed; default `ES256`.
    #[schemars(extend("enum" = ["ES256", "EdDSA", "RS256"]))]
    pub signing_algorithm: Option<String>,
    /// A private key of your own to sign with, as PEM or a JWK: P-256, Ed25519, or RSA from 2048 bits; default:
    /// made, kept in the store and rotated. In a list, the first one signs and all verify: put a new one in
    /// front to replace it ([keys](store.md#signing-keys)).
    pub signing_key: Option<SecretList>,
    /// How long a key that was made here signs before the next one does; default `90d`.
    #[schemars(with = "Duration")]
    pub signing_key_lifetime: Option<Scalar>,
    /// What is logged; default `info`.
    pub log: Option<Log>,
    /// Where decisions about people's access are written, one JSON object a line
    /// ([audit](audit.md)): `stdout`, or a file with its folder; default `off`.
    #[schemars(with = "AuditPlace")]
    pub audit: Option<Scalar>,
    /// The OIDC upstreams. A name has lower-case letters, digits, `-` and `_`, begins with a
    /// letter, and has at most 32 characters. Required.
    pub providers: IndexMap<String, Provider>,
}

// === impl Document ===

impl Document {
    /// Every secret.
    fn secrets(&self) -> impl Iterator<Item = &SecretSource> {
        let roots = self.secret.as_ref().map(SecretList::as_slice).unwrap_or_default();
        let keys = self.signing_key.as_ref().map(SecretList::as_slice).unwrap_or_default();
        let storage = match &self.storage {
            Some(Storage::Table(table)) => table.password.as_ref(),
            Some(Storage::Kind(_)) | None => None,
        };
        let own = self.providers.values().filter_map(|provider| provider.client_secret.as_ref());
        let clients = self.providers.values().flat_map(|provider| &provider.clients);
        let clients = clients.filter_map(|client| client.secret.as_ref());
        let routes = self.providers.values().flat_map(|provider| &provider.routes);
        let headers = routes.filter_map(|route| match &route.set_headers {
            Some(SetHeaders::Entries(entries)) => Some(entries.values()),
            Some(SetHeaders::Text(_)) | None => None,
        });
        let headers = headers.flatten().filter_map(|text| match text {
            HeaderText::Fixed(source) => Some(source),
            HeaderText::Claim(_) => None,
        });
        roots.iter().chain(keys).chain(storage).chain(own).chain(clients).chain(headers)
    }

    /// The paths of all files that secrets are read from.
    pub fn secret_files(&self) -> impl Iterator<Item = &str> {
        self.secrets().filter_map(|source| match source {
            SecretSource::File(path) => Some(path.as_str()),
            SecretSource::Text(_) | SecretSource::Env(_) => None,
        })
    }
}
