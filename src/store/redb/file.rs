//! Opening the file, and saying what is wrong with it in words that help.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use redb::{Builder, Database, DatabaseError, ReadableDatabase as _, StorageBackend, backends::FileBackend};

use super::schema::{self, Writing};
use crate::store::{StoreError, folder};

/// The file's name in the store's folder.
const FILE: &str = "vestibule.redb";

/// How its name ends while it is made for the first time.
const UNFINISHED: &str = "redb-unfinished";

/// Memory for pages of the file, in bytes; the operating system caches the rest.
const CACHE: usize = 32 * 1024 * 1024;

/// Where the file is and how to open it; opens it again after a failure.
pub(super) struct Opener {
    path: PathBuf,
    wrap: Box<dyn Fn(FileBackend) -> Result<Database, DatabaseError> + Send>,
}

// === impl Opener ===

impl Opener {
    /// Prepares the folder.
    pub(super) fn new(folder: &Path) -> Result<Self, StoreError> {
        Self::with_backend(folder, |backend| backend)
    }

    /// With something between the database and its file.
    pub(super) fn with_backend<B: StorageBackend>(
        folder: &Path,
        wrap: impl Fn(FileBackend) -> B + Send + 'static,
    ) -> Result<Self, StoreError> {
        folder::prepare(folder)?;
        let wrap = Box::new(move |file| Builder::new().set_cache_size(CACHE).create_with_backend(wrap(file)));
        Ok(Self { path: folder.join(FILE), wrap })
    }

    /// Opens the file, or makes it, and holds its lock.
    pub(super) fn open(&self) -> Result<Database, StoreError> {
        let is_there = self.path.try_exists().map_err(|error| folder::unusable(&self.path, &error))?;
        if !is_there && let Some(database) = self.make()? {
            return Ok(database);
        }
        let file = file(&self.path)?;
        self.sync_folder()?;
        let database = FileBackend::new(file).and_then(&self.wrap).map_err(|error| self.explain(error.into()))?;
        if claim(&database).map_err(|error| self.explain(error))? {
            return Ok(database);
        }
        let path = self.path.display();
        Err(StoreError::Unusable(format!(
            "{path} was written by another program, or by a newer version of this one; run that, or name another folder"
        )))
    }

    /// Makes the file, which has its name only when it is whole: one that a crash left half made would be taken for
    /// somebody else's, and refused. `None`: another process made it meanwhile.
    fn make(&self) -> Result<Option<Database>, StoreError> {
        let unusable = |error| folder::unusable(&self.path, &error);
        let unfinished = self.path.with_extension(UNFINISHED);
        let file = file(&unfinished)?;
        let same = file.try_clone().map_err(unusable)?;
        let backend = FileBackend::new(file).map_err(|error| self.explain(error.into()))?;
        // Only now, with the lock: what somebody left who was killed.
        same.set_len(0).map_err(unusable)?;
        let database = (self.wrap)(backend).map_err(|error| self.explain(error.into()))?;
        claim(&database).map_err(|error| self.explain(error))?;
        let named = match fs::hard_link(&unfinished, &self.path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            // A file system without links.
            Err(_) => fs::rename(&unfinished, &self.path).map(|()| true),
            Ok(()) => Ok(true),
        };
        // After a rename it is gone already, which is fine too.
        drop(fs::remove_file(&unfinished));
        let named = named.map_err(unusable)?;
        self.sync_folder()?;
        Ok(named.then_some(database))
    }

    fn sync_folder(&self) -> Result<(), StoreError> {
        let Some(folder) = self.path.parent() else { return Ok(()) };
        folder::sync(folder).map_err(|error| folder::unusable(folder, &error))
    }

    /// Of the file, in bytes; 0 if nobody can tell.
    pub(super) fn length(&self) -> u64 {
        fs::metadata(&self.path).map_or(0, |file| file.len())
    }

    /// What the database says, with what to do about it.
    pub(super) fn explain(&self, error: redb::Error) -> StoreError {
        use redb::Error;
        let path = self.path.display();
        match error {
            Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => StoreError::Unusable(format!(
                "{path} is not a store of this program ({error}); name another folder, or remove the file"
            )),
            Error::Io(error) => folder::unusable(&self.path, &error),
            Error::DatabaseAlreadyOpen | Error::LockProtocolMismatch => StoreError::Unavailable(format!(
                "{path} is in use by another process; an embedded store belongs to one process: stop the other one, \
                 or give this one a folder of its own"
            )),
            Error::UpgradeRequired(_) | Error::TableTypeMismatch { .. } | Error::TypeDefinitionChanged { .. } => {
                StoreError::Unusable(format!("{path} has another format: {error}"))
            }
            Error::Corrupted(_) | Error::RepairAborted => StoreError::Unusable(format!(
                "{path} is damaged: {error}; restore it from a backup, or remove it and let everybody sign in again"
            )),
            other => StoreError::Unavailable(format!("{path}: {other}")),
        }
    }
}

/// For reading and writing, by nobody else (mode 0600); made if it is not there.
fn file(path: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.open(path).map_err(|error| folder::unusable(path, &error))
}

/// Whether the file is ours; a new one becomes ours. A file that is known is not written to, so
/// that it opens on a full disk.
fn claim(database: &Database) -> Result<bool, redb::Error> {
    if let Some(known) = schema::is_known(&database.begin_read()?)? {
        return Ok(known);
    }
    let transaction = database.begin_write()?;
    Writing::begin(&transaction)?.claim()?;
    transaction.commit()?;
    Ok(true)
}
