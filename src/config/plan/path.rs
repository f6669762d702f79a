//! Which paths belong to a route.

use std::borrow::Cow;

/// Which paths belong to a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathMatch {
    /// The route's own and everything below it, by whole segments.
    Prefix,
    /// Only the route's own, with or without a slash at its end.
    Exact,
}

// === impl PathMatch ===

impl PathMatch {
    /// Whether a public path (without a slash at its end) belongs to the route at `route`.
    pub fn covers(self, route: &str, path: &str) -> bool {
        let below = || route == "/" || path.strip_prefix(route).is_some_and(|rest| rest.starts_with('/'));
        route == path || (self == Self::Prefix && below())
    }
}

/// A path as servers read it that do not care about upper and lower case.
pub fn folded(path: &str) -> Cow<'_, str> {
    if path.bytes().any(|byte| byte.is_ascii_uppercase() || !byte.is_ascii()) {
        // There and back: a long s, for one, is an `s` in upper case only.
        Cow::Owned(path.to_uppercase().to_lowercase())
    } else {
        Cow::Borrowed(path)
    }
}
