//! The shapes that the leaves accept, as JSON Schema.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{ClaimValues, Claims, List, Params, Scalar, SecretList, SecretSource};

// === impl JsonSchema ===

/// Fields say what they mean with a marker of `document::kind`; this is what is left without one.
impl JsonSchema for Scalar {
    fn schema_name() -> Cow<'static, str> {
        "Scalar".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "title": "value", "type": ["string", "number", "boolean"] })
    }
}

impl JsonSchema for List {
    fn schema_name() -> Cow<'static, str> {
        "List".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "title": "list",
            "anyOf": [{ "type": "array", "items": { "type": "string" } }, { "type": "string" }],
        })
    }
}

impl JsonSchema for ClaimValues {
    fn schema_name() -> Cow<'static, str> {
        "ClaimValues".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<Scalar>();
        json_schema!({ "title": "values", "anyOf": [value, { "type": "array", "items": value }] })
    }
}

impl JsonSchema for Claims {
    fn schema_name() -> Cow<'static, str> {
        "Claims".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let values = generator.subschema_for::<ClaimValues>();
        json_schema!({
            "title": "table by name",
            "anyOf": [{ "type": "object", "additionalProperties": values }, { "type": "string" }],
        })
    }
}

impl JsonSchema for Params {
    fn schema_name() -> Cow<'static, str> {
        "Params".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<Scalar>();
        json_schema!({
            "title": "table",
            "anyOf": [{ "type": "object", "additionalProperties": value }, { "type": "string" }],
        })
    }
}

impl JsonSchema for SecretSource {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
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
            "title": "secret",
            "anyOf": [
                { "type": "string" },
                reference("env", "The name of an environment variable."),
                reference("file", "The path of a file; one newline at its end does not count."),
            ],
        })
    }
}

impl JsonSchema for SecretList {
    fn schema_name() -> Cow<'static, str> {
        "Secrets".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let secret = generator.subschema_for::<SecretSource>();
        json_schema!({ "title": "secret or list of secrets", "anyOf": [secret, { "type": "array", "items": secret }] })
    }
}
