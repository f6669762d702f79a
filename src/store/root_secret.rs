//! The root secret that the embedded store makes once and keeps beside its file.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use super::{StoreError, folder};
use crate::{seal::random_text, secret::Secret};

/// The file's name in the store's folder.
const FILE: &str = "secret";

/// The longest file that is read, in bytes.
const MAX_LENGTH: u64 = 4096;

/// The shortest secret, in characters; what [`crate::seal::Sealer::new`] demands.
const MIN_LENGTH: usize = 32;

/// Reads the file `secret` in `folder`, or makes one with 256 random bits (mode 0600, durable, and
/// never half written). Processes that start at once end with the same secret.
///
/// # Errors
/// [`StoreError::Unusable`] for a file that others can read or that holds no secret,
/// [`StoreError::Unavailable`] if it can be neither read nor made.
pub fn load_or_create(folder: &Path) -> Result<Secret, StoreError> {
    folder::prepare(folder)?;
    let path = folder.join(FILE);
    if !path.try_exists().map_err(|error| folder::unusable(&path, &error))? {
        create(folder, &path).map_err(|error| folder::unusable(&path, &error))?;
    }
    read(&path)
}

fn create(folder: &Path, path: &Path) -> io::Result<()> {
    let temporary = folder.join(format!(".{FILE}.{}", random_text::<8>()));
    let result = write(&temporary, path);
    // After a rename it is gone already, which is fine too.
    drop(fs::remove_file(&temporary));
    result?;
    folder::sync(folder)
}

/// Gives the finished file its name without replacing one that another process gave it meanwhile.
fn write(temporary: &Path, path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(temporary)?;
    file.write_all(random_text::<32>().as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    match fs::hard_link(temporary, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // A file system without links.
        Err(_) => fs::rename(temporary, path),
        Ok(()) => Ok(()),
    }
}

fn read(path: &Path) -> Result<Secret, StoreError> {
    let file = File::open(path).map_err(|error| folder::unusable(path, &error))?;
    let metadata = file.metadata().map_err(|error| folder::unusable(path, &error))?;
    folder::demand_private(path, &metadata)?;
    let mut text = String::new();
    file.take(MAX_LENGTH).read_to_string(&mut text).map_err(|error| folder::unusable(path, &error))?;
    let secret = text.trim();
    if secret.len() < MIN_LENGTH {
        let path = path.display();
        return Err(StoreError::Unusable(format!(
            "{path} holds no secret of at least {MIN_LENGTH} characters; restore it from a backup, or remove it and \
             let everybody sign in again"
        )));
    }
    Ok(Secret::new(secret))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn it_is_made_once_and_private() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("a/b");
        let secret = load_or_create(&folder).unwrap();
        assert_eq!(load_or_create(&folder).unwrap(), secret);
        assert_eq!((mode(&folder), mode(&folder.join(FILE))), (0o700, 0o600));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "no temporary file stays");
        assert!(crate::seal::Sealer::new(&[secret]).is_ok());
    }

    #[test]
    fn starts_at_once_end_with_one_secret() {
        let folder = tempfile::tempdir().unwrap();
        let secrets: Vec<Secret> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..16).map(|_| scope.spawn(|| load_or_create(folder.path()).unwrap())).collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        assert!(secrets.iter().all(|secret| *secret == secrets[0]));
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        load_or_create(folder.path()).unwrap();
        let path = folder.path().join(FILE);
        for mode in [0o640, 0o604, 0o660] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = load_or_create(folder.path()).unwrap_err();
            assert!(matches!(&error, StoreError::Unusable(text) if text.contains("chmod 600")), "{error}");
        }
    }

    #[test]
    fn an_empty_or_short_file_is_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        for text in ["", "short\n"] {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path).unwrap();
            file.write_all(text.as_bytes()).unwrap();
            assert!(matches!(load_or_create(folder.path()), Err(StoreError::Unusable(_))));
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert!(load_or_create(&path).is_err(), "a file is no folder");
    }
}
