//! One OIDC upstream with everything mounted for it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use url::Url;

use super::{
    access_tokens::{self, Application},
    application,
    endpoints::{self, Says},
    lifetimes,
    overlap::Claims,
    policy, protocol,
    report::Report,
    route::{self, below},
    scopes, server, static_client,
    value::{self, Refusal},
};
use crate::{
    config::{
        document::{
            Provider, Scalar,
            keys::{self, ONLY_PROVIDER},
        },
        origin::{child, item},
        plan::{Mode, PolicyPlan, ProviderPlan, RoutePlan},
        preset::Preset,
    },
    oauth::{Issuer, RedirectUri},
};

const DEFAULT_REDIRECT_PATH: &str = "/auth/callback";
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// People have to find a provider's name on a button.
const MOST_NAME: usize = 32;

/// A provider as far as it could be understood.
pub(super) struct Draft {
    pub(super) plan: Option<ProviderPlan>,
    pub(super) claims: Option<Claims>,
}

pub(super) fn compile(
    name: &str,
    provider: &Provider,
    is_only: bool,
    public_url: Option<&Url>,
    listen: SocketAddr,
    report: &mut Report<'_>,
) -> Draft {
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
    let mount = mount(&at, name, provider, is_only, report);
    let redirect_path = redirect_path(&child(&at, "redirect_path"), provider, report);
    let (extra_authorize_params, extra_token_params) = application::extra_params(&at, provider, report);
    let switch = |key: &str, scalar: Option<&Scalar>, report: &mut Report<'_>| {
        report.scalar(&child(&at, key), scalar, true, value::switch)
    };
    let dynamic_registration = switch("dynamic_registration", provider.dynamic_registration.as_ref(), report);
    let documents = provider.client_id_metadata_documents.as_ref();
    let client_id_metadata_documents = switch("client_id_metadata_documents", documents, report);
    let private_use_schemes = private_use_schemes(&child(&at, "private_use_schemes"), provider, report);
    let clients = static_client::compile(&child(&at, "clients"), &provider.clients, report);
    let lifetimes = lifetimes::compile(&child(&at, "lifetimes"), &provider.lifetimes, report);
    let timeout = timeout(&child(&at, "timeout_seconds"), provider, report);

    demand_routes(&at, provider, report);
    let policy = policy::compile(&child(&at, "policy"), &provider.policy, report);
    let route_place = route::Place { provider: name, mount: mount.as_deref(), public_url, listen };
    let mut route_paths = Vec::new();
    let mut routes = Vec::new();
    for ((index, written), required) in provider.routes.iter().enumerate().zip(scopes.routes) {
        let at = item(&child(&at, "routes"), index);
        let path = route::path(&at, written, report);
        if let (Some(mount), Some(path)) = (&mount, &path) {
            route_paths.push((at.clone(), below(mount, path)));
        }
        routes.push(route::compile(&at, written, path.as_deref(), required, &route_place, report).map(Arc::new));
    }

    let claims = mount.clone().map(|mount| Claims {
        name: name.to_owned(),
        at,
        redirect_path: redirect_path.as_deref().filter(|_| mode == Mode::Proxy).map(|path| below(&mount, path)),
        mount,
        routes: route_paths,
    });
    let plan = || {
        let (mount, redirect_path, public_url) = (mount?, redirect_path?, public_url?);
        let routes = routes.into_iter().collect::<Option<Vec<_>>>()?;
        let issuer = Issuer::new(public_url, &mount);
        Some(ProviderPlan {
            name: name.to_owned(),
            display_name: display_name(name, provider, place.host()),
            callback_url: Url::parse(&issuer.endpoint(&redirect_path)).ok()?,
            mount,
            issuer,
            config_url: place.config_url,
            protocol: place.is_complete.then_some(protocol)?,
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
            dynamic_registration,
            client_id_metadata_documents,
            private_use_schemes,
            clients,
            lifetimes,
            timeout,
            allow_insecure_http: place.allow_insecure_http,
            needed_claims: needed_claims(&policy, &routes),
            policy,
            routes,
        })
    };
    Draft { plan: plan(), claims }
}

/// The names of the claims that rules look at; of a path, its first name, and the whole.
fn needed_claims(policy: &PolicyPlan, routes: &[Arc<RoutePlan>]) -> Vec<String> {
    let paths = policy.claims().chain(routes.iter().flat_map(|route| route.policy.claims()));
    let mut names: Vec<String> =
        paths.flat_map(|path| [path, path.split('.').next().unwrap_or(path)]).map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}

fn demand_routes(at: &str, provider: &Provider, report: &mut Report<'_>) {
    if provider.routes.is_empty() {
        let variable = keys::variable(&format!("{at}.backend")).unwrap_or_default();
        report.key_error(&child(at, "routes"), "are missing: nothing is protected").help(format!(
            "add `routes:`, below it `- path: /mcp` and `backend: http://127.0.0.1:3000/mcp`, or set {variable}"
        ));
    }
}

fn check_name(at: &str, name: &str, report: &mut Report<'_>) {
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

fn mount(at: &str, name: &str, provider: &Provider, is_only: bool, report: &mut Report<'_>) -> Option<String> {
    match &provider.mount {
        Some(text) => report.read(&child(at, "mount"), text.trim(), value::path),
        None if is_only => Some("/".to_owned()),
        None => Some(format!("/{name}")),
    }
}

fn redirect_path(at: &str, provider: &Provider, report: &mut Report<'_>) -> Option<String> {
    let text = provider.redirect_path.as_deref().unwrap_or(DEFAULT_REDIRECT_PATH);
    report.read(at, text.trim(), |text| match value::path(text)?.as_str() {
        "/" => Err(Refusal::new("is the mount itself", format!("write `{DEFAULT_REDIRECT_PATH}`"))),
        path => Ok(path.to_owned()),
    })
}

fn timeout(at: &str, provider: &Provider, report: &mut Report<'_>) -> Duration {
    report.scalar(at, provider.timeout_seconds.as_ref(), DEFAULT_TIMEOUT, |text| {
        value::seconds(text, Duration::from_millis(10), Duration::from_mins(2))
    })
}

fn private_use_schemes(at: &str, provider: &Provider, report: &mut Report<'_>) -> Option<Vec<String>> {
    let schemes = provider.private_use_schemes.as_ref()?;
    Some(server::list(at, Some(schemes), report, private_use_scheme))
}

fn private_use_scheme(text: &str) -> Result<String, Refusal> {
    let scheme = text.trim_end_matches("://").trim_end_matches(':').to_ascii_lowercase();
    let usable = RedirectUri::parse(&format!("{scheme}://callback")).is_ok_and(|uri| uri.is_private_use());
    if usable {
        Ok(scheme)
    } else {
        Err(Refusal::new("is no scheme of an application", "write only the scheme: `cursor`, `com.example.app`"))
    }
}
