//! Where a secret says `{env: NAME}` or `{file: PATH}`, the text it stands for. Read before the
//! plan is compiled, so that compiling touches nothing outside.

use std::{collections::BTreeMap, fmt, path::Path};

use super::{
    document::{Document, SecretSource},
    source::{self, Environment, SecretReading, SourceError, is_variable_name},
};
use crate::secret::Secret;

/// The texts of all secrets that a document refers to.
pub(super) struct Secrets {
    environment: Environment,
    files: BTreeMap<String, Result<Secret, SourceError>>,
    reading: SecretReading,
}

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub(super) enum SecretError<'a> {
    /// The variable is not set, or empty.
    #[error("names the environment variable {0}, which is not set")]
    NoVariable(&'a str),
    /// Not even a name; perhaps the secret itself, so it is not repeated.
    #[error("names an environment variable, but that is no variable's name")]
    NoName,
    /// The file cannot be used.
    #[error("names the file {0}, which {1}")]
    File(&'a str, &'a SourceError),
    /// There is nothing in it.
    #[error("is empty")]
    Empty,
    /// No identity provider makes such a secret; it is a file with more than one line.
    #[error("holds a line break or another control character")]
    ControlCharacter,
}

// === impl Secrets ===

impl Secrets {
    /// Reads every file that the document's secrets name, unless they are assumed.
    pub(super) fn gather(document: &Document, environment: Environment, reading: SecretReading) -> Self {
        let read = |path: &str| match reading {
            SecretReading::Read => source::read_secret(Path::new(path)).map(Secret::new),
            SecretReading::Assume => Ok(assumed(path)),
        };
        let files = document.secret_files().map(|path| (path.to_owned(), read(path))).collect();
        Self { environment, files, reading }
    }

    /// The text of one secret, which is one line.
    ///
    /// # Errors
    /// [`SecretError`], one variant a reason.
    pub(super) fn resolve<'a>(&'a self, source: &'a SecretSource) -> Result<Secret, SecretError<'a>> {
        let secret = self.resolve_text(source)?;
        if secret.expose().chars().any(char::is_control) {
            return Err(SecretError::ControlCharacter);
        }
        Ok(secret)
    }

    /// Whether this only stands for a secret that was not read.
    pub(super) fn is_assumed(&self, secret: &Secret) -> bool {
        self.reading == SecretReading::Assume && secret.expose().starts_with(ASSUMED)
    }

    /// The text of one secret, which may have several lines.
    ///
    /// # Errors
    /// [`SecretError`], one variant a reason.
    pub(super) fn resolve_text<'a>(&'a self, source: &'a SecretSource) -> Result<Secret, SecretError<'a>> {
        let secret = match source {
            SecretSource::Text(secret) => secret.clone(),
            SecretSource::Env(name) if !is_variable_name(name) => return Err(SecretError::NoName),
            SecretSource::Env(name) => match (self.environment.get(name), self.reading) {
                (Some(text), _) => Secret::new(text),
                (None, SecretReading::Assume) => assumed(name),
                (None, SecretReading::Read) => return Err(SecretError::NoVariable(name)),
            },
            SecretSource::File(path) => match self.files.get(path) {
                Some(Ok(secret)) => secret.clone(),
                Some(Err(error)) => return Err(SecretError::File(path, error)),
                None => return Err(SecretError::Empty),
            },
        };
        if secret.expose().trim().is_empty() {
            return Err(SecretError::Empty);
        }
        Ok(secret)
    }
}

/// What a text that stands for a secret begins with.
const ASSUMED: &str = "a secret that was not read, from ";

/// Stands for a secret that is somewhere else: long enough for every use, and another one for each
/// place.
fn assumed(place: &str) -> Secret {
    let place: String = place.chars().filter(|letter| !letter.is_control()).collect();
    Secret::new(format!("{ASSUMED}{place}"))
}

impl fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.files.keys()).finish()
    }
}
