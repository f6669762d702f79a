//! Cross-origin requests of browsers: who may call, and what scripts may read (Fetch standard,
//! MCP's rule on `Origin`).

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
        ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
    },
};
use url::Url;

use crate::{
    body::{self, Body},
    route::host::Hosts,
};

const ANY: HeaderValue = HeaderValue::from_static("*");
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
/// What MCP clients send (W11). `Authorization` is never covered by `*`.
const HEADERS: &str =
    "authorization, content-type, mcp-protocol-version, mcp-session-id, mcp-method, mcp-name, last-event-id";
const EXPOSED: HeaderValue =
    HeaderValue::from_static("WWW-Authenticate, Mcp-Session-Id, Mcp-Protocol-Version, Retry-After, X-Request-Id");
/// Seconds; browsers cap it at two hours.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");
/// The longest list of asked-for headers that is looked at.
const MAX_ASKED: usize = 1024;

/// The origins that may call one route.
#[derive(Clone, Debug)]
pub(super) struct Origins {
    any: bool,
    allowed: Vec<String>,
}

/// What a response says about its readers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Readers {
    /// No script of another origin.
    SameOrigin,
    /// Every script: there is nothing in the response that depends on cookies.
    Any,
    /// Scripts of this origin.
    Origin(HeaderValue),
}

/// A request from a page that may not send it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this origin may not call this server")]
pub(super) struct ForeignOrigin;

// === impl Origins ===

impl Origins {
    pub(super) fn new(allowed: &[String]) -> Self {
        let plain = |origin: &String| origin.trim_end_matches('/').to_ascii_lowercase();
        Self { any: allowed.iter().any(|origin| origin == "*"), allowed: allowed.iter().map(plain).collect() }
    }

    /// P-1: an `Origin` that is there must be allowed, whatever the method.
    pub(super) fn check(&self, headers: &HeaderMap, hosts: &Hosts, public_url: &Url) -> Result<Readers, ForeignOrigin> {
        let mut values = headers.get_all(ORIGIN).iter();
        let Some(origin) = values.next() else { return Ok(Readers::SameOrigin) };
        if self.any {
            return Ok(Readers::Any);
        }
        let text = origin.to_str().map_err(|_| ForeignOrigin)?;
        let allowed = self.allowed.iter().any(|own| own == text) || hosts.is_own_origin(public_url, text);
        if allowed && values.next().is_none() { Ok(Readers::Origin(origin.clone())) } else { Err(ForeignOrigin) }
    }
}

// === impl Readers ===

impl Readers {
    /// Tells the browser who may read the response.
    pub(super) fn apply(&self, headers: &mut HeaderMap) {
        match self {
            Self::SameOrigin => return,
            Self::Any => headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY),
            Self::Origin(origin) => {
                headers.append(VARY, HeaderValue::from_static("origin"));
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone())
            }
        };
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }

    /// The answer to a preflight request.
    pub(super) fn preflight(&self, asked: &HeaderMap) -> Response<Body> {
        let mut response = Response::new(body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        self.apply(headers);
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed_headers(asked));
        headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        headers.append(VARY, HeaderValue::from_static("access-control-request-headers"));
        response
    }
}

/// Whether it is a browser's question before the real request.
pub(super) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS && headers.contains_key(ORIGIN) && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The usual ones, and whatever was asked for: `Mcp-Param-*` names are the server's (P-22), and an
/// allowed origin may send what any program may send.
fn allowed_headers(asked: &HeaderMap) -> HeaderValue {
    let asked = asked.get(ACCESS_CONTROL_REQUEST_HEADERS).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut list = HEADERS.to_owned();
    if asked.len() <= MAX_ASKED {
        let further = asked.split(',').filter_map(|name| HeaderName::try_from(name.trim()).ok());
        for name in further.filter(|name| !HEADERS.split(", ").any(|known| known == name.as_str())) {
            list.push_str(", ");
            list.push_str(name.as_str());
        }
    }
    HeaderValue::try_from(list).unwrap_or(HeaderValue::from_static(HEADERS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn check(allowed: &[&str], sent: &[&'static str]) -> Result<Readers, ForeignOrigin> {
        let plan = testing::plan("https://g.example", &[]);
        let allowed: Vec<String> = allowed.iter().map(|origin| (*origin).to_owned()).collect();
        let mut headers = HeaderMap::new();
        for origin in sent {
            headers.append(ORIGIN, HeaderValue::from_static(origin));
        }
        Origins::new(&allowed).check(&headers, &Hosts::new(&plan), &plan.public_url)
    }

    /// P-1: absent passes, our own passes, listed ones pass, all others do not.
    #[test]
    fn p1_origins() {
        let origin = |text| Ok(Readers::Origin(HeaderValue::from_static(text)));
        let listed: &[&str] = &["https://App.example/"];
        for (allowed, sent, expected) in [
            (listed, &[][..], Ok(Readers::SameOrigin)),
            (listed, &["https://g.example"], origin("https://g.example")),
            (listed, &["https://app.example"], origin("https://app.example")),
            (listed, &["http://app.example"], Err(ForeignOrigin)),
            (listed, &["https://app.example.evil"], Err(ForeignOrigin)),
            (listed, &["https://app.example", "https://evil.example"], Err(ForeignOrigin)),
            (listed, &["null"], Err(ForeignOrigin)),
            (listed, &[""], Err(ForeignOrigin)),
            (&[], &["https://evil.example"], Err(ForeignOrigin)),
            (&["*"], &["https://evil.example"], Ok(Readers::Any)),
            (&["*"], &["null"], Ok(Readers::Any)),
        ] {
            assert_eq!(check(allowed, sent), expected, "{allowed:?} {sent:?}");
        }
    }

    /// W11: what a browser client needs to send and to read.
    #[test]
    fn w11_preflight() {
        let mut asked = HeaderMap::new();
        asked.insert(
            ACCESS_CONTROL_REQUEST_HEADERS,
            HeaderValue::from_static("authorization,mcp-param-x, bad name,x-custom"),
        );
        let response = Readers::Origin(HeaderValue::from_static("https://a.example")).preflight(&asked);
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        let headers = response.headers();
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_ORIGIN], "https://a.example");
        assert_eq!(
            headers[ACCESS_CONTROL_ALLOW_HEADERS].to_str().unwrap(),
            format!("{HEADERS}, mcp-param-x, x-custom")
        );
        assert!(headers[ACCESS_CONTROL_EXPOSE_HEADERS].to_str().unwrap().contains("WWW-Authenticate"));
        assert!(!headers.contains_key("access-control-allow-credentials"));
        asked.insert(ACCESS_CONTROL_REQUEST_HEADERS, HeaderValue::try_from("x".repeat(2000)).unwrap());
        assert_eq!(Readers::Any.preflight(&asked).headers()[ACCESS_CONTROL_ALLOW_HEADERS], HEADERS);
    }
}
