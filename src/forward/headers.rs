//! Which headers pass between client and backend, and which we set.
//!
//! Cleaning comes first, setting second: nothing a client sends can remove or double what we say.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
        ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALT_SVC, AUTHORIZATION,
        CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_RANGE, CONTENT_TYPE,
        COOKIE, EXPECT, FORWARDED, HOST, LOCATION, ORIGIN, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, RANGE, SET_COOKIE,
        TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
    },
};

use super::{Backend, ForwardHeaders, target::Mapping};
use crate::{
    config::plan::{PassHeaders, RoutePlan},
    metrics::outcome::StreamKind,
    reserved::{is_reserved, is_same},
};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// What says where a message ends, for whom it is and who sent it. With `_` for `-` these mean
/// nothing in HTTP, but servers with a CGI heritage read them all the same.
const UNDERSCORED: [&str; 4] = ["content_length", "proxy_authorization", "proxy_connection", "transfer_encoding"];

/// What has no place behind a body (RFC 9110 section 6.5.1), besides what no client may say.
const NOT_IN_TRAILERS: [HeaderName; 13] = [
    AUTHORIZATION,
    CACHE_CONTROL,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    CONTENT_TYPE,
    COOKIE,
    EXPECT,
    HOST,
    ORIGIN,
    PROXY_AUTHORIZATION,
    RANGE,
    TRAILER,
];

/// What a request is not understood without, whatever a route's list says: how its body and its answer
/// are written, the trace (ours, if nobody began one), and the protocol between client and server. Of
/// that, no list can know all names (P-22).
const ESSENTIAL: [&str; 9] = [
    "accept",
    "accept-encoding",
    "content-encoding",
    "content-length",
    "content-type",
    "last-event-id",
    "te",
    "traceparent",
    "tracestate",
];
/// The same as families.
const ESSENTIAL_FAMILIES: [&str; 2] = ["mcp-", "sec-websocket-"];

/// The names of our cookies begin with these, with `__Host-` before it on https.
const OUR_COOKIES: [&str; 2] = ["vestibule-", "__host-vestibule"];

/// What a client may say to one backend.
#[derive(Debug)]
pub(super) struct Rules {
    /// Headers that this route sets itself, in lower case.
    own: Box<[HeaderName]>,
    /// All that may pass, if the route narrows it.
    pass: Option<PassHeaders>,
}

// === impl Rules ===

impl Rules {
    pub(super) fn new(route: &RoutePlan) -> Self {
        let set = route.set_headers.iter().map(|header| &header.name);
        Self { own: route.identity_headers.names().chain(set).cloned().collect(), pass: route.pass_headers.clone() }
    }

    /// Servers with a CGI heritage read `X_User` and `X-User` as one header (S40).
    fn refuse(&self, name: &str) -> bool {
        self.own.iter().any(|own| is_same(name, own.as_str()))
            || UNDERSCORED.contains(&name)
            || is_reserved(name)
            || self.pass.as_ref().is_some_and(|pass| !is_essential(name) && !pass.contains(name))
    }
}

/// Removes what ends at this hop, what is for us, and what only we may say.
pub(super) fn clean_request(headers: &mut HeaderMap, rules: &Rules) {
    remove_named_by_connection(headers);
    for name in [AUTHORIZATION, ORIGIN, EXPECT, HTTP2_SETTINGS, PROXY_AUTHORIZATION] {
        headers.remove(name);
    }
    // The one value of TE that is between client and backend (RFC 9110 section 10.1.4).
    let trailers = headers.get(TE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"trailers"));
    remove_hop_by_hop(headers);
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    remove_refused(headers, rules);
    clean_cookies(headers);
}

/// Some servers put what follows a body among the headers that came before it. So nothing may be
/// said there that could not be said in front (S40).
pub(super) fn clean_trailers(trailers: &mut HeaderMap, rules: &Rules) {
    for name in &NOT_IN_TRAILERS {
        trailers.remove(name);
    }
    remove_hop_by_hop(trailers);
    remove_refused(trailers, rules);
}

/// Says who calls, from where, and for whom.
pub(super) fn set_request(headers: &mut HeaderMap, backend: &Backend, add: &ForwardHeaders) {
    headers.insert(HOST, backend.host.clone());
    headers.insert(X_FORWARDED_HOST, backend.public_host.clone());
    headers.insert(X_FORWARDED_PROTO, backend.public_scheme.clone());
    headers.insert(X_FORWARDED_FOR, add.forwarded_for.clone());
    headers.insert(FORWARDED, add.forwarded.clone());
    headers.insert(X_REQUEST_ID, add.request_id.clone());
    for (name, value) in &*add.identity {
        headers.insert(name.clone(), value.clone());
    }
    if let Some(authorization) = &add.authorization {
        headers.insert(AUTHORIZATION, authorization.clone());
    }
}

/// Removes what ends at this hop and what is not the backend's to say.
pub(super) fn clean_response(headers: &mut HeaderMap, mapping: &Mapping) {
    remove_named_by_connection(headers);
    remove_hop_by_hop(headers);
    // Cross-origin access is decided at the edge, where the origin was checked.
    for name in [
        ACCESS_CONTROL_ALLOW_CREDENTIALS,
        ACCESS_CONTROL_ALLOW_HEADERS,
        ACCESS_CONTROL_ALLOW_METHODS,
        ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS,
        ACCESS_CONTROL_MAX_AGE,
        ALT_SVC,
        PROXY_AUTHENTICATE,
    ] {
        headers.remove(name);
    }
    for name in [LOCATION, CONTENT_LOCATION] {
        let public = headers.get(&name).and_then(|value| value.to_str().ok()).and_then(|text| mapping.to_public(text));
        if let Some(value) = public.and_then(|text| HeaderValue::try_from(text).ok()) {
            headers.insert(name, value);
        }
    }
    keep_our_cookies(headers);
}

/// Whether the response is one that stays open.
pub(super) fn stream_kind(headers: &HeaderMap) -> Option<StreamKind> {
    let media_type = headers.get(CONTENT_TYPE)?.as_bytes();
    let begins = |kind: &[u8]| media_type.get(..kind.len()).is_some_and(|start| start.eq_ignore_ascii_case(kind));
    if begins(b"text/event-stream") {
        Some(StreamKind::Sse)
    } else if begins(b"application/grpc") {
        Some(StreamKind::Grpc)
    } else {
        None
    }
}

/// P-5: proxies further out must not hold events back.
pub(super) fn forbid_buffering(headers: &mut HeaderMap) {
    headers.entry(X_ACCEL_BUFFERING).or_insert(HeaderValue::from_static("no"));
}

/// RFC 9110 section 7.6.1. Headers that say how long the message is cannot be asked away.
fn remove_named_by_connection(headers: &mut HeaderMap) {
    if !headers.contains_key(CONNECTION) {
        return;
    }
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .filter_map(|token| HeaderName::try_from(token.trim()).ok())
        .filter(|name| ![CONTENT_LENGTH, HOST, TE, UPGRADE].contains(name))
        .collect();
    for name in named {
        headers.remove(name);
    }
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    for name in [CONNECTION, KEEP_ALIVE, PROXY_CONNECTION, TE, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
    }
}

/// Removes what a client may not say on this route.
fn remove_refused(headers: &mut HeaderMap, rules: &Rules) {
    // Nearly always empty, and then it costs no allocation.
    let doomed: Vec<HeaderName> = headers.keys().filter(|name| rules.refuse(name.as_str())).cloned().collect();
    for name in doomed {
        headers.remove(name);
    }
}

fn is_essential(name: &str) -> bool {
    ESSENTIAL.contains(&name) || ESSENTIAL_FAMILIES.iter().any(|family| name.starts_with(family))
}

/// Takes our cookies out, and makes one header of the several that HTTP/2 may have
/// (RFC 9113 section 8.2.3).
fn clean_cookies(headers: &mut HeaderMap) {
    let mut values = headers.get_all(COOKIE).iter();
    match (values.next(), values.next()) {
        (None, _) => return,
        (Some(only), None) if !cookie_pairs(only).any(is_ours) => return,
        _ => {}
    }
    let kept: Vec<&[u8]> = headers
        .get_all(COOKIE)
        .iter()
        .flat_map(cookie_pairs)
        .filter(|pair| !pair.is_empty() && !is_ours(pair))
        .collect();
    let kept = (!kept.is_empty()).then(|| HeaderValue::from_bytes(&kept.join(b"; ".as_slice()))).and_then(Result::ok);
    match kept {
        Some(value) => drop(headers.insert(COOKIE, value)),
        None => drop(headers.remove(COOKIE)),
    }
}

fn cookie_pairs(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value.as_bytes().split(|byte| *byte == b';').map(<[u8]>::trim_ascii)
}

/// S46: a backend must not plant a cookie that we would read as ours.
fn keep_our_cookies(headers: &mut HeaderMap) {
    if !headers.get_all(SET_COOKIE).iter().any(|value| is_ours(value.as_bytes())) {
        return;
    }
    let kept: Vec<HeaderValue> =
        headers.get_all(SET_COOKIE).iter().filter(|value| !is_ours(value.as_bytes())).cloned().collect();
    headers.remove(SET_COOKIE);
    for value in kept {
        headers.append(SET_COOKIE, value);
    }
}

/// Browsers send a cookie without a name as its bare value, so a leading `=` hides nothing.
fn is_ours(pair: impl AsRef<[u8]>) -> bool {
    let name = pair.as_ref().trim_ascii_start();
    let name = name.strip_prefix(b"=").unwrap_or(name).trim_ascii_start();
    OUR_COOKIES.iter().any(|own| name.get(..own.len()).is_some_and(|start| start.eq_ignore_ascii_case(own.as_bytes())))
}

#[cfg(test)]
mod tests;
