//! Redirect URIs: what may be registered, and when a requested one is a registered one
//! (RFC 6749 section 3.1.2, RFC 8252 sections 7 and 8, OAuth 2.1 section 2.3.1).

use std::{fmt, net::IpAddr};

use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// The longest redirect URI accepted, in bytes.
pub const MAX_LENGTH: usize = 2048;

/// Schemes that run or open something in the browser itself, or that belong to a program of the
/// system which does not expect an authorization response: no client listens there.
const DANGEROUS_SCHEMES: [&str; 32] = [
    "javascript",
    "data",
    "file",
    "vbscript",
    "about",
    "blob",
    "filesystem",
    "ws",
    "wss",
    "chrome",
    "content",
    "ftp",
    "gopher",
    "intent",
    "jar",
    "ldap",
    "ldaps",
    "mailto",
    "mhtml",
    "ms-msdt",
    "ms-officecmd",
    "res",
    "resource",
    "search",
    "search-ms",
    "sftp",
    "shell",
    "sms",
    "smb",
    "ssh",
    "tel",
    "view-source",
];

/// A redirect URI that is safe to send a browser to. Keeps the exact text that the client wrote.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RedirectUri {
    text: String,
}

/// Why a URI may not be a redirect URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedirectUriError {
    /// Not an absolute URI.
    #[error("a redirect URI is an absolute URI")]
    NotAbsolute,
    /// Longer than [`MAX_LENGTH`].
    #[error("a redirect URI has at most {MAX_LENGTH} characters")]
    TooLong,
    /// Control characters, spaces or backslashes, which browsers read in surprising ways.
    #[error("a redirect URI has no spaces, control characters or backslashes")]
    StrangeCharacters,
    /// `#...`
    #[error("a redirect URI has no fragment (RFC 6749 section 3.1.2)")]
    Fragment,
    /// `user@`
    #[error("a redirect URI has no user name or password")]
    UserInfo,
    /// `http` to a host that is not this machine.
    #[error("a redirect URI uses https, or http on localhost, 127.0.0.1 or [::1]")]
    InsecureHttp,
    /// `javascript:` and its kin.
    #[error("this scheme can never be a redirect URI")]
    DangerousScheme,
    /// `..` in the path, as text or percent-encoded, also with parameters (`..;x`).
    #[error("a redirect URI has no `.` or `..` path segments")]
    DotSegments,
}

// === impl RedirectUri ===

impl RedirectUri {
    /// Checks a URI as a client wrote it.
    ///
    /// # Errors
    /// [`RedirectUriError`], one variant a reason.
    pub fn parse(text: &str) -> Result<Self, RedirectUriError> {
        if text.len() > MAX_LENGTH {
            return Err(RedirectUriError::TooLong);
        }
        if text.chars().any(|char| char.is_control() || char.is_whitespace() || char == '\\') {
            return Err(RedirectUriError::StrangeCharacters);
        }
        let url = Url::parse(text).map_err(|_| RedirectUriError::NotAbsolute)?;
        if url.fragment().is_some() {
            return Err(RedirectUriError::Fragment);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(RedirectUriError::UserInfo);
        }
        // The parser reads `https:host` and `https:///host` as if two slashes were there.
        let is_plain = || has_plain_authority(text);
        match url.scheme() {
            "http" | "https" if !is_plain() => return Err(RedirectUriError::NotAbsolute),
            "https" if url.has_host() => {}
            "http" if is_loopback(&url) => {}
            "http" | "https" => return Err(RedirectUriError::InsecureHttp),
            scheme if is_dangerous_scheme(scheme) => return Err(RedirectUriError::DangerousScheme),
            _ => {}
        }
        if has_dot_segments(text) {
            return Err(RedirectUriError::DotSegments);
        }
        Ok(Self { text: text.to_owned() })
    }

    /// The text exactly as the client wrote it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it leads to this machine (`localhost`, `127.0.0.0/8`, `[::1]`).
    pub fn is_loopback(&self) -> bool {
        self.url().is_some_and(|url| url.scheme() == "http" && is_loopback(&url))
    }

    /// Whether its scheme belongs to an application (`cursor://`), not to the web.
    pub fn is_private_use(&self) -> bool {
        self.url().is_some_and(|url| !matches!(url.scheme(), "http" | "https"))
    }

    /// What a person should read before going there: the host (with its port), or the scheme of
    /// an application.
    pub fn display_host(&self) -> String {
        let Some(url) = self.url() else { return String::new() };
        match (url.scheme(), url.host_str(), url.port()) {
            ("http" | "https", Some(host), Some(port)) => format!("{host}:{port}"),
            ("http" | "https", Some(host), None) => host.to_owned(),
            (scheme, _, _) => format!("{scheme}:"),
        }
    }

    /// The text; on loopback without the port, which says nothing about who listens there.
    pub fn without_port(&self) -> String {
        let Some(mut url) = self.url().filter(|_| self.is_loopback()) else { return self.text.clone() };
        match url.set_port(None) {
            Ok(()) => url.into(),
            Err(()) => self.text.clone(),
        }
    }

    /// Whether a request for this URI is covered by the `registered` one: the same text, or, on
    /// loopback, the same but for the port (RFC 8252 section 7.3), with an empty path equal to `/`.
    pub fn is_covered_by(&self, registered: &Self) -> bool {
        if self.text == registered.text {
            return true;
        }
        let (Some(own), Some(other)) = (self.url(), registered.url()) else { return false };
        self.is_loopback()
            && registered.is_loopback()
            && own.host() == other.host()
            && own.path() == other.path()
            && own.query() == other.query()
    }

    pub(super) fn url(&self) -> Option<Url> {
        Url::parse(&self.text).ok()
    }
}

impl TryFrom<String> for RedirectUri {
    type Error = RedirectUriError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<RedirectUri> for String {
    fn from(uri: RedirectUri) -> Self {
        uri.text
    }
}

impl fmt::Display for RedirectUri {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// Whether the URL's host is this machine.
pub fn is_loopback(url: &Url) -> bool {
    url.host().is_some_and(|host| is_loopback_host(&host))
}

/// Whether a host is this machine.
pub(super) fn is_loopback_host<S: AsRef<str>>(host: &Host<S>) -> bool {
    match host {
        Host::Domain(name) => name.as_ref() == "localhost",
        Host::Ipv4(address) => IpAddr::V4(*address).is_loopback(),
        Host::Ipv6(address) => IpAddr::V6(*address).is_loopback(),
    }
}

/// Whether no client can listen behind a scheme, given in lower case.
pub(super) fn is_dangerous_scheme(scheme: &str) -> bool {
    DANGEROUS_SCHEMES.contains(&scheme)
}

/// `//` and something behind it, where the authority of a web address is.
fn has_plain_authority(text: &str) -> bool {
    let rest = text.split_once(':').and_then(|(_, rest)| rest.strip_prefix("//"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', '?', '#']))
}

/// Looks at the text, not at the parsed URL: the parser has already resolved the dots.
pub(super) fn has_dot_segments(text: &str) -> bool {
    let (_, rest) = text.split_once(':').unwrap_or_default();
    let plain = rest.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase().replace("%2e", ".");
    // What stands between two slashes at the beginning and the next one is no part of the path.
    let segments =
        plain.strip_prefix("//").map_or(plain.as_str(), |rest| rest.split_once('/').map_or("", |(_, path)| path));
    segments
        .split('/')
        .map(|segment| segment.split(';').next().unwrap_or_default())
        .any(|name| name == "." || name == "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> RedirectUri {
        RedirectUri::parse(text).unwrap()
    }

    /// U1: the port of a loopback URI is chosen when the client starts.
    #[test]
    fn u1_loopback_ports_are_free() {
        for (requested, registered) in [
            ("http://127.0.0.1:5000/", "http://127.0.0.1/"),
            ("http://localhost:1/callback", "http://localhost/callback"),
            ("http://[::1]:9/cb", "http://[::1]:1/cb"),
            ("http://127.0.0.1:33418", "http://127.0.0.1/"),
        ] {
            assert!(uri(requested).is_covered_by(&uri(registered)), "{requested}");
        }
        for (requested, registered) in [
            ("http://localhost:1/callback", "http://127.0.0.1/callback"),
            ("http://127.0.0.1:1/other", "http://127.0.0.1/callback"),
            ("http://127.0.0.1:1/callback?x", "http://127.0.0.1/callback"),
            ("https://a.example:1/cb", "https://a.example/cb"),
            ("https://a.example", "https://a.example/"),
            ("https://127.0.0.1:1/cb", "https://127.0.0.1/cb"),
        ] {
            assert!(!uri(requested).is_covered_by(&uri(registered)), "{requested}");
        }
    }

    /// U2, U3, U4: what real clients register.
    #[test]
    fn u2_u3_u4_real_clients_are_accepted() {
        for text in [
            "https://claude.ai/api/mcp/auth_callback",
            "https://vscode.dev/redirect",
            "http://127.0.0.1:33418",
            "cursor://anysphere.cursor-mcp/oauth/callback",
            "com.example.app:/cb",
        ] {
            assert!(RedirectUri::parse(text).is_ok(), "{text}");
        }
    }

    /// S12, U3: what no client may register.
    #[test]
    fn s12_dangerous_uris_are_refused() {
        use RedirectUriError as E;
        for (text, error) in [
            ("javascript:alert(1)", E::DangerousScheme),
            ("data:text/html,x", E::DangerousScheme),
            ("file:///etc/passwd", E::DangerousScheme),
            ("VBScript:x", E::DangerousScheme),
            ("ms-msdt:/id?x", E::DangerousScheme),
            ("search-ms:query=x", E::DangerousScheme),
            ("intent://a.example/#Intent;end", E::Fragment),
            ("intent://a.example/cb", E::DangerousScheme),
            ("view-source:https://a.example/", E::DangerousScheme),
            ("mailto:a@b.example", E::DangerousScheme),
            ("http://example.com/cb", E::InsecureHttp),
            ("http://localhost.evil.com/cb", E::InsecureHttp),
            ("https://a.example/cb#f", E::Fragment),
            ("https://u:p@a.example/cb", E::UserInfo),
            ("https://a.example/\\cb", E::StrangeCharacters),
            ("https://a.example/ cb", E::StrangeCharacters),
            ("https://a.example/x/../cb", E::DotSegments),
            ("https://a.example/x/%2E%2e/cb", E::DotSegments),
            ("https://a.example/x/..;y/cb", E::DotSegments),
            ("https://a.example/..", E::DotSegments),
            ("com.example.app:/../cb", E::DotSegments),
            ("com.example.app:../cb", E::DotSegments),
            ("cursor://host/x/%2e%2e/cb", E::DotSegments),
            ("https:a.example/cb", E::NotAbsolute),
            ("https:/a.example/cb", E::NotAbsolute),
            ("https:///a.example/cb", E::NotAbsolute),
            ("https:////a.example/x/../cb", E::NotAbsolute),
            ("https://?a.example", E::NotAbsolute),
            ("/cb", E::NotAbsolute),
            ("", E::NotAbsolute),
        ] {
            assert_eq!(RedirectUri::parse(text), Err(error), "{text}");
        }
        let long = format!("https://a.example/{}", "x".repeat(MAX_LENGTH));
        assert_eq!(RedirectUri::parse(&long), Err(E::TooLong));
    }
}
