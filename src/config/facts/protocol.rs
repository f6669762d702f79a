//! How a provider is spoken to, by path.

use super::{NONE, Section, duration};
use crate::config::plan::{EmailVerified, EndpointsPlan, IdentityPlan, ProtocolPlan, ScopeNames};
use crate::oauth::JwsAlgorithm;

pub(super) fn facts(section: &mut Section<'_>, has_document: bool, plan: &ProtocolPlan) {
    let ProtocolPlan {
        preset,
        scope_names: ScopeNames { prefix, aliases: _, at_token_endpoint: _ },
        tenants,
        email_verified_claim: _,
        endpoints,
        strict,
        algorithms,
        identity,
        additional_authorize_scopes,
        forward_pkce,
        forward_resource,
        fallback_access_token_lifetime,
        fallback_refresh_token_lifetime,
        renew_ahead,
    } = plan;
    let EndpointsPlan {
        issuer,
        authorization_endpoint,
        token_endpoint,
        userinfo_endpoint,
        revocation_endpoint,
        jwks_uri,
    } = endpoints;
    // The rest of what it means is the preset's alone.
    section.fact("preset", preset);
    if let Some(prefix) = prefix {
        section.fact("identifier_uri", prefix.trim_end_matches('/'));
    }
    if let Some(tenants) = tenants {
        section.list("allowed_tenants", tenants.allowed.iter());
    }
    let by_document = if has_document { "by metadata" } else { NONE };
    let written = [
        ("issuer", issuer.as_deref()),
        ("authorization_endpoint", authorization_endpoint.as_ref().map(url::Url::as_str)),
        ("token_endpoint", token_endpoint.as_ref().map(url::Url::as_str)),
        ("userinfo_endpoint", userinfo_endpoint.as_ref().map(url::Url::as_str)),
        ("revocation_endpoint", revocation_endpoint.as_ref().map(url::Url::as_str)),
        ("jwks_uri", jwks_uri.as_ref().map(url::Url::as_str)),
    ];
    for (key, text) in written {
        section.fact(key, text.unwrap_or(by_document));
    }
    section.fact("strict", strict);
    if algorithms.is_empty() {
        section.fact("algorithm", by_document);
    } else {
        section.list("algorithm", algorithms.iter().copied().map(JwsAlgorithm::as_str));
    }
    section.list("additional_authorize_scopes", additional_authorize_scopes.iter());
    section.fact("forward_pkce", forward_pkce);
    section.fact("forward_resource", forward_resource);
    section.maybe("fallback_access_token_expiry_seconds", fallback_access_token_lifetime.map(duration));
    section.maybe("fallback_refresh_token_expiry_seconds", fallback_refresh_token_lifetime.map(duration));
    section.span("token_expiry_threshold_seconds", *renew_ahead);
    // With ID tokens it means nothing.
    if jwks_uri.is_none() && !(has_document && *strict) {
        self::identity(&mut section.below("identity"), identity);
    }
}

fn identity(section: &mut Section<'_>, plan: &IdentityPlan) {
    let IdentityPlan { subject, email, email_verified, name, client_id, email_endpoint } = plan;
    section.fact("subject", subject);
    section.fact("email", email);
    match email_verified {
        EmailVerified::Member(member) => section.fact("email_verified", member),
        EmailVerified::Always(always) => section.fact("email_verified", always),
    }
    section.fact("name", name);
    section.maybe("client_id", client_id.as_ref());
    section.maybe("email_endpoint", email_endpoint.as_ref());
}
