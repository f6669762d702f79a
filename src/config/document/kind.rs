//! What a value means, for editors and the reference: a field that is a text, a [`Scalar`] or a
//! [`List`] names one of these with `#[schemars(with = "…")]`. They hold nothing and decide nothing;
//! `compile` does, and `tests/config/schema.rs` compares the two.
//!
//! [`Scalar`]: super::value::Scalar
//! [`List`]: super::value::List

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// Declares a marker with its name in the reference and its schema.
macro_rules! kind {
    ($($(#[$doc:meta])* $name:ident = $title:literal, $schema:tt;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub enum $name {}

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let mut schema = json_schema!($schema);
                schema.insert("title".to_owned(), $title.into());
                schema
            }
        }
    )*};
}

kind! {
    /// `500ms`, `30s`, `15m`, `1h 30m`, `30d`
    Duration = "duration", {
        "type": "string",
        "pattern": "^\\s*([0-9]+\\s*[a-zA-Zµ]+\\s*)+$",
        "examples": ["500ms", "30s", "15m", "1h", "30d"],
    };
    /// A duration, or `off`.
    DurationOrOff = "duration or `off`", {
        "anyOf": [
            { "type": "string", "pattern": "^\\s*([0-9]+\\s*[a-zA-Zµ]+\\s*)+$" },
            { "enum": ["off", "none", "false", false] },
        ],
        "examples": ["off", "10m"],
    };
    /// A whole number of seconds, or a duration with its unit.
    Seconds = "seconds", {
        "anyOf": [
            { "type": "integer", "minimum": 0 },
            { "type": "string", "pattern": "^\\s*([0-9]+|([0-9]+\\s*[a-zA-Zµ]+\\s*)+)\\s*$" },
        ],
        "examples": [10, "500ms", "10s", "1h"],
    };
    /// Names of signature algorithms.
    Algorithms = "list", {
        "anyOf": [
            {
                "type": "array",
                "items": { "enum": ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"] },
            },
            { "type": "string" },
        ],
        "examples": ["RS256"],
    };
    /// A member of a JSON object, or of a member of it.
    Member = "member", { "type": "string", "examples": ["id", "user.id"] };
    /// A claim, or a member of one.
    Claim = "claim", { "type": "string", "examples": ["groups", "realm_access.roles"] };
    /// A member, or a switch for all.
    MemberOrSwitch = "member, `true` or `false`", {
        "anyOf": [{ "type": "boolean" }, { "type": "string" }],
        "examples": ["email_verified", false],
    };
    /// Bytes, or a number with a unit.
    Size = "size", {
        "anyOf": [
            { "type": "integer", "minimum": 0 },
            { "type": "string", "pattern": "^\\s*[0-9]+\\s*([bB]|[kKmMgG]([iI]?[bB])?)?\\s*$" },
        ],
        "examples": ["64KiB", "16MiB", "1GiB"],
    };
    /// A whole number.
    Count = "number", {
        "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string", "pattern": "^\\s*[0-9][0-9_]*\\s*$" }],
    };
    /// `true` or `false`, and what environments write for it.
    Switch = "switch", {
        "anyOf": [
            { "type": "boolean" },
            { "enum": ["true", "false", "yes", "no", "on", "off", 1, 0, "1", "0"] },
        ],
    };
    /// A switch with two more positions.
    Consent = "`true`, `remember`, `external` or `false`", {
        "anyOf": [
            { "type": "boolean" },
            { "enum": ["remember", "external", "true", "false", "yes", "no", "on", "off", 1, 0, "1", "0"] },
        ],
        "examples": [true, "remember"],
    };
    /// An IP address and a port.
    SocketAddress = "address", {
        "type": "string",
        "pattern": "^\\s*([0-9.]+|\\[[0-9a-fA-F:.]+\\]):[0-9]{1,5}\\s*$",
        "examples": ["127.0.0.1:8000", "0.0.0.0:8000", "[::]:8000"],
    };
    /// An IP address and a port, or `off`.
    SocketAddressOrOff = "address or `off`", {
        "anyOf": [
            { "type": "string", "pattern": "^\\s*([0-9.]+|\\[[0-9a-fA-F:.]+\\]):[0-9]{1,5}\\s*$" },
            { "enum": ["off", "none", "false", false] },
        ],
        "examples": ["127.0.0.1:9464", "off"],
    };
    /// An absolute http or https URL.
    WebUrl = "URL", {
        "type": "string",
        "pattern": "^\\s*[hH][tT][tT][pP][sS]?://",
        "examples": ["https://mcp.example.com"],
    };
    /// Where Redis is, once or several times.
    RedisUrls = "URL or list of URLs", {
        "anyOf": [
            { "type": "string" },
            { "type": "array", "items": { "type": "string", "pattern": "^\\s*([rR][eE][dD][iI][sS]|[vV][aA][lL][kK][eE][yY])[sS]?://" } },
        ],
        "examples": ["redis://127.0.0.1:6379", "rediss://redis.example.com:6379"],
    };
    /// A path of ours, beginning with a slash.
    UrlPath = "path", { "type": "string", "pattern": "^\\s*/" };
    /// The name of a header, or `off`.
    Header = "header or `off`", { "type": "string", "pattern": "^\\s*[!#$%&'*+.^_`|~0-9A-Za-z-]+\\s*$" };
    /// A file in the file system.
    FilePath = "file", { "type": "string", "pattern": "^[^\\n\\r]+$" };
    /// `stdout`, a file with its folder, or nothing.
    AuditPlace = "`off`, `stdout` or file", {
        "anyOf": [{ "enum": ["off", "stdout", false] }, { "type": "string", "pattern": "/[^/]*[^/\\s]\\s*$" }],
        "examples": ["stdout", "/var/log/vestibule/audit.jsonl"],
    };
    /// A folder in the file system.
    FolderPath = "folder", { "type": "string" };
    /// A level, or a filter of the `tracing` crate.
    LogFilter = "filter", { "type": "string", "examples": ["info", "vestibule=debug,info"] };
}
