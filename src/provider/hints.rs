//! What a client would like of a sign-in at the provider (OpenID Connect Core section 3.1.2.1): passed
//! on as wishes, never trusted, and nothing that is not exactly as the standard writes it.

use serde::{Deserialize, Serialize};

use crate::oauth::ResourceUri;

/// Longest `login_hint` and `acr_values`, in bytes.
const MAX_TEXT: usize = 320;
/// Longest `ui_locales`, in bytes.
const MAX_LOCALES: usize = 100;
/// What a client may ask a person for. `none` is another matter, and what is unknown is left out.
const PROMPTS: [&str; 3] = ["login", "consent", "select_account"];

/// OpenID Connect parameters of a client's authorization request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hints(Vec<(String, String)>);

/// What is asked of a provider beyond scopes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wishes<'a> {
    /// RFC 8707: for which route; sent only if the plan wants it.
    pub resource: Option<&'a ResourceUri>,
    /// Of the client.
    pub hints: Option<&'a Hints>,
}

// === impl Hints ===

impl Hints {
    /// The parameters that are read.
    pub const NAMES: [&'static str; 5] = ["prompt", "login_hint", "max_age", "ui_locales", "acr_values"];

    /// Keeps a parameter if it is good; a wish that cannot be understood is no error.
    pub fn add(&mut self, name: &str, value: &str) {
        let value = match name {
            "prompt" => {
                let known = value.split(' ').filter(|prompt| PROMPTS.contains(prompt));
                known.collect::<Vec<_>>().join(" ")
            }
            "login_hint" if value.len() <= MAX_TEXT && !value.chars().any(char::is_control) => value.to_owned(),
            "max_age" => value.parse::<u32>().map(|seconds| seconds.to_string()).unwrap_or_default(),
            "ui_locales" if value.len() <= MAX_LOCALES && value.bytes().all(is_locale) => value.to_owned(),
            "acr_values" if value.len() <= MAX_TEXT && value.bytes().all(is_visible) => value.to_owned(),
            _ => String::new(),
        };
        if !value.is_empty() {
            self.0.push((name.to_owned(), value));
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

fn is_locale(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b' '
}

fn is_visible(byte: u8) -> bool {
    (0x20..=0x7e).contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, value: &str) -> Option<String> {
        let mut hints = Hints::default();
        hints.add(name, value);
        hints.iter().next().map(|(_, value)| value.to_owned())
    }

    #[test]
    fn good_wishes_are_passed_on() {
        for (name, value, expected) in [
            ("prompt", "login", "login"),
            ("prompt", "login steal consent", "login consent"),
            ("login_hint", "ada@example.com", "ada@example.com"),
            ("max_age", "0", "0"),
            ("max_age", "+60", "60"),
            ("ui_locales", "fr-CA en", "fr-CA en"),
            ("acr_values", "urn:mace:incommon:iap:silver", "urn:mace:incommon:iap:silver"),
        ] {
            assert_eq!(read(name, value).as_deref(), Some(expected), "{name}={value}");
        }
    }

    #[test]
    fn everything_else_is_left_out() {
        for (name, value) in [
            ("prompt", "steal"),
            ("prompt", ""),
            ("login_hint", "a\r\nb"),
            ("login_hint", &"x".repeat(321)),
            ("max_age", "-1"),
            ("max_age", "99999999999"),
            ("ui_locales", "fr;q=1"),
            ("ui_locales", &"x".repeat(101)),
            ("acr_values", "\u{e9}"),
            ("redirect_uri", "https://evil.example"),
            ("scope", "admin"),
        ] {
            assert_eq!(read(name, value), None, "{name}={value}");
        }
    }
}
