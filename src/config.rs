//! The one way in: sources (YAML text, environment) -> [`document`] -> [`plan`], or diagnostics.
//!
//! ```text
//! source -> yaml, env -> Document, with its presets -> compile -> Plan
//! ```

mod compile;
pub mod diagnostic;
pub mod diff;
pub mod document;
mod env;
pub mod facts;
pub mod origin;
pub mod plan;
pub mod preset;
pub mod schema;
mod secrets;
pub mod source;
pub mod watch;
mod yaml;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

pub use diagnostic::{Diagnostic, Diagnostics, Look, Severity};
use document::Document;
pub use origin::{Origin, Origins};
use plan::Plan;
use secrets::Secrets;
use source::{Environment, SourceError};
pub use source::{SecretReading, Sources};

/// A configuration that can be used.
#[derive(Debug)]
pub struct Loaded {
    /// What to do.
    pub plan: Plan,
    /// Every file that was read, and those that the plan names: watch these.
    pub files: Vec<PathBuf>,
    /// Warnings and notes.
    pub notes: Diagnostics,
    /// What was written.
    pub document: Document,
    /// Where each value was written.
    pub origins: Origins,
}

/// Reads everything that `sources` name, and checks it.
///
/// # Errors
/// [`Diagnostics`] with every mistake.
pub fn load(sources: &Sources) -> Result<Loaded, Diagnostics> {
    let mut found = Diagnostics::default();
    let environment = match sources.read_environment() {
        Ok((environment, file)) => {
            if let Some(path) = file {
                found.add_file(path);
            }
            environment
        }
        Err((path, error)) => {
            // Without its variables, everything else would be missing.
            refuse_file(&path, &error, &mut found);
            return Err(found);
        }
    };
    let text = match &sources.config {
        None => None,
        Some(path) => {
            found.add_file(path.clone());
            match source::read_text(path, source::MAX_FILE) {
                Ok(text) => Some((text, source::file_name(path))),
                Err(error) => {
                    refuse_file(path, &error, &mut found);
                    return Err(found);
                }
            }
        }
    };
    finish(text.as_ref().map(|(text, file)| (text.as_str(), file)), environment, sources.secrets, found)
}

/// A plan from YAML text and variables, without files of its own: for tests and embedders. Secret
/// files that the text names are read.
///
/// # Errors
/// [`Diagnostics`] with every mistake.
pub fn from_yaml(text: &str, env: &[(String, String)]) -> Result<Plan, Diagnostics> {
    let file: Arc<str> = "vestibule.yaml".into();
    let environment = env.iter().cloned().collect();
    finish(Some((text, &file)), environment, SecretReading::Read, Diagnostics::default()).map(|loaded| loaded.plan)
}

fn finish(
    text: Option<(&str, &Arc<str>)>,
    environment: Environment,
    reading: SecretReading,
    mut found: Diagnostics,
) -> Result<Loaded, Diagnostics> {
    let (mut document, mut origins) = match text {
        None => (Document::default(), Origins::default()),
        Some((text, file)) => match yaml::parse(text, file, &environment, &mut found) {
            Some(parsed) => parsed,
            None => return Err(found),
        },
    };
    env::overlay(&mut document, &mut origins, &environment, &mut found);
    let notes = preset::fill(&mut document, &mut origins, &mut found);
    document.secret_files().for_each(|path| found.add_file(PathBuf::from(path)));
    let secrets = Secrets::gather(&document, environment, reading);
    let (plan, later) = compile::compile(&document, &origins, &secrets);
    if let Some(tls) = plan.as_ref().and_then(|plan| plan.tls.as_ref()) {
        for path in [&tls.certificate, &tls.key] {
            found.add_file(path.clone());
        }
    }
    found.extend_unless_known(later);
    if !found.has_errors() {
        for note in notes {
            found.push(note);
        }
    }
    found.sort();
    match plan {
        Some(plan) if !found.has_errors() => {
            let files = found.files().cloned().collect();
            Ok(Loaded { plan, files, notes: found, document, origins })
        }
        _ => Err(found),
    }
}

fn refuse_file(path: &Path, error: &SourceError, found: &mut Diagnostics) {
    let file = source::file_name(path);
    let origin = match error {
        SourceError::Line { line, .. } => Origin::Place(origin::Place { file, line: *line, column: 1, length: 1 }),
        _ => Origin::File(file),
    };
    let help = match error {
        SourceError::Unreadable(error) => match error.kind() {
            io::ErrorKind::NotFound => "is the path right? A relative one begins at the working directory",
            io::ErrorKind::IsADirectory => "name the file in that folder",
            io::ErrorKind::PermissionDenied => "let this process read it: look at its owner and mode",
            _ => "make it readable for this process",
        },
        SourceError::TooLarge { .. } => "a configuration has some KiB: is this the right file?",
        SourceError::NotText => "save it as UTF-8",
        SourceError::Line { .. } => "write `NAME=value`; `#` begins a comment",
    };
    let mut diagnostic = Diagnostic::error("", origin, error.to_string());
    diagnostic.help(help);
    found.push(diagnostic);
    found.add_file(path.to_owned());
}

#[cfg(test)]
mod tests;
