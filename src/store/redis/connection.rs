//! One connection to the server (or one to each node of a cluster), made again whenever it was
//! lost, and questions that are asked until there is an answer or their time is over.

use std::{
    sync::{PoisonError, RwLock},
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, FromRedisValue, IntoConnectionInfo as _,
    RedisConnectionInfo, RedisResult, TlsCertificates, TlsMode,
    aio::{ConnectionLike as _, MultiplexedConnection},
    cluster::{ClusterClient, ClusterClientBuilder},
    cluster_async::ClusterConnection,
    io::tcp::TcpSettings,
};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep, timeout, timeout_at},
};

use super::failure::{Cause, Failure};
use crate::{
    config::plan::{RedisNode, RedisPlan},
    secret::Secret,
    store::StoreError,
};

/// From one question to the next, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(250));

/// Questions that wait for the connection before callers wait to hand theirs in.
const QUEUE: usize = 1024;

/// Redirections within a cluster, and lost connections to one of its nodes, in one question. Each batch
/// has an id, so that none is applied twice.
const CLUSTER_RETRIES: u32 = 4;

/// Who we are to the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Credentials {
    username: Option<String>,
    password: Option<Secret>,
}

pub(super) struct Server {
    options: RedisPlan,
    /// Those that are good now, then those before them.
    credentials: RwLock<Vec<Credentials>>,
    /// Whoever finds no connection makes one, and the others wait for it.
    link: Mutex<Numbered>,
    name: String,
}

#[derive(Default)]
struct Numbered {
    /// How many there were: the one that was lost is not mistaken for its successor.
    number: u64,
    link: Option<Link>,
}

#[derive(Clone)]
enum Link {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

// === impl Server ===

impl Server {
    pub(super) fn new(options: RedisPlan) -> Self {
        let name = options.nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let credentials = RwLock::new(vec![Credentials::of(&options)]);
        let link = Mutex::default();
        Self { options, credentials, link, name }
    }

    /// The answer to `command`. Whatever is asked must do no harm when it is asked twice: if an
    /// answer is lost, it is. `or_else` is asked if the server does not know the script.
    pub(super) async fn ask<T: FromRedisValue>(
        &self,
        command: &Cmd,
        or_else: Option<&(dyn Fn() -> Cmd + Sync)>,
    ) -> Result<T, StoreError> {
        let end = Instant::now() + self.options.timeout;
        let (mut pause, longest) = PAUSES;
        let mut whole = None;
        loop {
            let command = whole.as_ref().unwrap_or(command);
            let failure = match timeout_at(end, self.attempt(command)).await {
                Ok(Ok(value)) => {
                    let value = T::from_redis_value(value);
                    return value.map_err(|error| StoreError::Unusable(format!("{}: {error}", self.name)));
                }
                Ok(Err(failure)) => failure,
                Err(_) => return Err(StoreError::Unavailable(format!("{} does not answer", self.name))),
            };
            if failure.cause == Cause::NoScript
                && whole.is_none()
                && let Some(or_else) = or_else
            {
                whole = Some(or_else());
                continue;
            }
            if !failure.passes || Instant::now() + pause >= end {
                return Err(failure.error);
            }
            sleep(pause).await;
            pause = (pause * 2).min(longest);
        }
    }

    pub(super) async fn change_credentials(&self, plan: &RedisPlan) {
        let new = Credentials::of(plan);
        {
            let mut known = self.credentials.write().unwrap_or_else(PoisonError::into_inner);
            if known.first() == Some(&new) {
                return;
            }
            known.insert(0, new);
            known.truncate(2);
        }
        // What is under way finishes on the old connection.
        self.link.lock().await.link = None;
    }

    pub(super) async fn doubts(&self) -> Vec<String> {
        if self.options.cluster {
            return Vec::new();
        }
        let mut command = redis::cmd("INFO");
        command.arg("persistence").arg("memory");
        // Redis before 7 takes one section only, and the user may have no right to ask.
        let told: String = match self.ask(&command, None).await {
            Ok(told) => told,
            Err(_) => return Vec::new(),
        };
        let is = |line: &str| told.lines().any(|told| told.trim() == line);
        let policy = told.lines().find_map(|line| line.trim().strip_prefix("maxmemory_policy:"));
        let mut doubts = Vec::new();
        if is("aof_enabled:0") {
            doubts.push(format!(
                "{} keeps no append-only file: a restart of it loses what was written last; set `appendonly yes`",
                self.name
            ));
        }
        if let Some(policy) = policy.filter(|policy| *policy != "noeviction")
            && !is("maxmemory:0")
        {
            doubts.push(format!(
                "{} evicts keys when its memory is full (`maxmemory-policy {policy}`), which signs people out; set \
                 `noeviction`",
                self.name
            ));
        }
        doubts
    }

    /// Asks once.
    async fn attempt(&self, command: &Cmd) -> Result<redis::Value, Failure> {
        let (number, mut link) = self.link().await?;
        // A connection that leads nowhere must not use up all the time.
        let answer = match timeout(self.options.timeout / 2, link.ask(command)).await {
            Ok(Ok(value)) => value.extract_error(),
            Ok(Err(error)) => Err(error),
            Err(_) => {
                self.lose(number).await;
                return Err(Failure::unavailable(format!("{} does not answer", self.name)));
            }
        };
        match answer {
            Ok(value) => Ok(value),
            Err(error) => {
                let failure = Failure::of(&error, &self.name);
                if failure.lost {
                    self.lose(number).await;
                }
                Err(failure)
            }
        }
    }

    async fn link(&self) -> Result<(u64, Link), Failure> {
        let mut held = self.link.lock().await;
        if let Some(link) = &held.link {
            return Ok((held.number, link.clone()));
        }
        let link = match timeout(self.options.timeout / 2, self.connect()).await {
            Ok(link) => link?,
            Err(_) => return Err(Failure::unavailable(format!("{} cannot be reached", self.name))),
        };
        held.number += 1;
        held.link = Some(link.clone());
        Ok((held.number, link))
    }

    async fn lose(&self, number: u64) {
        let mut held = self.link.lock().await;
        if held.number == number && held.link.take().is_some() {
            tracing::debug!(server = self.name, "the connection to the store was lost");
        }
    }

    async fn connect(&self) -> Result<Link, Failure> {
        let ca = match &self.options.ca {
            // Read each time: it may have been replaced.
            Some(path) => Some(tokio::fs::read(path).await.map_err(|error| {
                Failure::unusable(format!("`storage.ca`: {} cannot be read: {error}", path.display()))
            })?),
            None => None,
        };
        let known = self.credentials.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut refused = None;
        for credentials in &known {
            match self.connect_as(credentials, ca.clone()).await.map_err(|error| Failure::of(&error, &self.name)) {
                Ok(link) => return Ok(link),
                Err(failure) if failure.cause == Cause::Refused => refused = refused.or(Some(failure)),
                Err(failure) => return Err(failure),
            }
        }
        Err(refused.unwrap_or_else(|| Failure::unavailable(self.name.clone())))
    }

    async fn connect_as(&self, credentials: &Credentials, ca: Option<Vec<u8>>) -> RedisResult<Link> {
        let certificates = self.options.tls.then_some(TlsCertificates { client_tls: None, root_cert: ca });
        let nodes = self.options.nodes.iter().map(|node| self.info(node, credentials));
        let mut nodes = nodes.collect::<RedisResult<Vec<_>>>()?;
        if self.options.cluster {
            let connection = self.cluster(nodes, credentials, certificates)?.get_async_connection().await?;
            return Ok(Link::Cluster(connection));
        }
        let Some(info) = nodes.pop() else {
            return Err((redis::ErrorKind::InvalidClientConfig, "no server was named").into());
        };
        let client = match certificates {
            Some(certificates) => Client::build_with_tls(info, certificates)?,
            None => Client::open(info)?,
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.options.timeout))
            .set_response_timeout(Some(self.options.timeout))
            .set_pipeline_buffer_size(QUEUE);
        client.get_multiplexed_async_connection_with_config(&config).await.map(Link::Single)
    }

    fn cluster(
        &self,
        nodes: Vec<ConnectionInfo>,
        credentials: &Credentials,
        certificates: Option<TlsCertificates>,
    ) -> RedisResult<ClusterClient> {
        let mut builder = ClusterClientBuilder::new(nodes)
            .connection_timeout(self.options.timeout)
            .response_timeout(self.options.timeout)
            .tcp_settings(self.tcp())
            .retries(CLUSTER_RETRIES)
            .min_retry_wait(PAUSES.0.as_millis().try_into().unwrap_or(10))
            .max_retry_wait(PAUSES.1.as_millis().try_into().unwrap_or(250));
        if let Some(certificates) = certificates {
            builder = builder.certs(certificates).tls(TlsMode::Secure);
        }
        if let Some(username) = &credentials.username {
            builder = builder.username(username);
        }
        if let Some(password) = &credentials.password {
            builder = builder.password(password.expose());
        }
        builder.build()
    }

    fn info(&self, node: &RedisNode, credentials: &Credentials) -> RedisResult<ConnectionInfo> {
        let (host, port) = (node.host.clone(), node.port);
        let address = if self.options.tls {
            ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(host, port)
        };
        let mut settings = RedisConnectionInfo::default().set_db(self.options.database.into());
        if let Some(username) = &credentials.username {
            settings = settings.set_username(username);
        }
        if let Some(password) = &credentials.password {
            settings = settings.set_password(password.expose());
        }
        Ok(address.into_connection_info()?.set_redis_settings(settings).set_tcp_settings(self.tcp()))
    }

    /// A peer that vanished without a word is given up by the system, too.
    fn tcp(&self) -> TcpSettings {
        let settings = TcpSettings::default().set_nodelay(true);
        #[cfg(target_os = "linux")]
        let settings = settings.set_user_timeout(self.options.timeout);
        settings
    }
}

// === impl Credentials ===

impl Credentials {
    fn of(plan: &RedisPlan) -> Self {
        Self { username: plan.username.clone(), password: plan.password.clone() }
    }
}

// === impl Link ===

impl Link {
    async fn ask(&mut self, command: &Cmd) -> RedisResult<redis::Value> {
        match self {
            Self::Single(connection) => connection.req_packed_command(command).await,
            Self::Cluster(connection) => connection.req_packed_command(command).await,
        }
    }
}
