//! Patterns of redirect URIs: to which addresses an operator lets clients be answered that nobody
//! vouches for.
//!
//! A pattern is compared part by part with what a browser would make of the URI, never as one text:
//! a `*` stands for one or more labels at the beginning of a host, for a port, or for any text of a
//! path or a query, and for nothing else.

use std::fmt;

use url::{Host, Url};

use super::redirect_uri::{self, MAX_LENGTH, RedirectUri};

/// An allowed place, or a kind of allowed places. Keeps the text as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedirectPattern {
    text: String,
    rule: Rule,
}

/// Why a text is no pattern. The message continues a sentence that begins with the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedirectPatternError {
    /// No scheme, or nothing behind it.
    #[error("has no scheme")]
    NoScheme,
    /// Longer than a redirect URI may be.
    #[error("is longer than a redirect URI may be")]
    TooLong,
    /// Control characters, spaces or backslashes.
    #[error("holds a space, a control character or a backslash")]
    StrangeCharacters,
    /// `*://…`
    #[error("has a `*` in its scheme")]
    SchemeWildcard,
    /// `javascript:` and its kin, and what is no scheme at all.
    #[error("has a scheme that can never be a redirect URI's")]
    DangerousScheme,
    /// `http` to another machine.
    #[error("is plain http to another machine, which no client may use")]
    InsecureHttp,
    /// `user@`
    #[error("holds a user name")]
    UserInfo,
    /// `#…`
    #[error("holds a fragment, which no redirect URI has")]
    Fragment,
    /// A `*` in the host that is not its first label.
    #[error("has a `*` in its host that does not stand for whole labels at the beginning")]
    HostWildcard,
    /// `*`, `*.com`
    #[error("would allow the hosts of strangers")]
    TooWide,
    /// No host at all.
    #[error("has no host that a name could be compared with")]
    Host,
    /// Neither a number nor `*`.
    #[error("has a port that is neither a number nor `*`")]
    Port,
    /// `..`
    #[error("holds `.` or `..`, which no redirect URI does")]
    DotSegments,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    Web {
        /// Otherwise `http`, and then the host is this machine.
        https: bool,
        host: HostPattern,
        port: PortPattern,
        /// `None`: everything on this host.
        place: Option<Place>,
    },
    Application {
        /// In lower case.
        scheme: String,
        /// What stands between `//` and the path; `None`: no `//`.
        authority: Option<String>,
        /// `None`: everything of this authority; of the scheme, if there is none.
        place: Option<Place>,
    },
    /// Everything that belongs to one application.
    Scheme(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum HostPattern {
    Exact(Host<String>),
    /// One or more labels before this name, which begins with a dot.
    Below(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PortPattern {
    Any,
    Exact(u16),
}

/// Below a host.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    path: Glob,
    /// `None`: no query.
    query: Option<Glob>,
}

/// A text in which `*` stands for any text, also for none.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Glob(String);

// === impl RedirectPattern ===

impl RedirectPattern {
    /// Reads a pattern as an operator wrote it.
    ///
    /// # Errors
    /// [`RedirectPatternError`], one variant a reason.
    pub fn parse(text: &str) -> Result<Self, RedirectPatternError> {
        use RedirectPatternError as E;
        if text.len() > MAX_LENGTH {
            return Err(E::TooLong);
        }
        if text.chars().any(|char| char.is_control() || char.is_whitespace() || char == '\\') {
            return Err(E::StrangeCharacters);
        }
        // `localhost:8000` has no scheme, whatever a parser says.
        let (scheme, rest) = text.split_once(':').filter(|(_, rest)| rest.starts_with('/')).ok_or(E::NoScheme)?;
        if scheme.contains('*') {
            return Err(E::SchemeWildcard);
        }
        if rest.contains('#') {
            return Err(E::Fragment);
        }
        let scheme = scheme.to_ascii_lowercase();
        let (authority, place) = match rest.strip_prefix("//") {
            Some(rest) => {
                let (authority, place) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
                (Some(authority), place)
            }
            None => (None, rest),
        };
        if authority.is_some_and(|authority| authority.contains('@')) {
            return Err(E::UserInfo);
        }
        if redirect_uri::has_dot_segments(text) {
            return Err(E::DotSegments);
        }
        let place = Place::parse(place);
        let rule = match scheme.as_str() {
            "http" | "https" => Self::web(scheme == "https", authority.ok_or(E::Host)?, place)?,
            _ if !is_scheme(&scheme) || redirect_uri::is_dangerous_scheme(&scheme) => return Err(E::DangerousScheme),
            _ => match authority {
                Some("" | "*") | None if place.is_none() => Rule::Scheme(scheme),
                Some(authority) if authority.contains('*') => return Err(E::HostWildcard),
                None => Rule::Application { scheme, authority: None, place },
                // As the parser writes it.
                Some(authority) => {
                    let url = Url::parse(&format!("{scheme}://{authority}")).map_err(|_| E::Host)?;
                    Rule::Application { authority: authority_of(&url).map(str::to_owned), scheme, place }
                }
            },
        };
        Ok(Self { text: text.to_owned(), rule })
    }

    fn web(https: bool, authority: &str, place: Option<Place>) -> Result<Rule, RedirectPatternError> {
        use RedirectPatternError as E;
        // The colons of an IPv6 address stand between brackets.
        let (host, port) = match authority.rsplit_once(':').filter(|(_, port)| !port.contains(']')) {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        };
        let host = match host.strip_prefix("*.") {
            _ if host == "*" => return Err(E::TooWide),
            Some(name) => HostPattern::below(name)?,
            None if host.contains('*') => return Err(E::HostWildcard),
            None => HostPattern::Exact(Host::parse(host).map_err(|_| E::Host)?),
        };
        if !https && !host.is_loopback() {
            return Err(E::InsecureHttp);
        }
        let port = match port {
            Some("*") => PortPattern::Any,
            Some(port) => PortPattern::Exact(port.parse().map_err(|_| E::Port)?),
            // RFC 8252 section 7.3: on loopback, the port is chosen when the client starts.
            None if !https => PortPattern::Any,
            None => PortPattern::Exact(443),
        };
        Ok(Rule::Web { https, host, port, place })
    }

    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a browser may be sent there.
    pub fn allows(&self, uri: &RedirectUri) -> bool {
        self.matches(uri, false)
    }

    /// Whether a client may register it: a browser may be sent there, or, on loopback, to the same
    /// place at another port, which is chosen when the client starts (RFC 8252 section 7.3).
    pub fn allows_to_register(&self, uri: &RedirectUri) -> bool {
        self.matches(uri, uri.is_loopback())
    }

    fn matches(&self, uri: &RedirectUri, at_any_port: bool) -> bool {
        let Some(url) = uri.url() else { return false };
        match &self.rule {
            Rule::Web { https, host, port, place } => {
                let is_port = match port {
                    PortPattern::Any => true,
                    PortPattern::Exact(port) => at_any_port || url.port_or_known_default() == Some(*port),
                };
                let scheme = if *https { "https" } else { "http" };
                url.scheme() == scheme
                    && is_port
                    && url.host().is_some_and(|found| host.matches(&found))
                    && place.as_ref().is_none_or(|place| place.matches(url.path(), url.query()))
            }
            Rule::Application { scheme, authority, place } => {
                url.scheme() == scheme
                    && authority.as_deref() == authority_of(&url)
                    && place.as_ref().is_none_or(|place| place.matches(url.path(), url.query()))
            }
            Rule::Scheme(scheme) => url.scheme() == scheme,
        }
    }
}

impl fmt::Display for RedirectPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

// === impl HostPattern ===

impl HostPattern {
    fn below(name: &str) -> Result<Self, RedirectPatternError> {
        use RedirectPatternError as E;
        if name.contains('*') {
            return Err(E::HostWildcard);
        }
        match Host::parse(name) {
            // Not those of a whole registry: `*.com`. Some have two labels (`co.uk`); no list of them is in here.
            Ok(Host::Domain(name)) if name.trim_end_matches('.').contains('.') => Ok(Self::Below(format!(".{name}"))),
            Ok(Host::Domain(_)) => Err(E::TooWide),
            _ => Err(E::Host),
        }
    }

    fn is_loopback(&self) -> bool {
        match self {
            Self::Exact(host) => redirect_uri::is_loopback_host(host),
            Self::Below(_) => false,
        }
    }

    fn matches(&self, found: &Host<&str>) -> bool {
        match (self, found) {
            (Self::Exact(Host::Domain(name)), Host::Domain(found)) => name == found,
            (Self::Exact(Host::Ipv4(address)), Host::Ipv4(found)) => address == found,
            (Self::Exact(Host::Ipv6(address)), Host::Ipv6(found)) => address == found,
            // One label at least, and none of them empty.
            (Self::Below(name), Host::Domain(found)) => {
                found.strip_suffix(name.as_str()).is_some_and(|labels| labels.split('.').all(|label| !label.is_empty()))
            }
            _ => false,
        }
    }
}

// === impl Place ===

impl Place {
    /// `None` for a place that says nothing: no path, or `/`.
    fn parse(text: &str) -> Option<Self> {
        let (path, query) = match text.split_once('?') {
            Some((path, query)) => (path, Some(Glob(query.to_owned()))),
            None => (text, None),
        };
        match (path, query) {
            ("" | "/", None) => None,
            ("", query) => Some(Self { path: Glob("/".to_owned()), query }),
            (path, query) => Some(Self { path: Glob(path.to_owned()), query }),
        }
    }

    fn matches(&self, path: &str, query: Option<&str>) -> bool {
        // Of an application's URI it may be missing.
        let path = if path.is_empty() { "/" } else { path };
        let is_query = match (&self.query, query) {
            (None, None) => true,
            (Some(pattern), query) => pattern.matches(query.unwrap_or_default()),
            (None, Some(_)) => false,
        };
        is_query && self.path.matches(path) && !(self.path.has_wildcard() && is_ambiguous(path))
    }
}

// === impl Glob ===

impl Glob {
    fn has_wildcard(&self) -> bool {
        self.0.contains('*')
    }

    fn matches(&self, text: &str) -> bool {
        let mut pieces = self.0.split('*');
        let Some(rest) = text.strip_prefix(pieces.next().unwrap_or_default()) else { return false };
        let Some(last) = pieces.next_back() else { return rest.is_empty() };
        let Some(mut middle) = rest.strip_suffix(last) else { return false };
        for piece in pieces {
            match middle.split_once(piece) {
                Some((_, after)) => middle = after,
                None => return false,
            }
        }
        true
    }
}

/// Whether a server could read the path as another one: an encoded slash, backslash, percent sign or
/// NUL behind a `*` would lead out of what the pattern shows.
fn is_ambiguous(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    ["%2f", "%5c", "%25", "%00"].iter().any(|encoded| path.contains(encoded))
}

/// What stands between `//` and the path of an application's URI.
fn authority_of(url: &Url) -> Option<&str> {
    let rest = url.as_str().strip_prefix(url.scheme())?.strip_prefix("://")?;
    rest.split(['/', '?']).next()
}

/// RFC 3986 section 3.1.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|char: char| char.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

#[cfg(test)]
mod tests;
