//! The tables of `docs/configuration.md` are made from the types: doc comments say meaning and
//! default, the schema the type, `compile` the bounds, `keys::variable` the variable.

use std::{collections::BTreeMap, fmt::Write as _, fs};

use serde_json::Value;
use vestibule::config::{
    self,
    document::{described::Described, keys::variable},
};

use crate::{
    keys::{self, Key, Kind},
    page,
};

const PAGE: &str = "docs/configuration.md";
const BEGIN: &str = "<!-- keys ";
const DEFAULTS: &str = "```yaml defaults\n";

/// To bring it up to date: `INSTA_UPDATE=always cargo test --test config`, and read the difference.
#[test]
fn the_documented_keys_are_the_real_ones() {
    let page = fs::read_to_string(PAGE).unwrap();
    let prefixes: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix(BEGIN)?.strip_suffix(" -->")).collect();
    assert!(prefixes.len() >= 4, "the marks were not found");
    let mut tables: BTreeMap<&str, Vec<Key>> = BTreeMap::new();
    for key in keys::all() {
        // The table with the longest beginning has it.
        let fits = |prefix: &&&str| **prefix == "." || key.path.starts_with(**prefix);
        let prefix = prefixes.iter().filter(fits).max_by_key(|prefix| prefix.len()).unwrap();
        tables.entry(prefix).or_default().push(key);
    }
    let mut written = String::new();
    let mut rest = page.as_str();
    while let Some((before, after)) = rest.split_once(BEGIN) {
        let (prefix, after) = after.split_once(" -->\n").unwrap();
        let (_, after) = after.split_once("<!-- end -->").unwrap();
        write!(written, "{before}{BEGIN}{prefix} -->\n\n{}\n<!-- end -->", table(&tables[prefix])).unwrap();
        rest = after;
    }
    written += rest;
    let (before, after) = written.split_once(DEFAULTS).unwrap();
    let (_, after) = after.split_once("```").unwrap();
    page::is_current(PAGE, &format!("{before}{DEFAULTS}{}```{after}", defaults()));
}

fn table(keys: &[Key]) -> String {
    let variables: Vec<_> = keys.iter().map(variables).collect();
    let has_variables = variables.iter().any(|variables| !variables.is_empty());
    let mut text = if has_variables {
        "| key | variable | type | default | meaning |\n| --- | --- | --- | --- | --- |\n".to_owned()
    } else {
        "| key | type | default | meaning |\n| --- | --- | --- | --- |\n".to_owned()
    };
    for (key, variables) in keys.iter().zip(variables) {
        let read = Described::read(&key.description);
        let is_table = matches!(key.kind, Kind::Table | Kind::Tables);
        let default = match (read.required, read.default) {
            (Some(words), _) => format!("**required**{words}"),
            (None, Some(default)) => default,
            (None, None) if is_table => String::new(),
            (None, None) => "none".to_owned(),
        };
        let variables = if has_variables { format!("{variables} | ") } else { String::new() };
        let cells = format!("`{}` | {variables}{} | {default} | {}", key.path, type_and_bounds(key), read.meaning);
        text.push_str(&format!("| {cells} |\n").replace("|  |", "| |"));
    }
    text
}

fn variables(key: &Key) -> String {
    let Some(variable) = variable(&key.path) else { return String::new() };
    let file = if key.type_name().starts_with("secret") { format!(", `{variable}_FILE`") } else { String::new() };
    format!("`{variable}`{file}")
}

/// The type, with the least and the most that `compile` names when it refuses what is beyond.
fn type_and_bounds(key: &Key) -> String {
    let name = key.type_name();
    let beyond = match name.as_str() {
        "duration" => "100000d",
        "number" | "seconds" => "99999999999999999999",
        "size" => "17000000TB",
        _ => return name,
    };
    let tried = [beyond, "9223372036854775807", "0s", "0"].into_iter().filter_map(|value| {
        let help = keys::refusal(&key.path, value)?.help?;
        let (_, bounds) = help.split_once(" from ")?;
        let (least, most) = bounds.split_once(" to ")?;
        Some(match (bound(least), bound(most)) {
            (least, most) if least == "0s" || least == "0" => format!("{name}, up to {most}"),
            (least, most) => format!("{name}, {least} to {most}"),
        })
    });
    tried.into_iter().next().unwrap_or(name)
}

/// A bound as one would write it.
fn bound(text: &str) -> String {
    let Some(bytes) = text.strip_suffix(" bytes").and_then(|bytes| bytes.parse::<u64>().ok()) else {
        return text.to_owned();
    };
    let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    let unit = units.into_iter().find(|(power, _)| bytes >= 1 << power && bytes.trailing_zeros() >= *power);
    unit.map_or_else(|| bytes.to_string(), |(power, name)| format!("{}{name}", bytes >> power))
}

/// The least configuration of the page with every default that is a value written out.
fn defaults() -> String {
    let page = fs::read_to_string(PAGE).unwrap();
    let (_, least) = page.split_once("```yaml\n").unwrap();
    let least: serde_yaml::Value = serde_yaml::from_str(least.split("```").next().unwrap()).unwrap();
    let least = serde_json::to_value(least).unwrap();
    let mut text = String::new();
    write_keys(&mut text, &keys::all(), "", "", 0, &least);
    text
}

/// Writes the keys right below `prefix`, as the least configuration has them or by default.
fn write_keys(text: &mut String, keys: &[Key], prefix: &str, first: &str, depth: usize, least: &Value) {
    let mut lead = first;
    for key in keys {
        let Some(name) = key.path.strip_prefix(prefix).filter(|name| !name.contains('.')) else { continue };
        let written = &least[name];
        let indent = if lead.is_empty() { "  ".repeat(depth) } else { format!("{}{lead}", "  ".repeat(depth - 1)) };
        if name == "providers" {
            *text += "providers:\n  auth0:\n";
            write_keys(text, keys, "providers.<name>.", "", 2, &written["auth0"]);
        } else if key.kind == Kind::Tables && written.is_array() {
            writeln!(text, "{indent}{name}:").unwrap();
            write_keys(text, keys, &format!("{}[].", key.path), "- ", depth + 2, &written[0]);
        } else if has_default_below(keys, &key.path) {
            writeln!(text, "{indent}{name}:").unwrap();
            write_keys(text, keys, &format!("{}.", key.path), "", depth + 1, &Value::Null);
        } else if let Some(value) = value(key, written) {
            writeln!(text, "{indent}{name}: {value}").unwrap();
        } else {
            continue;
        }
        lead = "";
    }
}

fn has_default_below(keys: &[Key], path: &str) -> bool {
    let below = |key: &&Key| key.path.starts_with(&format!("{path}."));
    keys.iter().filter(below).any(|key| value(key, &Value::Null).is_some())
}

fn value(key: &Key, written: &Value) -> Option<String> {
    match written {
        Value::Null => Described::read(&key.description).value,
        Value::Object(object) => {
            let entries: Vec<_> =
                object.iter().map(|(key, value)| format!("{key}: {}", value.as_str().unwrap())).collect();
            Some(format!("{{ {} }}", entries.join(", ")))
        }
        other => Some(other.as_str().map_or_else(|| other.to_string(), ToOwned::to_owned)),
    }
}

/// The page's defaults are the real ones, and its three examples are one configuration.
#[test]
fn the_documented_defaults_are_true() {
    let page = fs::read_to_string(PAGE).unwrap();
    let block = |fence: &str| {
        let (_, rest) = page.split_once(&format!("```{fence}\n")).unwrap();
        rest.split_once("```").unwrap().0.to_owned()
    };
    let secret = [("AUTH0_CLIENT_SECRET".to_owned(), "…".to_owned())];
    let least = config::from_yaml(&block("yaml"), &secret).unwrap();
    let defaults = config::from_yaml(&block("yaml defaults"), &secret).unwrap();
    let variables = block("sh");
    let environment = variables.lines().filter_map(|line| line.split_once('=')).collect();
    let sources = config::Sources { environment, ..config::Sources::default() };
    let variables = config::load(&sources).unwrap().plan;
    assert_eq!(least, defaults);
    assert_eq!(least, variables);
}
