//! Who signed in, as the provider told it.

mod member;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

pub use member::{MemberPath, NoMember};

/// The person (or service) behind a grant. Everything here comes from a verified ID token or from
/// the provider's own API about its users; nothing from a client or a browser.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The provider's own issuer (`iss` of the ID token; of a provider without ID tokens the one that
    /// is configured, else the origin of its authorization endpoint).
    pub issuer: String,
    /// `sub`: stable and unique within the issuer.
    pub subject: String,
    /// `email`, whether or not it was verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// `email_verified`; false when the provider does not say.
    #[serde(default)]
    pub email_verified: bool,
    /// `name` or `preferred_username`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Which identity provider of a choice says so; `None` if there was no choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// All other claims of the ID token (or members of the user API's answer), for policies and
    /// headers.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub claims: serde_json::Map<String, serde_json::Value>,
}

// === impl Identity ===

impl Identity {
    /// Who this is among all who come in the same way: `sub`, and in a choice `entra|<sub>`. Two
    /// providers may give the same `sub` to different persons, who must never look like one.
    pub fn subject_here(&self) -> Cow<'_, str> {
        match &self.provider {
            // No name of a provider has a `|`.
            Some(provider) => Cow::Owned(format!("{provider}|{}", self.subject)),
            None => Cow::Borrowed(&self.subject),
        }
    }

    /// The same as the identity provider alone would tell it.
    #[must_use]
    pub fn at_its_provider(&self) -> Self {
        Self { provider: None, ..self.clone() }
    }
}
