//! Where one sets what in a provider's console: words to click, one after the other. Shown by `check
//! --online` beside what does not fit there, and beside what has to be entered.

/// Something that is set at the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// What the address of the provider is made of.
    Address,
    /// What kind of application it is.
    Application,
    /// Where browsers are sent back to.
    CallbackUrl,
    /// Which grant types the application may use; refresh tokens too.
    Grants,
    /// The application's secret, and how it is shown.
    Secret,
    /// What the application may ask for.
    Scopes,
    /// What access tokens are for.
    Audience,
    /// What tokens are signed with.
    Keys,
    /// Whether clients may register themselves.
    Registration,
}

// === impl Setting ===

impl Setting {
    /// What a finding of the survey, or a line of what has to be entered, is about.
    pub fn about(word: &str) -> Option<Self> {
        Some(match word {
            "reachable" | "discovery" | "issuer" => Self::Address,
            "application type" => Self::Application,
            "callback URL" => Self::CallbackUrl,
            "code flow" | "grant types" | "refresh tokens" => Self::Grants,
            "client authentication" => Self::Secret,
            "scopes" => Self::Scopes,
            "audience" | "resource" => Self::Audience,
            "keys" | "signatures" => Self::Keys,
            "registration" => Self::Registration,
            _ => return None,
        })
    }
}
