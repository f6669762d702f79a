//! Whose access tokens open the routes, and how those of the provider are checked.

use std::time::Duration;

use super::{
    application,
    report::Report,
    server::list,
    value::{self, Refusal},
};
use crate::{
    config::{
        document::{IdentityMembers, Introspection, Lifetimes, Provider},
        origin::{child, item},
        plan::{AccessTokenPlan, AudienceClaim, ClientAuthMethod, IntrospectionPlan, Mode},
        preset::{Audience, Preset},
    },
    oauth::redirect_uri::is_loopback,
    secret::Secret,
};

/// Where scopes are, in most providers' tokens: RFC 9068, and Okta and Entra.
const SCOPE_CLAIMS: [&str; 2] = ["scope", "scp"];
const DEFAULT_TTL_SECONDS: u64 = 30;

/// What was understood.
pub(super) struct AccessTokens {
    pub(super) plan: Option<AccessTokenPlan>,
    /// What is sent to the provider.
    pub(super) audience: Option<String>,
}

/// The application's credentials, which introspection uses if it has none of its own.
pub(super) struct Application<'a> {
    pub(super) client_id: Option<&'a str>,
    pub(super) client_secret: Option<&'a Secret>,
}

pub(super) fn mode(at: &str, provider: &Provider, report: &mut Report<'_>) -> Mode {
    let choices = [("proxy", Mode::Proxy), ("remote", Mode::Remote)];
    let written = provider.mode.as_deref();
    let read = |text: &str| report.read(&child(at, "mode"), text.trim(), |text| value::choice(text, &choices));
    written.and_then(read).unwrap_or(Mode::Proxy)
}

pub(super) fn compile(
    at: &str,
    provider: &Provider,
    (mode, preset): (Mode, &'static Preset),
    application: &Application<'_>,
    allow_insecure_http: bool,
    report: &mut Report<'_>,
) -> AccessTokens {
    let audience_at = child(at, "audience");
    let audiences = list(&audience_at, provider.audience.as_ref(), report, |text| Ok(text.to_owned()));
    if provider.audience.is_some() && audiences.is_empty() {
        report.error(&audience_at, "is empty").help("write the API's identifier, or remove `audience`");
    }
    let audience_claim = audience_claim(&child(at, "audience_claim"), provider, preset, report);
    let introspection = provider.introspection.as_ref().and_then(|written| {
        introspection(&child(at, "introspection"), written, application, allow_insecure_http, report)
    });
    let claims_at = child(at, "scope_claims");
    let scope_claims = match &provider.scope_claims {
        None => SCOPE_CLAIMS.map(str::to_owned).to_vec(),
        Some(claims) => list(&claims_at, Some(claims), report, claim_name),
    };
    match mode {
        Mode::Remote => {
            let plan = Some(AccessTokenPlan { audiences, audience_claim, scope_claims, introspection });
            AccessTokens { plan, audience: None }
        }
        Mode::Proxy => {
            if provider.scope_claims.is_some() {
                report
                    .key_error(
                        &claims_at,
                        "has a meaning with `mode: remote` only: our own tokens say what was granted",
                    )
                    .help("remove it");
            }
            proxy(at, provider, preset, (audiences, audience_claim), introspection, report)
        }
    }
}

fn audience_claim(at: &str, provider: &Provider, preset: &Preset, report: &mut Report<'_>) -> AudienceClaim {
    let choices = [("aud", AudienceClaim::Aud), ("client_id", AudienceClaim::ClientId)];
    let written = provider.audience_claim.as_deref();
    let read = |text: &str| report.read(at, text.trim(), |text| value::choice(text, &choices));
    written.and_then(read).unwrap_or(preset.audience_claim)
}

/// We verify the ID token in any case. The access token is checked as soon as it is known for whom
/// it has to be.
fn proxy(
    at: &str,
    provider: &Provider,
    preset: &'static Preset,
    (audiences, audience_claim): (Vec<String>, AudienceClaim),
    introspection: Option<IntrospectionPlan>,
    report: &mut Report<'_>,
) -> AccessTokens {
    let (audience_at, verify_at) = (child(at, "audience"), child(at, "verify_id_token"));
    let only_id_token = provider
        .verify_id_token
        .as_ref()
        .and_then(|switch| report.read(&verify_at, switch.as_str().trim(), value::switch));
    if let [first, _, ..] = audiences.as_slice() {
        report
            .error(&audience_at, "names several, and the provider can be asked for one only")
            .help(format!("write one, `audience: {first}`; several are possible with `mode: remote`"));
    }
    match (provider.audience.is_some(), only_id_token) {
        (false, Some(true)) | (true, _) => {}
        (false, _) if let Audience::Required { why, help } = &preset.audience => {
            report.key_error(&audience_at, format!("is missing: {why}")).help(*help);
        }
        (false, Some(false)) => {
            report
                .error(&verify_at, "asks for access tokens to be checked, and no `audience` says for whom they must be")
                .offending("false")
                .help("add `audience`, the API's identifier at the provider, or remove `verify_id_token`");
        }
        (false, None) => {}
    }
    if provider.introspection.is_some() {
        let at = child(at, "introspection");
        if only_id_token == Some(true) {
            report
                .key_error(&at, "contradicts `verify_id_token: true`, with which access tokens are not looked at")
                .help("remove one of the two");
        } else if provider.audience.is_none() {
            report
                .key_error(&at, "checks access tokens, and no `audience` says for whom they must be")
                .help("add `audience`, or remove `introspection`");
        }
    }
    let audience = audiences.into_iter().next();
    let checked = audience.clone().filter(|_| only_id_token != Some(true));
    let scope_claims = SCOPE_CLAIMS.map(str::to_owned).to_vec();
    let plan = checked.map(|audience| AccessTokenPlan {
        audiences: vec![audience],
        audience_claim,
        scope_claims,
        introspection,
    });
    // The name of an application is for the check alone: to the provider it would be an API's.
    let audience = audience.filter(|_| audience_claim == AudienceClaim::Aud);
    AccessTokens { plan, audience }
}

fn introspection(
    at: &str,
    written: &Introspection,
    application: &Application<'_>,
    allow_insecure_http: bool,
    report: &mut Report<'_>,
) -> Option<IntrospectionPlan> {
    let endpoint_at = child(at, "endpoint");
    let endpoint = written.endpoint.as_deref().map(|text| {
        report.read(&endpoint_at, text.trim(), |text| {
            let url = value::web_url(text)?;
            if url.scheme() == "http" && !is_loopback(&url) && !allow_insecure_http {
                return Err(Refusal::new(
                    "is plain http to another machine: tokens would cross the network in the clear",
                    "write `https://…`, or `allow_insecure_http: true` if the network between is yours",
                ));
            }
            Ok(url)
        })
    });
    let id_at = child(at, "client_id");
    let client_id = match (&written.client_id, application.client_id) {
        (Some(text), _) => application::identifier(&id_at, text, report),
        (None, Some(own)) => Some(own.to_owned()),
        (None, None) => {
            report.missing(&id_at, "vestibule");
            None
        }
    };
    let secret_at = child(at, "client_secret");
    let client_secret = match (&written.client_secret, application.client_secret) {
        (Some(source), _) => report.secret(&secret_at, source),
        (None, Some(own)) => Some(own.clone()),
        (None, None) => {
            report
                .key_error(&secret_at, "is missing: no provider tells a stranger about tokens")
                .help("add `client_secret: { env: INTROSPECTION_CLIENT_SECRET }`");
            None
        }
    };
    let choices = [("client_secret_basic", ClientAuthMethod::Basic), ("client_secret_post", ClientAuthMethod::Post)];
    let auth_method = written
        .auth_method
        .as_deref()
        .and_then(|text| report.read(&child(at, "auth_method"), text.trim(), |text| value::choice(text, &choices)));
    let ttl = written.cache_ttl_seconds.as_ref();
    let ttl = report.scalar(&child(at, "cache_ttl_seconds"), ttl, DEFAULT_TTL_SECONDS, |text| {
        value::count(text, 0, IntrospectionPlan::LONGEST.as_secs())
    });
    let require_audience =
        report.scalar(&child(at, "require_audience"), written.require_audience.as_ref(), true, value::switch);
    Some(IntrospectionPlan {
        endpoint: endpoint.map_or(Some(None), |read| read.map(Some))?,
        client_id: client_id?,
        client_secret: client_secret?,
        auth_method: auth_method.unwrap_or(ClientAuthMethod::Basic),
        cache_ttl: Duration::from_secs(ttl),
        require_audience,
    })
}

/// Keys about the authorization server that, in `mode: remote`, the provider is and we are not.
pub(super) fn refuse_in_remote_mode(at: &str, provider: &Provider, report: &mut Report<'_>) {
    const METADATA: &str = "clients read the provider's own metadata";
    const APPLICATION: &str = "clients have applications of their own there";
    const REGISTRATION: &str = "clients are registered there";
    const SIGN_IN: &str = "people sign in there, through their client";
    const TOKENS: &str = "tokens are made there";
    let written = [
        ("issuer_url", provider.issuer_url.is_some(), "the provider is the issuer"),
        ("service_documentation_url", provider.service_documentation_url.is_some(), METADATA),
        ("authorization_endpoint", provider.authorization_endpoint.is_some(), METADATA),
        ("token_endpoint", provider.token_endpoint.is_some(), METADATA),
        ("userinfo_endpoint", provider.userinfo_endpoint.is_some(), METADATA),
        ("revocation_endpoint", provider.revocation_endpoint.is_some(), METADATA),
        ("identity", provider.identity != IdentityMembers::default(), "its access tokens say who calls"),
        ("client_id", provider.client_id.is_some(), APPLICATION),
        ("client_secret", provider.client_secret.is_some(), APPLICATION),
        ("token_endpoint_auth_method", provider.token_endpoint_auth_method.is_some(), APPLICATION),
        ("allowed_tenants", provider.allowed_tenants.is_some(), "clients look for one issuer there"),
        ("verify_id_token", provider.verify_id_token.is_some(), "an ID token is for a client, never for a server"),
        ("valid_scopes", provider.valid_scopes.is_some(), "what clients may ask for is said there"),
        ("redirect_path", provider.redirect_path.is_some(), SIGN_IN),
        ("extra_authorize_params", provider.extra_authorize_params.is_some(), SIGN_IN),
        ("extra_token_params", provider.extra_token_params.is_some(), SIGN_IN),
        ("offline_access", provider.offline_access.is_some(), TOKENS),
        ("dynamic_registration", provider.dynamic_registration.is_some(), REGISTRATION),
        ("enable_cimd", provider.enable_cimd.is_some(), REGISTRATION),
        ("private_use_schemes", provider.private_use_schemes.is_some(), REGISTRATION),
        ("allowed_client_redirect_uris", provider.allowed_client_redirect_uris.is_some(), REGISTRATION),
        ("require_authorization_consent", provider.require_authorization_consent.is_some(), SIGN_IN),
        ("clients", !provider.clients.is_empty(), REGISTRATION),
        ("lifetimes", provider.lifetimes != Lifetimes::default(), TOKENS),
    ];
    for (key, _, why) in written.iter().filter(|(_, written, _)| *written) {
        report
            .key_error(&child(at, key), format!("has no meaning with `mode: remote`: {why}"))
            .help(format!("remove `{key}`, or write `mode: proxy` to let Vestibule be the authorization server"));
    }
    for (index, route) in provider.routes.iter().enumerate() {
        let at = child(&item(&child(at, "routes"), index), "backend_authorization");
        if route.backend_authorization.as_deref().is_some_and(|text| text.trim() == "provider_token") {
            report
                .error(&at, "would pass the client's own token on, which the MCP specification forbids")
                .offending("provider_token")
                .help("write `assertion`: a short-lived JWT for this backend that says who calls, or `none`");
        }
    }
}

fn claim_name(text: &str) -> Result<String, Refusal> {
    if text.chars().any(char::is_control) {
        return Err(Refusal::new("is no name of a claim", "write names such as `scope`, `scp`, `permissions`"));
    }
    Ok(text.to_owned())
}
