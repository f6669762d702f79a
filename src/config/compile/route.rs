//! One protected path.

use std::{net::SocketAddr, time::Duration};

use http::HeaderName;
use url::{Host, Url};

use super::{
    policy,
    report::Report,
    server::list,
    value::{self, Refusal},
};
use crate::{
    config::{
        document::{IdentityHeaders as Written, Route},
        origin::child,
        plan::{BackendAuthorization, BackendPlan, IdentityHeaders, RoutePlan},
    },
    oauth::{ResourceUri, Scopes},
};

const DEFAULT_MAX_BODY: u64 = 16 << 20;
const MOST_MAX_BODY: u64 = 1 << 40;
const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A tool may work for minutes before it answers.
const DEFAULT_RESPONSE_TIMEOUT: Duration = Duration::from_mins(5);
const LEAST_TIMEOUT: Duration = Duration::from_millis(10);
const MOST_TIMEOUT: Duration = Duration::from_hours(24);

/// Headers that frame or route a request: none of them can carry an identity.
const FORBIDDEN_HEADERS: [HeaderName; 14] = [
    http::header::AUTHORIZATION,
    http::header::CONNECTION,
    http::header::CONTENT_LENGTH,
    http::header::CONTENT_TYPE,
    http::header::COOKIE,
    http::header::EXPECT,
    http::header::FORWARDED,
    http::header::HOST,
    http::header::ORIGIN,
    http::header::PROXY_AUTHORIZATION,
    http::header::TE,
    http::header::TRAILER,
    http::header::TRANSFER_ENCODING,
    http::header::UPGRADE,
];

/// What a route belongs to.
pub(super) struct Place<'a> {
    pub(super) provider: &'a str,
    pub(super) mount: Option<&'a str>,
    pub(super) public_url: Option<&'a Url>,
    /// What the resource begins with, if it is not the public URL with the mount.
    pub(super) resource_base: Option<&'a Url>,
    pub(super) listen: SocketAddr,
}

/// The path below the mount, if it is right.
pub(super) fn path(at: &str, route: &Route, report: &mut Report<'_>) -> Option<String> {
    let at = child(at, "path");
    let Some(text) = &route.path else {
        report.missing(&at, "/mcp");
        return None;
    };
    report.read(&at, text.trim(), value::path)
}

/// The public path of something below a mount.
pub(super) fn below(mount: &str, path: &str) -> String {
    match (mount.trim_end_matches('/'), path) {
        ("", path) => path.to_owned(),
        (mount, "/") => mount.to_owned(),
        (mount, path) => format!("{mount}{path}"),
    }
}

pub(super) fn compile(
    at: &str,
    route: &Route,
    path: Option<&str>,
    required_scopes: Scopes,
    place: &Place<'_>,
    report: &mut Report<'_>,
) -> Option<RoutePlan> {
    let url = backend(&child(at, "backend"), route, place.listen, report);
    let timeout = |text: &str| value::duration(text, LEAST_TIMEOUT, MOST_TIMEOUT);
    let (connect, response) = (child(at, "connect_timeout"), child(at, "response_timeout"));
    let connect_timeout = report.scalar(&connect, route.connect_timeout.as_ref(), DEFAULT_CONNECT_TIMEOUT, timeout);
    let response_timeout = report.scalar(&response, route.response_timeout.as_ref(), DEFAULT_RESPONSE_TIMEOUT, timeout);
    let max_body = report.scalar(&child(at, "max_body"), route.max_body.as_ref(), DEFAULT_MAX_BODY, |text| {
        value::size(text, 1, MOST_MAX_BODY)
    });
    let allowed_origins = list(&child(at, "allowed_origins"), route.allowed_origins.as_ref(), report, origin);
    let identity_headers = identity_headers(&child(at, "identity_headers"), &route.identity_headers, report);
    let backend_authorization = route.backend_authorization.as_deref().and_then(|text| {
        let choices = [
            ("none", BackendAuthorization::None),
            ("provider_token", BackendAuthorization::ProviderToken),
            ("assertion", BackendAuthorization::Assertion),
        ];
        report.read(&child(at, "backend_authorization"), text.trim(), |text| value::choice(text, &choices))
    });
    let policy = policy::compile(&child(at, "policy"), &route.policy, report);
    let (path, mount, public_url) = (path?, place.mount?, place.public_url?);
    let public_path = below(mount, path);
    Some(RoutePlan {
        id: format!("{}{path}", place.provider),
        provider: place.provider.to_owned(),
        resource: match place.resource_base {
            Some(base) => ResourceUri::below(base, path),
            None => ResourceUri::of_route(public_url, &public_path),
        },
        path: public_path,
        backend: BackendPlan { url: url?, connect_timeout, response_timeout },
        required_scopes,
        policy,
        max_body,
        allowed_origins,
        identity_headers,
        backend_authorization: backend_authorization.unwrap_or(BackendAuthorization::None),
    })
}

fn backend(at: &str, route: &Route, listen: SocketAddr, report: &mut Report<'_>) -> Option<Url> {
    let Some(text) = &route.backend else {
        report.missing(at, "http://127.0.0.1:3000/mcp");
        return None;
    };
    report.read(at, text.trim(), |text| {
        let url = value::web_url(text)?;
        if url.query().is_some() {
            return Err(Refusal::new(
                "holds a query",
                "remove the `?` and what follows; the client's query is passed on",
            ));
        }
        if is_ourselves(&url, listen) {
            let message = format!("is this gateway itself (`listen` is {listen}): requests would go in circles");
            return Err(Refusal::new(message, "write the address of the server that is to be protected"));
        }
        Ok(url)
    })
}

fn is_ourselves(url: &Url, listen: SocketAddr) -> bool {
    let address = match url.host() {
        Some(Host::Domain("localhost")) => listen.ip().is_loopback() || listen.ip().is_unspecified(),
        Some(Host::Ipv4(ip)) => listen.ip() == ip || (listen.ip().is_unspecified() && ip.is_loopback()),
        Some(Host::Ipv6(ip)) => listen.ip() == ip || (listen.ip().is_unspecified() && ip.is_loopback()),
        _ => false,
    };
    address && url.port_or_known_default() == Some(listen.port())
}

/// A browser's origin (RFC 6454), or `*`.
fn origin(text: &str) -> Result<String, Refusal> {
    if text == "*" {
        return Ok(text.to_owned());
    }
    let url = value::web_url(text)?;
    let origin = url.origin().ascii_serialization();
    if url.path() != "/" || url.query().is_some() {
        return Err(Refusal::new("is more than an origin", format!("write `{origin}`")));
    }
    Ok(origin)
}

fn identity_headers(at: &str, written: &Written, report: &mut Report<'_>) -> IdentityHeaders {
    let mut taken: Vec<HeaderName> = Vec::new();
    let mut read = |key: &str, text: Option<&String>, default: Option<&'static str>| {
        let at = child(at, key);
        let name = match text.map(|text| text.trim()) {
            None => default.map(HeaderName::from_static),
            Some(text) if matches!(text.to_ascii_lowercase().as_str(), "off" | "none" | "false") => None,
            Some(text) => report.read(&at, text, header_name),
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

fn header_name(text: &str) -> Result<HeaderName, Refusal> {
    let name = HeaderName::from_bytes(text.as_bytes())
        .map_err(|_| Refusal::new("is no header name", "write a name such as `x-forwarded-user`, or `off`"))?;
    if FORBIDDEN_HEADERS.contains(&name) {
        return Err(Refusal::new(
            "is a header with another meaning",
            "write a name such as `x-forwarded-user`, or `off`",
        ));
    }
    Ok(name)
}
