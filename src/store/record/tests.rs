use std::{
    sync::atomic::{AtomicU8, Ordering},
    time::Duration,
};

use async_trait::async_trait;

use super::*;
use crate::{secret::Secret, store::memory::MemoryStore, time::Hand};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Note {
    text: String,
}

impl Kind for Note {
    const TABLE: Table = Table::Grant;
    const NAME: &'static str = "note";
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Other {
    text: u32,
}

impl Kind for Other {
    const TABLE: Table = Table::Grant;
    const NAME: &'static str = "other";
}

struct Setup {
    store: Arc<MemoryStore>,
    metrics: Arc<Metrics>,
    clock: Clock,
    hand: Hand,
}

impl Setup {
    fn new() -> Self {
        let (clock, hand) = Clock::manual(Timestamp(1_000));
        Self { store: Arc::new(MemoryStore::new(clock.clone())), metrics: Metrics::new().unwrap(), clock, hand }
    }

    fn records(&self, secret: &str) -> Records {
        let sealer = Arc::new(Sealer::new(&[Secret::new(secret.repeat(32))]).unwrap());
        Records::new(self.store.clone(), sealer, Arc::clone(&self.metrics), self.clock.clone())
    }
}

fn note(text: &str) -> Note {
    Note { text: text.to_owned() }
}

#[tokio::test]
async fn a_record_is_read_as_it_was_written_until_it_expires() {
    let setup = Setup::new();
    let records = setup.records("a");
    let end = Timestamp(1_010);
    records.commit(vec![records.put(b"k", &note("hello"), end, Vec::new())]).await.unwrap();
    let sealed = records.get::<Note>(b"k").await.unwrap().unwrap();
    assert_eq!((sealed.value, sealed.expires_at), (note("hello"), end));
    assert!(records.get::<Note>(b"x").await.unwrap().is_none());
    setup.hand.advance(Duration::from_secs(10));
    assert!(records.get::<Note>(b"k").await.unwrap().is_none());
    let text = setup.metrics.render();
    for line in [
        "vestibule_store_operations_total{backend=\"memory\",operation=\"commit\",outcome=\"ok\"} 1",
        "vestibule_store_operations_total{backend=\"memory\",operation=\"get\",outcome=\"ok\"} 1",
        "vestibule_store_operations_total{backend=\"memory\",operation=\"get\",outcome=\"miss\"} 2",
    ] {
        assert!(text.contains(line), "{line}");
    }
}

#[tokio::test]
async fn a_version_holds_until_somebody_writes() {
    let setup = Setup::new();
    let records = setup.records("a");
    let end = Timestamp(2_000);
    let put = |text| records.put(b"k", &note(text), end, Vec::new());
    records.commit(vec![records.expect::<Note>(b"k", None), put("one")]).await.unwrap();
    let version = records.get::<Note>(b"k").await.unwrap().unwrap().version;
    assert_eq!(records.slot::<Note>(b"k").await.unwrap().version.as_ref(), Some(&version));
    let step = vec![records.expect::<Note>(b"k", Some(version)), put("one")];
    records.commit(step.clone()).await.unwrap();
    assert!(matches!(records.commit(step).await, Err(CommitError::Conflict)), "the same value is a new version");
}

#[tokio::test]
async fn what_no_key_opens_is_counted_and_absent() {
    let setup = Setup::new();
    let (old, new) = (setup.records("o"), setup.records("n"));
    old.commit(vec![old.put(b"k", &note("hello"), Timestamp(2_000), Vec::new())]).await.unwrap();
    assert!(new.get::<Note>(b"k").await.unwrap().is_none());
    assert!(new.list::<Note>().await.unwrap().is_empty());
    let slot = new.slot::<Note>(b"k").await.unwrap();
    assert!(slot.version.is_some() && slot.value.is_none());
    assert!(setup.metrics.render().contains("vestibule_store_decrypt_failures_total{kind=\"grant\"} 3"));
}

#[tokio::test]
async fn a_record_cannot_be_moved_to_another_key_or_table() {
    let setup = Setup::new();
    let records = setup.records("a");
    records.commit(vec![records.put(b"k", &note("mine"), Timestamp(2_000), Vec::new())]).await.unwrap();
    let record = setup.store.get(Table::Grant, b"k").await.unwrap().unwrap();
    let moved = Change::Put { table: Table::Grant, key: b"yours".to_vec(), record, terms: Vec::new() };
    setup.store.commit(vec![moved]).await.unwrap();
    assert!(records.get::<Note>(b"yours").await.unwrap().is_none());
    assert_ne!(context(Table::Grant, b"k"), context(Table::Code, b"k"));
}

#[tokio::test]
async fn kinds_in_one_table_are_told_apart_and_other_versions_are_an_error() {
    let setup = Setup::new();
    let records = setup.records("a");
    records.commit(vec![records.put(b"k", &note("hello"), Timestamp(2_000), Vec::new())]).await.unwrap();
    assert!(records.get::<Other>(b"k").await.unwrap().is_none());
    let json = br#"{"v":2,"kind":"note","value":{"text":"later"}}"#;
    let value = records.sealer.seal(Purpose::Record, &context(Table::Grant, b"k"), json).into();
    let record = Record { value, expires_at: Timestamp(2_000) };
    let change = Change::Put { table: Table::Grant, key: b"k".to_vec(), record, terms: Vec::new() };
    setup.store.commit(vec![change]).await.unwrap();
    assert!(matches!(records.get::<Note>(b"k").await, Err(StoreError::Unusable(_))));
}

/// A store that answers, refuses or says nothing; it holds nothing.
#[derive(Debug, Default)]
struct Moody(AtomicU8);

impl Moody {
    const ANSWERS: u8 = 0;
    const REFUSES: u8 = 1;
    const SAYS_NOTHING: u8 = 2;

    async fn answer<T: Default>(&self) -> Result<T, StoreError> {
        match self.0.load(Ordering::SeqCst) {
            Self::ANSWERS => Ok(T::default()),
            Self::REFUSES => Err(StoreError::Unavailable("on purpose".to_owned())),
            _ => std::future::pending().await,
        }
    }
}

#[async_trait]
impl Store for Moody {
    async fn get(&self, _: Table, _: &[u8]) -> Result<Option<Record>, StoreError> {
        self.answer().await
    }

    async fn commit(&self, _: Vec<Change>) -> Result<(), CommitError> {
        Ok(self.answer().await?)
    }

    async fn find(&self, _: Table, _: &Term) -> Result<Vec<Vec<u8>>, StoreError> {
        self.answer().await
    }

    async fn list(&self, _: Table) -> Result<Vec<(Vec<u8>, Record)>, StoreError> {
        self.answer().await
    }

    async fn sweep(&self) -> Result<usize, StoreError> {
        self.answer().await
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.answer().await
    }

    fn backend(&self) -> &'static str {
        "moody"
    }
}

/// `VestibuleStoreDown` looks at the gauge, whether or not anybody asks for /readyz.
#[tokio::test(start_paused = true)]
async fn the_gauge_follows_the_store_where_nobody_asks() {
    let setup = Setup::new();
    let store = Arc::new(Moody::default());
    let sealer = Arc::new(Sealer::new(&[Secret::new("a".repeat(32))]).unwrap());
    let records = Records::new(store.clone(), sealer, Arc::clone(&setup.metrics), setup.clock.clone());
    let watch = tokio::spawn(records.watch(Duration::from_secs(10)));
    for (mood, ready) in
        [(Moody::ANSWERS, 1), (Moody::REFUSES, 0), (Moody::ANSWERS, 1), (Moody::SAYS_NOTHING, 0), (Moody::ANSWERS, 1)]
    {
        store.0.store(mood, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(16)).await;
        let text = setup.metrics.render();
        assert!(text.contains(&format!("vestibule_store_ready{{backend=\"moody\"}} {ready}\n")), "{mood}: {text}");
    }
    watch.abort();
}

/// What strangers can cause writes nothing where no other process reads it.
#[tokio::test]
async fn a_store_of_one_process_remembers_nothing_of_what_was_used() {
    let setup = Setup::new();
    let records = setup.records("a");
    assert!(!records.is_shared());
    assert!(records.use_once("state", b"s", Timestamp(2_000)).await.unwrap());
    assert!(!records.was_used("state", b"s").await.unwrap());
    for table in Table::ALL {
        assert!(setup.store.list(table).await.unwrap().is_empty(), "{table:?}");
    }
}
