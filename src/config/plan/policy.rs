//! Who may pass: checked and ready to be evaluated (`crate::policy`).

/// Everything in it has to hold; an empty one lets everybody pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyPlan {
    /// Who is named; `None`: it does not matter.
    pub people: Option<People>,
    /// Groups, one of which is needed; `None`: it does not matter.
    pub groups: Option<ClaimRule>,
    /// Claims, all of which are needed.
    pub claims: Vec<ClaimRule>,
}

/// People by name, one of which is needed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct People {
    /// Lower case, ASCII.
    pub emails: Vec<String>,
    /// Lower case, ASCII, without `@`.
    pub email_domains: Vec<String>,
    /// Exactly as the provider writes them.
    pub subjects: Vec<String>,
}

/// A claim and the values of which one is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimRule {
    /// The claim's name, or a path with dots to a member of it.
    pub claim: String,
    /// Exactly as the provider writes them.
    pub any: Vec<String>,
}

// === impl PolicyPlan ===

impl PolicyPlan {
    /// Whether everybody passes.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The claims that it looks at.
    pub fn claims(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().chain(&self.claims).map(|rule| rule.claim.as_str())
    }
}
