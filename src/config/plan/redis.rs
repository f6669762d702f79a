//! A Redis or Valkey server as a plan names it.

use std::{fmt, path::PathBuf, time::Duration};

use crate::secret::Secret;

/// The server, or the first nodes of a cluster that are asked, and how to speak to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisPlan {
    /// At least one; only a cluster has several.
    pub nodes: Vec<RedisNode>,
    /// Whether TLS is spoken.
    pub tls: bool,
    /// PEM: whom certificates are checked against; `None`: the roots of the system.
    pub ca: Option<PathBuf>,
    /// The database; 0 in a cluster.
    pub database: u16,
    /// Whether the nodes are a cluster.
    pub cluster: bool,
    /// `None`: the user `default`.
    pub username: Option<String>,
    /// `None`: none is asked for.
    pub password: Option<Secret>,
    /// What every key begins with, in braces.
    pub prefix: String,
    /// How long a question may take, with everything that is tried.
    pub timeout: Duration,
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisNode {
    /// A name or an address.
    pub host: String,
    /// Its port.
    pub port: u16,
}

// === impl RedisPlan ===

impl RedisPlan {
    /// The URLs, as they would be written.
    pub fn urls(&self) -> impl Iterator<Item = String> {
        let scheme = if self.tls { "rediss" } else { "redis" };
        let database = if self.database == 0 { String::new() } else { format!("/{}", self.database) };
        self.nodes.iter().map(move |node| format!("{scheme}://{node}{database}"))
    }
}

impl fmt::Display for RedisNode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            return write!(formatter, "[{}]:{}", self.host, self.port);
        }
        write!(formatter, "{}:{}", self.host, self.port)
    }
}
