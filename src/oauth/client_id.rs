//! A client identifier (RFC 6749 section 2.2): 1 to 4096 visible ASCII characters.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest identifier accepted, in bytes.
pub const MAX_LENGTH: usize = 4096;

/// Identifies a client: from the configuration, from a registration, or the `https` URL of a
/// client ID metadata document.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct ClientId(String);

/// A text that is no client identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a client identifier is 1 to {MAX_LENGTH} visible ASCII characters")]
pub struct ClientIdError;

// === impl ClientId ===

impl ClientId {
    /// Takes an identifier as it came from outside.
    ///
    /// # Errors
    /// [`ClientIdError`] if it is empty, too long or not visible ASCII.
    pub fn parse(text: impl Into<String>) -> Result<Self, ClientIdError> {
        let text = text.into();
        let visible = text.bytes().all(|byte| (0x20..=0x7e).contains(&byte));
        if !text.is_empty() && text.len() <= MAX_LENGTH && visible { Ok(Self(text)) } else { Err(ClientIdError) }
    }

    /// The identifier's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it names a client ID metadata document.
    pub fn is_url(&self) -> bool {
        self.0.starts_with("https://")
    }
}

impl TryFrom<String> for ClientId {
    type Error = ClientIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(text)
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
