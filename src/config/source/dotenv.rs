//! A `.env` file: `NAME=value` lines, `#` comments, optional `export` and quotes. No expansion:
//! a `$` is a `$`.

use std::{collections::BTreeSet, sync::Arc};

use super::{Place, SourceError, is_variable_name};

/// The assignments of a file, in order.
///
/// # Errors
/// [`SourceError::Line`] for the first line that is no assignment.
pub(super) fn parse(text: &str, file: &Arc<str>) -> Result<Vec<(String, String, Place)>, SourceError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut variables = Vec::new();
    let mut names = BTreeSet::new();
    for (index, line) in text.lines().enumerate() {
        let written = line.trim();
        if written.is_empty() || written.starts_with('#') {
            continue;
        }
        let (name, value) = assignment(written).map_err(|reason| SourceError::Line { line: index + 1, reason })?;
        if !names.insert(name) {
            return Err(SourceError::Line { line: index + 1, reason: "sets a variable that an earlier line sets" });
        }
        let place = Place { file: Arc::clone(file), line: index + 1, column: 1, length: name.chars().count() };
        variables.push((name.to_owned(), value, place));
    }
    Ok(variables)
}

fn assignment(line: &str) -> Result<(&str, String), &'static str> {
    let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
    let (name, value) = line.split_once('=').ok_or("is not of the form `NAME=value`")?;
    let name = name.trim_end();
    if !is_variable_name(name) {
        return Err("does not begin with a name of letters, digits and `_`");
    }
    Ok((name, unquote(value.trim())?))
}

fn unquote(value: &str) -> Result<String, &'static str> {
    if let Some(rest) = value.strip_prefix('\'') {
        let (inner, after) = rest.split_once('\'').ok_or("has a quote that is not closed")?;
        return only_comment(after).map(|()| inner.to_owned());
    }
    if let Some(rest) = value.strip_prefix('"') {
        return double_quoted(rest);
    }
    // A `#` begins a comment only after a space: it is common in passwords and URLs.
    let end = value.find(" #").unwrap_or(value.len());
    Ok(value.get(..end).unwrap_or(value).trim_end().to_owned())
}

fn double_quoted(rest: &str) -> Result<String, &'static str> {
    let mut inner = String::new();
    let mut letters = rest.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => return only_comment(letters.as_str()).map(|()| inner),
            '\\' => match letters.next() {
                Some('n') => inner.push('\n'),
                Some(escaped @ ('"' | '\\' | '$')) => inner.push(escaped),
                Some(other) => inner.extend(['\\', other]),
                None => break,
            },
            letter => inner.push(letter),
        }
    }
    Err("has a quote that is not closed")
}

fn only_comment(after: &str) -> Result<(), &'static str> {
    let after = after.trim();
    if after.is_empty() || after.starts_with('#') { Ok(()) } else { Err("goes on after the closing quote") }
}
