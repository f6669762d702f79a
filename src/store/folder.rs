//! The store's folder: private, and durable in what it contains.

use std::{
    fs::{DirBuilder, File, Metadata},
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::Path,
};

use super::StoreError;

/// Makes the folder (mode 0700, like every parent that is missing) if it does not exist. One that
/// exists keeps its mode: a mounted volume's is not ours to change.
pub(super) fn prepare(folder: &Path) -> Result<(), StoreError> {
    let is_new = !folder.exists();
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| unusable(folder, &error))?;
    if is_new && let Some(parent) = folder.parent() {
        // Best effort: a parent that may not be opened belongs to somebody else.
        drop(sync(parent));
    }
    Ok(())
}

/// Makes durable which files the folder has.
pub(super) fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Refuses a file that others than its owner can read or write.
pub(super) fn demand_private(path: &Path, metadata: &Metadata) -> Result<(), StoreError> {
    let mode = metadata.mode() & 0o777;
    if mode.trailing_zeros() >= 6 {
        return Ok(());
    }
    Err(StoreError::Unusable(format!(
        "{path} can be read or changed by other users of this machine (mode {mode:04o}); if nobody did, \
         run `chmod 600 {path}`, otherwise remove it and let everybody sign in again",
        path = path.display(),
    )))
}

/// What went wrong with a path, and what to do.
pub(super) fn unusable(path: &Path, error: &io::Error) -> StoreError {
    let path = path.display();
    StoreError::Unavailable(match error.kind() {
        io::ErrorKind::PermissionDenied => {
            format!(
                "{path}: permission denied; the user that runs this program must own the folder and be able to write to it"
            )
        }
        io::ErrorKind::ReadOnlyFilesystem => format!("{path}: the file system is read-only; mount it writable"),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            format!("{path}: no space is left ({error}); make room, the store goes on by itself")
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            format!("{path}: not a folder; name a folder for the store")
        }
        _ => format!("{path}: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_wrong_says_what_to_do() {
        for (kind, advice) in [
            (io::ErrorKind::ReadOnlyFilesystem, "mount it writable"),
            (io::ErrorKind::StorageFull, "make room, the store goes on by itself"),
            (io::ErrorKind::QuotaExceeded, "make room, the store goes on by itself"),
            (io::ErrorKind::PermissionDenied, "must own the folder and be able to write to it"),
            (io::ErrorKind::NotADirectory, "name a folder for the store"),
        ] {
            let text = unusable(Path::new("/srv/state"), &kind.into()).to_string();
            assert!(text.contains("/srv/state: ") && text.ends_with(advice), "{text}");
        }
    }
}
