//! Says "look again" when a file of the configuration may have changed; knows no meaning.
//!
//! Folders are watched, not files: an editor's rename, `..data` of a Kubernetes volume and
//! delete-and-recreate all happen in the folder. An event is only a hint. What decides is the
//! content of the files, so a burst of events is one change and a touched file is none. A slow
//! poll finds what no event tells (bind mounts, network file systems).

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

use aws_lc_rs::digest;
use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode},
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until},
};

/// After the last event, wait this long for the next one.
const QUIET: Duration = Duration::from_millis(150);
/// But never longer than this after the first.
const PATIENCE: Duration = Duration::from_secs(2);

/// The one access that is a hint: somebody has finished writing.
const WRITTEN: EventKind = EventKind::Access(AccessKind::Close(AccessMode::Write));

/// Why to look again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// The system told of a change, and a file is different.
    File,
    /// The poll found a file different.
    Poll,
}

/// Watches a set of files that may change from one look to the next.
#[derive(Debug)]
pub struct Watch {
    files: BTreeMap<PathBuf, Content>,
    folders: BTreeSet<PathBuf>,
    watcher: Option<RecommendedWatcher>,
    hints: mpsc::Receiver<()>,
    poll: Duration,
    /// What was different at the last look.
    different: Vec<PathBuf>,
}

/// What a file held: a digest, or why it could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    Digest(Vec<u8>),
    Unreadable(std::io::ErrorKind),
}

// === impl Watch ===

impl Watch {
    /// Watches `files` as they are now, and looks at them every `poll` in any case.
    pub fn start(files: impl IntoIterator<Item = PathBuf>, poll: Duration) -> Self {
        // One waiting hint says as much as a hundred.
        let (send, hints) = mpsc::channel(1);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // Our own reading is an event too.
            if event.is_ok_and(|event| event.kind.is_access() && event.kind != WRITTEN) {
                return;
            }
            // A full channel already holds the hint.
            if let Err(mpsc::error::TrySendError::Closed(())) = send.try_send(()) {
                tracing::trace!("nobody watches the configuration any more");
            }
        });
        let watcher = watcher
            .inspect_err(|error| tracing::warn!(%error, "no file events on this system; the configuration is polled"))
            .ok();
        let mut watch =
            Self { files: BTreeMap::new(), folders: BTreeSet::new(), watcher, hints, poll, different: Vec::new() };
        watch.set(files);
        watch
    }

    /// Watches another set of files from now on: those that were watched before as they were at
    /// the last look, new ones as they are now. Says whether there are new ones.
    pub fn set(&mut self, files: impl IntoIterator<Item = PathBuf>) -> bool {
        let mut before = std::mem::take(&mut self.files);
        let mut has_new = false;
        for path in files {
            let content = before.remove(&path).unwrap_or_else(|| {
                has_new = true;
                Content::of(&path)
            });
            self.files.insert(path, content);
        }
        self.watch_folders();
        has_new
    }

    /// The files that were different when [`Watch::changed`] last resolved.
    pub fn different(&self) -> &[PathBuf] {
        &self.different
    }

    /// Waits until the content of a file is another than at the last look.
    pub async fn changed(&mut self) -> Trigger {
        let mut next_poll = Instant::now() + self.poll;
        loop {
            let trigger = tokio::select! {
                hint = self.hints.recv() => {
                    if hint.is_none() {
                        // No events on this system: the poll alone.
                        sleep_until(next_poll).await;
                        Trigger::Poll
                    } else {
                        self.settle().await;
                        Trigger::File
                    }
                }
                () = sleep_until(next_poll) => Trigger::Poll,
            };
            if trigger == Trigger::Poll {
                next_poll = Instant::now() + self.poll;
            }
            // A folder that was deleted and made again is a new folder to the system.
            self.watch_folders();
            if self.look() {
                return trigger;
            }
        }
    }

    /// Waits until a burst of events is over.
    async fn settle(&mut self) {
        let end = Instant::now() + PATIENCE;
        loop {
            tokio::select! {
                _ = self.hints.recv() => {}
                () = sleep(QUIET) => return,
                () = sleep_until(end) => return,
            }
        }
    }

    /// Whether anything is different from the last look. Whoever is about to read the files for
    /// another reason looks first: what changes while they read is then different at the next look.
    pub fn look(&mut self) -> bool {
        self.different.clear();
        for (path, content) in &mut self.files {
            let now = Content::of(path);
            if now != *content {
                *content = now;
                self.different.push(path.clone());
            }
        }
        !self.different.is_empty()
    }

    fn watch_folders(&mut self) {
        let Some(watcher) = &mut self.watcher else { return };
        let wanted: BTreeSet<PathBuf> = self.files.keys().flat_map(|path| folders_of(path)).collect();
        for gone in self.folders.difference(&wanted) {
            if let Err(error) = watcher.unwatch(gone) {
                tracing::debug!(folder = %gone.display(), %error, "a folder could not be unwatched");
            }
        }
        // Watching a folder again is harmless, and needed when it was made anew.
        for folder in &wanted {
            if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
                tracing::debug!(folder = %folder.display(), %error, "a folder cannot be watched; it is polled");
            }
        }
        self.folders = wanted;
    }
}

// === impl Content ===

impl Content {
    fn of(path: &Path) -> Self {
        match std::fs::read(path) {
            Ok(bytes) => Self::Digest(digest::digest(&digest::SHA256, &bytes).as_ref().to_vec()),
            Err(error) => Self::Unreadable(error.kind()),
        }
    }
}

/// The folder that names the file, and the folder in which a symbolic link really ends.
fn folders_of(path: &Path) -> Vec<PathBuf> {
    let named = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let real = path.canonicalize().ok().and_then(|path| path.parent().map(Path::to_path_buf));
    let mut folders = vec![named.to_path_buf()];
    folders.extend(real);
    folders
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    async fn expect_change(watch: &mut Watch) -> Trigger {
        timeout(SOON, watch.changed()).await.expect("a change is noticed")
    }

    #[tokio::test]
    async fn a_write_a_rename_and_a_new_file_are_changes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        fs::write(&file, "one").unwrap();
        let mut watch = Watch::start([file.clone()], Duration::from_hours(1));
        fs::write(&file, "two").unwrap();
        assert_eq!(expect_change(&mut watch).await, Trigger::File);
        fs::write(folder.path().join("new"), "three").unwrap();
        fs::rename(folder.path().join("new"), &file).unwrap();
        expect_change(&mut watch).await;
        fs::remove_file(&file).unwrap();
        expect_change(&mut watch).await;
        fs::write(&file, "four").unwrap();
        expect_change(&mut watch).await;
    }

    #[tokio::test]
    async fn the_same_content_is_no_change() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        fs::write(&file, "one").unwrap();
        let mut watch = Watch::start([file.clone()], Duration::from_hours(1));
        fs::write(&file, "one").unwrap();
        assert!(timeout(Duration::from_secs(1), watch.changed()).await.is_err());
    }

    /// S82: Kubernetes swaps a symbolic link to a folder.
    #[cfg(unix)]
    #[tokio::test]
    async fn s82_the_swap_of_a_kubernetes_volume_is_a_change() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for (version, text) in [("..v1", "one"), ("..v2", "two"), ("..v3", "three")] {
            fs::create_dir(path(version)).unwrap();
            fs::write(path(version).join("a.yaml"), text).unwrap();
        }
        symlink("..v1", path("..data")).unwrap();
        symlink("..data/a.yaml", path("a.yaml")).unwrap();
        let mut watch = Watch::start([path("a.yaml")], Duration::from_hours(1));
        for version in ["..v2", "..v3"] {
            symlink(version, path("..data_tmp")).unwrap();
            fs::rename(path("..data_tmp"), path("..data")).unwrap();
            assert_eq!(expect_change(&mut watch).await, Trigger::File);
        }
    }

    #[tokio::test]
    async fn a_folder_that_comes_back_is_watched_again() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("conf");
        fs::create_dir(&folder).unwrap();
        let file = folder.join("a.yaml");
        fs::write(&file, "one").unwrap();
        let mut watch = Watch::start([file.clone()], Duration::from_millis(300));
        fs::remove_dir_all(&folder).unwrap();
        expect_change(&mut watch).await;
        fs::create_dir(&folder).unwrap();
        fs::write(&file, "two").unwrap();
        expect_change(&mut watch).await;
        fs::write(&file, "three").unwrap();
        expect_change(&mut watch).await;
    }
}
