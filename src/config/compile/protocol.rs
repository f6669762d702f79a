//! How a provider is spoken to.

use std::time::Duration;

use super::{
    endpoints::{Place, Says},
    identity,
    report::Report,
    scopes,
    server::list,
    value::{self, Refusal},
};
use crate::{
    config::{
        diagnostic::{closest, one_of},
        document::{Provider, Scalar},
        origin::child,
        plan::{ProtocolPlan, ScopeNames, TenantsPlan},
        preset::{Preset, tenant_id},
    },
    oauth::JwsAlgorithm,
};

const DAY: Duration = Duration::from_hours(24);

/// Whether the discovery document has to be complete.
pub(super) fn strict(at: &str, provider: &Provider, report: &mut Report<'_>) -> bool {
    let at = child(at, "strict");
    let strict = report.scalar(&at, provider.strict.as_ref(), true, value::switch);
    let has_endpoints = provider.authorization_endpoint.is_some() || provider.token_endpoint.is_some();
    if let (Some(written), None, true) = (&provider.strict, &provider.config_url, has_endpoints) {
        report
            .error(&at, "has no effect without a `config_url`: it is about that document")
            .offending(written.as_str())
            .help("remove it");
    }
    strict
}

pub(super) fn compile(
    at: &str,
    provider: &Provider,
    (place, preset): (&Place, &'static Preset),
    (says, strict): (Says, bool),
    report: &mut Report<'_>,
) -> ProtocolPlan {
    let algorithms_at = child(at, "algorithm");
    let algorithms = list(&algorithms_at, provider.algorithm.as_ref(), report, algorithm);
    if says == Says::UserApi && provider.algorithm.is_some() {
        report.key_error(&algorithms_at, "has no effect here: this provider's tokens have no signature to check").help(
            "remove it; it is for providers with ID tokens, which have a `config_url`, or `issuer` and `jwks_uri`",
        );
    }
    let identity_at = child(at, "identity");
    ProtocolPlan {
        preset: preset.name,
        scope_names: ScopeNames {
            prefix: preset.scope_prefix(provider).map(|prefix| format!("{prefix}/")),
            aliases: preset.scopes.aliases.to_vec(),
            at_token_endpoint: preset.scopes.at_token_endpoint,
        },
        tenants: tenants(&child(at, "allowed_tenants"), provider, preset, report),
        email_verified_claim: preset.email_verified_claim,
        endpoints: place.endpoints.clone(),
        strict,
        algorithms,
        additional_authorize_scopes: scopes::read(
            &child(at, "additional_authorize_scopes"),
            provider.additional_authorize_scopes.as_ref(),
            report,
        ),
        forward_pkce: report.scalar(&child(at, "forward_pkce"), provider.forward_pkce.as_ref(), true, value::switch),
        forward_resource: report.scalar(
            &child(at, "forward_resource"),
            provider.forward_resource.as_ref(),
            false,
            value::switch,
        ),
        fallback_access_token_lifetime: lifetime(
            &child(at, "fallback_access_token_expiry_seconds"),
            provider.fallback_access_token_expiry_seconds.as_ref(),
            report,
        ),
        fallback_refresh_token_lifetime: lifetime(
            &child(at, "fallback_refresh_token_expiry_seconds"),
            provider.fallback_refresh_token_expiry_seconds.as_ref(),
            report,
        ),
        renew_ahead: report.scalar(
            &child(at, "token_expiry_threshold_seconds"),
            provider.token_expiry_threshold_seconds.as_ref(),
            Duration::ZERO,
            |text| value::seconds(text, Duration::ZERO, DAY),
        ),
        identity: identity::compile(&identity_at, &provider.identity, says, place.allow_insecure_http, report),
    }
}

/// Whoever is in it says who signs in here: an empty list, or one that names everybody, is never meant.
fn tenants(at: &str, provider: &Provider, preset: &'static Preset, report: &mut Report<'_>) -> Option<TenantsPlan> {
    let (written, of) = (provider.allowed_tenants.as_ref()?, preset.tenants.as_ref()?);
    let allowed = list(at, Some(written), report, |text| {
        tenant_id(text).ok_or_else(|| {
            let help = "write the ids, from each one's Entra admin centre under Overview > Tenant ID";
            Refusal::new("is not the id of a tenant", help)
        })
    });
    if value::items(written).is_ok_and(|items| items.is_empty()) {
        report.error(at, "is empty, so nobody could sign in").help("write the ids of the tenants whose people may");
    }
    for (index, tenant) in allowed.iter().enumerate() {
        if allowed.iter().take(index).any(|before| before == tenant) {
            report.error(at, "holds a tenant twice").offending(tenant).help("remove one of them");
        }
    }
    Some(TenantsPlan { claim: of.claim, placeholder: of.placeholder, allowed })
}

fn lifetime(at: &str, written: Option<&Scalar>, report: &mut Report<'_>) -> Option<Duration> {
    report.scalar(at, written, None, |text| value::seconds(text, Duration::from_secs(1), 3650 * DAY).map(Some))
}

fn algorithm(text: &str) -> Result<JwsAlgorithm, Refusal> {
    let upper = text.to_ascii_uppercase();
    if upper == "NONE" {
        return Err(Refusal::new(
            "is no signature: whoever can send a token could be anybody",
            "write what the provider signs with: `RS256`",
        ));
    }
    if matches!(upper.as_str(), "HS256" | "HS384" | "HS512") {
        let message = "is signed with a secret that both sides know: whoever verifies could forge";
        let help = "let the provider sign with a key pair, and write `RS256` or `ES256`";
        return Err(Refusal::new(message, help));
    }
    let names = || JwsAlgorithm::ALL.into_iter().map(JwsAlgorithm::as_str);
    let known = JwsAlgorithm::ALL.into_iter().find(|algorithm| algorithm.as_str().eq_ignore_ascii_case(text));
    known.ok_or_else(|| {
        let help = match closest(text, names()) {
            Some(meant) => format!("did you mean `{meant}`? Possible are {}", one_of(names())),
            None => format!("write one or several of {}", one_of(names())),
        };
        Refusal::new("is no algorithm that can be checked here", help)
    })
}
