//! `${NAME}` and `${NAME:-default}` inside strings; `$${` is a literal `${`.

use serde_yaml::Value;

use crate::config::{
    diagnostic::{Diagnostic, Diagnostics, closest},
    origin::{Origins, child, item},
    source::{Environment, is_variable_name},
};

enum Mistake {
    NotClosed,
    NoName(String),
    NotSet(String),
}

/// Replaces every variable in every string of `value`.
pub(super) fn replace(value: &mut Value, environment: &Environment, origins: &Origins, found: &mut Diagnostics) {
    walk(value, "", environment, &mut |path, mistake| {
        let (message, help) = match mistake {
            Mistake::NotClosed => {
                ("holds a `${` that is not closed".to_owned(), "write `${NAME}`, or `$${` for the text `${`".to_owned())
            }
            Mistake::NoName(name) => (
                format!("holds `${{{name}}}`, which is no variable's name"),
                "write `${NAME}` or `${NAME:-default}`, or `$${` for the text `${`".to_owned(),
            ),
            Mistake::NotSet(name) => {
                let meant = closest(&name, environment.pairs().map(|(known, _)| known))
                    .map(|known| format!("; did you mean `{known}`?"))
                    .unwrap_or_default();
                let help = format!("set {name}, or write `${{{name}:-default}}`{meant}");
                (format!("needs the environment variable {name}, which is not set"), help)
            }
        };
        let mut diagnostic = Diagnostic::error(path, origins.of(path), message);
        diagnostic.help(help);
        found.push(diagnostic);
    });
}

fn walk(value: &mut Value, path: &str, environment: &Environment, complain: &mut dyn FnMut(&str, Mistake)) {
    match value {
        Value::String(text) if text.contains("${") => match expand(text, environment) {
            Ok(expanded) => *text = expanded,
            Err(mistake) => complain(path, mistake),
        },
        Value::Sequence(items) => {
            for (index, value) in items.iter_mut().enumerate() {
                walk(value, &item(path, index), environment, complain);
            }
        }
        Value::Mapping(entries) => {
            for (key, value) in entries.iter_mut() {
                walk(value, &child(path, key.as_str().unwrap_or("?")), environment, complain);
            }
        }
        _ => {}
    }
}

fn expand(text: &str, environment: &Environment) -> Result<String, Mistake> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(escaped) = before.strip_suffix('$') {
            expanded.push_str(escaped);
            expanded.push_str("${");
            rest = after;
            continue;
        }
        let (inside, after) = after.split_once('}').ok_or(Mistake::NotClosed)?;
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        if !is_variable_name(name) {
            return Err(Mistake::NoName(inside.to_owned()));
        }
        let value = environment.get(name).or(default).ok_or_else(|| Mistake::NotSet(name.to_owned()))?;
        expanded.push_str(before);
        expanded.push_str(value);
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}
