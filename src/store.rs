//! Where state lives: records with an expiry, changed in atomic batches.
//!
//! The trait has what the flows need and no more. A value is opaque bytes (records seal
//! themselves before they come here), a key never holds a secret in the clear, and the bytes of a
//! value are its version: every write seals anew, so "still these bytes" means "nobody wrote".

mod folder;
pub mod memory;
pub mod record;
pub mod redb;
pub mod redis;
pub mod root_secret;

use async_trait::async_trait;
use bytes::Bytes;

use crate::time::Timestamp;

/// A named group of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// What a person gave a client, with the provider's tokens. Key: grant id.
    Grant,
    /// Authorization codes, fresh and spent. Key: SHA-256 of the code.
    Code,
    /// Our signing keys. Key: key id.
    SigningKey,
    /// What may be used once and was. Key: a digest of what it is.
    Used,
    /// Who renews a grant at its provider. Key: grant id.
    Lease,
    /// Small facts about the store itself. Key: name.
    Meta,
}

/// A value and the moment it stops to exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Opaque bytes.
    pub value: Bytes,
    /// From this moment on the record is gone, whether or not it was swept yet.
    pub expires_at: Timestamp,
}

/// The expiry of what ends only by being replaced: the last second of the year 9999.
pub const NEVER: Timestamp = Timestamp(253_402_300_799);

/// One step of a batch.
#[derive(Clone, Debug)]
pub enum Change {
    /// The batch fails with [`CommitError::Conflict`] unless the live value is exactly this
    /// (`None`: there is no live record). All expectations of a batch are held against the state
    /// before the batch, wherever they stand in it.
    Expect {
        /// Where to look.
        table: Table,
        /// Which record.
        key: Vec<u8>,
        /// What must be there.
        value: Option<Bytes>,
    },
    /// Writes a record, replacing what is there.
    Put {
        /// Where to write.
        table: Table,
        /// Which record.
        key: Vec<u8>,
        /// The new record.
        record: Record,
        /// Under which terms [`Store::find`] finds it; they live and end with the record.
        terms: Vec<Term>,
    },
    /// Removes a record and its terms; no error if there is none.
    Delete {
        /// Where.
        table: Table,
        /// Which record.
        key: Vec<u8>,
    },
}

/// A secondary lookup: "grants of this subject".
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Term {
    /// What kind of term, a word like `subject`.
    pub kind: &'static str,
    /// A digest or plain identifier; not a secret.
    pub value: Vec<u8>,
}

/// Grants that were deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deletions {
    /// For the next question.
    pub position: String,
    /// Some may have been missed: everything that is held has to be looked up.
    pub missed: bool,
    /// The keys.
    pub grants: Vec<Vec<u8>>,
}

/// The store could not do its work.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The disk or the server refused: full, read-only, gone.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// The file is not ours, or from a newer version.
    #[error("the store cannot be used: {0}")]
    Unusable(String),
}

/// Why a batch was not applied; never a part of it was.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CommitError {
    /// An expectation did not hold: somebody else was faster.
    #[error("somebody else changed the record first")]
    Conflict,
    /// See [`StoreError`].
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Linearizable: after [`Store::commit`] returns, everybody sees the batch and a crash keeps it.
#[async_trait]
pub trait Store: Send + Sync + std::fmt::Debug {
    /// The live record under a key.
    async fn get(&self, table: Table, key: &[u8]) -> Result<Option<Record>, StoreError>;

    /// Applies all steps or none. After [`CommitError::Conflict`] nothing was applied; after a
    /// [`StoreError`] it is open which of the two happened (the disk failed while it was asked).
    async fn commit(&self, batch: Vec<Change>) -> Result<(), CommitError>;

    /// The keys of live records of `table` that were put with this term.
    async fn find(&self, table: Table, term: &Term) -> Result<Vec<Vec<u8>>, StoreError>;

    /// All live records of a table, for the few small ones (signing keys).
    async fn list(&self, table: Table) -> Result<Vec<(Vec<u8>, Record)>, StoreError>;

    /// Removes what has expired; returns how many records went. Called now and then.
    async fn sweep(&self) -> Result<usize, StoreError>;

    /// Whether the store answers and can be written to.
    async fn health(&self) -> Result<(), StoreError>;

    /// Whether several processes may use it at the same time.
    fn is_shared(&self) -> bool {
        false
    }

    /// Which grants were deleted since a position that an earlier answer named, by anybody; without
    /// one, only the position of now. `None`: the store is not shared, so whoever asks knows.
    async fn deletions(&self, _since: Option<&str>) -> Result<Option<Deletions>, StoreError> {
        Ok(None)
    }

    /// The backend's name in metrics and logs: `memory`, `embedded`, `redis`.
    fn backend(&self) -> &'static str;
}

// === impl Table ===

impl Table {
    /// Every table.
    pub const ALL: [Self; 6] = [Self::Grant, Self::Code, Self::SigningKey, Self::Used, Self::Lease, Self::Meta];

    /// The name in files and in the context of sealed records; never changes.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Code => "code",
            Self::SigningKey => "signing-key",
            Self::Used => "used",
            Self::Lease => "lease",
            Self::Meta => "meta",
        }
    }
}

// === impl Record ===

impl Record {
    /// Whether the record still exists at `now`.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at > now
    }
}
