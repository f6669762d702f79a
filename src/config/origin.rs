//! Where a value came from: a place in a file, or a variable. Addressed by path
//! (`providers.auth0.routes[0].path`), so that the configuration's types stay free of positions.

use std::{collections::BTreeMap, fmt, sync::Arc};

use crate::printable::printable;

/// A place in a text file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file's name as it was given.
    pub file: Arc<str>,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// How many characters belong to it.
    pub length: usize,
}

/// Where a value came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// Nobody wrote it.
    #[default]
    Nowhere,
    /// A file as a whole (it cannot be read, or is empty).
    File(Arc<str>),
    /// A place in the configuration file.
    Place(Place),
    /// What is known about the provider; nobody wrote it.
    Preset(&'static str),
    /// An environment variable.
    Variable {
        /// Its name.
        name: String,
        /// Its line, if it came from a `.env` file.
        place: Option<Place>,
    },
}

/// The origin of every value that was written, by path.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    values: BTreeMap<String, Origin>,
    keys: BTreeMap<String, Origin>,
}

// === impl Origin ===

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nowhere => formatter.write_str("configuration"),
            Self::File(file) => formatter.write_str(file),
            Self::Place(place) => write!(formatter, "{place}"),
            Self::Preset(name) => write!(formatter, "preset {name}"),
            Self::Variable { name, place: None } => formatter.write_str(&printable(name)),
            Self::Variable { name, place: Some(place) } => {
                write!(formatter, "{}:{}: {}", place.file, place.line, printable(name))
            }
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}:{}", self.file, self.line, self.column)
    }
}

// === impl Origins ===

impl Origins {
    /// The origin of the value at `path`, or of the nearest thing around it.
    pub fn of(&self, path: &str) -> Origin {
        let mut path = path;
        loop {
            if let Some(origin) = self.values.get(path) {
                return origin.clone();
            }
            match parent(path) {
                // A place inside a value that was written elsewhere is best shown at its key.
                Some(above) => path = above,
                None => return self.values.get("").cloned().unwrap_or_default(),
            }
        }
    }

    /// The origin of the key at `path`; for something that is missing, of the nearest key around
    /// the place where it should be.
    pub fn of_key(&self, path: &str) -> Origin {
        let mut path = path;
        loop {
            if let Some(origin) = self.keys.get(path).or_else(|| self.values.get(path)) {
                return origin.clone();
            }
            match parent(path) {
                Some(above) => path = above,
                None => return self.values.get("").cloned().unwrap_or_default(),
            }
        }
    }

    /// The origin of exactly this value; `None` if nobody wrote it.
    pub fn written(&self, path: &str) -> Option<&Origin> {
        self.values.get(path)
    }

    /// Every value that was written, by path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Origin)> {
        self.values.iter().map(|(path, origin)| (path.as_str(), origin))
    }

    /// Notes where the key at `path` stands.
    pub(super) fn set_key(&mut self, path: String, origin: Origin) {
        self.keys.insert(path, origin);
    }

    /// Notes where the value at `path` came from.
    pub(super) fn set(&mut self, path: String, origin: Origin) {
        self.values.insert(path, origin);
    }

    /// Like [`Origins::set`], for a value that takes the place of everything below `path`.
    pub(super) fn replace(&mut self, path: String, origin: Origin) {
        self.values.retain(|known, _| !covers(&path, known));
        self.keys.retain(|known, _| !covers(&path, known));
        self.values.insert(path, origin);
    }
}

/// The path of a key below `parent`.
pub(super) fn child(parent: &str, key: &str) -> String {
    if parent.is_empty() { key.to_owned() } else { format!("{parent}.{key}") }
}

/// The path of a list's item.
pub(super) fn item(parent: &str, index: usize) -> String {
    format!("{parent}[{index}]")
}

/// Whether `path` is `outer` or lies below it.
pub(super) fn covers(outer: &str, path: &str) -> bool {
    path.strip_prefix(outer).is_some_and(|rest| outer.is_empty() || rest.is_empty() || rest.starts_with(['.', '[']))
}

/// The last key of a path, without the index of a list's item.
pub(super) fn last_key(path: &str) -> &str {
    let key = path.rsplit('.').next().unwrap_or(path);
    key.split('[').next().unwrap_or(key)
}

fn parent(path: &str) -> Option<&str> {
    let cut = path.rfind(['.', '['])?;
    path.get(..cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: usize) -> Origin {
        Origin::Place(Place { file: "f".into(), line, column: 1, length: 1 })
    }

    #[test]
    fn what_is_not_written_is_shown_at_the_nearest_thing_around_it() {
        let mut origins = Origins::default();
        origins.set(String::new(), at(1));
        origins.set("providers.auth0".to_owned(), at(3));
        origins.set_key("providers.auth0".to_owned(), at(2));
        assert_eq!(origins.of("providers.auth0.routes[0].path"), at(3));
        assert_eq!(origins.of_key("providers.auth0.client_id"), at(2));
        assert_eq!(origins.of("listen"), at(1));
        assert_eq!(origins.written("listen"), None);
    }

    #[test]
    fn a_replaced_value_forgets_what_was_below_it() {
        let mut origins = Origins::default();
        origins.set("scopes".to_owned(), at(1));
        origins.set("scopes[0]".to_owned(), at(2));
        origins.set("scopes_x".to_owned(), at(3));
        origins.replace("scopes".to_owned(), at(9));
        assert_eq!(origins.of("scopes[0]"), at(9));
        assert_eq!(origins.of("scopes_x"), at(3));
    }

    #[test]
    fn paths_are_taken_apart() {
        assert!(covers("a.b", "a.b[0].c"));
        assert!(!covers("a.b", "a.bc"));
        assert_eq!(last_key("providers.x.clients[0].redirect_uris[1]"), "redirect_uris");
        assert_eq!(last_key("listen"), "listen");
    }
}
