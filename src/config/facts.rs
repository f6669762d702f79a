//! A plan as flat text by path: what is compared when a configuration changes, what an operator is
//! shown of a running instance, and what replicas are compared by.
//!
//! The paths are those of the configuration, except that a route is addressed by its public path
//! and a client by its identifier (`providers.auth0.routes[/mcp].max_body`): where something stands
//! in a list means nothing, so neither does moving it. No secret is in here, only fingerprints.

mod fingerprint;
mod protocol;

use std::{collections::BTreeMap, fmt::Display, time::Duration};

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use super::{
    origin::child,
    plan::{
        AccessTokenPlan, AudienceClaim, AuditPlan, BackendAuthorization, BackendPlan, ClaimRule, ClientAuthMethod,
        ConsentPlan, HeaderSource, IdentityHeaders, IntrospectionPlan, Lifetimes, LimitsPlan, LogFormat, LogPlan, Mode,
        PassHeaders, PathMatch, People, Plan, PolicyPlan, ProviderPlan, RedisPlan, RoutePlan, SetHeader, SigningPlan,
        StaticClient, StoragePlan, TlsPlan,
    },
};
use crate::{oauth::RedirectUri, secret::Secret};

pub use fingerprint::UNCOMPARABLE;

/// What is not set.
const NONE: &str = "none";
/// The hash of [`Facts::hash`], in bytes; twice that in hex digits.
const HASH_BYTES: usize = 6;

/// Everything in a plan, by path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// What anybody on the admin listener may read.
    plain: BTreeMap<String, String>,
    /// Fingerprints of secrets.
    secrets: BTreeMap<String, String>,
}

/// Facts below one path.
struct Section<'a> {
    facts: &'a mut Facts,
    at: String,
}

// === impl Facts ===

impl Facts {
    /// Every path with its text, by path; secrets as fingerprints.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.merged().into_iter()
    }

    /// The text at a path; of a secret, its fingerprint.
    pub fn get(&self, path: &str) -> Option<&str> {
        self.plain.get(path).or_else(|| self.secrets.get(path)).map(String::as_str)
    }

    /// 12 hex digits of the SHA-256 over everything but the fingerprints: the same for all replicas
    /// of one configuration, during the rotation of a secret too.
    pub fn hash(&self) -> String {
        let mut text = String::new();
        // Quoted, so that no value can look like two.
        for (path, value) in &self.plain {
            text.extend([&format!("{path:?}={value:?}"), "\n"]);
        }
        for path in self.secrets.keys() {
            text.extend([&format!("{path:?}"), "\n"]);
        }
        hex(digest(&SHA256, text.as_bytes()).as_ref(), HASH_BYTES)
    }

    /// What may leave the process: fingerprints that only this process understands are replaced.
    #[must_use]
    pub fn for_others(mut self) -> Self {
        for text in self.secrets.values_mut() {
            if fingerprint::is_private(text) {
                UNCOMPARABLE.clone_into(text);
            }
        }
        self
    }

    /// Paths of secrets that cannot be compared with those of another process.
    pub fn uncomparable(&self) -> impl Iterator<Item = &str> {
        let hidden = |text: &str| text == UNCOMPARABLE || fingerprint::is_private(text);
        self.secrets.iter().filter(move |(_, text)| hidden(text)).map(|(path, _)| path.as_str())
    }

    /// The names of all providers.
    pub(super) fn providers(&self) -> impl Iterator<Item = &str> {
        // Every provider has an issuer.
        self.plain.keys().filter_map(|path| provider_of(path).filter(|_| path.ends_with(".issuer_url")))
    }

    /// How people sign in at each provider, and at each one that a choice offers
    /// (`staff.choice[entra]`): when that is another way, it is another provider.
    pub(super) fn ways_in(&self) -> BTreeMap<String, String> {
        let fact = |at: &str, key: &str| self.plain.get(&child(at, key)).map(String::as_str).unwrap_or_default();
        let way = |(path, document): (&String, &String)| {
            let at = path.strip_suffix(".config_url")?;
            let source = if document == NONE { fact(at, "authorization_endpoint") } else { document };
            let name = at.strip_prefix("providers.")?;
            Some((name.to_owned(), format!("{} {source}", fact(at, "mode"))))
        };
        let choice = |name: &str| self.plain.contains_key(&format!("providers.{name}.choice"));
        let choices = self.providers().filter(|name| choice(name)).map(|name| (name.to_owned(), "choice".to_owned()));
        self.plain.iter().filter_map(way).chain(choices).collect()
    }

    pub(super) fn merged(&self) -> BTreeMap<&str, &str> {
        self.plain.iter().chain(&self.secrets).map(|(path, text)| (path.as_str(), text.as_str())).collect()
    }
}

// === impl Section ===

impl Section<'_> {
    fn fact(&mut self, key: &str, value: impl Display) {
        self.facts.plain.insert(child(&self.at, key), value.to_string());
    }

    fn maybe(&mut self, key: &str, value: Option<impl Display>) {
        match value {
            Some(value) => self.fact(key, value),
            None => self.fact(key, NONE),
        }
    }

    fn span(&mut self, key: &str, value: Duration) {
        self.fact(key, duration(value));
    }

    fn list(&mut self, key: &str, values: impl IntoIterator<Item = impl Display>) {
        let texts: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
        self.fact(key, if texts.is_empty() { NONE.to_owned() } else { texts.join(", ") });
    }

    fn secret(&mut self, key: &str, secret: &Secret) {
        self.facts.secrets.insert(child(&self.at, key), fingerprint::of(secret.expose()));
    }

    fn maybe_secret(&mut self, key: &str, secret: Option<&Secret>) {
        match secret {
            Some(secret) => self.secret(key, secret),
            None => self.fact(key, NONE),
        }
    }

    fn below(&mut self, key: &str) -> Section<'_> {
        let at = child(&self.at, key);
        Section { facts: self.facts, at }
    }
}

/// Everything in a plan. The patterns name every field, so that a new one cannot be forgotten.
pub fn facts(plan: &Plan) -> Facts {
    let Plan {
        public_url,
        allowed_hosts,
        listen,
        admin_listen,
        tls,
        storage,
        root_secrets,
        trusted_proxies,
        limits,
        signing,
        log,
        audit,
        providers,
    } = plan;
    let mut facts = Facts::default();
    let mut top = Section { facts: &mut facts, at: String::new() };
    top.fact("public_url", public_url);
    top.list("allowed_hosts", allowed_hosts);
    top.fact("listen", listen);
    top.fact("admin_listen", admin_listen.map_or_else(|| "off".to_owned(), |address| address.to_string()));
    if let Some(TlsPlan { certificate, key }) = tls {
        top.fact("tls.certificate", certificate.display());
        top.fact("tls.key", key.display());
    }
    match storage {
        StoragePlan::Memory => top.fact("storage.backend", "memory"),
        StoragePlan::Embedded { path } => {
            top.fact("storage.backend", "embedded");
            top.fact("storage.path", path.display());
        }
        StoragePlan::Redis(plan) => redis(&mut top.below("storage"), plan),
    }
    for (index, secret) in root_secrets.iter().enumerate() {
        top.secret(&format!("secret[{index}]"), secret);
    }
    top.list("trusted_proxies", trusted_proxies);
    self::limits(&mut top.below("limits"), limits);
    let SigningPlan { algorithm, keys, lifetime } = signing;
    top.fact("signing_algorithm", algorithm.name());
    for (index, key) in keys.iter().enumerate() {
        // Its public name, as in the key set.
        top.fact(&format!("signing_key[{index}]"), key.kid());
    }
    if keys.is_empty() {
        top.span("signing_key_lifetime", *lifetime);
    }
    let LogPlan { filter, format } = log;
    top.fact("log.filter", filter);
    let format = match format {
        LogFormat::Auto => "auto",
        LogFormat::Text => "text",
        LogFormat::Json => "json",
    };
    top.fact("log.format", format);
    match audit {
        AuditPlan::Off => top.fact("audit", "off"),
        AuditPlan::Stdout => top.fact("audit", "stdout"),
        AuditPlan::File(path) => top.fact("audit", path.display()),
    }
    for plan in providers {
        provider(&mut top.below(&format!("providers.{}", plan.name)), plan, false);
    }
    facts
}

/// The provider that a path belongs to.
pub(super) fn provider_of(path: &str) -> Option<&str> {
    // A provider's name has no dot.
    path.strip_prefix("providers.")?.split_once('.').map(|(name, _)| name)
}

fn redis(section: &mut Section<'_>, plan: &RedisPlan) {
    // The URLs say both.
    let RedisPlan { nodes: _, tls: _, database: _, ca, cluster, username, password, prefix, timeout } = plan;
    section.fact("backend", "redis");
    section.list("url", plan.urls());
    section.fact("cluster", cluster);
    section.maybe("username", username.as_ref());
    section.maybe_secret("password", password.as_ref());
    section.maybe("ca", ca.as_ref().map(|path| path.display()));
    section.fact("prefix", prefix);
    section.span("timeout", *timeout);
}

fn limits(section: &mut Section<'_>, plan: &LimitsPlan) {
    let LimitsPlan {
        connections,
        header_timeout,
        header_bytes,
        drain_timeout,
        registrations_per_hour,
        authorizations_per_minute,
        token_requests_per_minute,
    } = plan;
    section.fact("connections", connections);
    section.span("header_timeout", *header_timeout);
    section.fact("header_bytes", header_bytes);
    section.span("drain_timeout", *drain_timeout);
    section.fact("registrations_per_hour", registrations_per_hour);
    section.fact("authorizations_per_minute", authorizations_per_minute);
    section.fact("token_requests_per_minute", token_requests_per_minute);
}

/// `is_member`: what is mounted belongs to the choice above it, and nothing in it is about one identity
/// provider.
fn provider(section: &mut Section<'_>, plan: &ProviderPlan, is_member: bool) {
    let ProviderPlan {
        // A part of every path here.
        name: _,
        display_name,
        mount,
        issuer,
        service_documentation,
        config_url,
        protocol,
        choice,
        client_id,
        client_secret,
        token_endpoint_auth_method,
        mode,
        access_tokens,
        audience,
        required_scopes,
        valid_scopes,
        redirect_path,
        callback_url,
        extra_authorize_params,
        extra_token_params,
        offline_access,
        dynamic_registration,
        enable_cimd,
        private_use_schemes,
        allowed_client_redirect_uris,
        consent,
        clients,
        lifetimes,
        timeout,
        allow_insecure_http,
        policy,
        // Follows from the rules.
        needed_claims: _,
        routes,
    } = plan;
    section.fact("display_name", display_name);
    section.list("required_scopes", required_scopes.iter());
    section.list("valid_scopes", valid_scopes.iter());
    section.fact("redirect_path", redirect_path);
    if choice.is_empty() {
        section.fact("callback_url", callback_url);
        section.maybe("config_url", config_url.as_ref());
        protocol::facts(section, config_url.is_some(), protocol);
        section.fact("client_id", client_id);
        section.maybe_secret("client_secret", client_secret.as_ref());
        let method = token_endpoint_auth_method.map_or("by metadata", auth_method);
        section.fact("token_endpoint_auth_method", method);
        let mode = match mode {
            Mode::Proxy => "proxy",
            Mode::Remote => "remote",
        };
        section.fact("mode", mode);
        section.maybe("audience", audience.as_ref());
        self::access_tokens(section, access_tokens.as_ref());
        params(section, "extra_authorize_params", extra_authorize_params);
        params(section, "extra_token_params", extra_token_params);
        section.fact("offline_access", offline_access);
        section.span("timeout_seconds", *timeout);
        section.fact("allow_insecure_http", allow_insecure_http);
    } else {
        section.list("choice", choice.iter().map(|member| &member.name));
        for member in choice {
            provider(&mut section.below(&format!("choice[{}]", member.name)), member, true);
        }
    }
    self::policy(&mut section.below("policy"), policy);
    if is_member {
        return;
    }
    section.fact("mount", mount);
    // `issuer` is the provider's own.
    section.fact("issuer_url", issuer);
    section.maybe("service_documentation_url", service_documentation.as_ref());
    section.fact("dynamic_registration", dynamic_registration);
    section.fact("enable_cimd", enable_cimd);
    match private_use_schemes {
        Some(schemes) => section.list("private_use_schemes", schemes),
        None => section.fact("private_use_schemes", "any"),
    }
    match allowed_client_redirect_uris {
        Some(patterns) => section.list("allowed_client_redirect_uris", patterns),
        None => section.fact("allowed_client_redirect_uris", "any that is registered"),
    }
    let consent = match consent {
        ConsentPlan::Always => "true",
        ConsentPlan::Remember => "remember",
        ConsentPlan::External => "external",
        ConsentPlan::Off => "false",
    };
    section.fact("require_authorization_consent", consent);
    for plan in clients {
        client(&mut section.below(&format!("clients[{}]", plan.client_id)), plan);
    }
    self::lifetimes(&mut section.below("lifetimes"), *lifetimes);
    for plan in routes {
        route(&mut section.below(&format!("routes[{}]", plan.path)), plan);
    }
}

fn access_tokens(section: &mut Section<'_>, plan: Option<&AccessTokenPlan>) {
    let Some(AccessTokenPlan { audiences, audience_claim, scope_claims, introspection }) = plan else {
        section.fact("access_tokens", "not looked at");
        return;
    };
    section.list("access_tokens.audiences", audiences);
    let audience_claim = match audience_claim {
        AudienceClaim::Aud => "aud",
        AudienceClaim::ClientId => "client_id",
    };
    section.fact("audience_claim", audience_claim);
    section.list("scope_claims", scope_claims);
    let Some(plan) = introspection else { return };
    let IntrospectionPlan { endpoint, client_id, client_secret, auth_method, cache_ttl, require_audience } = plan;
    let mut section = section.below("introspection");
    match endpoint {
        Some(url) => section.fact("endpoint", url),
        None => section.fact("endpoint", "by metadata"),
    }
    section.fact("client_id", client_id);
    section.secret("client_secret", client_secret);
    section.fact("auth_method", self::auth_method(*auth_method));
    section.span("cache_ttl_seconds", *cache_ttl);
    section.fact("require_audience", require_audience);
}

const fn auth_method(method: ClientAuthMethod) -> &'static str {
    match method {
        ClientAuthMethod::Basic => "client_secret_basic",
        ClientAuthMethod::Post => "client_secret_post",
        ClientAuthMethod::None => "none",
    }
}

/// Nobody knows what a provider's own parameters hold: they count as secrets.
fn params(section: &mut Section<'_>, key: &str, params: &[(String, String)]) {
    for (name, value) in params {
        section.secret(&child(key, name), &Secret::new(value.as_str()));
    }
}

fn policy(section: &mut Section<'_>, plan: &PolicyPlan) {
    let PolicyPlan { people, groups, claims } = plan;
    if let Some(People { emails, email_domains, subjects }) = people {
        for (key, list) in [("emails", emails), ("email_domains", email_domains), ("subjects", subjects)] {
            if !list.is_empty() {
                section.list(key, list);
            }
        }
    }
    if let Some(ClaimRule { claim, any }) = groups {
        section.fact("groups_claim", claim);
        section.list("groups", any);
    }
    for ClaimRule { claim, any } in claims {
        section.list(&child("claims", claim), any);
    }
}

fn lifetimes(section: &mut Section<'_>, plan: Lifetimes) {
    let Lifetimes { transaction, code, access_token, refresh_token, grant, refresh_grace, consent } = plan;
    section.span("transaction", transaction);
    section.span("code", code);
    section.span("access_token", access_token);
    section.span("refresh_token", refresh_token);
    section.span("grant", grant);
    section.span("refresh_grace", refresh_grace);
    section.span("consent", consent);
}

fn client(section: &mut Section<'_>, plan: &StaticClient) {
    // The identifier is a part of every path here.
    let StaticClient { client_id: _, name, secret, redirect_uris, skip_consent } = plan;
    section.fact("name", name);
    section.maybe_secret("secret", secret.as_ref());
    section.list("redirect_uris", redirect_uris.iter().map(RedirectUri::as_str));
    section.fact("skip_consent", skip_consent);
}

fn route(section: &mut Section<'_>, plan: &RoutePlan) {
    let RoutePlan {
        id,
        // Both are parts of every path here.
        provider: _,
        path: _,
        matches,
        resource,
        audiences,
        backend: BackendPlan { url, connect_timeout, response_timeout, idle_timeout },
        required_scopes,
        policy,
        max_body,
        allowed_origins,
        identity_headers: IdentityHeaders { subject, email, scopes, client, assertion },
        set_headers,
        pass_headers,
        backend_authorization,
    } = plan;
    section.fact("id", id);
    let matches = match matches {
        PathMatch::Prefix => "prefix",
        PathMatch::Exact => "exact",
    };
    section.fact("match", matches);
    section.fact("resource", resource);
    section.list("audience", audiences);
    section.fact("backend", url);
    section.span("connect_timeout", *connect_timeout);
    section.span("response_timeout", *response_timeout);
    section.fact("idle_timeout", idle_timeout.map_or_else(|| "off".to_owned(), duration));
    section.list("scopes", required_scopes.iter());
    self::policy(&mut section.below("policy"), policy);
    section.fact("max_body", max_body);
    section.list("allowed_origins", allowed_origins);
    section.maybe("identity_headers.subject", subject.as_ref());
    section.maybe("identity_headers.email", email.as_ref());
    section.maybe("identity_headers.scopes", scopes.as_ref());
    section.maybe("identity_headers.client", client.as_ref());
    section.maybe("identity_headers.assertion", assertion.as_ref());
    for SetHeader { name, value } in set_headers {
        let key = child("set_headers", name.as_str());
        match value {
            HeaderSource::Fixed(secret) => section.secret(&key, secret),
            HeaderSource::Claim(claim) => section.fact(&key, format!("claim {claim}")),
        }
    }
    match pass_headers {
        Some(PassHeaders { names, families }) => {
            let families = families.iter().map(|family| format!("{family}*"));
            section.list("pass_headers", names.iter().map(ToString::to_string).chain(families));
        }
        None => section.fact("pass_headers", "all"),
    }
    let authorization = match backend_authorization {
        BackendAuthorization::None => "none",
        BackendAuthorization::ProviderToken => "provider_token",
        BackendAuthorization::Assertion => "assertion",
    };
    section.fact("backend_authorization", authorization);
}

/// A duration as a person would write it: `90d`, `1h 30m`, `500ms`.
fn duration(value: Duration) -> String {
    const UNITS: [(&str, u128); 5] = [
        ("d", 86_400_000_000_000),
        ("h", 3_600_000_000_000),
        ("m", 60_000_000_000),
        ("s", 1_000_000_000),
        ("ms", 1_000_000),
    ];
    let mut rest = value.as_nanos();
    let mut parts = Vec::new();
    for (unit, length) in UNITS {
        if rest >= length {
            parts.push(format!("{}{unit}", rest / length));
            rest %= length;
        }
    }
    if rest > 0 {
        parts.push(format!("{rest}ns"));
    }
    if parts.is_empty() {
        return "0s".to_owned();
    }
    parts.join(" ")
}

/// The first bytes in hex.
fn hex(bytes: &[u8], most: usize) -> String {
    let mut text = String::with_capacity(2 * most);
    for byte in bytes.iter().take(most) {
        text.extend(char::from_digit(u32::from(byte >> 4), 16));
        text.extend(char::from_digit(u32::from(byte & 15), 16));
    }
    text
}

#[cfg(test)]
mod tests;
