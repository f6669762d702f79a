//! What a backend is told in headers, and what it hears of the client's.

use http::HeaderName;

use crate::secret::Secret;

/// Names of the headers that carry the identity; `None` leaves one out. All are removed from what
/// a client sends, whether set or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityHeaders {
    /// The provider's `sub`.
    pub subject: Option<HeaderName>,
    /// A verified e-mail address.
    pub email: Option<HeaderName>,
    /// Granted scopes, space separated.
    pub scopes: Option<HeaderName>,
    /// The client's identifier.
    pub client: Option<HeaderName>,
    /// A short-lived JWT signed by us with the backend as audience.
    pub assertion: Option<HeaderName>,
}

/// A header that the backend gets in every request. It is removed from what a client sends, whether
/// there is a value for it or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetHeader {
    /// In lower case.
    pub name: HeaderName,
    /// What it says.
    pub value: HeaderSource,
}

/// Where a header's value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderSource {
    /// Always the same: visible ASCII and spaces.
    Fixed(Secret),
    /// A claim of the person, or a member of one (`realm_access.roles`).
    Claim(String),
}

/// The client's headers that a backend gets, besides those without which a request is not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassHeaders {
    /// Whole names.
    pub names: Vec<HeaderName>,
    /// Beginnings of names, in lower case.
    pub families: Vec<String>,
}

// === impl IdentityHeaders ===

impl IdentityHeaders {
    /// Those that are set.
    pub fn names(&self) -> impl Iterator<Item = &HeaderName> {
        [&self.subject, &self.email, &self.scopes, &self.client, &self.assertion].into_iter().flatten()
    }
}

// === impl PassHeaders ===

impl PassHeaders {
    /// Whether a header, by its name in lower case, is one of them.
    pub fn contains(&self, name: &str) -> bool {
        self.names.iter().any(|own| own == name) || self.families.iter().any(|family| name.starts_with(family.as_str()))
    }
}
