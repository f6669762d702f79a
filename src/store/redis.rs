//! State in Redis or Valkey: the store of several replicas.
//!
//! A batch is one Lua script, which the server runs alone: all of it or nothing. All keys have one
//! hash tag and so one slot of a cluster, because a batch changes a code, a grant and what finds
//! them together, and nothing is atomic across slots. What is kept is small and rarely written
//! (one record a grant, one write a refresh), so one slot carries it.
//!
//! Every batch has an id that the server remembers for a while. An answer that was lost on the way
//! is therefore asked for again: a batch that was applied is not applied twice, and says so. There
//! is no lock in here, only expectations.
//!
//! Records end by the clock of who reads them, as in every other store. The server's own expiry
//! comes a day later, for what nobody swept.

mod connection;
mod failure;
mod script;

use std::{fmt, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use redis::Cmd;

use super::{Change, CommitError, Deletions, Record, Store, StoreError, Table, Term};
use crate::{config::plan::RedisPlan, seal, time::Clock};
use connection::Server;
use script::Script;

/// How many ended records one script removes: the server does nothing else meanwhile.
const SWEEP: usize = 1000;

/// How many deletions one script tells.
const DELETIONS: usize = 1000;

/// How long after its end the server itself removes a record.
const SLACK: Duration = Duration::from_hours(24);

/// How long an applied batch is remembered: much longer than anybody asks for its answer.
const REMEMBERED: Duration = Duration::from_mins(2);

/// The layout of a record.
const FORMAT: u8 = 1;

/// A [`Store`] on a Redis or Valkey server, or a cluster of them.
pub struct RedisStore {
    server: Server,
    /// What every key begins with; the part in braces decides on the slot.
    base: String,
    clock: Clock,
}

// === impl RedisStore ===

impl RedisStore {
    /// Connects, and makes sure that everything is allowed which will be done.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the server cannot be reached, which may pass;
    /// [`StoreError::Unusable`] if it can and refuses.
    pub async fn open(plan: &RedisPlan, clock: Clock) -> Result<Self, StoreError> {
        let base = format!("{{{}}}:", plan.prefix);
        let store = Self { server: Server::new(plan.clone()), base, clock };
        store.run::<u8>(&script::PROBE, |_| {}).await?;
        Ok(store)
    }

    /// Uses this plan's user and password for the connections from now on. If the server does not
    /// know them yet, those before are tried too.
    pub async fn change_credentials(&self, plan: &RedisPlan) {
        self.server.change_credentials(plan).await;
    }

    /// What in the server's set-up may lose state, in words for its operator. Nothing is said of
    /// what it does not tell.
    pub async fn doubts(&self) -> Vec<String> {
        self.server.doubts().await
    }

    async fn run<T: redis::FromRedisValue>(
        &self,
        script: &Script,
        arguments: impl Fn(&mut Cmd) + Send + Sync,
    ) -> Result<T, StoreError> {
        let call = |by: &str, what: &str| {
            let mut command = redis::cmd(by);
            command.arg(what).arg(1).arg(&self.base);
            arguments(&mut command);
            command
        };
        self.server.ask(&call("EVALSHA", script.digest()), Some(&|| call("EVAL", script.text()))).await
    }

    fn key(&self, kind: &str, table: Table, rest: &[u8]) -> Vec<u8> {
        [self.base.as_bytes(), kind.as_bytes(), b":", table.as_str().as_bytes(), b":", rest].concat()
    }

    /// The live record in what the server has under a key.
    fn opened(&self, blob: &[u8]) -> Result<Option<Record>, StoreError> {
        let record = decode(blob).ok_or_else(|| {
            StoreError::Unusable("a record was written by another version of this program".to_owned())
        })?;
        Ok(Some(record).filter(|record| record.is_live(self.clock.now())))
    }

    /// For how long the server keeps a record, in milliseconds; empty: for good.
    fn time_to_live(&self, record: &Record) -> String {
        if record.expires_at == super::NEVER {
            return String::new();
        }
        (record.expires_at.since(self.clock.now()) + SLACK).as_millis().to_string()
    }

    fn step(&self, command: &mut Cmd, change: &Change) {
        match change {
            Change::Expect { table, key, value } => {
                let there = if value.is_some() { "1" } else { "0" };
                let value = value.as_deref().unwrap_or_default();
                command.arg("E").arg(table.as_str()).arg(key.as_slice()).arg(there).arg(value);
            }
            Change::Put { table, key, record, terms } => {
                let (blob, end) = (encode(record, terms), record.expires_at.0);
                command.arg("P").arg(table.as_str()).arg(key.as_slice()).arg(blob).arg(end);
                command.arg(self.time_to_live(record));
            }
            Change::Delete { table, key } => {
                command.arg("D").arg(table.as_str()).arg(key.as_slice());
            }
        }
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn get(&self, table: Table, key: &[u8]) -> Result<Option<Record>, StoreError> {
        let mut command = redis::cmd("GET");
        command.arg(self.key("r", table, key));
        match self.server.ask::<Option<Vec<u8>>>(&command, None).await? {
            Some(blob) => self.opened(&blob),
            None => Ok(None),
        }
    }

    async fn commit(&self, batch: Vec<Change>) -> Result<(), CommitError> {
        let id = seal::random_text::<16>();
        let applied: u8 = self
            .run(&script::COMMIT, |command| {
                command.arg(self.clock.now().0).arg(&id).arg(REMEMBERED.as_millis().to_string());
                for change in &batch {
                    self.step(command, change);
                }
            })
            .await?;
        if applied == 1 { Ok(()) } else { Err(CommitError::Conflict) }
    }

    async fn find(&self, table: Table, term: &Term) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut command = redis::cmd("ZRANGEBYSCORE");
        command.arg(self.key("t", table, &term_bytes(term))).arg(format!("({}", self.clock.now().0)).arg("+inf");
        self.server.ask(&command, None).await
    }

    async fn list(&self, table: Table) -> Result<Vec<(Vec<u8>, Record)>, StoreError> {
        let found: Vec<(Vec<u8>, Vec<u8>)> = self
            .run(&script::LIST, |command| {
                command.arg(self.clock.now().0).arg(table.as_str());
            })
            .await?;
        let mut records = Vec::with_capacity(found.len());
        for (key, blob) in found {
            if let Some(record) = self.opened(&blob)? {
                records.push((key, record));
            }
        }
        Ok(records)
    }

    async fn sweep(&self) -> Result<usize, StoreError> {
        let mut total = 0;
        for table in Table::ALL {
            loop {
                let swept: usize = self
                    .run(&script::SWEEP, |command| {
                        command.arg(self.clock.now().0).arg(table.as_str()).arg(SWEEP);
                    })
                    .await?;
                total += swept;
                if swept < SWEEP {
                    break;
                }
            }
        }
        Ok(total)
    }

    async fn health(&self) -> Result<(), StoreError> {
        let mut command = redis::cmd("SET");
        command.arg([self.base.as_bytes(), b"h"].concat()).arg("1").arg("EX").arg(60);
        self.server.ask(&command, None).await
    }

    fn is_shared(&self) -> bool {
        true
    }

    async fn deletions(&self, since: Option<&str>) -> Result<Option<Deletions>, StoreError> {
        let answer: Vec<Vec<u8>> = self
            .run(&script::DELETIONS, |command| {
                command.arg(since.unwrap_or_default()).arg(DELETIONS);
            })
            .await?;
        let mut answer = answer.into_iter();
        let position = answer.next().and_then(|position| String::from_utf8(position).ok());
        let missed = answer.next().is_none_or(|missed| missed != b"0");
        Ok(Some(Deletions { position: position.unwrap_or_default(), missed, grants: answer.collect() }))
    }

    fn backend(&self) -> &'static str {
        "redis"
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RedisStore").field("base", &self.base).finish_non_exhaustive()
    }
}

/// Format, expiry, number of terms, terms with their lengths, value.
fn encode(record: &Record, terms: &[Term]) -> Vec<u8> {
    let mut blob = Vec::with_capacity(record.value.len() + 64);
    blob.push(FORMAT);
    blob.extend_from_slice(&record.expires_at.0.to_be_bytes());
    blob.extend_from_slice(&length(terms.len()));
    for term in terms.iter().map(term_bytes) {
        blob.extend_from_slice(&length(term.len()));
        blob.extend_from_slice(&term);
    }
    blob.extend_from_slice(&record.value);
    blob
}

/// `None` for bytes that [`encode`] did not make.
fn decode(blob: &[u8]) -> Option<Record> {
    let (format, rest) = blob.split_first()?;
    let (expires_at, rest) = rest.split_first_chunk()?;
    let (terms, mut rest) = rest.split_first_chunk()?;
    for _ in 0..u32::from_be_bytes(*terms) {
        let (length, after) = rest.split_first_chunk()?;
        (_, rest) = after.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    }
    let expires_at = crate::time::Timestamp(u64::from_be_bytes(*expires_at));
    (*format == FORMAT).then(|| Record { value: Bytes::copy_from_slice(rest), expires_at })
}

/// Neither a count of terms nor a term comes anywhere near the bound.
fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}

/// Kind and value; a kind is a word and has no zero byte.
fn term_bytes(term: &Term) -> Vec<u8> {
    [term.kind.as_bytes(), &[0], &term.value].concat()
}
