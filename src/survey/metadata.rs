//! A provider's metadata next to what the plan needs of it. Pure: no request is made here.
//!
//! It reads the raw JSON, so that one strange member hides nothing else; whether sign-in would be
//! possible as a whole is what the program's own reader says (`super::provider`).

use serde_json::Value;
use url::Url;

use super::finding::Finding;
use crate::{
    config::plan::{ClientAuthMethod, Mode, ProviderPlan},
    oauth::{JwsAlgorithm, Scope},
};

/// A document with what the configuration says over it.
pub(super) fn corrected(document: &Value, plan: &ProviderPlan) -> Value {
    let written = &plan.protocol.endpoints;
    let mut members = document.as_object().cloned().unwrap_or_default();
    let over = [
        ("authorization_endpoint", &written.authorization_endpoint),
        ("token_endpoint", &written.token_endpoint),
        ("userinfo_endpoint", &written.userinfo_endpoint),
        ("revocation_endpoint", &written.revocation_endpoint),
        ("jwks_uri", &written.jwks_uri),
    ];
    for (member, url) in over {
        if let Some(url) = url {
            members.insert(member.to_owned(), url.as_str().into());
        }
    }
    Value::Object(members)
}

/// What there is to say about a provider that has no metadata document.
pub(super) fn examine_written(document: &Value, plan: &ProviderPlan) -> Vec<Finding> {
    let mut found = vec![Finding::ok("discovery", "no document: the configuration names the endpoints")];
    found.extend(endpoints(document, plan));
    found
}

/// Everything that there is to say about a metadata document, corrected as configured.
pub(super) fn examine(document: &Value, plan: &ProviderPlan) -> Vec<Finding> {
    let mut found = vec![issuer(document, plan)];
    found.extend(endpoints(document, plan));
    if plan.mode == Mode::Remote {
        found.push(pkce(document));
        found.push(registration(document));
        found.extend(introspection(document, plan));
        return found;
    }
    found.push(response_types(document));
    found.push(pkce(document));
    found.push(client_authentication(document, plan));
    if document.get("jwks_uri").is_some() {
        found.push(algorithms(document, plan));
    }
    found.push(scopes(document, plan));
    found.extend(refreshing(document, plan));
    found
}

/// The members of a list, `None` if the document does not have it.
fn list<'d>(document: &'d Value, member: &str) -> Option<Vec<&'d str>> {
    Some(document.get(member)?.as_array()?.iter().filter_map(Value::as_str).collect())
}

fn words<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<_> = words.into_iter().collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(" ") }
}

/// Discovery 1.0 section 4.3: the issuer is the URL of its document without the end.
fn issuer(document: &Value, plan: &ProviderPlan) -> Finding {
    if let Some(issuer) = &plan.protocol.endpoints.issuer {
        return Finding::ok("issuer", format!("{issuer}, as configured"));
    }
    let shared = plan.protocol.tenants.as_ref().map(|tenants| tenants.placeholder);
    let Some(issuer) = document.get("issuer").and_then(Value::as_str) else {
        let help = "is config_url the address of an OpenID Connect discovery document?";
        return Finding::error("issuer", "the document names no issuer", help);
    };
    if let Some(placeholder) = shared {
        return if issuer.contains(placeholder) {
            Finding::ok("issuer", format!("{issuer}, one for each of `allowed_tenants`"))
        } else {
            let help = "remove `config_url`, or `allowed_tenants`";
            Finding::error("issuer", format!("{issuer} is one tenant's"), help)
        };
    }
    let its_document = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    if Url::parse(&its_document).is_ok_and(|url| Some(url) == plan.config_url) {
        return Finding::ok("issuer", issuer);
    }
    let help = format!("write `config_url: {its_document}`, if that is the provider you mean");
    Finding::error("issuer", format!("the document is the one of another issuer, {issuer}"), help)
}

/// The endpoints that sign-in needs, and those that are good to have.
fn endpoints(document: &Value, plan: &ProviderPlan) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut present = Vec::new();
    // Without ID tokens, a user API tells who signed in.
    let by_api = document.get("jwks_uri").is_none() && document.get("userinfo_endpoint").is_some();
    let who = if by_api { "userinfo_endpoint" } else { "jwks_uri" };
    for member in ["authorization_endpoint", "token_endpoint", who] {
        match document.get(member).and_then(Value::as_str).map(Url::parse) {
            Some(Ok(url)) if url.scheme() == "https" || (url.scheme() == "http" && plan.allow_insecure_http) => {
                present.push(member);
            }
            Some(Ok(url)) => {
                let help = "have the provider use https; `allow_insecure_http: true` is for a provider on this machine";
                found.push(Finding::error("endpoints", format!("{member} is {url}: not https"), help));
            }
            Some(Err(_)) => {
                found.push(Finding::error("endpoints", format!("{member} is no URL"), "tell the provider's operator"));
            }
            None => {
                let help = "is config_url the address of an OpenID Connect discovery document?";
                found.push(Finding::error("endpoints", format!("there is no {member}"), help));
            }
        }
    }
    if found.is_empty() {
        let more = ["userinfo_endpoint", "revocation_endpoint", "introspection_endpoint"];
        let is_there = |member: &&str| document.get(*member).is_some_and(Value::is_string) && *member != who;
        present.extend(more.into_iter().filter(is_there));
        found.push(Finding::ok("endpoints", words(present)));
    }
    if document.get("revocation_endpoint").is_none() {
        let help = "nothing to do; the provider's tokens of a grant that ends here live until they expire";
        found.push(Finding::warning("revocation", "there is no revocation_endpoint", help));
    }
    found
}

fn response_types(document: &Value) -> Finding {
    match list(document, "response_types_supported") {
        Some(types) if types.contains(&"code") => Finding::ok("code flow", "the provider knows it"),
        Some(types) => {
            let found = format!("response_types_supported has no `code`, only {}", words(types));
            Finding::error("code flow", found, "allow the authorization code flow for this application")
        }
        None => Finding::ok("code flow", "not said; it is sent"),
    }
}

fn pkce(document: &Value) -> Finding {
    match list(document, "code_challenge_methods_supported") {
        Some(methods) if methods.contains(&"S256") => Finding::ok("pkce", "S256"),
        Some(methods) => {
            let found = format!("code_challenge_methods_supported has no S256, only {}", words(methods));
            Finding::error("pkce", found, "have S256 switched on at the provider: it is sent with every sign-in")
        }
        None => {
            let help = "nothing, if people can sign in: S256 is sent, and a provider that does not know it ignores it";
            Finding::warning("pkce", "the provider does not say whether it knows S256", help)
        }
    }
}

/// In remote mode, clients that were never here before need a way to become known there.
fn registration(document: &Value) -> Finding {
    const ABOUT: &str = "registration";
    let by_document = document.get("client_id_metadata_document_supported").and_then(Value::as_bool) == Some(true);
    match (document.get("registration_endpoint"), by_document) {
        (Some(_), true) => Finding::ok(ABOUT, "dynamic, and by client ID metadata documents"),
        (Some(_), false) => Finding::ok(ABOUT, "dynamic"),
        (None, true) => Finding::ok(ABOUT, "by client ID metadata documents"),
        (None, false) => {
            let help =
                "switch dynamic client registration on there, or write `mode: proxy`: then clients register here";
            Finding::warning(ABOUT, "the provider names no way for clients to register", help)
        }
    }
}

fn introspection(document: &Value, plan: &ProviderPlan) -> Option<Finding> {
    const ABOUT: &str = "introspection";
    let introspection = plan.access_tokens.as_ref()?.introspection.as_ref()?;
    Some(match (&introspection.endpoint, document.get("introspection_endpoint").and_then(Value::as_str)) {
        (Some(url), _) => Finding::ok(ABOUT, format!("{url}, as configured")),
        (None, Some(url)) => Finding::ok(ABOUT, url),
        (None, None) => {
            let help = "write `introspection.endpoint`, if the provider has one";
            Finding::error(ABOUT, "the metadata name no introspection_endpoint", help)
        }
    })
}

fn client_authentication(document: &Value, plan: &ProviderPlan) -> Finding {
    const ABOUT: &str = "client authentication";
    // RFC 8414 section 2: the default if nothing is said.
    let offered =
        list(document, "token_endpoint_auth_methods_supported").unwrap_or_else(|| vec!["client_secret_basic"]);
    let ours = our_method(&offered, plan);
    if offered.contains(&ours) {
        return Finding::ok(ABOUT, ours);
    }
    if ours == "none" {
        let help = "make sure that the application is a public one there, or give its client_secret";
        return Finding::warning(ABOUT, format!("we send no secret, and the provider names {}", words(offered)), help);
    }
    let usable = ["client_secret_basic", "client_secret_post"].into_iter().find(|method| offered.contains(method));
    let help = match usable {
        Some(method) => format!("write `token_endpoint_auth_method: {method}`, or remove the key"),
        None => "allow client_secret_basic or client_secret_post for this application at the provider".to_owned(),
    };
    Finding::error(ABOUT, format!("we use {ours}, and the provider names {}", words(offered)), help)
}

/// What is used at the token endpoint.
pub(super) fn our_method(offered: &[&str], plan: &ProviderPlan) -> &'static str {
    match (&plan.client_secret, plan.token_endpoint_auth_method) {
        (None, _) | (_, Some(ClientAuthMethod::None)) => "none",
        (Some(_), Some(ClientAuthMethod::Post)) => "client_secret_post",
        (Some(_), None) if !offered.contains(&"client_secret_basic") && offered.contains(&"client_secret_post") => {
            "client_secret_post"
        }
        (Some(_), Some(ClientAuthMethod::Basic) | None) => "client_secret_basic",
    }
}

fn algorithms(document: &Value, plan: &ProviderPlan) -> Finding {
    const ABOUT: &str = "signatures";
    const MEMBER: &str = "id_token_signing_alg_values_supported";
    let chosen: Vec<_> = plan.protocol.algorithms.iter().map(|algorithm| algorithm.as_str()).collect();
    let safe = JwsAlgorithm::ALL.map(JwsAlgorithm::as_str);
    let accepted = if chosen.is_empty() { safe.to_vec() } else { chosen.clone() };
    // OpenID Connect Core section 3.1.3.7.
    let offered = list(document, MEMBER).unwrap_or_else(|| vec!["RS256"]);
    let (usable, other): (Vec<_>, Vec<_>) = offered.into_iter().partition(|name| accepted.contains(name));
    if usable.is_empty() && chosen.is_empty() {
        let found = format!("{MEMBER} has nothing that is accepted: {}", words(other));
        return Finding::error(ABOUT, found, format!("have ID tokens signed with one of {}", words(safe)));
    }
    if usable.is_empty() {
        let found = format!("`algorithm` allows {}, and the provider names {}", words(chosen), words(other));
        return Finding::error(ABOUT, found, "remove `algorithm`, or name what the provider signs with");
    }
    let never = if other.is_empty() { String::new() } else { format!(" ({}: not accepted)", words(other)) };
    Finding::ok(ABOUT, words(usable) + &never)
}

fn scopes(document: &Value, plan: &ProviderPlan) -> Finding {
    let Some(known) = list(document, "scopes_supported") else {
        return Finding::ok("scopes", format!("not said; we ask for {}", plan.valid_scopes));
    };
    let unknown: Vec<_> = plan.valid_scopes.iter().map(Scope::as_str).filter(|scope| !known.contains(scope)).collect();
    if unknown.is_empty() {
        return Finding::ok("scopes", plan.valid_scopes.to_string());
    }
    let help =
        "check the spelling, and that the application may ask for them; many providers do not list the scopes of APIs";
    Finding::warning("scopes", format!("not in the provider's scopes_supported: {}", words(unknown)), help)
}

/// Whether people stay signed in.
fn refreshing(document: &Value, plan: &ProviderPlan) -> Option<Finding> {
    const ABOUT: &str = "refresh tokens";
    if !plan.offline_access {
        return None;
    }
    if list(document, "grant_types_supported").is_some_and(|grants| !grants.contains(&"refresh_token")) {
        let help = "allow refresh tokens for the application, or people sign in again when the provider's token ends";
        return Some(Finding::warning(ABOUT, "grant_types_supported has no `refresh_token`", help));
    }
    Some(match list(document, "scopes_supported") {
        Some(scopes) if scopes.contains(&"offline_access") => Finding::ok(ABOUT, "asked for by offline_access"),
        _ => {
            let help = "the provider needs another way to hand them out, such as a parameter in extra_authorize_params";
            Finding::warning(ABOUT, "the provider does not name the scope offline_access, so it is not asked for", help)
        }
    })
}
