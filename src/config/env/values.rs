//! The variables that are ours, under the names that the rule gives them, with what they were
//! called where they were set.

use std::collections::BTreeMap;

use super::field::{FILE, numbered};
use crate::config::origin::Origin;

/// Values by the name of the rule.
#[derive(Default)]
pub(super) struct Values(BTreeMap<String, (String, Origin)>);

// === impl Values ===

impl Values {
    /// Adds one. If there is one of this name already, that stays and its origin is the answer.
    pub(super) fn insert(&mut self, name: String, value: String, origin: Origin) -> Option<Origin> {
        if let Some((_, known)) = self.0.get(&name) {
            return Some(known.clone());
        }
        self.0.insert(name, (value, origin));
        None
    }

    /// Adds one, unless the same is said by a name that came before: this one, the one of a file with
    /// it, or numbered ones.
    pub(super) fn insert_below(&mut self, name: String, value: String, origin: Origin) {
        let says_the_same = |known: &str| {
            known.strip_prefix(name.as_str()).is_some_and(|rest| {
                matches!(rest, "" | FILE) || numbered(rest).is_some_and(|(_, rest)| matches!(rest, "" | FILE))
            })
        };
        if !self.below(&name).any(says_the_same) {
            self.0.insert(name, (value, origin));
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|(value, _)| value.as_str())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Name and value, as envy takes them.
    pub(super) fn pair(&self, name: &str) -> Option<(String, String)> {
        self.get(name).map(|value| (name.to_owned(), value.to_owned()))
    }

    pub(super) fn origin(&self, name: &str) -> Origin {
        self.0.get(name).map(|(_, origin)| origin.clone()).unwrap_or_default()
    }

    /// The names that begin like this, in their order.
    pub(super) fn below<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        let from = self.0.range::<str, _>((std::ops::Bound::Included(prefix), std::ops::Bound::Unbounded));
        from.map(|(name, _)| name.as_str()).take_while(move |name| name.starts_with(prefix))
    }

    pub(super) fn first_below(&self, prefix: &str) -> Option<String> {
        self.below(prefix).next().map(ToOwned::to_owned)
    }

    pub(super) fn any_below(&self, prefix: &str) -> bool {
        self.below(prefix).next().is_some()
    }
}
