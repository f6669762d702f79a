//! Keeps web pages away from the admin listener: it asks nobody who they are, so what a browser on
//! the operator's machine, or inside the cluster, can be talked into must not work.
//!
//! - **DNS rebinding.** A page's own name can be made to point at 127.0.0.1; the browser then reads
//!   our answers as its own. Its `Host` still is that name, so names have to be known: addresses,
//!   `localhost`, the configured hosts, and names without a dot (a container's or service's name:
//!   nobody can have one on the Internet).
//! - **Cross-site requests.** A page may send a POST anywhere. The browser says from where.

use std::net::IpAddr;

use http::{
    HeaderMap, Method, StatusCode, Uri,
    header::{HOST, ORIGIN},
    uri::Authority,
};

const FETCH_SITE: &str = "sec-fetch-site";

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// Two hosts, or none that could be read.
    #[error("the request must name one host")]
    Malformed,
    /// A name that could be anybody's (RFC 9110 section 15.5.20).
    #[error("this listener answers to an address, localhost, and the hosts in public_url and allowed_hosts")]
    Misdirected,
    /// Something would happen, and a page of another site wants it.
    #[error("web pages may not do this")]
    CrossSite,
}

// === impl Refusal ===

impl Refusal {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::CrossSite => StatusCode::FORBIDDEN,
        }
    }
}

/// Whether a request may be answered; `is_configured` knows the configured host names.
///
/// # Errors
/// [`Refusal`], see there.
pub(super) fn check(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    is_configured: impl Fn(&str) -> bool,
) -> Result<(), Refusal> {
    let authority = authority(uri, headers)?;
    if let Some(authority) = &authority {
        let host = authority.host().trim_end_matches('.').to_ascii_lowercase();
        if !is_nobodys(&host) && !is_configured(&host) {
            return Err(Refusal::Misdirected);
        }
    }
    let reads = matches!(*method, Method::GET | Method::HEAD);
    if reads || is_own(headers, authority.as_ref()) { Ok(()) } else { Err(Refusal::CrossSite) }
}

/// What the request calls us. A checker that speaks HTTP/1.0 may say nothing; browsers always do.
fn authority(uri: &Uri, headers: &HeaderMap) -> Result<Option<Authority>, Refusal> {
    let mut values = headers.get_all(HOST).iter();
    let header = match (values.next(), values.next()) {
        (None, _) => None,
        (Some(value), None) => Some(Authority::try_from(value.as_bytes()).map_err(|_| Refusal::Malformed)?),
        (Some(_), Some(_)) => return Err(Refusal::Malformed),
    };
    match (header, uri.authority().cloned()) {
        (Some(header), Some(target)) if header != target => Err(Refusal::Malformed),
        (header, target) => {
            let authority = header.or(target);
            match &authority {
                Some(authority) if authority.as_str().contains('@') => Err(Refusal::Malformed),
                _ => Ok(authority),
            }
        }
    }
}

/// Whether no stranger can have this name.
fn is_nobodys(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.parse::<IpAddr>().is_ok() || (!host.is_empty() && !host.contains('.') && !host.contains(':'))
}

/// Whether no browser says that a page of another origin sent this.
fn is_own(headers: &HeaderMap, authority: Option<&Authority>) -> bool {
    let site = headers.get_all(FETCH_SITE).iter().all(|site| site == "same-origin");
    let origin = headers.get_all(ORIGIN).iter().all(|origin| {
        let host = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://"));
        host.is_some() && host == authority.map(Authority::as_str)
    });
    site && origin
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(method: &Method, uri: &str, fields: &[(&'static str, &str)]) -> Result<(), Refusal> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        check(method, &uri.parse().unwrap(), &headers, |host| host == "mcp.example.com")
    }

    /// S73: a name that a stranger may own is not ours, whatever is asked.
    #[test]
    fn s73_only_known_names_are_answered() {
        for (host, expected) in [
            ("127.0.0.1:9464", Ok(())),
            ("10.1.2.3", Ok(())),
            ("[::1]:9464", Ok(())),
            ("[fd00::1]", Ok(())),
            ("localhost:9464", Ok(())),
            ("LocalHost.:9464", Ok(())),
            ("vestibule:9464", Ok(())),
            ("MCP.example.com:9464", Ok(())),
            ("evil.example", Err(Refusal::Misdirected)),
            ("127.0.0.1.evil.example", Err(Refusal::Misdirected)),
            ("mcp.example.com.evil.example", Err(Refusal::Misdirected)),
            ("127.0.0.1.", Ok(())),
            ("127.1.evil", Err(Refusal::Misdirected)),
            ("x@127.0.0.1", Err(Refusal::Malformed)),
            ("", Err(Refusal::Malformed)),
            ("a b", Err(Refusal::Malformed)),
        ] {
            for method in [Method::GET, Method::POST] {
                assert_eq!(ask(&method, "/status", &[("host", host)]), expected, "{host}");
            }
        }
        let several = [("host", "127.0.0.1"), ("host", "evil.example")];
        assert_eq!(ask(&Method::GET, "/status", &several), Err(Refusal::Malformed));
        assert_eq!(ask(&Method::GET, "http://evil.example/status", &[]), Err(Refusal::Misdirected));
        let both = ask(&Method::GET, "http://evil.example/status", &[("host", "127.0.0.1")]);
        assert_eq!(both, Err(Refusal::Malformed));
        assert_eq!(ask(&Method::GET, "/status", &[]), Ok(()));
    }

    /// S73: a page of another site changes nothing; a command does, and a page of our own may.
    #[test]
    fn s73_pages_of_others_change_nothing() {
        let own = "http://127.0.0.1:9464";
        for (site, origin, expected) in [
            (None, None, true),
            (Some("same-origin"), Some(own), true),
            (Some("same-origin"), None, true),
            (None, Some(own), true),
            (Some("cross-site"), None, false),
            (Some("same-site"), None, false),
            (Some("none"), None, false),
            (Some("cross-site"), Some(own), false),
            (None, Some("null"), false),
            (None, Some("https://evil.example"), false),
            (None, Some("http://127.0.0.1:8000"), false),
            (None, Some("http://127.0.0.1:9464.evil.example"), false),
            (Some("same-origin"), Some("https://evil.example"), false),
        ] {
            let mut fields = vec![("host", "127.0.0.1:9464")];
            fields.extend(site.map(|site| (FETCH_SITE, site)));
            fields.extend(origin.map(|origin| ("origin", origin)));
            let refused = if expected { Ok(()) } else { Err(Refusal::CrossSite) };
            assert_eq!(ask(&Method::POST, "/reload", &fields), refused, "{fields:?}");
            assert_eq!(ask(&Method::GET, "/status", &fields), Ok(()), "reading is the browser's to refuse");
        }
    }
}
