//! Scopes (RFC 6749 section 3.3): tokens of visible ASCII without `"` and `\`, separated by spaces.

use std::{borrow::Borrow, fmt, str::FromStr};

use indexmap::IndexSet;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// One scope token.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope(String);

/// A set of scopes that keeps the order in which they were named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(IndexSet<Scope>);

/// A text that is no scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a scope: visible ASCII without quotes and backslashes (RFC 6749 section 3.3)")]
pub struct ScopeError {
    /// The offending token.
    pub text: String,
}

// === impl Scope ===

impl Scope {
    /// The scope that asks for a refresh token (OpenID Connect Core section 11).
    pub const OFFLINE_ACCESS: &'static str = "offline_access";

    /// The scope's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        if !text.is_empty() && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ScopeError { text: text.escape_debug().to_string() })
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Borrow<str> for Scope {
    fn borrow(&self) -> &str {
        &self.0
    }
}

// === impl Scopes ===

impl Scopes {
    /// Parses a space separated list; leading, trailing and repeated spaces are forgiven, as real
    /// clients send them.
    ///
    /// # Errors
    /// [`ScopeError`] naming the first token that is no scope.
    pub fn parse(text: &str) -> Result<Self, ScopeError> {
        text.split_ascii_whitespace().map(Scope::from_str).collect::<Result<_, _>>().map(Self)
    }

    /// Whether the scope is in the set.
    pub fn contains(&self, scope: &str) -> bool {
        self.0.contains(scope)
    }

    /// Whether every scope of this set is in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// In the order in which they were named.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter()
    }

    /// Those of this set, then those only in `other`.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0).cloned().collect())
    }

    /// Those in both, in this set's order.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).cloned().collect())
    }

    /// Those of this set that are not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        Self(self.0.difference(&other.0).cloned().collect())
    }

    /// This set without one scope.
    #[must_use]
    pub fn without(&self, scope: &str) -> Self {
        Self(self.0.iter().filter(|own| own.as_str() != scope).cloned().collect())
    }

    /// The scopes as texts, for a JSON list.
    pub fn to_vec(&self) -> Vec<String> {
        self.0.iter().map(|scope| scope.0.clone()).collect()
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str(" ")?;
            }
            formatter.write_str(&scope.0)?;
        }
        Ok(())
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(iter: I) -> Self {
        Self(iter.into_iter().collect())
    }
}

/// As in a token: one space separated text.
impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S2: leading and double spaces are two scopes.
    #[test]
    fn s2_extra_spaces_are_forgiven() {
        let scopes = Scopes::parse(" mcp  read ").unwrap();
        assert_eq!(scopes.to_string(), "mcp read");
    }

    #[test]
    fn what_is_no_scope_is_refused() {
        for text in ["a\"b", "a\\b", "é", "a\u{7f}"] {
            assert!(Scopes::parse(text).is_err(), "{text}");
        }
        assert!(Scopes::parse("").unwrap().is_empty());
    }

    #[test]
    fn sets_keep_their_order() {
        let left = Scopes::parse("c a b").unwrap();
        let right = Scopes::parse("b d").unwrap();
        assert_eq!(left.union(&right).to_string(), "c a b d");
        assert_eq!(left.intersection(&right).to_string(), "b");
        assert_eq!(left.difference(&right).to_string(), "c a");
        assert!(right.intersection(&left).is_subset(&left));
        assert_eq!(left, Scopes::parse("a b c").unwrap());
    }
}
