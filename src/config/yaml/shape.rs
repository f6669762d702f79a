//! A YAML value -> [`Document`]: unknown keys and wrong types, all of them.
//!
//! serde stops at the first mistake. So it is reported, taken out, and the rest is read again.

use serde_path_to_error::Segment;
use serde_yaml::{Mapping, Value};

use crate::config::{
    diagnostic::{Diagnostic, Diagnostics, closest, one_of},
    document::{Document, keys},
    origin::{Origins, child, covers, item, last_key},
};

/// More mistakes of this kind mean that the file is something else.
const MAX_MISTAKES: usize = 50;

/// Keys that people know from elsewhere, the key here, and what to write.
const KNOWN_ELSEWHERE: [(&str, &str, &str); 10] = [
    ("base_url", "public_url", "`public_url` at the top level"),
    ("discovery_url", "config_url", "`config_url`"),
    ("timeout", "timeout_seconds", "`timeout_seconds: 10`"),
    ("jwt_signing_key", "secret", "`secret` at the top level"),
    ("client_id_metadata_documents", "enable_cimd", "`enable_cimd`"),
    ("upstream", "backend", "`backend`, in a route"),
    ("upstream_url", "backend", "`backend`, in a route"),
    ("backend_url", "backend", "`backend`, in a route"),
    ("port", "listen", "`listen: 127.0.0.1:8000`"),
    ("redirect_uri", "redirect_path", "`redirect_path: /auth/callback`"),
];

/// Reads the document; what is wrong is added to `found` and left out.
pub(super) fn read(mut value: Value, origins: &Origins, found: &mut Diagnostics) -> Document {
    for _ in 0..MAX_MISTAKES {
        let error = match serde_path_to_error::deserialize::<_, Document>(&value) {
            Ok(document) => {
                empty_values(&value, "", origins, found);
                return document;
            }
            Err(error) => error,
        };
        let segments: Vec<Step> = error.path().iter().filter_map(step).collect();
        let diagnostic = explain(&segments, &error.inner().to_string(), origins);
        // What is left after a wrong key was taken out is not wrong once more.
        if !found.iter().any(|known| known.path != diagnostic.path && covers(&diagnostic.path, &known.path)) {
            found.push(diagnostic);
        }
        if !remove(&mut value, &segments) {
            break;
        }
    }
    Document::default()
}

/// `client_secret:` with nothing behind it says something else than no `client_secret`, and whoever
/// wrote it does not know which: a secret that failed to arrive must not make a public application.
fn empty_values(value: &Value, path: &str, origins: &Origins, found: &mut Diagnostics) {
    match value {
        // What a provider needs is told one by one.
        Value::Null if path.strip_prefix("providers.").is_some_and(|name| !name.contains('.')) => {}
        Value::Null => {
            let help = format!("write a value, or remove `{}:`", last_key(path));
            let mut diagnostic = Diagnostic::error(path, origins.of(path), "is empty");
            diagnostic.help(help);
            found.push(diagnostic);
        }
        Value::Mapping(entries) => {
            for (key, value) in entries {
                empty_values(value, &child(path, key.as_str().unwrap_or_default()), origins, found);
            }
        }
        Value::Sequence(items) => {
            for (index, value) in items.iter().enumerate() {
                empty_values(value, &item(path, index), origins, found);
            }
        }
        _ => {}
    }
}

enum Step {
    Key(String),
    Index(usize),
}

fn step(segment: &Segment) -> Option<Step> {
    match segment {
        Segment::Map { key } => Some(Step::Key(key.clone())),
        Segment::Seq { index } => Some(Step::Index(*index)),
        Segment::Enum { .. } | Segment::Unknown => None,
    }
}

fn path_of(segments: &[Step]) -> String {
    segments.iter().fold(String::new(), |path, step| match step {
        Step::Key(key) => child(&path, key),
        Step::Index(index) => item(&path, *index),
    })
}

/// serde's message in our words. Its values are never repeated: they may be secrets.
fn explain(segments: &[Step], message: &str, origins: &Origins) -> Diagnostic {
    let path = path_of(segments);
    if let Some(rest) = message.strip_prefix("unknown field ") {
        return unknown_key(segments, rest, origins);
    }
    if let Some((written, expected)) =
        message.strip_prefix("invalid type: ").and_then(|rest| rest.split_once(", expected "))
    {
        let kind = written.split(' ').next().unwrap_or(written);
        return wrong_type(&path, kind, expected, origins);
    }
    let origin = origins.of(&path);
    let mut diagnostic = Diagnostic::error(path, origin, message);
    diagnostic.help("docs/configuration.md has an example of every key");
    diagnostic
}

fn wrong_type(path: &str, kind: &str, expected: &str, origins: &Origins) -> Diagnostic {
    if expected == "field identifier" {
        let mut diagnostic = Diagnostic::error(path, origins.of(path), "holds a key that is no text");
        diagnostic.help("write `name: value`, with a name from docs/configuration.md");
        return diagnostic;
    }
    let kind = match kind {
        "unit" | "null" => "empty",
        "map" => "a mapping",
        "sequence" => "a list",
        "boolean" => "`true` or `false`",
        "integer" | "floating" => "a number",
        _ => "a text",
    };
    let expected = match expected {
        "a string" => "a text",
        "a map" => "a mapping",
        "a sequence" => "a list",
        other => other,
    };
    let mut diagnostic = Diagnostic::error(path, origins.of(path), format!("is {kind}, but has to be {expected}"));
    let key = last_key(path);
    diagnostic.help(match (kind, expected) {
        ("empty", _) => format!("remove `{key}:`, or indent what belongs to it below it"),
        ("a list", "a mapping") if path == "providers" => {
            "write `providers:`, below it `auth0:` (any name), and the keys below that, without dashes".to_owned()
        }
        ("a mapping", "a list") => format!("begin each item below `{key}:` with `- `"),
        ("a list" | "a mapping", "a text" | "one value") => format!("write `{key}: …` with one value behind it"),
        (_, expected) if expected.starts_with("a text") => {
            "put it into quotes, so that YAML leaves it as it is".to_owned()
        }
        (_, expected) => format!("write {expected}"),
    });
    diagnostic
}

fn unknown_key(segments: &[Step], rest: &str, origins: &Origins) -> Diagnostic {
    let mut quoted = rest.split('`').skip(1).step_by(2);
    let written = quoted.next().unwrap_or_default().to_owned();
    let known: Vec<&str> = quoted.collect();
    let mut path = path_of(segments);
    let parent = segments.split_last().map(|(_, above)| path_of(above)).unwrap_or_default();
    if last_key(&path) != written {
        path = child(&parent, &written);
    }
    let mut diagnostic = Diagnostic::error(&path, origins.of_key(&path), "is not a known key");
    if let Some(meant) = closest(&written, known.iter().copied()) {
        diagnostic.meant = Some(child(&parent, meant));
        diagnostic.help(format!("did you mean `{meant}`?"));
    } else if let Some((_, meant, instead)) = KNOWN_ELSEWHERE.iter().find(|(key, ..)| *key == written) {
        let here = known.contains(meant);
        diagnostic.meant = (!meant.is_empty()).then(|| if here { child(&parent, meant) } else { (*meant).to_owned() });
        let is_renamed = *instead == format!("`{meant}`");
        diagnostic.help(if is_renamed { format!("did you mean {instead}?") } else { format!("write {instead}") });
    } else if let Some(place) = elsewhere(&written) {
        diagnostic.help(format!("it belongs {place}"));
    } else {
        diagnostic.help(format!("possible here: {}", one_of(known)));
    }
    diagnostic
}

/// Where a key that is unknown here would be right.
fn elsewhere(key: &str) -> Option<String> {
    let path = keys::all().into_iter().find(|path| last_key(path) == key)?;
    Some(match path.rsplit_once('.') {
        None => "to the top level".to_owned(),
        Some((above, _)) => format!("below `{}`", above.replace("[]", "").replace("<name>", "…")),
    })
}

/// Takes the offending value out; `false` if that is not possible.
fn remove(value: &mut Value, segments: &[Step]) -> bool {
    let Some((end, above)) = segments.split_last() else { return false };
    match end {
        Step::Key(key) => match at(value, above) {
            Some(Value::Mapping(entries)) => entries.shift_remove(key.as_str()).is_some(),
            _ => false,
        },
        // The other items must keep their numbers: an item that has keys becomes an empty one, a
        // list of texts goes as a whole.
        Step::Index(index) => match (above.last(), at(value, above)) {
            (Some(Step::Key(list)), Some(Value::Sequence(items))) if matches!(list.as_str(), "routes" | "clients") => {
                let empty = Value::Mapping(Mapping::new());
                match items.get_mut(*index) {
                    Some(item) if *item != empty => {
                        *item = empty;
                        true
                    }
                    _ => false,
                }
            }
            _ => remove(value, above),
        },
    }
}

fn at<'a>(value: &'a mut Value, segments: &[Step]) -> Option<&'a mut Value> {
    segments.iter().try_fold(value, |value, step| match (step, value) {
        (Step::Key(key), Value::Mapping(entries)) => entries.get_mut(key.as_str()),
        (Step::Index(index), Value::Sequence(items)) => items.get_mut(*index),
        _ => None,
    })
}
