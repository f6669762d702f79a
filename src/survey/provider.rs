//! One provider: its documents are fetched, examined, and handed to the program's own reader.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use serde_json::Value;
use url::Url;

use super::{
    finding::{Entry, Finding, Subject, Verdict},
    metadata,
};
use crate::{
    config::{
        plan::{Mode, ProviderPlan},
        preset::Preset,
    },
    egress::{Egress, EgressError},
    metrics::Metrics,
    provider::Provider,
    time::Clock,
};

/// Clocks that differ by more make people wonder.
const SKEW_WARNING: Duration = Duration::from_secs(30);
/// Clocks that differ by more break the checks of ID tokens.
const SKEW_ERROR: Duration = Duration::from_mins(5);

/// Everything about one provider.
pub(super) async fn survey(plan: &Arc<ProviderPlan>, clock: &Clock, metrics: &Arc<Metrics>) -> Subject {
    let mut findings = Vec::new();
    let mut offered = Vec::new();
    match Egress::for_provider(plan.timeout, plan.allow_insecure_http) {
        Ok(egress) => {
            let document = match &plan.config_url {
                Some(url) => discovery(url, &egress, clock, &mut findings).await,
                None => written(plan, &egress, clock, &mut findings).await,
            };
            if let Some(document) = document {
                let document = metadata::corrected(&document, plan);
                findings.extend(match plan.config_url {
                    Some(_) => metadata::examine(&document, plan),
                    None => metadata::examine_written(&document, plan),
                });
                if let Some(uri) = document.get("jwks_uri").and_then(Value::as_str) {
                    findings.push(keys(uri, &egress).await);
                }
                let methods = document.get("token_endpoint_auth_methods_supported").and_then(Value::as_array);
                offered = methods.into_iter().flatten().filter_map(Value::as_str).map(ToOwned::to_owned).collect();
                findings.extend(sign_in(plan, egress, clock, metrics, &findings).await);
            }
        }
        Err(error) => findings.push(Finding::error("reachable", error.to_string(), "set SSL_CERT_FILE")),
    }
    let offered: Vec<&str> = offered.iter().map(String::as_str).collect();
    let preset = Preset::named(plan.protocol.preset);
    let enter = enter(plan, &offered).into_iter().map(|(label, value)| Entry::new(label, value, preset)).collect();
    let findings = findings.into_iter().map(|finding| finding.at(preset)).collect();
    Subject { name: plan.name.clone(), url: plan.source().to_owned(), findings, enter }
}

/// The metadata document, if it is one.
async fn discovery(url: &Url, egress: &Egress, clock: &Clock, findings: &mut Vec<Finding>) -> Option<Value> {
    let answer = reach(url, egress, clock, findings).await?;
    if answer.status() != StatusCode::OK {
        let help = "open config_url in a browser: it has to show a JSON document; is the tenant or realm right?";
        findings.push(Finding::error("discovery", format!("config_url is answered with {}", answer.status()), help));
        return None;
    }
    match serde_json::from_slice::<Value>(answer.body()) {
        Ok(document) if document.is_object() => Some(document),
        _ => {
            let help = "open config_url in a browser: it has to show a JSON document";
            findings.push(Finding::error("discovery", "what config_url answers with is no JSON object", help));
            None
        }
    }
}

/// A provider without a document: whether its token endpoint is there, whatever it thinks of a GET.
async fn written(plan: &ProviderPlan, egress: &Egress, clock: &Clock, findings: &mut Vec<Finding>) -> Option<Value> {
    let endpoints = &plan.protocol.endpoints;
    for (member, url) in [
        ("token_endpoint", &endpoints.token_endpoint),
        ("userinfo_endpoint", &endpoints.userinfo_endpoint),
        ("authorization_endpoint", &endpoints.authorization_endpoint),
    ] {
        let Some(url) = url else { continue };
        let answer = reach(url, egress, clock, findings).await?;
        if matches!(answer.status(), StatusCode::NOT_FOUND | StatusCode::GONE) {
            let found = format!("{member} is answered with {}", answer.status());
            findings.push(Finding::warning("endpoints", found, format!("is {url} spelt right?")));
        }
    }
    Some(Value::Null)
}

/// Whether a URL is answered, and what time it is there.
async fn reach(url: &Url, egress: &Egress, clock: &Clock, findings: &mut Vec<Finding>) -> Option<Response<Bytes>> {
    let begin = Instant::now();
    let answer = match get(egress, url).await {
        Ok(answer) => answer,
        Err(error) => {
            findings.push(unreachable(url, &error));
            return None;
        }
    };
    let host = url.host_str().unwrap_or_default();
    findings.push(Finding::ok("reachable", format!("{host} answered in {} ms", begin.elapsed().as_millis())));
    if !findings.iter().any(|finding| finding.about == "clock") {
        findings.extend(skew(&answer, clock));
    }
    Some(answer)
}

async fn get(egress: &Egress, url: &Url) -> Result<Response<Bytes>, EgressError> {
    egress.send(Request::get(url.as_str()).header(header::ACCEPT, "application/json").body(Vec::new())?).await
}

fn unreachable(url: &Url, error: &EgressError) -> Finding {
    let host = url.host_str().unwrap_or_default();
    let help = match error {
        EgressError::Blocked(_) => {
            "write an https URL; `allow_insecure_http: true` is for a provider on this machine".to_owned()
        }
        EgressError::Timeout(_) => {
            format!("is {host} reachable from here? A firewall that drops packets looks like this")
        }
        EgressError::Tls(_) => {
            format!("is the certificate of {host} valid, and its root known here (SSL_CERT_FILE)? Is the clock right?")
        }
        EgressError::Connect(_) => format!("is `{host}` spelt right, and may this machine reach it?"),
        _ => format!("does an OpenID provider run at {host}?"),
    };
    Finding::error("reachable", error.to_string(), help)
}

/// Tokens have times in them.
fn skew(answer: &Response<Bytes>, clock: &Clock) -> Option<Finding> {
    let date = httpdate::parse_http_date(answer.headers().get(header::DATE)?.to_str().ok()?).ok()?;
    let theirs = date.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
    let ours = clock.now().0;
    let apart = Duration::from_secs(ours.abs_diff(theirs));
    let found = || {
        let order = if ours > theirs { "ahead of" } else { "behind" };
        format!("this machine's clock is {} {order} the provider's", humantime::format_duration(apart))
    };
    Some(match apart {
        apart if apart > SKEW_ERROR => {
            Finding::error("clock", found(), "set the clock (NTP): tokens seem expired, or not yet valid")
        }
        apart if apart > SKEW_WARNING => Finding::warning("clock", found(), "set the clock (NTP)"),
        _ => Finding::ok("clock", "agrees with the provider's"),
    })
}

async fn keys(uri: &str, egress: &Egress) -> Finding {
    let Ok(url) = Url::parse(uri) else {
        return Finding::error("keys", "jwks_uri is no URL", "tell the provider's operator");
    };
    let answer = match get(egress, &url).await {
        Ok(answer) if answer.status() == StatusCode::OK => answer,
        Ok(answer) => {
            let found = format!("jwks_uri is answered with {}", answer.status());
            return Finding::error(
                "keys",
                found,
                "without its keys no sign-in can be verified: ask the provider's operator",
            );
        }
        Err(error) => {
            let help = format!("{url} has to be reachable from here like config_url");
            return Finding::error("keys", error.to_string(), help);
        }
    };
    let set = serde_json::from_slice::<Value>(answer.body()).unwrap_or_default();
    let all = set.get("keys").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let usable = all.iter().filter(|key| signs(key)).count();
    if usable == 0 {
        let found = format!("none of its {} keys verifies signatures", all.len());
        return Finding::error("keys", found, "ask the provider's operator for RSA, EC or Ed25519 signing keys");
    }
    Finding::ok("keys", format!("{usable} of {} can verify signatures", all.len()))
}

/// RFC 7517: an asymmetric key that is not for encryption.
fn signs(key: &Value) -> bool {
    let member = |name| key.get(name).and_then(Value::as_str);
    matches!(member("kty"), Some("RSA" | "EC" | "OKP")) && member("use").is_none_or(|purpose| purpose == "sig")
}

/// What the program itself would say at its start; an error only if nothing above explains it.
async fn sign_in(
    plan: &Arc<ProviderPlan>,
    egress: Egress,
    clock: &Clock,
    metrics: &Arc<Metrics>,
    findings: &[Finding],
) -> Option<Finding> {
    let provider = Provider::new(Arc::clone(plan), egress, clock.clone(), metrics.provider(&plan.name));
    let readiness = provider.try_once().await;
    if readiness.ready {
        return Some(Finding::ok("sign-in", "possible, as far as one can see without signing in"));
    }
    let explained = findings.iter().any(|finding| finding.verdict == Verdict::Error);
    let reason = readiness.reason.unwrap_or_default();
    (!explained)
        .then(|| Finding::error("sign-in", reason, "this has to be right at the provider before people can sign in"))
}

/// What clients ask the provider for: one of these has to be in `aud`.
fn remote(plan: &ProviderPlan) -> Vec<(&'static str, String)> {
    let audiences = plan.access_tokens.as_ref().map_or(&[][..], |plan| plan.audiences.as_slice());
    if audiences.is_empty() {
        plan.routes.iter().map(|route| ("resource", route.resource.to_string())).collect()
    } else {
        audiences.iter().map(|audience| ("audience", audience.clone())).collect()
    }
}

/// What to enter at the provider.
fn enter(plan: &ProviderPlan, offered: &[&str]) -> Vec<(&'static str, String)> {
    if plan.mode == Mode::Remote {
        return remote(plan);
    }
    let method = metadata::our_method(offered, plan);
    let kind =
        if plan.client_secret.is_some() { "confidential (web application)" } else { "public (native application)" };
    let grants = if plan.offline_access { "authorization_code, refresh_token" } else { "authorization_code" };
    vec![
        ("callback URL", plan.callback_url.to_string()),
        ("application type", kind.to_owned()),
        ("grant types", grants.to_owned()),
        ("client authentication", method.to_owned()),
        ("scopes", plan.valid_scopes.to_string()),
    ]
}
