//! What changed between two configurations, as one line for the log and as lines for people.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::{
    facts::{Facts, provider_of},
    origin::covers,
};

/// What a running process cannot change.
const RESTART: [&str; 1] = ["storage"];
/// What of that it can: who we are to the store.
const LIVE: [&str; 2] = ["storage.username", "storage.password"];
/// Entries of the one line; the rest is counted.
const MOST_ENTRIES: usize = 20;
/// Characters of a path or a value in the one line.
const MOST_TEXT: usize = 100;

/// The differences between two [`Facts`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// Only in the new ones: path and text.
    pub added: BTreeMap<String, String>,
    /// Only in the old ones: path and text.
    pub removed: BTreeMap<String, String>,
    /// In both, with another text.
    pub changed: BTreeMap<String, Change>,
    added_providers: BTreeSet<String>,
    removed_providers: BTreeSet<String>,
    changed_providers: BTreeSet<String>,
    ended_providers: BTreeSet<String>,
}

/// A text that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What it was.
    pub old: String,
    /// What it is.
    pub new: String,
}

/// A text that others wrote, on one line and not too long.
struct Short<'a>(&'a str, usize);

// === impl Diff ===

impl Diff {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }

    /// Whether something changed that a running process cannot change.
    pub fn needs_restart(&self) -> bool {
        let paths = self.added.keys().chain(self.removed.keys()).chain(self.changed.keys());
        // Another certificate is no other way to listen; one where there was none is.
        let turned = |facts: &BTreeMap<String, String>| facts.contains_key("tls.certificate");
        let stays = |path: &str| RESTART.iter().any(|key| covers(key, path)) && !LIVE.contains(&path);
        paths.into_iter().any(|path| stays(path)) || turned(&self.added) || turned(&self.removed)
    }

    /// Providers that are new.
    pub fn added_providers(&self) -> impl Iterator<Item = &str> {
        self.added_providers.iter().map(String::as_str)
    }

    /// Providers that are gone: their grants end.
    pub fn removed_providers(&self) -> impl Iterator<Item = &str> {
        self.removed_providers.iter().map(String::as_str)
    }

    /// Providers of which something changed.
    pub fn changed_providers(&self) -> impl Iterator<Item = &str> {
        self.changed_providers.iter().map(String::as_str)
    }

    /// Providers whose grants end: those that are gone, and those that are another one now, because
    /// another discovery document describes them, or people sign in elsewhere or in another way. What
    /// a choice does not offer any more is `staff.choice[entra]`.
    pub fn ended_providers(&self) -> impl Iterator<Item = &str> {
        self.ended_providers.iter().map(String::as_str)
    }

    /// Providers whose issuer changed: what clients were given is for the old one, so that they
    /// have to sign in again.
    pub fn moved_providers(&self) -> impl Iterator<Item = &str> {
        let moved = |name: &&str| self.changed.contains_key(&format!("providers.{name}.issuer_url"));
        self.changed_providers().filter(moved)
    }

    /// Every difference on lines of its own: `- path: old`, `+ path: new`. Ends with a newline
    /// unless it is empty.
    pub fn text(&self) -> String {
        let paths: BTreeSet<&String> =
            self.added.keys().chain(self.removed.keys()).chain(self.changed.keys()).collect();
        let mut text = String::new();
        for path in paths {
            let (old, new) = match self.changed.get(path) {
                Some(Change { old, new }) => (Some(old), Some(new)),
                None => (self.removed.get(path), self.added.get(path)),
            };
            for (sign, value) in [('-', old), ('+', new)] {
                if let Some(value) = value {
                    let (path, value) = (Short(path, usize::MAX), Short(value, usize::MAX));
                    text.extend([&format!("{sign} {path}: {value}"), "\n"]);
                }
            }
        }
        text
    }

    /// The entries of the one line. A provider that came or went is one of them.
    fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        let within = |path: &str, providers: &BTreeSet<String>| {
            provider_of(path).is_some_and(|provider| providers.contains(provider))
        };
        let gone = self.removed_providers().map(|name| Entry::Provider("removed", name));
        let new = self.added_providers().map(|name| Entry::Provider("added", name));
        let changed = self.changed.iter().map(|(path, Change { old, new })| Entry::Changed(path, old, new));
        let removed = self.removed.iter().filter(move |(path, _)| !within(path, &self.removed_providers));
        let added = self.added.iter().filter(move |(path, _)| !within(path, &self.added_providers));
        gone.chain(new)
            .chain(changed)
            .chain(removed.map(|(path, value)| Entry::Value("removed", path, value)))
            .chain(added.map(|(path, value)| Entry::Value("added", path, value)))
    }
}

/// One line of bounded length: what changed, and how much more.
impl fmt::Display for Diff {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return formatter.write_str("no change");
        }
        let mut separator = "";
        for entry in self.entries().take(MOST_ENTRIES) {
            write!(formatter, "{separator}{entry}")?;
            separator = "; ";
        }
        match self.entries().count().saturating_sub(MOST_ENTRIES) {
            0 => Ok(()),
            more => write!(formatter, "; and {more} more"),
        }
    }
}

/// One part of the one line.
enum Entry<'a> {
    Provider(&'static str, &'a str),
    Value(&'static str, &'a str, &'a str),
    Changed(&'a str, &'a str, &'a str),
}

// === impl Entry ===

impl fmt::Display for Entry<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |text| Short(text, MOST_TEXT);
        match *self {
            Self::Provider(verb, name) => write!(formatter, "{verb} provider {}", short(name)),
            Self::Value(verb, path, value) => write!(formatter, "{verb} {}: {}", short(path), short(value)),
            Self::Changed(path, old, new) => {
                write!(formatter, "{}: {} -> {}", short(path), short(old), short(new))
            }
        }
    }
}

// === impl Short ===

impl fmt::Display for Short<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;

        for (count, char) in self.0.chars().enumerate() {
            if count == self.1 {
                return formatter.write_char('…');
            }
            // S62: no value begins a line of its own or speaks to a terminal.
            if char.is_control() {
                write!(formatter, "{}", char.escape_default())?;
            } else {
                formatter.write_char(char)?;
            }
        }
        Ok(())
    }
}

/// What is different in `new`.
pub fn diff(old: &Facts, new: &Facts) -> Diff {
    let mut diff = Diff::default();
    let (before, after) = (old.merged(), new.merged());
    for (path, text) in &before {
        match after.get(path) {
            Some(same) if same == text => {}
            Some(new) => {
                let change = Change { old: (*text).to_owned(), new: (*new).to_owned() };
                diff.changed.insert((*path).to_owned(), change);
            }
            None => {
                diff.removed.insert((*path).to_owned(), (*text).to_owned());
            }
        }
    }
    let only_new = after.iter().filter(|(path, _)| !before.contains_key(*path));
    diff.added = only_new.map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();

    let names = |facts: &Facts| facts.providers().map(ToOwned::to_owned).collect::<BTreeSet<String>>();
    let (before, after) = (names(old), names(new));
    diff.added_providers = &after - &before;
    diff.removed_providers = &before - &after;
    let touched = diff.added.keys().chain(diff.removed.keys()).chain(diff.changed.keys());
    diff.changed_providers = touched
        .filter_map(|path| provider_of(path))
        .filter(|name| before.contains(*name) && after.contains(*name))
        .map(ToOwned::to_owned)
        .collect();
    diff.ended_providers = ended(old, new);
    diff
}

fn ended(old: &Facts, new: &Facts) -> BTreeSet<String> {
    let now = new.ways_in();
    let ended: BTreeSet<String> =
        old.ways_in().into_iter().filter(|(name, way)| now.get(name) != Some(way)).map(|(name, _)| name).collect();
    // A choice as a whole is told alone.
    let whole = |name: &str| name.split_once('.').is_some_and(|(choice, _)| ended.contains(choice));
    ended.iter().filter(|name| !whole(name)).cloned().collect()
}

#[cfg(test)]
mod tests;
