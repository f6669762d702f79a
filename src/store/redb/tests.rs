//! What only the embedded store has: groups, failures of the file, the lock. What it has in common
//! with the others is in `tests/store_contract.rs`.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    sync::{
        Mutex,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
    time::Duration,
};

use redb::{StorageBackend, backends::FileBackend};

use super::*;
use crate::store::NEVER;

const WORKS: u8 = 0;
/// What the file has can be overwritten, but it cannot grow.
const FULL: u8 = 1;
/// Not even that: a file system with copies on write.
const QUITE_FULL: u8 = 2;
const READ_ONLY: u8 = 3;
const SYNC_FAILS: u8 = 4;

/// A file whose disk fails on demand.
#[derive(Debug)]
struct Faulty {
    file: FileBackend,
    fault: Arc<AtomicU8>,
}

impl Faulty {
    fn writing(&self, end: u64) -> io::Result<()> {
        match self.fault.load(Ordering::SeqCst) {
            FULL if end > self.file.len()? => Err(io::ErrorKind::StorageFull.into()),
            QUITE_FULL => Err(io::ErrorKind::StorageFull.into()),
            READ_ONLY => Err(io::ErrorKind::ReadOnlyFilesystem.into()),
            _ => Ok(()),
        }
    }
}

impl StorageBackend for Faulty {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.writing(len)?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.fault.load(Ordering::SeqCst) == SYNC_FAILS {
            return Err(io::Error::other("the disk is gone"));
        }
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.writing(offset)?;
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }
}

/// A disk that keeps only what was synced when the power goes, and some of the rest.
#[derive(Clone, Debug, Default)]
struct Disk(Arc<Mutex<Pages>>);

#[derive(Clone, Debug, Default)]
struct Pages {
    synced: Vec<u8>,
    seen: Vec<u8>,
    unsynced: Vec<(usize, Vec<u8>)>,
}

impl Disk {
    /// What is left after a power cut: every unsynced write by the toss of a coin.
    fn after_power_cut(&self) -> Self {
        let Pages { mut synced, seen, unsynced } = self.0.lock().unwrap().clone();
        synced.resize(seen.len().max(synced.len()), 0);
        for (offset, data) in unsynced {
            let mut coin = [0];
            crate::seal::fill(&mut coin);
            if coin[0] % 2 == 0 && offset + data.len() <= synced.len() {
                synced[offset..offset + data.len()].copy_from_slice(&data);
            }
        }
        Self(Arc::new(Mutex::new(Pages { seen: synced.clone(), synced, unsynced: Vec::new() })))
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(u64::try_from(self.0.lock().unwrap().seen.len()).unwrap())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        out.copy_from_slice(&self.0.lock().unwrap().seen[offset..offset + out.len()]);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.lock().unwrap().seen.resize(usize::try_from(len).unwrap(), 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut pages = self.0.lock().unwrap();
        pages.synced = pages.seen.clone();
        pages.unsynced.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        let mut pages = self.0.lock().unwrap();
        pages.seen[offset..offset + data.len()].copy_from_slice(data);
        pages.unsynced.push((offset, data.to_vec()));
        Ok(())
    }
}

fn put(key: &str, value: &str) -> Change {
    let record = Record { value: value.to_owned().into(), expires_at: NEVER };
    Change::Put { table: Table::Grant, key: key.into(), record, terms: Vec::new() }
}

fn expect(key: &str, value: Option<&str>) -> Change {
    Change::Expect { table: Table::Grant, key: key.into(), value: value.map(|value| value.to_owned().into()) }
}

async fn value(store: &EmbeddedStore, key: &str) -> Option<String> {
    let record = store.get(Table::Grant, key.as_bytes()).await.unwrap()?;
    Some(String::from_utf8(record.value.to_vec()).unwrap())
}

fn job(work: Work) -> Job {
    Job { work, done: oneshot::channel().0 }
}

fn writer(folder: &Path) -> Writer {
    let opener = Opener::new(folder).unwrap();
    let slot = Arc::new(RwLock::new(opener.open()));
    Writer { slot, opener, clock: Clock::system(), failure: None }
}

#[test]
fn a_conflict_in_a_group_is_its_own_batch_s_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(folder.path());
    let jobs = [
        job(Work::Batch(vec![expect("a", None), put("a", "1")])),
        job(Work::Batch(vec![put("b", "lost"), expect("a", None), put("a", "2")])),
        job(Work::Batch(vec![expect("a", Some("1")), put("c", "3")])),
        job(Work::Sweep),
        job(Work::Touch),
    ];
    let results = writer.group(&jobs).unwrap();
    assert!(matches!(results.as_slice(), [Ok(0), Err(CommitError::Conflict), Ok(0), Ok(0), Ok(0)]), "{results:?}");
    let snapshot = writer.slot.read().unwrap().as_ref().unwrap().begin_read().unwrap();
    let value = |key: &str| {
        let found = schema::get(&snapshot, Table::Grant, key.as_bytes(), Timestamp(0)).unwrap();
        found.map(|record| String::from_utf8(record.value.to_vec()).unwrap())
    };
    assert_eq!((value("a"), value("b"), value("c")), (Some("1".to_owned()), None, Some("3".to_owned())));
}

/// A store on a disk that fails when the switch is turned.
fn faulty_store(folder: &Path) -> (EmbeddedStore, Arc<AtomicU8>) {
    let switch = Arc::new(AtomicU8::new(WORKS));
    let fault = Arc::clone(&switch);
    let opener = Opener::with_backend(folder, move |file| Faulty { file, fault: Arc::clone(&fault) }).unwrap();
    (EmbeddedStore::start(opener, Clock::system()).unwrap(), switch)
}

fn large() -> String {
    "x".repeat(8 * 1024 * 1024)
}

#[tokio::test]
async fn a_failing_disk_is_reported_and_survived() {
    for (fault, word) in
        [(FULL, "no space"), (QUITE_FULL, "no space"), (READ_ONLY, "read-only"), (SYNC_FAILS, "the disk is gone")]
    {
        let folder = tempfile::tempdir().unwrap();
        let (mut store, switch) = faulty_store(folder.path());
        store.commit(vec![put("before", "1")]).await.unwrap();

        switch.store(fault, Ordering::SeqCst);
        for key in ["during", "again"] {
            match store.commit(vec![put(key, &large())]).await {
                Err(CommitError::Store(StoreError::Unavailable(text))) => assert!(text.contains(word), "{text}"),
                other => panic!("{other:?}"),
            }
        }
        assert!(store.health().await.is_err());
        if fault == FULL {
            assert_eq!(value(&store, "before").await.as_deref(), Some("1"), "a full disk can be read");
        }

        switch.store(WORKS, Ordering::SeqCst);
        let mut recovered = false;
        for _ in 0..50 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            recovered = store.health().await.is_ok();
            if recovered {
                break;
            }
        }
        assert!(recovered, "the store goes on by itself when the disk does ({word})");
        store.commit(vec![put("after", "3")]).await.unwrap();
        for _ in 0..2 {
            assert_eq!(value(&store, "before").await.as_deref(), Some("1"));
            assert_eq!(value(&store, "after").await.as_deref(), Some("3"));
            drop(store);
            store = EmbeddedStore::open(folder.path(), Clock::system()).unwrap();
        }
    }
}

/// A kill leaves the system's cache, a power cut does not: what was acknowledged was synced before.
#[tokio::test]
async fn what_was_acknowledged_survives_a_power_cut() {
    let folder = tempfile::tempdir().unwrap();
    let open = |disk: &Disk| {
        let disk = disk.clone();
        let opener = Opener::with_backend(folder.path(), move |_| disk.clone()).unwrap();
        EmbeddedStore::start(opener, Clock::system()).unwrap()
    };
    let mut disk = Disk::default();
    let mut store = open(&disk);
    let mut acknowledged = 0;
    for _ in 0..15 {
        for _ in 0..4 {
            acknowledged += 1;
            let key = acknowledged.to_string();
            store.commit(vec![put(&key, &"x".repeat(900)), put(&format!("{key}-too"), "y")]).await.unwrap();
        }
        // One more that is not waited for: it may be there or not, but not by half.
        let late_keys = [format!("late-{acknowledged}"), format!("late-{acknowledged}-too")];
        let mut late = Box::pin(store.commit(late_keys.iter().map(|key| put(key, "x")).collect()));
        drop(futures_util::poll!(&mut late));
        let cut = disk.after_power_cut();
        drop(late);
        store = open(&cut);
        disk = cut;
        for number in 1..=acknowledged {
            assert!(value(&store, &number.to_string()).await.is_some(), "{number} of {acknowledged} is lost");
            assert!(value(&store, &format!("{number}-too")).await.is_some(), "{number} is there by half");
        }
        assert_eq!(value(&store, &late_keys[0]).await.is_some(), value(&store, &late_keys[1]).await.is_some());
    }
}

#[tokio::test]
async fn a_file_belongs_to_one_store_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(folder.path(), Clock::system()).unwrap();
    let second = EmbeddedStore::open(folder.path(), Clock::system()).unwrap_err();
    assert!(second.to_string().contains("in use by another process"), "{second}");
    store.commit(vec![put("a", "1")]).await.unwrap();
    drop(store);
    let store = EmbeddedStore::open(folder.path(), Clock::system()).unwrap();
    assert_eq!(value(&store, "a").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn what_is_no_store_is_refused_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vestibule.redb");
    for text in ["hello".repeat(3), "hello".repeat(2000)] {
        fs::write(&path, &text).unwrap();
        let error = EmbeddedStore::open(folder.path(), Clock::system()).unwrap_err();
        assert!(matches!(error, StoreError::Unusable(_)), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    fs::remove_file(&path).unwrap();
    let database = redb::Database::create(&path).unwrap();
    let writing = database.begin_write().unwrap();
    writing.open_table(redb::TableDefinition::<u64, u64>::new("other")).unwrap();
    writing.commit().unwrap();
    drop(database);
    let error = EmbeddedStore::open(folder.path(), Clock::system()).unwrap_err();
    assert!(matches!(&error, StoreError::Unusable(text) if text.contains("another program")), "{error}");

    let error = EmbeddedStore::open(&path, Clock::system()).unwrap_err();
    assert!(error.to_string().contains("not a folder"), "{error}");
}

#[tokio::test]
async fn folder_and_file_are_private() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("state");
    let store = EmbeddedStore::open(&folder, Clock::system()).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&folder.join("vestibule.redb"))), (0o700, 0o600));
    store.health().await.unwrap();
}

/// A busy day leaves a large file; the next start makes it small, and everything that lives is still there.
#[tokio::test]
async fn a_file_that_is_mostly_free_is_compacted_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let length = || std::fs::metadata(folder.path().join("vestibule.redb")).unwrap().len();
    let keys: Vec<String> = (0..6_000).map(|number| number.to_string()).collect();
    {
        let store = EmbeddedStore::open(folder.path(), Clock::system()).unwrap();
        let value = "x".repeat(4_000);
        for some in keys.chunks(500) {
            store.commit(some.iter().map(|key| put(key, &value)).collect()).await.unwrap();
        }
        let delete = |key: &String| Change::Delete { table: Table::Grant, key: key.clone().into_bytes() };
        for some in keys[100..].chunks(500) {
            store.commit(some.iter().map(delete).collect()).await.unwrap();
        }
    }
    let before = length();
    assert!(before > 16 * 1024 * 1024, "{before}");
    let store = EmbeddedStore::open(folder.path(), Clock::system()).unwrap();
    let after = length();
    assert!(after < before / 4, "{before} {after}");
    for key in &keys[..100] {
        assert_eq!(value(&store, key).await.map(|text| text.len()), Some(4_000));
    }
    assert_eq!(store.list(Table::Grant).await.unwrap().len(), 100);
    store.commit(vec![put("one-more", "y")]).await.unwrap();
}

/// A file whose disk is gone after some steps, for good: what is left is what a kill leaves.
#[derive(Debug)]
struct Dying {
    file: FileBackend,
    steps: Arc<AtomicUsize>,
}

impl Dying {
    fn step(&self) -> io::Result<()> {
        let left = self.steps.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        left.map(drop).map_err(|_| io::Error::other("the disk is gone"))
    }
}

impl StorageBackend for Dying {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.step()?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.step()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.step()?;
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }
}

/// Whoever is killed in the middle of the very first start is told to remove nothing.
#[tokio::test]
async fn a_first_start_that_was_cut_leaves_nothing_in_the_way() {
    let mut cut = 0;
    for steps in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let steps = Arc::new(AtomicUsize::new(steps));
        let opener =
            Opener::with_backend(folder.path(), move |file| Dying { file, steps: Arc::clone(&steps) }).unwrap();
        let is_cut = opener.open().is_err();
        let store = EmbeddedStore::open(folder.path(), Clock::system()).unwrap();
        store.commit(vec![put("a", "1")]).await.unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "something is left beside the file");
        if !is_cut {
            break;
        }
        cut += 1;
    }
    assert!(cut > 5, "{cut}");
}
