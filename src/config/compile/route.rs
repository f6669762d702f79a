//! One protected path.

use std::{net::SocketAddr, time::Duration};

use url::{Host, Url};

use super::{
    headers, policy,
    report::Report,
    server::list,
    value::{self, Refusal},
};
use crate::{
    config::{
        document::Route,
        origin::child,
        plan::{BackendAuthorization, BackendPlan, Mode, PathMatch, RoutePlan},
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
/// Shorter silences are nothing unusual.
const LEAST_IDLE: Duration = Duration::from_secs(1);

/// What a route belongs to.
pub(super) struct Place<'a> {
    pub(super) provider: &'a str,
    pub(super) mount: Option<&'a str>,
    pub(super) public_url: Option<&'a Url>,
    /// What the resource begins with, if it is not the public URL with the mount.
    pub(super) resource_base: Option<&'a Url>,
    pub(super) listen: SocketAddr,
    pub(super) mode: Mode,
    /// For whom a token has to be if the route does not say it, with `mode: remote`.
    pub(super) audiences: &'a [String],
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

/// Which paths belong to it.
pub(super) fn matches(at: &str, route: &Route, report: &mut Report<'_>) -> PathMatch {
    let choices = [("prefix", PathMatch::Prefix), ("exact", PathMatch::Exact)];
    let written = route.r#match.as_deref();
    let read = |text: &str| report.read(&child(at, "match"), text.trim(), |text| value::choice(text, &choices));
    written.and_then(read).unwrap_or(PathMatch::Prefix)
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
    (path, matches): (Option<&str>, PathMatch),
    required_scopes: Scopes,
    place: &Place<'_>,
    report: &mut Report<'_>,
) -> Option<RoutePlan> {
    let url = backend(&child(at, "backend"), route, place.listen, report);
    let timeout = |text: &str| value::duration(text, LEAST_TIMEOUT, MOST_TIMEOUT);
    let (connect, response) = (child(at, "connect_timeout"), child(at, "response_timeout"));
    let connect_timeout = report.scalar(&connect, route.connect_timeout.as_ref(), DEFAULT_CONNECT_TIMEOUT, timeout);
    let response_timeout = report.scalar(&response, route.response_timeout.as_ref(), DEFAULT_RESPONSE_TIMEOUT, timeout);
    let idle_timeout =
        report.scalar(&child(at, "idle_timeout"), route.idle_timeout.as_ref(), None, |text| match text {
            "off" | "none" | "false" => Ok(None),
            text => value::duration(text, LEAST_IDLE, MOST_TIMEOUT).map(Some),
        });
    let max_body = report.scalar(&child(at, "max_body"), route.max_body.as_ref(), DEFAULT_MAX_BODY, |text| {
        value::size(text, 1, MOST_MAX_BODY)
    });
    let allowed_origins = list(&child(at, "allowed_origins"), route.allowed_origins.as_ref(), report, origin);
    let backend_authorization = route.backend_authorization.as_deref().and_then(|text| {
        let choices = [
            ("none", BackendAuthorization::None),
            ("provider_token", BackendAuthorization::ProviderToken),
            ("assertion", BackendAuthorization::Assertion),
        ];
        report.read(&child(at, "backend_authorization"), text.trim(), |text| value::choice(text, &choices))
    });
    let backend_authorization = backend_authorization.unwrap_or(BackendAuthorization::None);
    let headers = headers::compile(at, route, backend_authorization, report);
    let audiences = audiences(&child(at, "audience"), route, place, report);
    let policy = policy::compile(&child(at, "policy"), &route.policy, report);
    let (path, mount, public_url) = (path?, place.mount?, place.public_url?);
    let public_path = below(mount, path);
    let resource = match place.resource_base {
        Some(base) => ResourceUri::below(base, path),
        None => ResourceUri::of_route(public_url, &public_path),
    };
    Some(RoutePlan {
        id: format!("{}{path}", place.provider),
        provider: place.provider.to_owned(),
        audiences: if audiences.is_empty() { vec![resource.to_string()] } else { audiences },
        resource,
        path: public_path,
        matches,
        backend: BackendPlan { url: url?, connect_timeout, response_timeout, idle_timeout },
        required_scopes,
        policy,
        max_body,
        allowed_origins,
        identity_headers: headers.identity,
        set_headers: headers.set,
        pass_headers: headers.pass,
        backend_authorization,
    })
}

/// For whom a token has to be; empty: for the route's public URL.
fn audiences(at: &str, route: &Route, place: &Place<'_>, report: &mut Report<'_>) -> Vec<String> {
    let Some(written) = &route.audience else { return place.audiences.to_vec() };
    let audiences = list(at, Some(written), report, audience);
    if value::items(written).is_ok_and(|items| items.is_empty()) {
        report
            .error(at, "is empty, so no token could open the route")
            .help("write for whom a token has to be, or remove `audience`: it is the route's public URL then");
    }
    if let ([first, _, ..], Mode::Proxy) = (audiences.as_slice(), place.mode) {
        report
            .error(at, "names several, and our tokens are for one")
            .help(format!("write one, `audience: {first}`; several are possible with `mode: remote`"));
    }
    audiences
}

fn audience(text: &str) -> Result<String, Refusal> {
    if text.is_empty() || text.chars().any(|char| char.is_control() || char.is_whitespace()) {
        return Err(Refusal::new(
            "is no audience",
            "write it as it is in tokens: `https://api.example.com`, `api://tools`",
        ));
    }
    Ok(text.to_owned())
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
