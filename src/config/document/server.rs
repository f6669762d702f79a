//! What concerns the whole process: TLS, storage, limits, logs.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::kind::{Count, Duration, FilePath, FolderPath, LogFilter, RedisUrls, Size, Switch};
use super::value::{List, Scalar, SecretSource};

/// The public listener's certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "`{certificate: PATH, key: PATH}`")]
pub struct Tls {
    /// PEM: the server's certificate first, then the rest of its chain. Required.
    #[schemars(with = "FilePath")]
    pub certificate: Option<String>,
    /// PEM: the certificate's private key, not encrypted; ECDSA, Ed25519 or RSA. Required.
    #[schemars(with = "FilePath")]
    pub key: Option<String>,
}

/// Where state lives: `memory`, `embedded`, or a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// Only the kind.
    Kind(String),
    /// With details.
    Table(Box<StorageTable>),
}

/// Where state lives, in detail.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "`memory`, `embedded` or `{backend: …, path: …}`")]
pub struct StorageTable {
    /// The kind of store; default `embedded`, one crash-safe file. With `memory`, everything is lost
    /// at the end of the process. `redis` is a Redis or Valkey server (6.2 and newer), which several
    /// replicas share ([the store](store.md)).
    #[schemars(extend("enum" = ["embedded", "memory", "redis"]))]
    pub backend: Option<String>,
    /// The embedded store's folder; default `./vestibule-data`. It is made with mode 0700 if it does
    /// not exist.
    #[schemars(with = "FolderPath")]
    pub path: Option<String>,
    /// Where Redis is: `redis://host:6379`, `rediss://host:6379` with TLS, with `/1` at the end for
    /// another database. Of a cluster, one or several of its nodes. Required with `redis`.
    #[schemars(with = "RedisUrls")]
    pub url: Option<List>,
    /// Whether the servers are a Redis Cluster; default: `false`.
    #[schemars(with = "Switch")]
    pub cluster: Option<Scalar>,
    /// The user at Redis; default: its user `default`.
    pub username: Option<String>,
    /// The password at Redis; default: none. A new one is used without a restart.
    pub password: Option<SecretSource>,
    /// PEM: the CA that signed the certificate of Redis; default: the roots of the system.
    #[schemars(with = "FilePath")]
    pub ca: Option<String>,
    /// What the name of every key in Redis begins with, in braces; default: `vestibule`. Replicas of
    /// one gateway have the same, other gateways another one.
    pub prefix: Option<String>,
    /// How long Redis may take for an answer, with every attempt to reach it; default: `2s`.
    #[schemars(with = "Duration")]
    pub timeout: Option<Scalar>,
}

/// Bounds of the public listener.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a mapping of limits such as `connections: 4096`")]
pub struct Limits {
    /// Open connections at one time; default `4096`.
    #[schemars(with = "Count")]
    pub connections: Option<Scalar>,
    /// From accept to the end of the request's header; default `10s`.
    #[schemars(with = "Duration")]
    pub header_timeout: Option<Scalar>,
    /// Size of one request's header; default `64KiB`.
    #[schemars(with = "Size")]
    pub header_bytes: Option<Scalar>,
    /// How long running requests may go on after SIGTERM; default `30s`.
    #[schemars(with = "Duration")]
    pub drain_timeout: Option<Scalar>,
    /// Registrations from one client address in an hour; default `120`.
    #[schemars(with = "Count")]
    pub registrations_per_hour: Option<Scalar>,
    /// Authorization requests from one client address in a minute; default `120`.
    #[schemars(with = "Count")]
    pub authorizations_per_minute: Option<Scalar>,
    /// Token requests from one client address in a minute; default `600`.
    #[schemars(with = "Count")]
    pub token_requests_per_minute: Option<Scalar>,
}

/// What is logged and how: a filter, or a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Log {
    /// Only the filter.
    Filter(String),
    /// With details.
    Table(LogTable),
}

/// What is logged and how, in detail.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a filter such as `info`, or `{filter: …, format: …}`")]
pub struct LogTable {
    /// A level (`error`, `warn`, `info`, `debug`, `trace`), or by module (`vestibule=debug,info`);
    /// default `info`.
    #[schemars(with = "LogFilter")]
    pub filter: Option<String>,
    /// Text or JSON; default `auto`, text on a terminal and JSON elsewhere.
    #[schemars(extend("enum" = ["auto", "text", "json"]))]
    pub format: Option<String>,
}

// === impl Storage ===

impl<'de> Deserialize<'de> for Storage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StorageVisitor;

        impl<'de> Visitor<'de> for StorageVisitor {
            type Value = Storage;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("`memory`, `embedded` or `{backend: …, path: …}`")
            }

            fn visit_str<E>(self, text: &str) -> Result<Storage, E> {
                Ok(Storage::Kind(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Storage, A::Error> {
                StorageTable::deserialize(MapAccessDeserializer::new(map)).map(Box::new).map(Storage::Table)
            }
        }

        deserializer.deserialize_any(StorageVisitor)
    }
}

impl JsonSchema for Storage {
    fn schema_name() -> Cow<'static, str> {
        "Storage".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<StorageTable>();
        json_schema!({ "title": "`embedded`, `memory` or table", "anyOf": [{ "enum": ["embedded", "memory"] }, table] })
    }
}

impl Storage {
    /// The same with details.
    pub fn into_table(self) -> StorageTable {
        match self {
            Self::Kind(kind) => StorageTable { backend: Some(kind), ..StorageTable::default() },
            Self::Table(table) => *table,
        }
    }
}

// === impl Log ===

impl<'de> Deserialize<'de> for Log {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LogVisitor;

        impl<'de> Visitor<'de> for LogVisitor {
            type Value = Log;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a filter such as `info`, or `{filter: …, format: …}`")
            }

            fn visit_str<E>(self, text: &str) -> Result<Log, E> {
                Ok(Log::Filter(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Log, A::Error> {
                LogTable::deserialize(MapAccessDeserializer::new(map)).map(Log::Table)
            }
        }

        deserializer.deserialize_any(LogVisitor)
    }
}

impl JsonSchema for Log {
    fn schema_name() -> Cow<'static, str> {
        "Log".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<LogTable>();
        json_schema!({ "title": "filter or table", "anyOf": [{ "type": "string", "examples": ["info", "vestibule=debug,info"] }, table] })
    }
}

impl Log {
    /// The same with details.
    pub fn into_table(self) -> LogTable {
        match self {
            Self::Filter(filter) => LogTable { filter: Some(filter), format: None },
            Self::Table(table) => table,
        }
    }
}
