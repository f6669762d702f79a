//! The resource identifier of a route (RFC 8707 section 2, RFC 9728 section 1.2).

use std::fmt;

use serde::{Deserialize, Serialize};
use url::Url;

/// The canonical public URL of one protected route: lower-case host, no default port, no query,
/// no fragment, no trailing slash. It is the audience of every access token made for the route.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ResourceUri(String);

/// A `resource` parameter that is no absolute URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a resource is an absolute http or https URL without user name and fragment (RFC 8707 section 2)")]
pub struct ResourceUriError;

// === impl ResourceUri ===

impl ResourceUri {
    /// The resource of the route at `path` (with its mount, starting with a slash) of `public_url`.
    pub fn of_route(public_url: &Url, path: &str) -> Self {
        let origin = public_url.origin().ascii_serialization();
        Self(format!("{origin}{}", path.trim_end_matches('/')))
    }

    /// The resource of the route at `path` (without its mount) below a URL of which origin and path are
    /// read.
    pub fn below(base: &Url, path: &str) -> Self {
        Self::of_route(base, &format!("{}{path}", base.path().trim_end_matches('/')))
    }

    /// Its path: empty, or it starts with a slash.
    pub fn path(&self) -> &str {
        self.0.split_once("://").and_then(|(_, rest)| Some(rest.split_at(rest.find('/')?).1)).unwrap_or_default()
    }

    /// Where clients look for its metadata (RFC 9728 section 3.1).
    pub fn metadata_url(&self) -> String {
        let path = self.path();
        let origin = self.0.strip_suffix(path).unwrap_or(&self.0);
        format!("{origin}/.well-known/oauth-protected-resource{path}")
    }

    /// Reads a `resource` parameter the way clients really send it: upper-case host, `:443`, a
    /// trailing slash and a query are repaired (the query is dropped).
    ///
    /// # Errors
    /// [`ResourceUriError`] if it is not an absolute http(s) URL, or has user info or a fragment.
    pub fn canonical(text: &str) -> Result<Self, ResourceUriError> {
        let url = Url::parse(text).map_err(|_| ResourceUriError)?;
        let plain = matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
            && url.fragment().is_none();
        if !plain {
            return Err(ResourceUriError);
        }
        Ok(Self::of_route(&url, url.path()))
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ResourceUri {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R1, R4, R6: what clients send for `https://g.example/app/mcp`.
    #[test]
    fn r1_r4_r6_variants_are_one_resource() {
        for text in [
            "https://g.example/app/mcp",
            "https://g.example/app/mcp/",
            "https://G.EXAMPLE:443/app/mcp",
            "HTTPS://g.example/app/mcp?x=1",
        ] {
            assert_eq!(ResourceUri::canonical(text).unwrap().as_str(), "https://g.example/app/mcp", "{text}");
        }
        for text in ["", "/app/mcp", "urn:x", "https://u@g.example/", "https://g.example/#f"] {
            assert!(ResourceUri::canonical(text).is_err(), "{text}");
        }
    }
}
