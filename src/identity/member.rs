//! Which member of a JSON object is meant.

use std::{fmt, str::FromStr};

use serde_json::{Map, Value};

/// The most names in one path.
const MAX_NAMES: usize = 8;
/// The longest path, in bytes.
const MAX_LENGTH: usize = 200;

/// A member of a JSON object, or one further in: `id`, `user.id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberPath(String);

/// A text that names no member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is empty, too long, or has an empty name between two dots")]
pub struct NoMember;

// === impl MemberPath ===

impl MemberPath {
    /// A member with this name, which is one of ours.
    pub fn named(name: &'static str) -> Self {
        Self(name.to_owned())
    }

    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The value in an object. A member with exactly this name, dots and all, comes first.
    pub fn in_object<'v>(&self, object: &'v Map<String, Value>) -> Option<&'v Value> {
        object.get(&self.0).or_else(|| {
            let (first, rest) = self.0.split_once('.')?;
            rest.split('.').try_fold(object.get(first)?, |value, name| value.as_object()?.get(name))
        })
    }
}

impl FromStr for MemberPath {
    type Err = NoMember;

    fn from_str(text: &str) -> Result<Self, NoMember> {
        let mut names = text.split('.');
        let good = text.len() <= MAX_LENGTH
            && !text.chars().any(char::is_control)
            && names.clone().count() <= MAX_NAMES
            && names.all(|name| !name.trim().is_empty());
        if good { Ok(Self(text.to_owned())) } else { Err(NoMember) }
    }
}

impl fmt::Display for MemberPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(path: &str, object: &Value) -> Option<Value> {
        path.parse::<MemberPath>().unwrap().in_object(object.as_object().unwrap()).cloned()
    }

    #[test]
    fn a_path_leads_into_objects_only() {
        let object =
            json!({ "id": 1, "user": { "id": 2, "x.y": 3 }, "https://a.example/email": 4, "list": [{ "id": 5 }] });
        for (path, expected) in [
            ("id", Some(json!(1))),
            ("user.id", Some(json!(2))),
            ("https://a.example/email", Some(json!(4))),
            ("user", Some(object["user"].clone())),
            ("user.id.more", None),
            ("list.0.id", None),
            ("nobody", None),
            ("nobody.id", None),
        ] {
            assert_eq!(found(path, &object), expected, "{path}");
        }
    }

    #[test]
    fn empty_names_are_refused() {
        for text in ["", ".", "a.", ".a", "a..b", " ", "a\nb", &"a.".repeat(9), &"x".repeat(201)] {
            assert_eq!(text.parse::<MemberPath>(), Err(NoMember), "{text}");
        }
    }
}
