//! The issuer identifier (RFC 8414 section 2): one canonical text, compared byte for byte.

use std::fmt;

use serde::Serialize;
use url::Url;

/// Our issuer of one provider's mount: `public_url` + mount, never with a trailing slash.
///
/// The same bytes appear in the metadata, in `authorization_servers`, in the `iss` parameter
/// and in every token (clients compare strings).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Issuer(String);

// === impl Issuer ===

impl Issuer {
    /// From the public URL (only its origin is read) and a mount: `/` or `/name`.
    pub fn new(public_url: &Url, mount: &str) -> Self {
        let origin = public_url.origin().ascii_serialization();
        Self(format!("{origin}{}", mount.trim_end_matches('/')))
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The URL of an endpoint below the issuer; `path` starts with a slash.
    pub fn endpoint(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
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
}
