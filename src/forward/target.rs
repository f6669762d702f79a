//! Between public paths and the backend's: the route's path is replaced, all other bytes stay.

use bytes::{BufMut, BytesMut};
use http::{
    HeaderValue, Uri,
    uri::{Authority, PathAndQuery, Scheme},
};
use url::{Position, Url};

use crate::config::plan::RoutePlan;

/// How one route's URLs and its backend's correspond.
#[derive(Clone, Debug)]
pub(super) struct Mapping {
    backend: Url,
    scheme: Scheme,
    authority: Authority,
    /// `https://mcp.example.com`
    public_origin: String,
    /// The route's path without a trailing slash; empty for `/`.
    public: String,
    /// The backend's path as configured: what the route's own path becomes.
    exact: String,
    /// The same without a trailing slash: what stands before the rest of a longer path.
    base: String,
    /// Both paths are the same, so nothing is replaced.
    identical: bool,
}

// === impl Mapping ===

impl Mapping {
    pub(super) fn new(public_url: &Url, route: &RoutePlan) -> Self {
        let backend = route.backend.url.clone();
        let public = route.path.trim_end_matches('/').to_owned();
        let exact = backend.path().to_owned();
        let base = exact.trim_end_matches('/').to_owned();
        Self {
            scheme: if backend.scheme() == "https" { Scheme::HTTPS } else { Scheme::HTTP },
            authority: Authority::try_from(&backend[Position::BeforeHost..Position::AfterPort])
                .unwrap_or(Authority::from_static("localhost")),
            public_origin: public_url.origin().ascii_serialization(),
            identical: public == base && (base == exact || base.is_empty()),
            backend,
            public,
            exact,
            base,
        }
    }

    /// The URI to ask the backend for. `None` if the request is not below the route, which the
    /// route table excludes.
    pub(super) fn to_backend(&self, uri: &Uri) -> Option<Uri> {
        let asked = uri.path_and_query()?;
        let path_and_query = if self.identical { asked.clone() } else { self.replaced(asked)? };
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path_and_query);
        Uri::from_parts(parts).ok()
    }

    fn replaced(&self, asked: &PathAndQuery) -> Option<PathAndQuery> {
        let rest = asked.path().strip_prefix(self.public.as_str())?;
        let own = rest.is_empty() || (rest == "/" && self.public.is_empty());
        let (before, rest) = if own { (self.exact.as_str(), "") } else { (self.base.as_str(), rest) };
        let query = asked.query();
        let mut bytes = BytesMut::with_capacity(before.len() + rest.len() + query.map_or(0, |query| query.len() + 1));
        bytes.put_slice(before.as_bytes());
        bytes.put_slice(rest.as_bytes());
        if let Some(query) = query {
            bytes.put_u8(b'?');
            bytes.put_slice(query.as_bytes());
        }
        PathAndQuery::from_maybe_shared(bytes.freeze()).ok()
    }

    /// P3: a reference to the backend's own address becomes one to the public address; `None` if
    /// it can stay as it is.
    pub(super) fn to_public(&self, location: &str) -> Option<String> {
        if location.starts_with('/') && !location.starts_with("//") {
            return self.public_path(location).filter(|public| public != location);
        }
        let is_absolute = location.starts_with("//") || Url::parse(location).is_ok();
        let url =
            self.backend.join(location).ok().filter(|url| is_absolute && url.origin() == self.backend.origin())?;
        let rest = &url[Position::BeforePath..];
        // Outside the route's part of the backend nothing can be reached, but the inner address
        // is nobody's business either.
        let path = self.public_path(rest).unwrap_or_else(|| rest.to_owned());
        Some(format!("{}{path}", self.public_origin))
    }

    /// The public form of the backend's path (with query and fragment).
    fn public_path(&self, path: &str) -> Option<String> {
        let rest = path.strip_prefix(self.base.as_str())?;
        if !(rest.is_empty() || rest.starts_with(['/', '?', '#'])) {
            return None;
        }
        let path = format!("{}{rest}", self.public);
        Some(if path.starts_with('/') { path } else { format!("/{path}") })
    }
}

/// `Host` for a URL: the port only if it is not the scheme's default.
pub(super) fn host_of(url: &Url) -> HeaderValue {
    HeaderValue::try_from(&url[Position::BeforeHost..Position::AfterPort])
        .unwrap_or(HeaderValue::from_static("localhost"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn mapping(path: &str, backend: &str) -> Mapping {
        let public_url = Url::parse("https://g.example/").unwrap();
        Mapping::new(&public_url, &testing::route(&public_url, "a", path, backend))
    }

    /// S22: the route's path is replaced, every other byte stays as it was authorized.
    #[test]
    fn s22_all_other_bytes_stay() {
        for (path, backend, asked, expected) in [
            ("/mcp", "http://b:3000/mcp", "/mcp", "http://b:3000/mcp"),
            ("/mcp", "http://b:3000/mcp", "/mcp/", "http://b:3000/mcp/"),
            ("/mcp", "http://b:3000/mcp", "/mcp/x%2Fy?a=%2e&b", "http://b:3000/mcp/x%2Fy?a=%2e&b"),
            ("/mcp", "http://b:3000/mcp", "https://g.example/mcp?x=1", "http://b:3000/mcp?x=1"),
            ("/mcp", "http://b:3000/mcp/", "/mcp", "http://b:3000/mcp/"),
            ("/mcp", "http://b:3000/api/mcp/", "/mcp/x", "http://b:3000/api/mcp/x"),
            ("/mcp", "http://b:3000/api/mcp", "/mcp?q", "http://b:3000/api/mcp?q"),
            ("/mcp", "http://b:3000", "/mcp", "http://b:3000/"),
            ("/mcp", "http://b:3000", "/mcp/x", "http://b:3000/x"),
            ("/", "http://b:3000", "/", "http://b:3000/"),
            ("/", "http://b:3000", "/x?y", "http://b:3000/x?y"),
            ("/", "http://b:3000/base", "/", "http://b:3000/base"),
            ("/", "http://b:3000/base", "/x", "http://b:3000/base/x"),
            ("/mcp", "http://u:p@[::1]:3000/mcp", "/mcp", "http://[::1]:3000/mcp"),
        ] {
            let uri = mapping(path, backend).to_backend(&asked.parse().unwrap()).unwrap();
            assert_eq!(uri.to_string(), expected, "{path} {backend} {asked}");
        }
    }

    /// P3: an inner address never leaves.
    #[test]
    fn p3_redirects_to_the_backend_become_public() {
        for (path, backend, location, expected) in [
            ("/mcp", "http://b:3000/mcp", "http://b:3000/mcp/", Some("https://g.example/mcp/")),
            ("/mcp", "http://b:3000/mcp", "http://B:3000/mcp?x#y", Some("https://g.example/mcp?x#y")),
            ("/mcp", "http://b:3000/mcp", "//b:3000/mcp", Some("https://g.example/mcp")),
            ("/app/mcp", "http://b:3000/mcp", "/mcp/", Some("/app/mcp/")),
            ("/app/mcp", "http://b:3000/mcp", "http://b:3000/mcp/", Some("https://g.example/app/mcp/")),
            ("/app/mcp", "http://b:3000/mcp", "http://b:3000/mcpx", Some("https://g.example/mcpx")),
            ("/app/mcp", "http://b:3000/", "/x", Some("/app/mcp/x")),
            ("/", "http://b:3000/base", "/base", Some("/")),
            ("/mcp", "http://b:3000/mcp", "/mcp/", None),
            ("/mcp", "http://b:3000/mcp", "/other", None),
            ("/mcp", "http://b:3000/mcp", "x", None),
            ("/mcp", "http://b:3000/mcp", "https://elsewhere.example/mcp", None),
            ("/mcp", "http://b:3000/mcp", "http://b:3001/mcp", None),
        ] {
            assert_eq!(mapping(path, backend).to_public(location).as_deref(), expected, "{path} {backend} {location}");
        }
    }
}
