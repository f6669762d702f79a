//! Where state lives: in memory, in a folder, or on a server that replicas share.

use std::{path::PathBuf, time::Duration};

use url::Url;

use super::{
    report::Report,
    server::list,
    value::{self, Refusal},
};
use crate::config::{
    document::{Document, Storage, StorageTable},
    plan::{RedisNode, RedisPlan, StoragePlan},
};

/// The folder of the embedded store, if nobody says another; in the working directory.
const DEFAULT_PATH: &str = "./vestibule-data";

const DEFAULT_PREFIX: &str = "vestibule";
const LONGEST_PREFIX: usize = 64;
const DEFAULT_PORT: u16 = 6379;
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(2);

/// Keys that mean something with one backend only.
const OF_REDIS: [&str; 7] = ["url", "cluster", "username", "password", "ca", "prefix", "timeout"];
const OF_EMBEDDED: [&str; 1] = ["path"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Backend {
    Embedded,
    Memory,
    Redis,
}

/// What one URL says.
struct Place {
    node: RedisNode,
    tls: bool,
    database: u16,
}

pub(super) fn compile(document: &Document, report: &mut Report<'_>) -> Option<StoragePlan> {
    let table = document.storage.clone().map(Storage::into_table).unwrap_or_default();
    let choices = [("embedded", Backend::Embedded), ("memory", Backend::Memory), ("redis", Backend::Redis)];
    let read = |text: &str| report.read("storage.backend", text.trim(), |text| value::choice(text, &choices));
    let backend = match table.backend.as_deref().map(read) {
        None => Backend::Embedded,
        Some(known) => known?,
    };
    match backend {
        Backend::Memory => {
            refuse("memory", &OF_EMBEDDED, "embedded", report);
            refuse("memory", &OF_REDIS, "redis", report);
            Some(StoragePlan::Memory)
        }
        Backend::Embedded => {
            refuse("embedded", &OF_REDIS, "redis", report);
            let path = table.path.unwrap_or_else(|| DEFAULT_PATH.to_owned());
            if path.trim().is_empty() {
                report.error("storage.path", "is empty").help("write a folder, `/var/lib/vestibule`");
            }
            Some(StoragePlan::Embedded { path: PathBuf::from(path) })
        }
        Backend::Redis => {
            refuse("redis", &OF_EMBEDDED, "embedded", report);
            if document.secret.is_none() {
                report
                    .error("secret", "is missing: with `redis`, every replica has to have the same root secret")
                    .help("make one with `openssl rand -base64 32`; add `secret: { file: PATH }`, or set VESTIBULE_SECRET");
            }
            redis(&table, report).map(|plan| StoragePlan::Redis(Box::new(plan)))
        }
    }
}

/// Keys of another backend.
fn refuse(backend: &str, keys: &[&str], other: &str, report: &mut Report<'_>) {
    for path in keys.iter().map(|key| format!("storage.{key}")) {
        if report.is_written(&path) {
            report
                .error(&path, format!("has no meaning with `{backend}`"))
                .help(format!("remove it, or write `backend: {other}`"));
        }
    }
}

fn redis(table: &StorageTable, report: &mut Report<'_>) -> Option<RedisPlan> {
    let cluster = report.scalar("storage.cluster", table.cluster.as_ref(), false, value::switch);
    let places = places(table, cluster, report);
    let password = table.password.as_ref().map(|source| report.secret("storage.password", source));
    let username = table.username.as_deref().map(str::trim);
    if username == Some("") {
        report.error("storage.username", "is empty").help("remove it, or write the name of the user at Redis");
    } else if username.is_some() && password.is_none() {
        report
            .error("storage.username", "has no password")
            .help("add `password: { file: PATH }`, or remove the user for a server that asks for none");
    }
    let ca = table.ca.as_deref().and_then(|text| ca(text, report));
    let prefix = table.prefix.as_deref().map(str::trim);
    let prefix = prefix.and_then(|text| report.read("storage.prefix", text, self::prefix));
    let timeout = report.scalar("storage.timeout", table.timeout.as_ref(), DEFAULT_TIMEOUT, |text| {
        value::duration(text, Duration::from_millis(100), Duration::from_mins(1))
    });
    let places = places?;
    let first = places.first()?;
    if table.ca.is_some() && !first.tls {
        report.error("storage.ca", "has no meaning without TLS").help("write `rediss://` in `url`, or remove it");
    }
    Some(RedisPlan {
        tls: first.tls,
        database: first.database,
        nodes: places.into_iter().map(|place| place.node).collect(),
        ca,
        cluster,
        username: username.map(str::to_owned),
        password: password.flatten(),
        prefix: prefix.unwrap_or_else(|| DEFAULT_PREFIX.to_owned()),
        timeout,
    })
}

fn places(table: &StorageTable, cluster: bool, report: &mut Report<'_>) -> Option<Vec<Place>> {
    if table.url.is_none() {
        report.missing("storage.url", "redis://127.0.0.1:6379");
        return None;
    }
    let places = list("storage.url", table.url.as_ref(), report, place);
    let first = places.first()?;
    let mistake = if places.iter().any(|place| (place.tls, place.database) != (first.tls, first.database)) {
        Some(("names servers with different schemes or databases", "write the nodes of one cluster, each the same way"))
    } else if places.len() > 1 && !cluster {
        Some((
            "names several servers",
            "write `cluster: true` if they are a Redis Cluster; otherwise name the one that takes writes",
        ))
    } else if cluster && first.database != 0 {
        Some(("names a database, and a cluster has only one", "remove the path; `prefix` keeps gateways apart"))
    } else {
        None
    };
    if let Some((message, help)) = mistake {
        report.error("storage.url", message).help(help);
        return None;
    }
    Some(places)
}

fn place(text: &str) -> Result<Place, Refusal> {
    let help = "write `redis://host:6379`, or `rediss://host:6379` for TLS";
    let url = Url::parse(text).map_err(|_| Refusal::new("is no URL", help))?;
    let tls = match url.scheme() {
        "redis" | "valkey" => false,
        "rediss" | "valkeys" => true,
        _ => return Err(Refusal::new("is no redis or rediss URL", help)),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Refusal::new(
            "holds a user name or password",
            "write them as `username` and `password`, and remove what stands before `@`",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Refusal::new("holds parameters", "remove what follows the host, the port and the database"));
    }
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| Refusal::new("names no host", help))?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).to_owned();
    let database = match url.path().trim_matches('/') {
        "" => 0,
        number => number.parse().map_err(|_| {
            Refusal::new("ends in something that is no number of a database", "write `redis://host:6379/1`")
        })?,
    };
    Ok(Place { node: RedisNode { host, port: url.port().unwrap_or(DEFAULT_PORT) }, tls, database })
}

fn ca(text: &str, report: &mut Report<'_>) -> Option<PathBuf> {
    let mistake = if text.trim().is_empty() {
        "is empty"
    } else if text.contains("-----BEGIN") || text.contains(char::is_control) {
        "is the content of a file, but has to be its path"
    } else {
        return Some(PathBuf::from(text));
    };
    report.error("storage.ca", mistake).help("write the path of a PEM file, `/etc/vestibule/redis-ca.pem`");
    None
}

fn prefix(text: &str) -> Result<String, Refusal> {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "._:-".contains(letter);
    if text.is_empty() || text.len() > LONGEST_PREFIX || !text.chars().all(fits) {
        let help = format!("write 1 to {LONGEST_PREFIX} letters, digits, `.`, `_`, `:` or `-`");
        return Err(Refusal::new("cannot begin the names of keys", help));
    }
    Ok(text.to_owned())
}
