//! Where text comes from: the configuration file, the environment, a `.env` file, secret files.
//! Bytes and names only; nothing here knows what they mean.

mod dotenv;

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fmt, fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::origin::{Origin, Place};
use crate::printable::printable;

/// The largest configuration or `.env` file that is read, in bytes.
pub const MAX_FILE: u64 = 1024 * 1024;
/// The largest secret file that is read, in bytes.
pub const MAX_SECRET: u64 = 64 * 1024;

/// Everything that a configuration is made from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The YAML file, if there is one.
    pub config: Option<PathBuf>,
    /// A `.env` file that has to be there; without one, `.env` in the working directory is read if
    /// it exists.
    pub env_file: Option<PathBuf>,
    /// The process's environment.
    pub environment: Environment,
    /// What is done about secrets.
    pub secrets: SecretReading,
}

/// Whether the files and variables that hold secrets are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecretReading {
    /// They are read.
    #[default]
    Read,
    /// They are only where the program will run: good ones are assumed.
    Assume,
}

/// Environment variables. Empty ones count as not set, but are remembered.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, Variable>,
    empty: BTreeMap<String, Option<Place>>,
    unreadable: BTreeSet<String>,
}

#[derive(Clone)]
struct Variable {
    value: String,
    place: Option<Place>,
}

/// Why a file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The operating system said no.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// Larger than allowed.
    #[error("is larger than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// Not UTF-8.
    #[error("is not UTF-8 text")]
    NotText,
    /// A line of a `.env` file is no assignment.
    #[error("{reason}")]
    Line {
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
}

// === impl Sources ===

impl Sources {
    /// The named files and the environment of this process.
    pub fn from_process(config: Option<PathBuf>, env_file: Option<PathBuf>) -> Self {
        let environment = Environment::from_os(std::env::vars_os());
        Self { config, env_file, environment, secrets: SecretReading::Read }
    }

    /// The process's variables over those of the `.env` file, and that file's path if there is one.
    ///
    /// # Errors
    /// The file's path and a [`SourceError`] if it was named and is not there, or is no `.env` file.
    pub fn read_environment(&self) -> Result<(Environment, Option<PathBuf>), (PathBuf, SourceError)> {
        let beside = Path::new(".env");
        let path = match &self.env_file {
            Some(path) => path,
            None if beside.is_file() => beside,
            None => return Ok((self.environment.clone(), None)),
        };
        let read = || {
            let text = read_text(path, MAX_FILE)?;
            dotenv::parse(&text, &file_name(path))
        };
        let mut environment = self.environment.clone();
        for (name, value, place) in read().map_err(|error| (path.to_owned(), error))? {
            environment.insert_below(name, value, Some(place));
        }
        Ok((environment, Some(path.to_owned())))
    }
}

// === impl Environment ===

impl Environment {
    /// From the operating system's pairs. Names that are not UTF-8 cannot be ours; values that are
    /// not are remembered.
    pub fn from_os(pairs: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let mut environment = Self::default();
        for (name, value) in pairs {
            let Ok(name) = name.into_string() else { continue };
            match value.into_string() {
                Ok(value) => environment.insert_below(name, value, None),
                Err(_) => {
                    environment.unreadable.insert(name);
                }
            }
        }
        environment
    }

    /// The value of a variable that is set and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(|variable| variable.value.as_str())
    }

    /// Where a variable was set.
    pub fn origin(&self, name: &str) -> Origin {
        let place = self.variables.get(name).map(|variable| &variable.place).or_else(|| self.empty.get(name));
        let place = place.cloned().flatten();
        Origin::Variable { name: name.to_owned(), place }
    }

    /// Names and values, by name.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, variable)| (name.as_str(), variable.value.as_str()))
    }

    /// Names that are set to nothing.
    pub fn empty(&self) -> impl Iterator<Item = &str> {
        self.empty.keys().map(String::as_str)
    }

    /// Names whose values are not UTF-8.
    pub fn unreadable(&self) -> impl Iterator<Item = &str> {
        self.unreadable.iter().map(String::as_str)
    }

    /// Adds a variable that is not known yet.
    fn insert_below(&mut self, name: String, value: String, place: Option<Place>) {
        if self.variables.contains_key(&name) || self.unreadable.contains(&name) {
            return;
        }
        if value.trim().is_empty() {
            self.empty.entry(name).or_insert(place);
        } else {
            self.empty.remove(&name);
            self.variables.insert(name, Variable { value, place });
        }
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut environment = Self::default();
        for (name, value) in pairs {
            environment.insert_below(name.into(), value.into(), None);
        }
        environment
    }
}

/// Values may be secrets: only names are shown.
impl fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.variables.keys()).finish()
    }
}

/// The whole text of a file of at most `limit` bytes.
///
/// # Errors
/// [`SourceError`] if it cannot be read, is larger, or is not UTF-8.
pub fn read_text(path: &Path, limit: u64) -> Result<String, SourceError> {
    let mut bytes = Vec::new();
    // One byte more than allowed tells "too large" from "just fits", whatever the file's length
    // says (a pipe has none).
    fs::File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > limit) {
        return Err(SourceError::TooLarge { limit });
    }
    String::from_utf8(bytes).map_err(|_| SourceError::NotText)
}

/// A secret file's text without the one newline that editors and `echo` add.
///
/// # Errors
/// As [`read_text`], with [`MAX_SECRET`].
pub fn read_secret(path: &Path) -> Result<String, SourceError> {
    let mut text = read_text(path, MAX_SECRET)?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

/// Whether this can be a variable's name in every shell.
pub fn is_variable_name(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

/// A path as it is shown.
pub fn file_name(path: &Path) -> Arc<str> {
    printable(&path.display().to_string()).into()
}

#[cfg(test)]
mod tests;
