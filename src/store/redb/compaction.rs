//! A file of which most is free becomes small again: at a start, when nobody waits.
//!
//! While a process runs, what was freed is used again, so the file is never larger than its busiest hour.

use redb::Database;

use super::file::Opener;
use crate::store::StoreError;

/// Smaller files are left alone, in bytes.
const WORTH: u64 = 16 * 1024 * 1024;

/// At most one part in so many is in use.
const SHARE: u64 = 4;

/// The database, its file compacted if that is worth it. A crash in the middle loses nothing; a failure leaves it as
/// it is.
///
/// # Errors
/// [`StoreError`] if it has to be opened again and cannot be.
pub(super) fn compact(opener: &Opener, mut database: Database) -> Result<Database, StoreError> {
    let before = opener.length();
    if before < WORTH {
        return Ok(database);
    }
    let done = match in_use(&database) {
        Ok(used) if used.saturating_mul(SHARE) > before => return Ok(database),
        Ok(_) => database.compact().map_err(redb::Error::from),
        Err(error) => Err(error),
    };
    match done {
        Ok(_) => {
            tracing::info!(before, after = opener.length(), "the store's file was compacted");
            Ok(database)
        }
        Err(error) => {
            tracing::warn!(%error, "the store's file could not be compacted");
            // After a failure the library refuses everything; the old handle holds the file's lock.
            drop(database);
            opener.open()
        }
    }
}

/// In bytes. What the library calls fragmented includes what is free.
fn in_use(database: &Database) -> Result<u64, redb::Error> {
    let transaction = database.begin_write()?;
    let stats = transaction.stats()?;
    transaction.abort()?;
    Ok(stats.stored_bytes() + stats.metadata_bytes())
}
