//! Every key with what the schema says about it, and what `compile` says about a value for it.

use std::fs;

use serde_json::Value;
use vestibule::config::{self, Diagnostic, document::keys, schema};

/// One key of the file.
pub(crate) struct Key {
    /// `providers.<name>.routes[].path`
    pub(crate) path: String,
    /// Its doc comment.
    pub(crate) description: String,
    pub(crate) kind: Kind,
}

/// What a key holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One of these.
    Words(Vec<String>),
    /// What `document::kind` calls it.
    Named(String),
    /// Keys of its own.
    Table,
    /// A list of tables.
    Tables,
    /// Any text.
    Text,
    /// Nobody said.
    Unsaid,
}

// === impl Key ===

impl Key {
    /// The column *type*.
    pub(crate) fn type_name(&self) -> String {
        match &self.kind {
            Kind::Words(words) => {
                let quoted: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
                match quoted.split_last() {
                    Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
                    _ => quoted.concat(),
                }
            }
            Kind::Named(name) => name.clone(),
            Kind::Table => "table".to_owned(),
            Kind::Tables => "list of tables".to_owned(),
            Kind::Text => "text".to_owned(),
            Kind::Unsaid => "?".to_owned(),
        }
    }
}

/// Every key in the order of the types, what belongs to a table right behind it.
pub(crate) fn all() -> Vec<Key> {
    fn sorted(known: &[String], prefix: &str, found: &mut Vec<String>) {
        let right_below =
            |path: &&String| path.strip_prefix(prefix).is_some_and(|key| !key.replace(".<name>", "").contains('.'));
        for path in known.iter().filter(right_below) {
            found.push(path.clone());
            for table in ["", "[]", ".<name>"] {
                sorted(known, &format!("{path}{table}."), found);
            }
        }
    }
    let root = schema::schema().to_value();
    let known = keys::all();
    let mut paths = Vec::new();
    sorted(&known, "", &mut paths);
    assert_eq!(paths.len(), known.len());
    paths
        .into_iter()
        .map(|path| {
            let property = path.split('.').fold(root.clone(), |at, step| property(&root, &at, step, &path));
            let description = property["description"].as_str().unwrap_or_default().to_owned();
            Key { kind: kind(&root, &property), description, path }
        })
        .collect()
}

/// The paths of all keys that the schema has.
pub(crate) fn in_the_schema() -> Vec<String> {
    fn walk(root: &Value, at: &Value, path: &str, found: &mut Vec<String>) {
        let at = resolve(root, at);
        for alternative in at["anyOf"].as_array().into_iter().flatten() {
            walk(root, alternative, path, found);
        }
        for (key, property) in at["properties"].as_object().into_iter().flatten() {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            // `{env: NAME}` is a value, not a key.
            if !resolve(root, property)["title"].as_str().is_some_and(|title| title.starts_with("secret")) {
                walk(root, property, &path, found);
                walk(root, &property["items"], &format!("{path}[]"), found);
                walk(root, &property["additionalProperties"], &format!("{path}.<name>"), found);
            }
            found.push(path);
        }
    }
    let root = schema::schema().to_value();
    let mut found = Vec::new();
    walk(&root, &root, "", &mut found);
    found
}

/// What is said about one key if everything else is right and `value` stands there.
pub(crate) fn refusal(path: &str, value: &str) -> Option<Diagnostic> {
    let mut document: serde_yaml::Value =
        serde_yaml::from_str(&fs::read_to_string("tests/config/everything.yaml").unwrap()).unwrap();
    let path = path.replace("<name>", "auth0").replace("[]", "[0]");
    let mut at = &mut document;
    for step in path.split('.') {
        let (key, is_list) = step.split_once('[').map_or((step, false), |(key, _)| (key, true));
        if !at.is_mapping() {
            *at = serde_yaml::Value::Mapping(serde_yaml::Mapping::new());
        }
        at = at.as_mapping_mut().unwrap().entry(key.into()).or_insert(serde_yaml::Value::Null);
        if is_list {
            if at.as_sequence().is_none_or(Vec::is_empty) {
                *at = serde_yaml::Value::Sequence(vec![serde_yaml::Value::Null]);
            }
            at = &mut at[0];
        }
    }
    *at = value.into();
    let found = config::from_yaml(&serde_yaml::to_string(&document).unwrap(), &[]).err()?;
    // A table in short form is its first key.
    let below = |diagnostic: &&Diagnostic| diagnostic.path == path || diagnostic.path.starts_with(&format!("{path}["));
    found.iter().find(below).cloned()
}

/// What stands between backticks.
pub(crate) fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(ToOwned::to_owned).collect()
}

fn property(root: &Value, at: &Value, step: &str, path: &str) -> Value {
    let at = resolve(root, at);
    if step == "<name>" {
        return at["additionalProperties"].clone();
    }
    let (key, is_list) = step.strip_suffix("[]").map_or((step, false), |key| (key, true));
    let tables = at["anyOf"].as_array().into_iter().flatten().map(|alternative| resolve(root, alternative));
    let found = std::iter::once(at.clone()).chain(tables).find_map(|table| table["properties"].get(key).cloned());
    let property = found.unwrap_or_else(|| panic!("{path}: the schema has no {key}"));
    if is_list { property["items"].clone() } else { property }
}

/// The definition that a property refers to, or the property itself.
fn resolve(root: &Value, at: &Value) -> Value {
    match at["$ref"].as_str().and_then(|target| root.pointer(target.trim_start_matches('#'))) {
        Some(definition) => definition.clone(),
        None => at.clone(),
    }
}

fn kind(root: &Value, property: &Value) -> Kind {
    if let Some(words) = property["anyOf"][0]["enum"].as_array() {
        return Kind::Words(words.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect());
    }
    let definition = resolve(root, property);
    match (definition["title"].as_str(), definition["type"].as_str()) {
        (Some("value"), _) => Kind::Unsaid,
        (Some(title), _) => Kind::Named(title.to_owned()),
        (None, Some("object")) if definition["additionalProperties"].is_object() => {
            Kind::Named("table by name".to_owned())
        }
        (None, Some("object")) => Kind::Table,
        (None, Some("array")) => Kind::Tables,
        (None, Some("string")) => Kind::Text,
        _ => Kind::Unsaid,
    }
}
