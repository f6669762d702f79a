//! Which `Host` (or `:authority`) values are ours: the guard against DNS rebinding.

use http::{HeaderMap, Uri, header::HOST, uri::Authority};
use url::Url;

use crate::{config::plan::Plan, oauth::redirect_uri::is_loopback};

/// The names under which this server may be called.
#[derive(Clone, Debug)]
pub struct Hosts {
    /// Lower case, no trailing dot, the port only if it is not the scheme's default.
    allowed: Vec<String>,
    /// `:443` or `:80`, which means the same as no port.
    default_port: &'static str,
}

/// Why a request is not for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// None, several, or two that disagree (RFC 9112 section 3.2).
    #[error("the request must name exactly one host")]
    Malformed,
    /// Somebody else's name (RFC 9110 section 15.5.20).
    #[error("this server does not answer for that host")]
    Misdirected,
}

// === impl Hosts ===

impl Hosts {
    /// The public URL's host and the further allowed ones. Loopback has three names.
    pub fn new(plan: &Plan) -> Self {
        let default_port = if plan.is_https() { ":443" } else { ":80" };
        let mut hosts = Self { allowed: Vec::new(), default_port };
        let port = plan.public_url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let public = plan.public_url.host_str().map(|host| format!("{host}{port}"));
        let loopback = is_loopback(&plan.public_url).then_some(["localhost", "127.0.0.1", "[::1]"]);
        let loopback = loopback.into_iter().flatten().map(|name| format!("{name}{port}"));
        for host in public.into_iter().chain(loopback).chain(plan.allowed_hosts.iter().cloned()) {
            let host = hosts.canonical(&host);
            if !hosts.allowed.contains(&host) {
                hosts.allowed.push(host);
            }
        }
        hosts
    }

    /// Checks what the request says about its host: the request target's authority (absolute
    /// form, HTTP/2) and the `Host` header must agree, and name us.
    ///
    /// # Errors
    /// [`HostError`], see there.
    pub fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), HostError> {
        let mut values = headers.get_all(HOST).iter();
        let header = match (values.next(), values.next()) {
            (None, _) => None,
            (Some(value), None) => Some(value.to_str().map_err(|_| HostError::Malformed)?),
            (Some(_), Some(_)) => return Err(HostError::Malformed),
        };
        let host = match (header, uri.authority().map(Authority::as_str)) {
            (Some(host), None) | (None, Some(host)) => host,
            (Some(header), Some(target)) if self.canonical(header) == self.canonical(target) => header,
            _ => return Err(HostError::Malformed),
        };
        // The usual case costs one comparison.
        if self.allowed.first().is_some_and(|first| first == host) {
            return Ok(());
        }
        if host.is_empty() || host.contains(['@', '/', ',', ' ']) {
            return Err(HostError::Malformed);
        }
        if self.allowed.contains(&self.canonical(host)) { Ok(()) } else { Err(HostError::Misdirected) }
    }

    /// Whether this `Origin` is our own: a page of ours, or a client on our own host.
    pub fn is_own_origin(&self, public_url: &Url, origin: &str) -> bool {
        origin.split_once("://").is_some_and(|(scheme, host)| {
            scheme.eq_ignore_ascii_case(public_url.scheme()) && self.allowed.contains(&self.canonical(host))
        })
    }

    fn canonical(&self, host: &str) -> String {
        let mut host = host.to_ascii_lowercase();
        if let Some(bare) = host.strip_suffix(self.default_port) {
            host.truncate(bare.len());
        }
        match host.rsplit_once(':') {
            Some((name, port)) if !port.contains(']') => format!("{}:{port}", name.strip_suffix('.').unwrap_or(name)),
            _ => host.strip_suffix('.').map(str::to_owned).unwrap_or(host),
        }
    }
}

#[cfg(test)]
mod tests;
