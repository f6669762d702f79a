//! One thing that was looked at, how it is, and what to do about it.

use serde::Serialize;

use crate::{
    config::preset::{Preset, Setting},
    printable::printable,
};

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
    /// Where that is in this provider's console, if it is known.
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    pub place: Option<&'static str>,
}

/// One thing to enter at the provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// What it is.
    pub label: &'static str,
    /// What to write.
    pub value: String,
    /// Where that is in this provider's console, if it is known.
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    pub place: Option<&'static str>,
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
    /// What to enter at the provider.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub enter: Vec<Entry>,
}

// === impl Finding ===

impl Finding {
    pub(super) fn ok(about: &'static str, found: impl AsRef<str>) -> Self {
        Self { verdict: Verdict::Ok, about, found: shown(found.as_ref()), help: None, place: None }
    }

    pub(super) fn warning(about: &'static str, found: impl AsRef<str>, help: impl AsRef<str>) -> Self {
        let (found, help) = (shown(found.as_ref()), Some(shown(help.as_ref())));
        Self { verdict: Verdict::Warning, about, found, help, place: None }
    }

    pub(super) fn error(about: &'static str, found: impl AsRef<str>, help: impl AsRef<str>) -> Self {
        Self { verdict: Verdict::Error, ..Self::warning(about, found, help) }
    }

    /// The same with its place in a provider's console, if something has to be done.
    pub(super) fn at(self, preset: Option<&Preset>) -> Self {
        let place = preset.filter(|_| self.verdict != Verdict::Ok).and_then(|preset| place_of(preset, self.about));
        Self { place, ..self }
    }
}

// === impl Entry ===

impl Entry {
    /// With its place in a provider's console.
    pub(super) fn new(label: &'static str, value: String, preset: Option<&Preset>) -> Self {
        Self { label, value, place: preset.and_then(|preset| place_of(preset, label)) }
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

fn place_of(preset: &Preset, about: &str) -> Option<&'static str> {
    preset.place_of(Setting::about(about)?)
}

/// What others wrote, not for ever.
fn shown(text: &str) -> String {
    let shown = printable(&text.chars().take(SHOWN).collect::<String>());
    if text.chars().nth(SHOWN).is_some() { shown + "…" } else { shown }
}
