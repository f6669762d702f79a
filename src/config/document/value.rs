//! The leaves of a configuration as a person writes them: a text, a scalar, a list, a secret,
//! parameters. They keep what was written; its meaning is found when the plan is compiled.

mod schema;

use std::{fmt, marker::PhantomData};

use indexmap::IndexMap;
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

use crate::secret::Secret;

/// A number, a switch, a duration, an address …: the text of it, however YAML understood it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar(pub String);

/// A list: `[a, b]`, or one text with spaces, commas, or a JSON list in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum List {
    /// One text that holds all.
    Text(String),
    /// The items one by one.
    Items(Vec<String>),
}

/// The values that a claim may have: one, or a list. A text is one value, whatever is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimValues(pub Vec<String>);

/// What claims may be, by their names: a mapping, or one text: a JSON object, or
/// `name=value&name=value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claims {
    /// One text that holds all.
    Text(String),
    /// One by one, in the order written.
    Entries(IndexMap<String, ClaimValues>),
}

/// Parameters by name: a mapping, or one text: a JSON object, or `name=value&name=value`.
#[derive(Clone, PartialEq, Eq)]
pub enum Params {
    /// One text that holds all.
    Text(String),
    /// One by one, in the order written.
    Entries(IndexMap<String, Scalar>),
}

/// A secret, or where it is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// The secret itself.
    Text(Secret),
    /// `{env: NAME}`: an environment variable.
    Env(String),
    /// `{file: PATH}`: a file; one newline at its end does not count.
    File(String),
}

/// One secret, or several of which the first is used and all are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretList {
    /// One.
    One(SecretSource),
    /// Several.
    Many(Vec<SecretSource>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "`{env: NAME}` or `{file: PATH}`")]
struct Reference {
    env: Option<String>,
    file: Option<String>,
}

// === impl SecretList ===

impl SecretList {
    /// Every one, in the order written.
    pub fn as_slice(&self) -> &[SecretSource] {
        match self {
            Self::One(source) => std::slice::from_ref(source),
            Self::Many(sources) => sources,
        }
    }
}

// === impl Scalar ===

impl Scalar {
    /// The text as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ScalarVisitor;

        impl Visitor<'_> for ScalarVisitor {
            type Value = Scalar;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("one value")
            }

            fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar(text.to_owned()))
            }

            fn visit_bool<E>(self, value: bool) -> Result<Scalar, E> {
                Ok(Scalar(value.to_string()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Scalar, E> {
                Ok(Scalar(value.to_string()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Scalar, E> {
                Ok(Scalar(value.to_string()))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Scalar, E> {
                Ok(Scalar(value.to_string()))
            }
        }

        deserializer.deserialize_any(ScalarVisitor)
    }
}

// === impl List ===

impl<'de> Deserialize<'de> for List {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor;

        impl<'de> Visitor<'de> for ListVisitor {
            type Value = List;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list of texts")
            }

            fn visit_str<E>(self, text: &str) -> Result<List, E> {
                Ok(List::Text(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, sequence: A) -> Result<List, A::Error> {
                items(sequence).map(List::Items)
            }
        }

        deserializer.deserialize_any(ListVisitor)
    }
}

// === impl ClaimValues ===

impl<'de> Deserialize<'de> for ClaimValues {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ValuesVisitor;

        impl<'de> Visitor<'de> for ValuesVisitor {
            type Value = ClaimValues;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("one value or a list of values")
            }

            fn visit_str<E>(self, text: &str) -> Result<ClaimValues, E> {
                Ok(ClaimValues(vec![text.to_owned()]))
            }

            fn visit_bool<E>(self, value: bool) -> Result<ClaimValues, E> {
                Ok(ClaimValues(vec![value.to_string()]))
            }

            fn visit_u64<E>(self, value: u64) -> Result<ClaimValues, E> {
                Ok(ClaimValues(vec![value.to_string()]))
            }

            fn visit_i64<E>(self, value: i64) -> Result<ClaimValues, E> {
                Ok(ClaimValues(vec![value.to_string()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, sequence: A) -> Result<ClaimValues, A::Error> {
                let values: Vec<Scalar> = items(sequence)?;
                Ok(ClaimValues(values.into_iter().map(|Scalar(text)| text).collect()))
            }
        }

        deserializer.deserialize_any(ValuesVisitor)
    }
}

// === impl Claims ===

impl<'de> Deserialize<'de> for Claims {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ClaimsVisitor;

        impl<'de> Visitor<'de> for ClaimsVisitor {
            type Value = Claims;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a mapping of claims to the values that they may have")
            }

            fn visit_str<E>(self, text: &str) -> Result<Claims, E> {
                Ok(Claims::Text(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Claims, A::Error> {
                Deserialize::deserialize(MapAccessDeserializer::new(map)).map(Claims::Entries)
            }
        }

        deserializer.deserialize_any(ClaimsVisitor)
    }
}

// === impl Params ===

impl<'de> Deserialize<'de> for Params {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ParamsVisitor;

        impl<'de> Visitor<'de> for ParamsVisitor {
            type Value = Params;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a mapping of parameter names to values")
            }

            fn visit_str<E>(self, text: &str) -> Result<Params, E> {
                Ok(Params::Text(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Params, A::Error> {
                Deserialize::deserialize(MapAccessDeserializer::new(map)).map(Params::Entries)
            }
        }

        deserializer.deserialize_any(ParamsVisitor)
    }
}

/// The values may be secret (an assertion, a key): only the names are shown.
impl fmt::Debug for Params {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => formatter.write_str("Params(..)"),
            Self::Entries(entries) => formatter.debug_set().entries(entries.keys()).finish(),
        }
    }
}

// === impl SecretSource ===

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretVisitor(PhantomData))
    }
}

impl<'de> Deserialize<'de> for SecretList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretVisitor(PhantomData))
    }
}

/// What a secret's shape may be; `Many` only where the type has room for it.
trait SecretShape: Sized {
    fn one(source: SecretSource) -> Self;
    fn many<'de, A: SeqAccess<'de>>(sequence: A) -> Result<Self, A::Error>;
}

impl SecretShape for SecretSource {
    fn one(source: SecretSource) -> Self {
        source
    }

    fn many<'de, A: SeqAccess<'de>>(_: A) -> Result<Self, A::Error> {
        Err(A::Error::custom("invalid type: sequence, expected one text, `{env: NAME}` or `{file: PATH}`"))
    }
}

impl SecretShape for SecretList {
    fn one(source: SecretSource) -> Self {
        Self::One(source)
    }

    fn many<'de, A: SeqAccess<'de>>(sequence: A) -> Result<Self, A::Error> {
        items(sequence).map(Self::Many)
    }
}

struct SecretVisitor<T>(PhantomData<T>);

impl<'de, T: SecretShape> Visitor<'de> for SecretVisitor<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a text, `{env: NAME}` or `{file: PATH}`")
    }

    fn visit_str<E>(self, text: &str) -> Result<T, E> {
        Ok(T::one(SecretSource::Text(Secret::new(text))))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        match Reference::deserialize(MapAccessDeserializer::new(map))? {
            Reference { env: Some(name), file: None } => Ok(T::one(SecretSource::Env(name))),
            Reference { env: None, file: Some(path) } => Ok(T::one(SecretSource::File(path))),
            _ => Err(A::Error::custom("invalid type: map, expected either `{env: NAME}` or `{file: PATH}`")),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, sequence: A) -> Result<T, A::Error> {
        T::many(sequence)
    }
}

/// All items of a sequence, one by one so that a mistake is found at its index.
fn items<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(mut sequence: A) -> Result<Vec<T>, A::Error> {
    let mut items = Vec::new();
    while let Some(item) = sequence.next_element()? {
        items.push(item);
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, serde_yaml::Error> {
        serde_yaml::from_str::<serde_yaml::Value>(text).and_then(serde_yaml::from_value)
    }

    #[test]
    fn scalars_keep_their_text() {
        for (text, expected) in [("8000", "8000"), ("30s", "30s"), ("true", "true"), ("-1", "-1"), ("1.5", "1.5")] {
            assert_eq!(read::<Scalar>(text).unwrap().as_str(), expected);
        }
        assert!(read::<Scalar>("[1]").is_err());
    }

    #[test]
    fn lists_are_texts_or_sequences() {
        assert_eq!(read::<List>("a b").unwrap(), List::Text("a b".to_owned()));
        assert_eq!(read::<List>("[a, b]").unwrap(), List::Items(vec!["a".to_owned(), "b".to_owned()]));
        assert!(read::<List>("[a, 1]").is_err());
        assert!(read::<List>("{a: b}").is_err());
    }

    #[test]
    fn a_secret_is_a_text_or_a_reference() {
        assert_eq!(read::<SecretSource>("abc").unwrap(), SecretSource::Text(Secret::new("abc")));
        assert_eq!(read::<SecretSource>("{env: A}").unwrap(), SecretSource::Env("A".to_owned()));
        assert_eq!(read::<SecretSource>("{file: /a}").unwrap(), SecretSource::File("/a".to_owned()));
        for text in ["{env: A, file: /a}", "{}", "{vault: x}", "[a]", "12"] {
            assert!(read::<SecretSource>(text).is_err(), "{text}");
        }
        assert!(matches!(read::<SecretList>("[a, {env: B}]").unwrap(), SecretList::Many(list) if list.len() == 2));
        assert!(matches!(read::<SecretList>("a").unwrap(), SecretList::One(_)));
    }

    #[test]
    fn debug_shows_no_secret() {
        let params: Params = read("{client_assertion: hunter2}").unwrap();
        let secret: SecretList = read("hunter2").unwrap();
        let text: Params = read("a=hunter2").unwrap();
        assert!(!format!("{params:?}{secret:?}{text:?}").contains("hunter2"));
    }
}
