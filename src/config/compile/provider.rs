//! One OIDC upstream with everything mounted for it.

use std::{sync::Arc, time::Duration};

use url::Url;

use super::{
    access_tokens::{self, Application},
    application, choice,
    endpoints::{self, Says},
    mounted,
    overlap::Claims,
    policy, protocol,
    report::Report,
    scopes, value,
};
use crate::{
    config::{
        document::{Provider, keys::ONLY_PROVIDER},
        origin::child,
        plan::{HeaderSource, Mode, PolicyPlan, ProviderPlan, RoutePlan},
        preset::Preset,
    },
    oauth::Scopes,
};

pub(super) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// People have to find a provider's name on a button.
const MOST_NAME: usize = 32;

/// A provider as far as it could be understood.
pub(super) struct Draft {
    pub(super) plan: Option<ProviderPlan>,
    /// `None` also for one that is only offered in a choice.
    pub(super) claims: Option<Claims>,
    /// Its ID tokens say who signs in.
    pub(super) is_openid: bool,
    /// All that it may be asked for, if that is bounded.
    pub(super) limits: Option<Scopes>,
}

pub(super) fn compile(
    provider: &Provider,
    choice: Option<&str>,
    mounting: mounted::Place<'_>,
    report: &mut Report<'_>,
) -> Draft {
    let (name, public_url) = (mounting.name, mounting.public_url);
    let at = child("providers", name);
    check_name(&at, name, report);
    let preset = Preset::of(provider);
    let allow_insecure_http =
        report.scalar(&child(&at, "allow_insecure_http"), provider.allow_insecure_http.as_ref(), false, value::switch);
    let strict = protocol::strict(&at, provider, report);
    let says = Says::of(provider, strict);
    let place = endpoints::compile(&at, provider, says, allow_insecure_http, report);
    let protocol = protocol::compile(&at, provider, (&place, preset), (says, strict), report);
    let mode = access_tokens::mode(&at, provider, report);
    let client_id = match mode {
        Mode::Proxy => application::client_id(&child(&at, "client_id"), provider, report),
        Mode::Remote => Some(String::new()),
    };
    let (client_secret, auth_method) = application::client_authentication(&at, provider, report);
    let application = Application {
        client_id: client_id.as_deref().filter(|_| mode == Mode::Proxy),
        client_secret: client_secret.as_ref().filter(|_| mode == Mode::Proxy),
    };
    let allowed = place.allow_insecure_http;
    let access_tokens = access_tokens::compile(&at, provider, (mode, preset), &application, allowed, report);
    if mode == Mode::Remote {
        access_tokens::refuse_in_remote_mode(&at, provider, report);
    }
    let is_openid = says != Says::UserApi && mode == Mode::Proxy;
    let scopes = scopes::compile(&at, provider, is_openid, report);
    let offline_access = offline_access(&child(&at, "offline_access"), provider, scopes.asks_offline_access, report);
    let (extra_authorize_params, extra_token_params) = application::extra_params(&at, provider, report);
    let timeout = timeout(&child(&at, "timeout_seconds"), provider, report);

    let policy = policy::compile(&child(&at, "policy"), &provider.policy, report);
    // What is only offered in a choice has nothing of its own.
    let choice = choice.filter(|_| provider.routes.is_empty());
    match choice {
        Some(choice) => choice::refuse_keys_of_choice(&at, choice, report),
        None => mounted::demand_routes(&at, provider, report),
    }
    let of_remote = access_tokens.plan.as_ref().filter(|_| mode == Mode::Remote);
    let tokens = (mode, of_remote.map_or(&[][..], |plan| plan.audiences.as_slice()));
    let mounted = mounted::compile(&at, provider, scopes.routes, (mounting, tokens), report);
    let callback = mounted.redirect_path.as_deref().filter(|_| mode == Mode::Proxy);
    let claims = mounted.claims(name, &at, callback).filter(|_| choice.is_none());
    let limits = provider.valid_scopes.is_some().then(|| scopes.valid.clone());
    let tenant = protocol.tenants.as_ref().map(|tenants| tenants.claim);
    let plan = || {
        let (mount, redirect_path, public_url) = (mounted.mount?, mounted.redirect_path?, public_url?);
        let routes = mounted.routes?;
        let issuer = mounted.identifiers.issuer(public_url, &mount);
        Some(ProviderPlan {
            name: name.to_owned(),
            display_name: display_name(name, provider, place.host()),
            callback_url: Url::parse(&issuer.endpoint(&redirect_path)).ok()?,
            mount,
            issuer,
            service_documentation: mounted.identifiers.service_documentation,
            config_url: place.config_url,
            protocol: place.is_complete.then_some(protocol)?,
            choice: Vec::new(),
            client_id: client_id?,
            client_secret,
            token_endpoint_auth_method: auth_method,
            mode,
            access_tokens: access_tokens.plan,
            audience: access_tokens.audience,
            required_scopes: scopes.required,
            valid_scopes: scopes.valid,
            redirect_path,
            extra_authorize_params,
            extra_token_params,
            offline_access,
            dynamic_registration: mounted.strangers.dynamic_registration,
            enable_cimd: mounted.strangers.enable_cimd,
            private_use_schemes: mounted.strangers.private_use_schemes,
            allowed_client_redirect_uris: mounted.strangers.allowed_redirect_uris,
            consent: mounted.strangers.consent,
            clients: mounted.clients,
            lifetimes: mounted.lifetimes,
            timeout,
            allow_insecure_http: place.allow_insecure_http,
            needed_claims: needed_claims(tenant, &policy, &routes),
            policy,
            routes,
        })
    };
    Draft { plan: plan(), claims, is_openid, limits }
}

/// The names of the claims that rules and headers need; of a path, its first name, and the whole.
pub(super) fn needed_claims(tenant: Option<&str>, policy: &PolicyPlan, routes: &[Arc<RoutePlan>]) -> Vec<String> {
    let headers = routes.iter().flat_map(|route| &route.set_headers).filter_map(|header| match &header.value {
        HeaderSource::Claim(claim) => Some(claim.as_str()),
        HeaderSource::Fixed(_) => None,
    });
    let of_routes = routes.iter().flat_map(|route| route.policy.claims());
    let paths = tenant.into_iter().chain(policy.claims()).chain(of_routes).chain(headers);
    let mut names: Vec<String> =
        paths.flat_map(|path| [path, path.split('.').next().unwrap_or(path)]).map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}

pub(super) fn check_name(at: &str, name: &str, report: &mut Report<'_>) {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    let good = name.len() <= MOST_NAME
        && name.bytes().all(plain)
        && name.bytes().next().is_some_and(|first| first.is_ascii_lowercase());
    if !good {
        let message = format!(
            "a provider's name is 1 to {MOST_NAME} lower-case letters, digits, `-` and `_`, and begins with a letter"
        );
        report
            .key_error(at, message)
            .help("it becomes a part of paths, metrics and variables: write `auth0`, `entra-test`");
    }
}

fn display_name(name: &str, provider: &Provider, host: Option<String>) -> String {
    let written = provider.display_name.as_deref().map(str::trim).filter(|name| !name.is_empty());
    match written {
        Some(written) => written.to_owned(),
        // Nobody chose that name.
        None if name == ONLY_PROVIDER => host.unwrap_or_else(|| name.to_owned()),
        None => name.to_owned(),
    }
}

fn offline_access(at: &str, provider: &Provider, asked: bool, report: &mut Report<'_>) -> bool {
    let offline = report.scalar(at, provider.offline_access.as_ref(), true, value::switch);
    if asked && !offline {
        report
            .error(at, "contradicts the scopes, where `offline_access` is named")
            .offending("false")
            .help("remove `offline_access` from the scopes, or write `offline_access: true`");
    }
    offline
}

fn timeout(at: &str, provider: &Provider, report: &mut Report<'_>) -> Duration {
    report.scalar(at, provider.timeout_seconds.as_ref(), DEFAULT_TIMEOUT, |text| {
        value::seconds(text, Duration::from_millis(10), Duration::from_mins(2))
    })
}
