//! The issuer identifier (RFC 8414 section 2): one canonical text, compared byte for byte.

use std::fmt;

use serde::{Serialize, Serializer};
use url::Url;

/// Our issuer of one provider's mount: its identifier, and where its endpoints are. Neither ends with
/// a slash, and unless somebody wants otherwise they are the same: `public_url` + mount.
///
/// The same bytes appear in the metadata, in `authorization_servers`, in the `iss` parameter
/// and in every token (clients compare strings).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Issuer {
    identifier: String,
    base: String,
}

// === impl Issuer ===

impl Issuer {
    /// From the public URL (only its origin is read) and a mount: `/` or `/name`.
    pub fn new(public_url: &Url, mount: &str) -> Self {
        let base = below(public_url, mount);
        Self { identifier: base.clone(), base }
    }

    /// The same endpoints under another identifier; of the URL, only origin and path are read.
    #[must_use]
    pub fn identified_by(self, url: &Url) -> Self {
        Self { identifier: below(url, url.path()), ..self }
    }

    /// The identifier.
    pub fn as_str(&self) -> &str {
        &self.identifier
    }

    /// The URL of an endpoint; `path` starts with a slash, or is empty for what they all begin with.
    pub fn endpoint(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The path of the identifier: empty, or it starts with a slash.
    pub fn path(&self) -> &str {
        self.identifier
            .split_once("://")
            .and_then(|(_, rest)| Some(rest.split_at(rest.find('/')?).1))
            .unwrap_or_default()
    }

    /// Where clients look for the metadata (RFC 8414 section 3.1).
    pub fn metadata_url(&self) -> String {
        let path = self.path();
        let origin = self.identifier.strip_suffix(path).unwrap_or(&self.identifier);
        format!("{origin}/.well-known/oauth-authorization-server{path}")
    }
}

impl Serialize for Issuer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.identifier)
    }
}

fn below(url: &Url, path: &str) -> String {
    format!("{}{}", url.origin().ascii_serialization(), path.trim_end_matches('/'))
}

impl fmt::Display for Issuer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.identifier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_has_no_trailing_slash() {
        let url = Url::parse("https://MCP.example.com:443/").unwrap();
        assert_eq!(Issuer::new(&url, "/").as_str(), "https://mcp.example.com");
        assert_eq!(Issuer::new(&url, "/auth0").as_str(), "https://mcp.example.com/auth0");
        assert_eq!(Issuer::new(&url, "/").endpoint("/token"), "https://mcp.example.com/token");
    }

    #[test]
    fn an_identifier_moves_no_endpoint() {
        let url = |text: &str| Url::parse(text).unwrap();
        for (identifier, expected, path, metadata) in [
            (
                "https://Login.example.com/",
                "https://login.example.com",
                "",
                "https://login.example.com/.well-known/oauth-authorization-server",
            ),
            (
                "https://mcp.example.com/a/b/",
                "https://mcp.example.com/a/b",
                "/a/b",
                "https://mcp.example.com/.well-known/oauth-authorization-server/a/b",
            ),
        ] {
            let issuer = Issuer::new(&url("https://mcp.example.com"), "/gw").identified_by(&url(identifier));
            assert_eq!((issuer.as_str(), issuer.path(), issuer.metadata_url().as_str()), (expected, path, metadata));
            assert_eq!(issuer.endpoint("/token"), "https://mcp.example.com/gw/token");
        }
    }
}
