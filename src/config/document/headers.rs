//! Headers for a backend, as written: by name a text, a secret, or a claim.

use std::fmt;

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::value::SecretSource;
use crate::secret::Secret;

/// Headers by name: a mapping, or one text: a JSON object, or `name=value&name=value`.
#[derive(Clone, PartialEq, Eq)]
pub enum SetHeaders {
    /// One text that holds all, and is no JSON object.
    Text(String),
    /// One by one, in the order written.
    Entries(IndexMap<String, HeaderText>),
}

/// What one header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderText {
    /// A text, or a secret and where it is found.
    Fixed(SecretSource),
    /// `{claim: NAME}`: what the provider says about the person.
    Claim(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a text, `{env: NAME}`, `{file: PATH}` or `{claim: NAME}`")]
struct Reference {
    env: Option<String>,
    file: Option<String>,
    claim: Option<String>,
}

// === impl SetHeaders ===

impl<'de> Deserialize<'de> for SetHeaders {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HeadersVisitor;

        impl<'de> Visitor<'de> for HeadersVisitor {
            type Value = SetHeaders;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a mapping of header names to values")
            }

            /// The files that a JSON object names have to be known before anything is compiled.
            fn visit_str<E>(self, text: &str) -> Result<SetHeaders, E> {
                let json = Some(text).filter(|text| text.trim_start().starts_with('{'));
                let entries = json.and_then(|text| serde_json::from_str(text).ok());
                Ok(entries.map_or_else(|| SetHeaders::Text(text.to_owned()), SetHeaders::Entries))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SetHeaders, A::Error> {
                Deserialize::deserialize(MapAccessDeserializer::new(map)).map(SetHeaders::Entries)
            }
        }

        deserializer.deserialize_any(HeadersVisitor)
    }
}

/// The values may be secret: only the names are shown.
impl fmt::Debug for SetHeaders {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => formatter.write_str("SetHeaders(..)"),
            Self::Entries(entries) => formatter.debug_set().entries(entries.keys()).finish(),
        }
    }
}

impl JsonSchema for SetHeaders {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SetHeaders".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<HeaderText>();
        json_schema!({
            "title": "headers by name",
            "anyOf": [{ "type": "object", "additionalProperties": value }, { "type": "string" }],
        })
    }
}

// === impl HeaderText ===

impl<'de> Deserialize<'de> for HeaderText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = HeaderText;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a text, `{env: NAME}`, `{file: PATH}` or `{claim: NAME}`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<HeaderText, E> {
                Ok(HeaderText::Fixed(SecretSource::Text(Secret::new(text))))
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<HeaderText, E> {
                self.visit_str(&value.to_string())
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<HeaderText, E> {
                self.visit_str(&value.to_string())
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<HeaderText, E> {
                self.visit_str(&value.to_string())
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<HeaderText, A::Error> {
                match Reference::deserialize(MapAccessDeserializer::new(map))? {
                    Reference { env: Some(name), file: None, claim: None } => {
                        Ok(HeaderText::Fixed(SecretSource::Env(name)))
                    }
                    Reference { env: None, file: Some(path), claim: None } => {
                        Ok(HeaderText::Fixed(SecretSource::File(path)))
                    }
                    Reference { env: None, file: None, claim: Some(claim) } => Ok(HeaderText::Claim(claim)),
                    _ => Err(A::Error::custom(
                        "invalid type: map, expected one of `{env: NAME}`, `{file: PATH}` and `{claim: NAME}`",
                    )),
                }
            }
        }

        deserializer.deserialize_any(TextVisitor)
    }
}

impl JsonSchema for HeaderText {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "HeaderText".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let reference = |key: &str, what: &str| {
            json_schema!({
                "type": "object",
                "properties": { key: { "type": "string", "description": what } },
                "required": [key],
                "additionalProperties": false,
            })
        };
        json_schema!({
            "title": "secret or claim",
            "anyOf": [
                { "type": ["string", "number", "boolean"] },
                reference("env", "The name of an environment variable."),
                reference("file", "The path of a file; one newline at its end does not count."),
                reference("claim", "The name of a claim, or `name.name` for a member of one."),
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<SetHeaders, serde_yaml::Error> {
        serde_yaml::from_str::<serde_yaml::Value>(text).and_then(serde_yaml::from_value)
    }

    #[test]
    fn a_header_is_a_text_a_secret_or_a_claim() {
        let text = "{a: x, b: {env: B}, c: {file: /c}, d: {claim: email}, e: 2, f: true}";
        let fixed = HeaderText::Fixed;
        let plain = |text: &str| fixed(SecretSource::Text(Secret::new(text)));
        let expected = [
            ("a", plain("x")),
            ("b", fixed(SecretSource::Env("B".to_owned()))),
            ("c", fixed(SecretSource::File("/c".to_owned()))),
            ("d", HeaderText::Claim("email".to_owned())),
            ("e", plain("2")),
            ("f", plain("true")),
        ];
        let expected = expected.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        assert_eq!(read(text).unwrap(), SetHeaders::Entries(expected));
        assert!(matches!(read("'{\"a\": {\"file\": \"/c\"}}'").unwrap(), SetHeaders::Entries(_)));
        assert_eq!(read("a=b").unwrap(), SetHeaders::Text("a=b".to_owned()));
        for text in ["{a: {}}", "{a: {env: A, claim: b}}", "{a: {vault: x}}", "{a: [b]}", "[a]"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        for text in ["{a: hunter2}", "a=hunter2", "'{\"a\": \"hunter2\"}'"] {
            assert!(!format!("{:?}", read(text).unwrap()).contains("hunter2"), "{text}");
        }
    }
}
