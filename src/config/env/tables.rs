//! The tables of the document as blocks of variables. envy reads a block straight into the
//! document's own struct; here is which keys are single values, which are tables, which are lists
//! of tables. A key that is missing here does not compile, one of the wrong kind neither.

use serde::de::DeserializeOwned;

use super::{
    field::{Field, Kind, Shape},
    layer::Layer,
};
use crate::config::document::{
    Claims, Client, Document, IdentityHeaders, IdentityMembers, Introspection, Lifetimes, Limits, List, Log, LogTable,
    Params, Policy, Provider, Route, Scalar, SecretList, SecretSource, SetHeaders, Storage, StorageTable, Tls,
};

/// A table that variables can describe.
pub(super) trait Table: DeserializeOwned + Default {
    /// Its keys.
    fn fields() -> Vec<Field>;

    /// Takes over what envy read, then what belongs to the tables below.
    fn put(&mut self, over: Self, layer: &mut Layer<'_>);
}

/// A value that one variable sets.
pub(super) trait Leaf: Sized {
    const KIND: Kind = Kind::Plain;

    /// A secret that is in a file.
    fn from_file(_path: &str) -> Option<Self> {
        None
    }

    /// Several secrets.
    fn from_many(_secrets: Vec<SecretSource>) -> Option<Self> {
        None
    }
}

/// Where a table stands: always there, or only if somebody wrote it.
pub(super) trait Slot {
    type Table: Table;
    /// The key that the table's name alone stands for.
    const SHORT: Option<&'static str> = None;

    fn change(&mut self, change: impl FnOnce(&mut Self::Table));
}

/// `Struct { values; tables: …; lists: …; elsewhere: … }`
macro_rules! tables {
    ($($table:ident {
        $($key:ident),*
        $(; tables: $($sub:ident),+)? $(; lists: $($list:ident),+)? $(; elsewhere: $($other:ident),+)?
    })*) => {$(
        impl Table for $table {
            fn fields() -> Vec<Field> {
                vec![
                    $(leaf(key(stringify!($key)), |table: &Self| &table.$key),)*
                    $($(table(stringify!($sub), |table: &Self| &table.$sub),)+)?
                    $($(list(stringify!($list), |table: &Self| &table.$list),)+)?
                ]
            }

            fn put(&mut self, over: Self, layer: &mut Layer<'_>) {
                let Self { $($key,)* $($($sub: _,)+)? $($($list: _,)+)? $($($other: _,)+)? } = over;
                $(layer.set(&mut self.$key, $key, key(stringify!($key)));)*
                $($(layer.table(&mut self.$sub, stringify!($sub));)+)?
                $($(layer.list(&mut self.$list, stringify!($list));)+)?
            }
        }
    )*};
}

tables! {
    Document {
        version, public_url, allowed_hosts, listen, admin_listen, secret, trusted_proxies, signing_algorithm, signing_key, signing_key_lifetime,
        audit;
        tables: tls, storage, limits, log;
        elsewhere: providers
    }
    Tls { certificate, key }
    StorageTable { backend, path, url, cluster, username, password, ca, prefix, timeout }
    Limits {
        connections, header_timeout, header_bytes, drain_timeout, registrations_per_hour, authorizations_per_minute,
        token_requests_per_minute
    }
    LogTable { filter, format }
    Provider {
        preset, domain, tenant_id, allowed_tenants, base_authority, identifier_uri, authorization_server, server_url, realm, user_pool_id,
        aws_region, authkit_domain, environment_url, project_id, project_url, choice, mode, display_name, mount, issuer_url, resource_base_url, service_documentation_url, config_url, strict, issuer, authorization_endpoint, token_endpoint,
        userinfo_endpoint, revocation_endpoint, jwks_uri, algorithm, client_id, client_secret,
        token_endpoint_auth_method, audience, audience_claim, verify_id_token, scope_claims, required_scopes, valid_scopes, redirect_path, extra_authorize_params,
        extra_token_params, offline_access, dynamic_registration, enable_cimd, private_use_schemes, allowed_client_redirect_uris,
        require_authorization_consent,
        additional_authorize_scopes, forward_pkce, forward_resource, fallback_access_token_expiry_seconds,
        fallback_refresh_token_expiry_seconds, token_expiry_threshold_seconds, timeout_seconds, allow_insecure_http;
        tables: identity, introspection, lifetimes, policy;
        lists: clients, routes
    }
    IdentityMembers { subject, email, email_verified, name, client_id, email_endpoint }
    Introspection { endpoint, client_id, client_secret, auth_method, cache_ttl_seconds, require_audience }
    Policy { emails, email_domains, subjects, groups, groups_claim, claims }
    Client { client_id, name, secret, redirect_uris, skip_consent }
    Lifetimes { transaction, code, access_token, refresh_token, grant, refresh_grace, consent }
    Route {
        path, r#match, backend, scopes, audience, connect_timeout, response_timeout, idle_timeout, max_body,
        allowed_origins, set_headers, pass_headers, backend_authorization;
        tables: policy, identity_headers
    }
    IdentityHeaders { subject, email, scopes, client, assertion }
}

/// A key that is a word of Rust has a mark as a field.
fn key(field: &'static str) -> &'static str {
    field.strip_prefix("r#").unwrap_or(field)
}

fn leaf<T, L: Leaf>(key: &'static str, _: fn(&T) -> &Option<L>) -> Field {
    Field::new(key, Shape::Leaf(L::KIND))
}

fn table<T, S: Slot>(key: &'static str, _: fn(&T) -> &S) -> Field {
    Field::new(key, Shape::Table(S::Table::fields(), S::SHORT))
}

fn list<T, I: Table>(key: &'static str, _: fn(&T) -> &Vec<I>) -> Field {
    Field::new(key, Shape::List(I::fields()))
}

// === impl Leaf ===

impl Leaf for String {}
impl Leaf for Scalar {}
impl Leaf for List {}
impl Leaf for Params {}
impl Leaf for Claims {}
impl Leaf for SetHeaders {}

impl Leaf for SecretSource {
    const KIND: Kind = Kind::Secret;

    fn from_file(path: &str) -> Option<Self> {
        Some(Self::File(path.to_owned()))
    }
}

impl Leaf for SecretList {
    const KIND: Kind = Kind::Secrets;

    fn from_file(path: &str) -> Option<Self> {
        SecretSource::from_file(path).map(Self::One)
    }

    fn from_many(secrets: Vec<SecretSource>) -> Option<Self> {
        Some(Self::Many(secrets))
    }
}

// === impl Slot ===

impl<T: Table> Slot for T {
    type Table = T;

    fn change(&mut self, change: impl FnOnce(&mut T)) {
        change(self);
    }
}

impl<T: Table> Slot for Option<T> {
    type Table = T;

    fn change(&mut self, change: impl FnOnce(&mut T)) {
        change(self.get_or_insert_default());
    }
}

impl Slot for Option<Storage> {
    type Table = StorageTable;
    const SHORT: Option<&'static str> = Some("backend");

    fn change(&mut self, change: impl FnOnce(&mut StorageTable)) {
        let mut table = self.take().map(Storage::into_table).unwrap_or_default();
        change(&mut table);
        *self = Some(Storage::Table(Box::new(table)));
    }
}

impl Slot for Option<Log> {
    type Table = LogTable;
    const SHORT: Option<&'static str> = Some("filter");

    fn change(&mut self, change: impl FnOnce(&mut LogTable)) {
        let mut table = self.take().map(Log::into_table).unwrap_or_default();
        change(&mut table);
        *self = Some(Log::Table(table));
    }
}
