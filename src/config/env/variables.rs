//! The two flat blocks of variables: of the process, and of one provider. Each field is a variable
//! (in capitals, after the block's prefix); the keys they set are documented in the document.

use serde::Deserialize;

use super::layer::Layer;
use crate::config::{
    diagnostic::{Diagnostic, Diagnostics},
    document::{
        Document, Introspection, List, Log, Params, Provider, Route, Scalar, SecretList, SecretSource, Storage,
    },
    origin::item,
};

/// Path of the one route that variables describe, if they do not say.
const DEFAULT_ROUTE_PATH: &str = "/mcp";

/// `VESTIBULE_…`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ServerVariables {
    version: Option<Scalar>,
    public_url: Option<String>,
    allowed_hosts: Option<List>,
    listen: Option<Scalar>,
    admin_listen: Option<Scalar>,
    tls_certificate: Option<String>,
    tls_key: Option<String>,
    storage: Option<String>,
    storage_path: Option<String>,
    secret: Option<SecretSource>,
    secret_file: Option<String>,
    trusted_proxies: Option<List>,
    limits_connections: Option<Scalar>,
    limits_header_timeout: Option<Scalar>,
    limits_header_bytes: Option<Scalar>,
    limits_drain_timeout: Option<Scalar>,
    limits_registrations_per_hour: Option<Scalar>,
    limits_authorizations_per_minute: Option<Scalar>,
    limits_token_requests_per_minute: Option<Scalar>,
    signing_algorithm: Option<String>,
    log: Option<String>,
    log_format: Option<String>,
    audit: Option<Scalar>,
    #[serde(rename = "providers")]
    _providers: Option<List>,
}

/// `VESTIBULE_<NAME>_…`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ProviderVariables {
    preset: Option<String>,
    domain: Option<String>,
    tenant_id: Option<String>,
    base_authority: Option<String>,
    identifier_uri: Option<String>,
    authorization_server: Option<String>,
    server_url: Option<String>,
    realm: Option<String>,
    user_pool_id: Option<String>,
    aws_region: Option<String>,
    authkit_domain: Option<String>,
    environment_url: Option<String>,
    project_id: Option<String>,
    project_url: Option<String>,
    display_name: Option<String>,
    mount: Option<String>,
    config_url: Option<String>,
    strict: Option<Scalar>,
    issuer: Option<String>,
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
    userinfo_endpoint: Option<String>,
    revocation_endpoint: Option<String>,
    jwks_uri: Option<String>,
    algorithm: Option<List>,
    identity_subject: Option<String>,
    identity_email: Option<String>,
    identity_email_verified: Option<Scalar>,
    identity_name: Option<String>,
    identity_client_id: Option<String>,
    identity_email_endpoint: Option<String>,
    client_id: Option<String>,
    client_secret: Option<SecretSource>,
    client_secret_file: Option<String>,
    token_endpoint_auth_method: Option<String>,
    mode: Option<String>,
    audience: Option<List>,
    verify_id_token: Option<Scalar>,
    scope_claims: Option<List>,
    introspection_endpoint: Option<String>,
    introspection_client_id: Option<String>,
    introspection_client_secret: Option<SecretSource>,
    introspection_client_secret_file: Option<String>,
    introspection_auth_method: Option<String>,
    introspection_cache_ttl_seconds: Option<Scalar>,
    introspection_require_audience: Option<Scalar>,
    required_scopes: Option<List>,
    valid_scopes: Option<List>,
    redirect_path: Option<String>,
    extra_authorize_params: Option<Params>,
    extra_token_params: Option<Params>,
    offline_access: Option<Scalar>,
    dynamic_registration: Option<Scalar>,
    client_id_metadata_documents: Option<Scalar>,
    private_use_schemes: Option<List>,
    policy_emails: Option<List>,
    policy_email_domains: Option<List>,
    policy_subjects: Option<List>,
    policy_groups: Option<List>,
    policy_groups_claim: Option<String>,
    lifetimes_transaction: Option<Scalar>,
    lifetimes_code: Option<Scalar>,
    lifetimes_access_token: Option<Scalar>,
    lifetimes_refresh_token: Option<Scalar>,
    lifetimes_grant: Option<Scalar>,
    lifetimes_refresh_grace: Option<Scalar>,
    additional_authorize_scopes: Option<List>,
    forward_pkce: Option<Scalar>,
    forward_resource: Option<Scalar>,
    fallback_access_token_expiry_seconds: Option<Scalar>,
    fallback_refresh_token_expiry_seconds: Option<Scalar>,
    token_expiry_threshold_seconds: Option<Scalar>,
    timeout_seconds: Option<Scalar>,
    allow_insecure_http: Option<Scalar>,
    backend: Option<String>,
    route_path: Option<String>,
    route_policy_emails: Option<List>,
    route_policy_email_domains: Option<List>,
    route_policy_subjects: Option<List>,
    route_policy_groups: Option<List>,
    route_policy_groups_claim: Option<String>,
    route_scopes: Option<List>,
    route_connect_timeout: Option<Scalar>,
    route_response_timeout: Option<Scalar>,
    route_max_body: Option<Scalar>,
    route_allowed_origins: Option<List>,
    route_identity_headers_subject: Option<String>,
    route_identity_headers_email: Option<String>,
    route_identity_headers_scopes: Option<String>,
    route_identity_headers_client: Option<String>,
    route_identity_headers_assertion: Option<String>,
    route_backend_authorization: Option<String>,
}

// === impl ServerVariables ===

impl ServerVariables {
    pub(super) fn apply(self, document: &mut Document, layer: &mut Layer<'_>, found: &mut Diagnostics) {
        layer.set(&mut document.version, self.version, "version");
        layer.set(&mut document.public_url, self.public_url, "public_url");
        layer.set(&mut document.allowed_hosts, self.allowed_hosts, "allowed_hosts");
        layer.set(&mut document.listen, self.listen, "listen");
        layer.set(&mut document.admin_listen, self.admin_listen, "admin_listen");
        layer.set(&mut document.trusted_proxies, self.trusted_proxies, "trusted_proxies");
        layer.set(&mut document.signing_algorithm, self.signing_algorithm, "signing_algorithm");
        layer.set(&mut document.audit, self.audit, "audit");
        let limits = &mut document.limits;
        layer.set(&mut limits.connections, self.limits_connections, "limits.connections");
        layer.set(&mut limits.header_timeout, self.limits_header_timeout, "limits.header_timeout");
        layer.set(&mut limits.header_bytes, self.limits_header_bytes, "limits.header_bytes");
        layer.set(&mut limits.drain_timeout, self.limits_drain_timeout, "limits.drain_timeout");
        let (registrations, authorizations) =
            (self.limits_registrations_per_hour, self.limits_authorizations_per_minute);
        layer.set(&mut limits.registrations_per_hour, registrations, "limits.registrations_per_hour");
        layer.set(&mut limits.authorizations_per_minute, authorizations, "limits.authorizations_per_minute");
        let token_requests = self.limits_token_requests_per_minute;
        layer.set(&mut limits.token_requests_per_minute, token_requests, "limits.token_requests_per_minute");
        if self.tls_certificate.is_some() || self.tls_key.is_some() {
            let tls = document.tls.get_or_insert_default();
            layer.set(&mut tls.certificate, self.tls_certificate, "tls.certificate");
            layer.set(&mut tls.key, self.tls_key, "tls.key");
        }
        if self.storage.is_some() || self.storage_path.is_some() {
            let mut table = document.storage.take().map(Storage::into_table).unwrap_or_default();
            layer.set_as(&mut table.backend, self.storage, "storage.backend", "STORAGE");
            layer.set(&mut table.path, self.storage_path, "storage.path");
            document.storage = Some(Storage::Table(table));
        }
        if self.log.is_some() || self.log_format.is_some() {
            let mut table = document.log.take().map(Log::into_table).unwrap_or_default();
            layer.set_as(&mut table.filter, self.log, "log.filter", "LOG");
            layer.set(&mut table.format, self.log_format, "log.format");
            document.log = Some(Log::Table(table));
        }
        let mut secret = None;
        layer.secret(&mut secret, self.secret, self.secret_file, "secret", found);
        if let Some(secret) = secret {
            document.secret = Some(SecretList::One(secret));
        }
    }
}

// === impl ProviderVariables ===

impl ProviderVariables {
    pub(super) fn apply(mut self, provider: &mut Provider, layer: &mut Layer<'_>, found: &mut Diagnostics) {
        self.apply_route(&mut provider.routes, layer, found);
        self.apply_introspection(provider, layer, found);
        layer.set(&mut provider.mode, self.mode, "mode");
        layer.set(&mut provider.verify_id_token, self.verify_id_token, "verify_id_token");
        layer.set(&mut provider.scope_claims, self.scope_claims, "scope_claims");
        layer.set(&mut provider.preset, self.preset, "preset");
        layer.set(&mut provider.domain, self.domain, "domain");
        layer.set(&mut provider.tenant_id, self.tenant_id, "tenant_id");
        layer.set(&mut provider.base_authority, self.base_authority, "base_authority");
        layer.set(&mut provider.identifier_uri, self.identifier_uri, "identifier_uri");
        layer.set(&mut provider.authorization_server, self.authorization_server, "authorization_server");
        layer.set(&mut provider.server_url, self.server_url, "server_url");
        layer.set(&mut provider.realm, self.realm, "realm");
        layer.set(&mut provider.user_pool_id, self.user_pool_id, "user_pool_id");
        layer.set(&mut provider.aws_region, self.aws_region, "aws_region");
        layer.set(&mut provider.authkit_domain, self.authkit_domain, "authkit_domain");
        layer.set(&mut provider.environment_url, self.environment_url, "environment_url");
        layer.set(&mut provider.project_id, self.project_id, "project_id");
        layer.set(&mut provider.project_url, self.project_url, "project_url");
        layer.set(&mut provider.display_name, self.display_name, "display_name");
        layer.set(&mut provider.mount, self.mount, "mount");
        layer.set(&mut provider.config_url, self.config_url, "config_url");
        layer.set(&mut provider.strict, self.strict, "strict");
        layer.set(&mut provider.issuer, self.issuer, "issuer");
        layer.set(&mut provider.authorization_endpoint, self.authorization_endpoint, "authorization_endpoint");
        layer.set(&mut provider.token_endpoint, self.token_endpoint, "token_endpoint");
        layer.set(&mut provider.userinfo_endpoint, self.userinfo_endpoint, "userinfo_endpoint");
        layer.set(&mut provider.revocation_endpoint, self.revocation_endpoint, "revocation_endpoint");
        layer.set(&mut provider.jwks_uri, self.jwks_uri, "jwks_uri");
        layer.set(&mut provider.algorithm, self.algorithm, "algorithm");
        let identity = &mut provider.identity;
        layer.set(&mut identity.subject, self.identity_subject, "identity.subject");
        layer.set(&mut identity.email, self.identity_email, "identity.email");
        layer.set(&mut identity.email_verified, self.identity_email_verified, "identity.email_verified");
        layer.set(&mut identity.name, self.identity_name, "identity.name");
        layer.set(&mut identity.client_id, self.identity_client_id, "identity.client_id");
        layer.set(&mut identity.email_endpoint, self.identity_email_endpoint, "identity.email_endpoint");
        layer.set(&mut provider.client_id, self.client_id, "client_id");
        layer.secret(&mut provider.client_secret, self.client_secret, self.client_secret_file, "client_secret", found);
        let method = self.token_endpoint_auth_method;
        layer.set(&mut provider.token_endpoint_auth_method, method, "token_endpoint_auth_method");
        layer.set(&mut provider.audience, self.audience, "audience");
        layer.set(&mut provider.required_scopes, self.required_scopes, "required_scopes");
        layer.set(&mut provider.valid_scopes, self.valid_scopes, "valid_scopes");
        layer.set(&mut provider.redirect_path, self.redirect_path, "redirect_path");
        layer.set(&mut provider.extra_authorize_params, self.extra_authorize_params, "extra_authorize_params");
        layer.set(&mut provider.extra_token_params, self.extra_token_params, "extra_token_params");
        layer.set(&mut provider.offline_access, self.offline_access, "offline_access");
        layer.set(&mut provider.dynamic_registration, self.dynamic_registration, "dynamic_registration");
        let documents = self.client_id_metadata_documents;
        layer.set(&mut provider.client_id_metadata_documents, documents, "client_id_metadata_documents");
        layer.set(&mut provider.private_use_schemes, self.private_use_schemes, "private_use_schemes");
        let policy = &mut provider.policy;
        layer.set(&mut policy.emails, self.policy_emails, "policy.emails");
        layer.set(&mut policy.email_domains, self.policy_email_domains, "policy.email_domains");
        layer.set(&mut policy.subjects, self.policy_subjects, "policy.subjects");
        layer.set(&mut policy.groups, self.policy_groups, "policy.groups");
        layer.set(&mut policy.groups_claim, self.policy_groups_claim, "policy.groups_claim");
        let lifetimes = &mut provider.lifetimes;
        layer.set(&mut lifetimes.transaction, self.lifetimes_transaction, "lifetimes.transaction");
        layer.set(&mut lifetimes.code, self.lifetimes_code, "lifetimes.code");
        layer.set(&mut lifetimes.access_token, self.lifetimes_access_token, "lifetimes.access_token");
        layer.set(&mut lifetimes.refresh_token, self.lifetimes_refresh_token, "lifetimes.refresh_token");
        layer.set(&mut lifetimes.grant, self.lifetimes_grant, "lifetimes.grant");
        layer.set(&mut lifetimes.refresh_grace, self.lifetimes_refresh_grace, "lifetimes.refresh_grace");
        let scopes = self.additional_authorize_scopes;
        layer.set(&mut provider.additional_authorize_scopes, scopes, "additional_authorize_scopes");
        layer.set(&mut provider.forward_pkce, self.forward_pkce, "forward_pkce");
        layer.set(&mut provider.forward_resource, self.forward_resource, "forward_resource");
        let lifetimes = [
            (
                &mut provider.fallback_access_token_expiry_seconds,
                self.fallback_access_token_expiry_seconds,
                "fallback_access_token_expiry_seconds",
            ),
            (
                &mut provider.fallback_refresh_token_expiry_seconds,
                self.fallback_refresh_token_expiry_seconds,
                "fallback_refresh_token_expiry_seconds",
            ),
            (
                &mut provider.token_expiry_threshold_seconds,
                self.token_expiry_threshold_seconds,
                "token_expiry_threshold_seconds",
            ),
        ];
        for (slot, value, key) in lifetimes {
            layer.set(slot, value, key);
        }
        layer.set(&mut provider.timeout_seconds, self.timeout_seconds, "timeout_seconds");
        layer.set(&mut provider.allow_insecure_http, self.allow_insecure_http, "allow_insecure_http");
    }

    /// A table that changes something by being there: made only if a variable says so.
    fn apply_introspection(&mut self, provider: &mut Provider, layer: &mut Layer<'_>, found: &mut Diagnostics) {
        let mut table = provider.introspection.clone().unwrap_or_default();
        layer.set(&mut table.endpoint, self.introspection_endpoint.take(), "introspection.endpoint");
        layer.set(&mut table.client_id, self.introspection_client_id.take(), "introspection.client_id");
        let (secret, file) = (self.introspection_client_secret.take(), self.introspection_client_secret_file.take());
        layer.secret(&mut table.client_secret, secret, file, "introspection.client_secret", found);
        layer.set(&mut table.auth_method, self.introspection_auth_method.take(), "introspection.auth_method");
        let ttl = self.introspection_cache_ttl_seconds.take();
        layer.set(&mut table.cache_ttl_seconds, ttl, "introspection.cache_ttl_seconds");
        let audience = self.introspection_require_audience.take();
        layer.set(&mut table.require_audience, audience, "introspection.require_audience");
        if table != Introspection::default() {
            provider.introspection = Some(table);
        }
    }

    /// The one route that variables can describe: the only one, a new one, or of several the one
    /// with `ROUTE_PATH`.
    fn apply_route(&mut self, routes: &mut Vec<Route>, layer: &mut Layer<'_>, found: &mut Diagnostics) {
        let Some(first) = self.route_variable() else { return };
        let index = match routes.len() {
            0 => {
                let path = self.route_path.is_none().then(|| DEFAULT_ROUTE_PATH.to_owned());
                routes.push(Route { path, ..Route::default() });
                0
            }
            1 => 0,
            _ => {
                let named = |route: &Route| route.path.is_some() && route.path == self.route_path;
                let Some(index) = routes.iter().position(named) else {
                    let message = "does not say which of the file's routes it changes";
                    let mut diagnostic = Diagnostic::error("", layer.origin(first), message);
                    diagnostic.help("set the variable …_ROUTE_PATH to the `path` of one of them, or change the file");
                    found.push(diagnostic);
                    return;
                };
                index
            }
        };
        let Some(route) = routes.get_mut(index) else { return };
        let key = |name: &str| format!("{}.{name}", item("routes", index));
        layer.set_as(&mut route.path, self.route_path.take(), &key("path"), "ROUTE_PATH");
        layer.set_as(&mut route.backend, self.backend.take(), &key("backend"), "BACKEND");
        layer.set_as(&mut route.scopes, self.route_scopes.take(), &key("scopes"), "ROUTE_SCOPES");
        let (connect, response) = (self.route_connect_timeout.take(), self.route_response_timeout.take());
        layer.set_as(&mut route.connect_timeout, connect, &key("connect_timeout"), "ROUTE_CONNECT_TIMEOUT");
        layer.set_as(&mut route.response_timeout, response, &key("response_timeout"), "ROUTE_RESPONSE_TIMEOUT");
        layer.set_as(&mut route.max_body, self.route_max_body.take(), &key("max_body"), "ROUTE_MAX_BODY");
        let origins = self.route_allowed_origins.take();
        layer.set_as(&mut route.allowed_origins, origins, &key("allowed_origins"), "ROUTE_ALLOWED_ORIGINS");
        let authorization = self.route_backend_authorization.take();
        let variable = "ROUTE_BACKEND_AUTHORIZATION";
        layer.set_as(&mut route.backend_authorization, authorization, &key("backend_authorization"), variable);
        let policy = &mut route.policy;
        let lists = [
            (&mut policy.emails, self.route_policy_emails.take(), "emails"),
            (&mut policy.email_domains, self.route_policy_email_domains.take(), "email_domains"),
            (&mut policy.subjects, self.route_policy_subjects.take(), "subjects"),
            (&mut policy.groups, self.route_policy_groups.take(), "groups"),
        ];
        for (slot, value, name) in lists {
            let variable = format!("ROUTE_POLICY_{}", name.to_ascii_uppercase());
            layer.set_as(slot, value, &key(&format!("policy.{name}")), &variable);
        }
        let (claim, variable) = (self.route_policy_groups_claim.take(), "ROUTE_POLICY_GROUPS_CLAIM");
        layer.set_as(&mut policy.groups_claim, claim, &key("policy.groups_claim"), variable);
        let headers = &mut route.identity_headers;
        let all = [
            (&mut headers.subject, self.route_identity_headers_subject.take(), "subject"),
            (&mut headers.email, self.route_identity_headers_email.take(), "email"),
            (&mut headers.scopes, self.route_identity_headers_scopes.take(), "scopes"),
            (&mut headers.client, self.route_identity_headers_client.take(), "client"),
            (&mut headers.assertion, self.route_identity_headers_assertion.take(), "assertion"),
        ];
        for (slot, value, name) in all {
            let variable = format!("ROUTE_IDENTITY_HEADERS_{}", name.to_ascii_uppercase());
            layer.set_as(slot, value, &key(&format!("identity_headers.{name}")), &variable);
        }
    }

    /// The name of one variable of the route that is set.
    fn route_variable(&self) -> Option<&'static str> {
        let set = [
            (self.backend.is_some(), "BACKEND"),
            (self.route_path.is_some(), "ROUTE_PATH"),
            (self.route_policy_emails.is_some(), "ROUTE_POLICY_EMAILS"),
            (self.route_policy_email_domains.is_some(), "ROUTE_POLICY_EMAIL_DOMAINS"),
            (self.route_policy_subjects.is_some(), "ROUTE_POLICY_SUBJECTS"),
            (self.route_policy_groups.is_some(), "ROUTE_POLICY_GROUPS"),
            (self.route_policy_groups_claim.is_some(), "ROUTE_POLICY_GROUPS_CLAIM"),
            (self.route_scopes.is_some(), "ROUTE_SCOPES"),
            (self.route_connect_timeout.is_some(), "ROUTE_CONNECT_TIMEOUT"),
            (self.route_response_timeout.is_some(), "ROUTE_RESPONSE_TIMEOUT"),
            (self.route_max_body.is_some(), "ROUTE_MAX_BODY"),
            (self.route_allowed_origins.is_some(), "ROUTE_ALLOWED_ORIGINS"),
            (self.route_backend_authorization.is_some(), "ROUTE_BACKEND_AUTHORIZATION"),
            (self.route_identity_headers_subject.is_some(), "ROUTE_IDENTITY_HEADERS_SUBJECT"),
            (self.route_identity_headers_email.is_some(), "ROUTE_IDENTITY_HEADERS_EMAIL"),
            (self.route_identity_headers_scopes.is_some(), "ROUTE_IDENTITY_HEADERS_SCOPES"),
            (self.route_identity_headers_client.is_some(), "ROUTE_IDENTITY_HEADERS_CLIENT"),
            (self.route_identity_headers_assertion.is_some(), "ROUTE_IDENTITY_HEADERS_ASSERTION"),
        ];
        set.into_iter().find_map(|(set, name)| set.then_some(name))
    }
}
