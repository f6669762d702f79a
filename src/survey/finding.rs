//! One thing that was looked at, how it is, and what to do about it.

use serde::Serialize;

use crate::printable::printable;

/// Longest text that is repeated of what others sent, in characters.
const SHOWN: usize = 300;

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It may work; somebody should look.
    Warning,
    /// People cannot sign in.
    Error,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How it is.
    pub verdict: Verdict,
    /// What was looked at: `issuer`, `pkce`, `scopes` …
    pub about: &'static str,
    /// What was found, on one line.
    pub found: String,
    /// What to do, unless nothing has to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// A provider or a backend, with all that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Subject {
    /// A provider's name, or the routes that go to a backend.
    pub name: String,
    /// The URL that was asked.
    pub url: String,
    /// In the order in which one would look.
    pub findings: Vec<Finding>,
    /// What to enter at the provider: label and value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub enter: Vec<(&'static str, String)>,
}

// === impl Finding ===

impl Finding {
    pub(super) fn ok(about: &'static str, found: impl AsRef<str>) -> Self {
        Self { verdict: Verdict::Ok, about, found: shown(found.as_ref()), help: None }
    }

    pub(super) fn warning(about: &'static str, found: impl AsRef<str>, help: impl AsRef<str>) -> Self {
        Self { verdict: Verdict::Warning, about, found: shown(found.as_ref()), help: Some(shown(help.as_ref())) }
    }

    pub(super) fn error(about: &'static str, found: impl AsRef<str>, help: impl AsRef<str>) -> Self {
        Self { verdict: Verdict::Error, ..Self::warning(about, found, help) }
    }
}

// === impl Verdict ===

impl Verdict {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What others wrote, not for ever.
fn shown(text: &str) -> String {
    let shown = printable(&text.chars().take(SHOWN).collect::<String>());
    if text.chars().nth(SHOWN).is_some() { shown + "…" } else { shown }
}
