//! What a route tells its backend in headers, and which of the client's it passes on.

use http::HeaderName;

use super::{
    report::Report,
    server::list,
    value::{self, Refusal},
};
use crate::{
    config::{
        document::{HeaderText, IdentityHeaders as Written, List, Params, Route, SecretSource, SetHeaders},
        origin::child,
        plan::{BackendAuthorization, HeaderSource, IdentityHeaders, PassHeaders, SetHeader},
    },
    reserved::{is_reserved, is_same},
    secret::Secret,
};

/// What the headers of a route were understood as.
pub(super) struct Headers {
    pub(super) identity: IdentityHeaders,
    pub(super) set: Vec<SetHeader>,
    pub(super) pass: Option<PassHeaders>,
}

/// Headers that frame or route a request, or that are the gateway's own word about it: they can say
/// nothing else.
const FRAMING: [&str; 27] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "last-event-id",
    "origin",
    "proxy-authorization",
    "proxy-connection",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
];
/// The protocol between client and server (MCP).
const MCP: &str = "mcp-";
/// What is passed on by no list, and why.
const NEVER_PASSED: [(&str, &str); 9] = [
    ("authorization", "`backend_authorization` says what the backend gets there; the client's token never goes to it"),
    ("proxy-authorization", "it is for a proxy, not for a backend"),
    ("host", "it is that of `backend`"),
    ("origin", "it was checked here: `allowed_origins`"),
    ("connection", "it is about one connection"),
    ("keep-alive", "it is about one connection"),
    ("proxy-connection", "it is about one connection"),
    ("transfer-encoding", "it is about one connection"),
    ("expect", "it is about one connection"),
];
/// Claims that are about a token, not about a person: they are not kept.
const OF_TOKENS: [&str; 10] = ["aud", "exp", "iat", "nbf", "nonce", "azp", "at_hash", "c_hash", "s_hash", "jti"];

pub(super) fn compile(
    at: &str,
    route: &Route,
    authorization: BackendAuthorization,
    report: &mut Report<'_>,
) -> Headers {
    let identity = identity(&child(at, "identity_headers"), &route.identity_headers, report);
    let set = set(&child(at, "set_headers"), route.set_headers.as_ref(), (&identity, authorization), report);
    let pass = pass(&child(at, "pass_headers"), route.pass_headers.as_ref(), (&identity, &set), report);
    Headers { identity, set, pass }
}

fn identity(at: &str, written: &Written, report: &mut Report<'_>) -> IdentityHeaders {
    let mut taken: Vec<HeaderName> = Vec::new();
    let mut read = |key: &str, text: Option<&String>, default: Option<&'static str>| {
        let at = child(at, key);
        let name = match text.map(|text| text.trim()) {
            None => default.map(HeaderName::from_static),
            Some(text) if matches!(text.to_ascii_lowercase().as_str(), "off" | "none" | "false") => None,
            Some(text) => report.read(&at, text, identity_name),
        }?;
        if taken.contains(&name) {
            report
                .error(&at, "already carries something else")
                .offending(name.as_str())
                .help("give each header a name of its own, or `off`");
            return None;
        }
        taken.push(name.clone());
        Some(name)
    };
    IdentityHeaders {
        subject: read("subject", written.subject.as_ref(), Some("x-vestibule-subject")),
        email: read("email", written.email.as_ref(), Some("x-vestibule-email")),
        scopes: read("scopes", written.scopes.as_ref(), Some("x-vestibule-scopes")),
        client: read("client", written.client.as_ref(), Some("x-vestibule-client")),
        assertion: read("assertion", written.assertion.as_ref(), None),
    }
}

fn identity_name(text: &str) -> Result<HeaderName, Refusal> {
    let help = "write a name such as `x-forwarded-user`, or `off`";
    let name = HeaderName::from_bytes(text.as_bytes()).map_err(|_| Refusal::new("is no header name", help))?;
    if name == http::header::AUTHORIZATION || has_another_meaning(&name) {
        return Err(Refusal::new("is a header with another meaning", help));
    }
    Ok(name)
}

fn has_another_meaning(name: &HeaderName) -> bool {
    FRAMING.iter().any(|own| is_same(name.as_str(), own)) || name.as_str().starts_with(MCP) || name == "x-request-id"
}

fn set(
    at: &str,
    written: Option<&SetHeaders>,
    (identity, authorization): (&IdentityHeaders, BackendAuthorization),
    report: &mut Report<'_>,
) -> Vec<SetHeader> {
    let mut headers: Vec<SetHeader> = Vec::new();
    for (written, text) in entries(at, written, report) {
        let at = child(at, &written);
        let Ok(name) = HeaderName::from_bytes(written.trim().as_bytes()) else {
            report.key_error(&at, "is no header name").help("write a name such as `X-Tenant`");
            continue;
        };
        let same = |other: &HeaderName| is_same(name.as_str(), other.as_str());
        if has_another_meaning(&name) {
            report
                .key_error(&at, format!("`{name}` is not for a route to set"))
                .help("remove it: it belongs to the protocol, to the connection, or to what Vestibule says itself");
            continue;
        }
        if identity.names().any(same) {
            report
                .key_error(&at, format!("`{name}` is one of `identity_headers` already"))
                .help("write another name, or `off` for that one in `identity_headers`");
            continue;
        }
        if headers.iter().any(|known| same(&known.name)) {
            report
                .key_error(&at, format!("`{name}` is there twice: names differ neither in case nor in `-` and `_`"))
                .help("remove one of the two");
            continue;
        }
        if name == http::header::AUTHORIZATION {
            if authorization != BackendAuthorization::None {
                report.key_error(&at, "is set by `backend_authorization` too").help("remove one of the two");
                continue;
            }
            if matches!(text, HeaderText::Claim(_)) {
                report
                    .key_error(&at, "a claim is no credential")
                    .help("write a secret, `{ env: BACKEND_TOKEN }`, or `backend_authorization: assertion`");
                continue;
            }
        }
        let value = match &text {
            HeaderText::Fixed(source) => fixed(&at, source, report).map(HeaderSource::Fixed),
            HeaderText::Claim(claim) => claim_name(&child(&at, "claim"), claim, report).map(HeaderSource::Claim),
        };
        headers.extend(value.map(|value| SetHeader { name, value }));
    }
    headers
}

/// Names and what is written for them.
fn entries(at: &str, written: Option<&SetHeaders>, report: &mut Report<'_>) -> Vec<(String, HeaderText)> {
    let refusal = match written {
        None => return Vec::new(),
        Some(SetHeaders::Entries(entries)) => {
            return entries.iter().map(|(name, text)| (name.clone(), text.clone())).collect();
        }
        Some(SetHeaders::Text(text)) if text.trim_start().starts_with('{') => Refusal::new(
            "begins like a JSON object, but is no object of texts and references",
            "write `{\"X-Tenant\": \"acme\", \"X-User\": {\"claim\": \"email\"}}`",
        ),
        Some(SetHeaders::Text(text)) => match value::params(&Params::Text(text.clone())) {
            Ok(pairs) => {
                let fixed = |text: String| HeaderText::Fixed(SecretSource::Text(Secret::new(text)));
                return pairs.into_iter().map(|(name, text)| (name, fixed(text))).collect();
            }
            Err(_) => Refusal::new(
                "is no list of headers",
                "write `X-Tenant=acme&X-Plan=b`, or `{\"X-User\": {\"claim\": \"email\"}}`",
            ),
        },
    };
    // The text may hold secrets.
    let diagnostic = report.error(at, refusal.message);
    if let Some(help) = refusal.help {
        diagnostic.help(help);
    }
    Vec::new()
}

fn fixed(at: &str, source: &SecretSource, report: &mut Report<'_>) -> Option<Secret> {
    let secret = report.secret(at, source)?;
    if secret.expose().bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Some(secret);
    }
    report
        .error(at, "holds a letter that has no place in a header")
        .help("write ASCII letters only, others as `%C3%BC` if the server reads that");
    None
}

fn claim_name(at: &str, claim: &str, report: &mut Report<'_>) -> Option<String> {
    let name = claim.trim();
    if name.is_empty() || name.chars().any(|char| char.is_whitespace() || char.is_control()) {
        report
            .error(at, "is no claim's name")
            .offending(claim)
            .help("write a claim such as `email`, `groups`, or `realm_access.roles`");
        return None;
    }
    if OF_TOKENS.contains(&name) {
        report
            .error(at, "is about a token, not about a person")
            .offending(name)
            .help("write a claim about people, such as `sub`, `email`, `groups`");
        return None;
    }
    Some(name.to_owned())
}

fn pass(
    at: &str,
    written: Option<&List>,
    (identity, set): (&IdentityHeaders, &[SetHeader]),
    report: &mut Report<'_>,
) -> Option<PassHeaders> {
    let written = written?;
    let own = || identity.names().chain(set.iter().map(|header| &header.name));
    let read = |text: &str| {
        let lower = text.to_ascii_lowercase();
        let name = lower.strip_suffix('*').unwrap_or(&lower);
        if lower == "*" {
            return Err(Refusal::new("is every header", "remove `pass_headers`, which means the same"));
        }
        if HeaderName::from_bytes(name.as_bytes()).is_err() || name.contains('*') {
            return Err(Refusal::new(
                "is no header name",
                "write names such as `user-agent`, or `x-acme-*` for a family",
            ));
        }
        if let Some((_, why)) = NEVER_PASSED.iter().find(|(never, _)| is_same(name, never)) {
            return Err(Refusal::new("is never passed on", format!("remove it: {why}")));
        }
        if is_reserved(name) {
            return Err(Refusal::new("is never passed on", "remove it: only Vestibule may say this to a backend"));
        }
        if own().any(|own| is_same(name, own.as_str())) {
            return Err(Refusal::new(
                "is set by this route",
                "remove it: what a client sends there is never passed on",
            ));
        }
        Ok(lower)
    };
    let (families, names): (Vec<String>, Vec<String>) =
        list(at, Some(written), report, read).into_iter().partition(|text| text.ends_with('*'));
    Some(PassHeaders {
        names: names.iter().filter_map(|name| HeaderName::try_from(name.as_str()).ok()).collect(),
        families: families.iter().map(|family| family.trim_end_matches('*').to_owned()).collect(),
    })
}
