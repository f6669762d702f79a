//! One mistake in the configuration, said so that a person can repair it: where, what was
//! written, what is wrong with it, what to write instead.
//!
//! Values of secrets never get in here; nor does anything from a line of the file but what
//! `crate::config::yaml` has masked.

mod graphical;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
    sync::Arc,
};

use super::{
    origin::{Origin, covers},
    source::Environment,
};
use crate::printable::printable;

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// It can be used, but something should be looked at.
    Warning,
    /// Something was completed that one may want to know.
    Note,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How much it matters.
    pub severity: Severity,
    /// Which value: `providers.auth0.routes[0].path`; empty for the file as a whole.
    pub path: String,
    /// Where it was written.
    pub origin: Origin,
    /// What was written, if it may be shown.
    pub offending: Option<String>,
    /// What is wrong with it: continues the sentence that the offending text begins.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
    /// The path that was probably meant, so that it is not reported as missing too.
    pub(super) meant: Option<String>,
}

/// Every mistake that was found.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Diagnostics {
    found: Vec<Diagnostic>,
    /// Errors beyond [`MOST`].
    omitted: usize,
    texts: BTreeMap<Arc<str>, Arc<str>>,
    files: BTreeSet<PathBuf>,
}

/// How diagnostics are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// `file:line:column: error: …`, for logs and editors.
    Plain,
    /// With the line itself and arrows, for terminals.
    Graphical {
        /// With ANSI colours.
        colour: bool,
    },
}

/// So many are told. Whoever has more has one mistake many times, or another file.
const MOST: usize = 100;
/// The longest message, in characters: parsers repeat what they could not read.
const MESSAGE: usize = 400;
/// The longest help, in characters: it may name every key of a table.
const HELP: usize = 1_200;
/// The longest offending text that is shown, in characters.
const SHOWN: usize = 120;

// === impl Look ===

impl Look {
    /// The look for a stream; `NO_COLOR` in the environment switches colours off.
    pub fn new(is_terminal: bool, environment: &Environment) -> Self {
        if is_terminal { Self::Graphical { colour: environment.get("NO_COLOR").is_none() } } else { Self::Plain }
    }
}

// === impl Severity ===

impl fmt::Display for Severity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

// === impl Diagnostic ===

impl Diagnostic {
    /// An error at a path.
    pub(super) fn error(path: impl Into<String>, origin: Origin, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            path: printable(&path.into()),
            origin,
            offending: None,
            message: cut(&printable(&message.into()), MESSAGE),
            help: None,
            meant: None,
        }
    }

    /// With what was written. Control characters are escaped, a long text is cut, what could be a
    /// password or a key in a URL is left out.
    pub(super) fn offending(&mut self, text: &str) -> &mut Self {
        if text.is_empty() {
            return self;
        }
        let text = without_secrets(text);
        let escaped = |letter: char| match letter {
            // They harm nothing, and JSON is easier to read with them.
            '"' | '\'' => letter.to_string(),
            _ => letter.escape_debug().to_string(),
        };
        let mut shown: String = text.chars().take(SHOWN).map(escaped).collect();
        if text.chars().nth(SHOWN).is_some() {
            shown.push('…');
        }
        self.offending = Some(shown);
        self
    }

    /// With what to write instead.
    pub(super) fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help = Some(cut(&printable(&help.into()), HELP));
        self
    }

    /// `path: "offending" message`, without place and help.
    pub fn sentence(&self) -> String {
        let path = if self.path.is_empty() { String::new() } else { format!("{}: ", self.path) };
        let offending = self.offending.as_ref().map(|text| format!("`{text}` ")).unwrap_or_default();
        format!("{path}{offending}{}", self.message)
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}: {}", self.origin, self.severity, self.sentence())?;
        if let Some(help) = &self.help {
            write!(formatter, "\n  help: {help}")?;
        }
        Ok(())
    }
}

// === impl Diagnostics ===

impl Diagnostics {
    /// How many errors there are, told or not.
    pub fn errors(&self) -> usize {
        let told = self.found.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
        told.count() + self.omitted
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Whether the configuration cannot be used.
    pub fn has_errors(&self) -> bool {
        self.errors() > 0
    }

    /// One by one, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.found.iter()
    }

    /// Every file that was read, or should have been: what to watch for a repair.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.files.iter()
    }

    /// All of them as text that ends with a newline (empty if there are none).
    pub fn render(&self, look: Look) -> String {
        let told = self.found.iter().map(|diagnostic| match look {
            Look::Plain => format!("{diagnostic}\n"),
            Look::Graphical { colour } => graphical::render(diagnostic, &self.texts, colour),
        });
        let more = (self.omitted > 0).then(|| format!("… and {} more errors\n", self.omitted));
        told.chain(more).collect()
    }

    /// Adds what is not there yet. Of more than [`MOST`], errors are counted and the rest is
    /// dropped.
    pub(super) fn push(&mut self, diagnostic: Diagnostic) {
        if self.found.contains(&diagnostic) {
            return;
        }
        let is_error = |diagnostic: &Diagnostic| diagnostic.severity == Severity::Error;
        if self.found.len() < MOST {
            self.found.push(diagnostic);
        } else if is_error(&diagnostic) {
            // An error is told before any warning is.
            match self.found.iter_mut().find(|found| !is_error(found)) {
                Some(found) => *found = diagnostic,
                None => self.omitted += 1,
            }
        }
    }

    /// Adds what a later stage found, but not what only follows from a mistake already known.
    pub(super) fn extend_unless_known(&mut self, later: Vec<Diagnostic>) {
        let known: Vec<String> = self
            .found
            .iter()
            .filter(|diagnostic| diagnostic.severity == Severity::Error)
            .flat_map(|diagnostic| std::iter::once(&diagnostic.path).chain(&diagnostic.meant))
            .filter(|path| !path.is_empty())
            .cloned()
            .collect();
        let follows = |path: &str| known.iter().any(|known| covers(known, path));
        for diagnostic in later.into_iter().filter(|diagnostic| !follows(&diagnostic.path)) {
            self.push(diagnostic);
        }
    }

    /// Keeps the masked text of a file, to show lines of it.
    pub(super) fn keep_text(&mut self, file: Arc<str>, masked: String) {
        self.texts.insert(file, masked.into());
    }

    pub(super) fn add_file(&mut self, path: PathBuf) {
        self.files.insert(path);
    }

    /// In the order of the file, then variables.
    pub(super) fn sort(&mut self) {
        self.found.sort_by_key(|diagnostic| match &diagnostic.origin {
            Origin::Nowhere | Origin::File(_) | Origin::Preset(_) => (0, 0, 0),
            Origin::Place(place) => (1, place.line, place.column),
            Origin::Variable { place, .. } => (2, place.as_ref().map_or(0, |place| place.line), 0),
        });
    }
}

impl fmt::Debug for Diagnostics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(&self.found).finish()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.render(Look::Plain).trim_end())
    }
}

impl std::error::Error for Diagnostics {}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The known text that `text` was probably meant to be.
pub(super) fn closest<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let text = text.to_ascii_lowercase();
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&text, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= 1.max(candidate.chars().count().min(text.chars().count()) / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `a`, `b` or `c`
pub(super) fn one_of<'a>(choices: impl IntoIterator<Item = &'a str>) -> String {
    let mut choices: Vec<String> = choices.into_iter().map(|choice| format!("`{choice}`")).collect();
    match choices.pop() {
        Some(last) if !choices.is_empty() => format!("{} or {last}", choices.join(", ")),
        Some(only) => only,
        None => String::new(),
    }
}

/// A URL without what stands before `@` and after `?`, where people put keys.
fn without_secrets(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("//") else { return text.to_owned() };
    let (rest, query) = rest.split_once('?').map_or((rest, ""), |(rest, _)| (rest, "?…"));
    let end = rest.find(['/', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}//…@{host}{tail}{query}"),
        None => format!("{scheme}//{rest}{query}"),
    }
}

#[cfg(test)]
mod tests;
