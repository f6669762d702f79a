//! The people who can sign in: a few invented ones, or any name somebody types.

use serde_json::{Map, Value, json};

use crate::seal::sha256;

/// The longest name that can be typed, in characters.
const MAX_NAME: usize = 80;

/// Somebody with an account at the demo provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// What the sign-in form sends: `ada`.
    pub key: String,
    /// `sub`
    pub subject: String,
    /// `name`
    pub name: String,
    /// `email`; `None` for a person without one.
    pub email: Option<String>,
    /// `email_verified`
    pub email_verified: bool,
    /// Further claims of the ID token and of user info, in every scope.
    pub claims: Map<String, Value>,
}

// === impl Person ===

impl Person {
    /// A person with a verified address at `example.com`.
    pub fn new(key: &str, name: &str) -> Self {
        Self {
            key: key.to_owned(),
            subject: format!("demo|{key}"),
            name: name.to_owned(),
            email: Some(format!("{key}@example.com")),
            email_verified: true,
            claims: Map::new(),
        }
    }

    /// Whoever types a name is that person; the same name is the same `sub`. Nobody checked an
    /// address, so there is none.
    pub(super) fn named(typed: &str) -> Option<Self> {
        let name: String = typed.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(MAX_NAME).collect();
        if name.is_empty() || name.chars().any(char::is_control) {
            return None;
        }
        let digest = sha256(name.to_lowercase().as_bytes());
        let subject = digest.iter().take(8).fold(String::from("demo|name-"), |text, byte| format!("{text}{byte:02x}"));
        Some(Self { key: String::new(), subject, name, email: None, email_verified: false, claims: Map::new() })
    }

    /// The claims that these scopes give access to (OpenID Connect Core section 5.4).
    pub(super) fn claims_for(&self, scopes: &[String]) -> Map<String, Value> {
        let has = |scope: &str| scopes.iter().any(|own| own == scope);
        let mut claims = self.claims.clone();
        if has("profile") {
            claims.insert("name".into(), json!(self.name));
        }
        if let (true, Some(email)) = (has("email"), &self.email) {
            claims.insert("email".into(), json!(email));
            claims.insert("email_verified".into(), json!(self.email_verified));
        }
        claims
    }
}

/// Three people; the third never verified the address.
pub(super) fn demo_people() -> Vec<Person> {
    let unverified = Person { email_verified: false, ..Person::new("linus", "Linus Example") };
    vec![Person::new("ada", "Ada Lovelace"), Person::new("grace", "Grace Hopper"), unverified]
}
