//! YAML text -> [`Document`], with the place of every value.
//!
//! The text is walked twice: once for places, nesting and repeated keys (`index`), once for
//! values. In between, `${NAME}` is replaced inside strings, so that nothing in a variable can
//! change the structure.

mod index;
mod interpolate;
mod mask;
mod shape;

use std::sync::Arc;

use serde_yaml::Value;

use super::{
    diagnostic::{Diagnostic, Diagnostics},
    document::Document,
    origin::{Origin, Origins, Place, last_key},
    source::Environment,
};
use index::Index;

/// Reads a configuration. `None` if the text is no YAML mapping; otherwise mistakes are added to
/// `found` and the document holds what remains without them.
pub(super) fn parse(
    text: &str,
    file: &Arc<str>,
    environment: &Environment,
    found: &mut Diagnostics,
) -> Option<(Document, Origins)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let at = |line, column| Origin::Place(Place { file: Arc::clone(file), line, column, length: 1 });
    if let Some((line, column, letter)) = control_character(text) {
        let message = format!("a control character, U+{:04X}, is in this file", u32::from(letter));
        let mut diagnostic = Diagnostic::error("", at(line, column), message);
        diagnostic.help("remove it; inside of double quotes, it is written as `\\x…` or `\\u…`");
        found.push(diagnostic);
        return None;
    }
    let index = match Index::build(text) {
        Ok(index) => index,
        Err(mistake) => {
            let mut diagnostic = Diagnostic::error(mistake.path, at(mistake.line, mistake.column), mistake.message);
            if let Some(help) = mistake.help {
                diagnostic.help(help);
            }
            found.push(diagnostic);
            return None;
        }
    };
    found.keep_text(Arc::clone(file), mask::masked(text, &index));
    let value = serde_yaml::from_str::<Value>(text).and_then(|mut value| value.apply_merge().map(|()| value));
    let mut value = match value {
        Ok(value) => value,
        Err(error) => {
            // Only merging says no place.
            let merge =
                index.keys.iter().find(|(path, _)| last_key(path) == "<<").map(|(_, span)| (span.line, span.column));
            let place = error.location().map(|place| (place.line(), place.column())).or(merge);
            let origin = place.map_or(Origin::File(Arc::clone(file)), |(line, column)| at(line, column));
            let mut diagnostic = Diagnostic::error("", origin, format!("this YAML cannot be read: {error}"));
            diagnostic.help("look at the quotes, anchors and aliases here; `<<` takes a mapping, or a list of them");
            found.push(diagnostic);
            return None;
        }
    };
    let origins = index.into_origins(file);
    match &mut value {
        // A place for anchors that several parts share.
        Value::Mapping(keys) => keys.retain(|key, _| !key.as_str().is_some_and(|key| key.starts_with("x-"))),
        Value::Null => {
            let mut diagnostic = Diagnostic::error("", Origin::File(Arc::clone(file)), "is empty");
            diagnostic.help("an empty file is never a configuration; without a file, start without `--config`");
            found.push(diagnostic);
            return None;
        }
        _ => {
            let mut diagnostic =
                Diagnostic::error("", at(1, 1), "the configuration is not a mapping of keys to values");
            diagnostic.help("begin with `public_url: https://…`");
            found.push(diagnostic);
            return None;
        }
    }
    interpolate::replace(&mut value, environment, &origins, found);
    let document = shape::read(value, &origins, found);
    Some((document, origins))
}

/// The first character that no YAML text has, and its place. The two parsers do not agree on all of
/// them.
fn control_character(text: &str) -> Option<(usize, usize, char)> {
    let is_wrong = |letter: char| letter.is_control() && !matches!(letter, '\t' | '\n' | '\r' | '\u{85}');
    text.split('\n').enumerate().find_map(|(line, text)| {
        let (column, letter) = text.chars().enumerate().find(|(_, letter)| is_wrong(*letter))?;
        Some((line + 1, column + 1, letter))
    })
}

#[cfg(test)]
mod tests;
