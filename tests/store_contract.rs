//! What every store must do, run against each of them.
//!
//! [`contract!`] makes one test a rule and backend; a new backend is one more line in it.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

#[path = "store_contract/crash.rs"]
mod crash;
#[path = "store_contract/secrets.rs"]
mod secrets;
#[path = "support/redis.rs"]
mod servers;
#[path = "store_contract/redis.rs"]
mod shared;

use std::{
    future::Future,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::join_all;
use vestibule::{
    store::{Change, CommitError, NEVER, Record, Store, Table, Term, memory::MemoryStore, redb::EmbeddedStore},
    time::{Clock, Hand, Timestamp},
};

const NOW: Timestamp = Timestamp(1_700_000_000);

/// A store of one backend, and the clock that it looks at.
struct Setup {
    store: Arc<dyn Store>,
    hand: Hand,
    _folder: tempfile::TempDir,
}

// `None`: the server of this backend is not on this machine, which it has said.
type Opened = Option<Arc<dyn Store>>;

/// The rules, then `backend => how it is opened;`.
macro_rules! contract {
    ($rules:tt $($backend:ident => $open:expr;)*) => {
        $(contract!(@one $backend, $open, $rules);)*
    };
    (@one $backend:ident, $open:expr, { $($rule:ident;)* }) => {
        mod $backend {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $rule() {
                if let Some(setup) = super::setup($open).await {
                    super::$rule(setup).await;
                }
            })*
        }
    };
}

contract! {
    {
        what_was_put_is_there_until_it_expires;
        a_batch_is_applied_wholly_or_not_at_all;
        expectations_look_at_live_records_before_the_batch;
        one_of_many_at_once_wins;
        no_increment_is_lost;
        terms_find_live_records_of_their_table;
        a_sweep_removes_what_ended_and_nothing_else;
        a_list_is_one_table_s_live_records;
        any_bytes_are_a_key_and_a_value;
        random_batches_do_what_a_plain_map_does;
        who_shares_a_store_learns_of_deleted_grants;
        it_says_that_it_is_well;
    }
    memory => async |_, clock| Some(super::memory_store(clock));
    embedded => async |folder, clock| Some(super::embedded_store(&folder, clock));
    redis => super::shared::open(super::servers::Kind::Plain);
    redis_with_tls_and_user => super::shared::open(super::servers::Kind::TlsAndUser);
    redis_cluster => super::shared::open(super::servers::Kind::Cluster);
    valkey => super::shared::open(super::servers::Kind::Valkey);
}

fn memory_store(clock: Clock) -> Arc<dyn Store> {
    Arc::new(MemoryStore::new(clock))
}

fn embedded_store(folder: &Path, clock: Clock) -> Arc<dyn Store> {
    Arc::new(EmbeddedStore::open(folder, clock).unwrap())
}

async fn setup<F: Future<Output = Opened>>(open: impl FnOnce(PathBuf, Clock) -> F) -> Option<Setup> {
    let folder = tempfile::tempdir().unwrap();
    let (clock, hand) = Clock::manual(NOW);
    let store = open(folder.path().to_owned(), clock).await?;
    Some(Setup { store, hand, _folder: folder })
}

fn record(value: &str, expires_at: Timestamp) -> Record {
    Record { value: Bytes::copy_from_slice(value.as_bytes()), expires_at }
}

fn put_with(table: Table, key: &str, value: &str, expires_at: Timestamp, terms: &[Term]) -> Change {
    Change::Put { table, key: key.into(), record: record(value, expires_at), terms: terms.to_vec() }
}

fn put(table: Table, key: &str, value: &str) -> Change {
    put_with(table, key, value, NEVER, &[])
}

fn delete(table: Table, key: &str) -> Change {
    Change::Delete { table, key: key.into() }
}

fn expect(table: Table, key: &str, value: Option<&str>) -> Change {
    Change::Expect { table, key: key.into(), value: value.map(|value| Bytes::copy_from_slice(value.as_bytes())) }
}

fn term(kind: &'static str, value: &str) -> Term {
    Term { kind, value: value.into() }
}

async fn value(store: &dyn Store, table: Table, key: &str) -> Option<String> {
    let record = store.get(table, key.as_bytes()).await.unwrap()?;
    Some(String::from_utf8(record.value.to_vec()).unwrap())
}

async fn found(store: &dyn Store, table: Table, term: &Term) -> Vec<String> {
    let keys = store.find(table, term).await.unwrap();
    let mut keys: Vec<String> = keys.into_iter().map(|key| String::from_utf8(key).unwrap()).collect();
    keys.sort();
    keys
}

/// `true` if the batch was applied, `false` for a conflict.
async fn applied(store: &dyn Store, batch: Vec<Change>) -> bool {
    match store.commit(batch).await {
        Ok(()) => true,
        Err(CommitError::Conflict) => false,
        Err(CommitError::Store(error)) => panic!("{error}"),
    }
}

async fn what_was_put_is_there_until_it_expires(setup: Setup) {
    let store = &*setup.store;
    let end = NOW.plus(Duration::from_secs(10));
    assert_eq!(store.get(Table::Grant, b"k").await.unwrap(), None);
    store.commit(vec![put_with(Table::Grant, "k", "v", end, &[])]).await.unwrap();
    assert_eq!(store.get(Table::Grant, b"k").await.unwrap(), Some(record("v", end)));
    assert_eq!(store.get(Table::Code, b"k").await.unwrap(), None, "tables are apart");
    setup.hand.advance(Duration::from_secs(9));
    assert!(store.get(Table::Grant, b"k").await.unwrap().is_some());
    setup.hand.advance(Duration::from_secs(1));
    assert_eq!(store.get(Table::Grant, b"k").await.unwrap(), None, "gone at the moment, swept or not");
    store.commit(vec![put(Table::Grant, "k", "new")]).await.unwrap();
    assert_eq!(value(store, Table::Grant, "k").await.as_deref(), Some("new"));
    store.commit(vec![delete(Table::Grant, "k"), delete(Table::Grant, "never was")]).await.unwrap();
    assert_eq!(store.get(Table::Grant, b"k").await.unwrap(), None);
}

async fn a_batch_is_applied_wholly_or_not_at_all(setup: Setup) {
    let store = &*setup.store;
    store.commit(vec![put(Table::Grant, "a", "1"), put(Table::Code, "b", "2")]).await.unwrap();
    let refused = vec![
        put(Table::Grant, "a", "changed"),
        delete(Table::Code, "b"),
        put(Table::Meta, "c", "new"),
        expect(Table::Code, "b", Some("other")),
    ];
    assert!(!applied(store, refused).await);
    assert_eq!(value(store, Table::Grant, "a").await.as_deref(), Some("1"));
    assert_eq!(value(store, Table::Code, "b").await.as_deref(), Some("2"));
    assert_eq!(value(store, Table::Meta, "c").await, None);

    let in_order = vec![put(Table::Grant, "a", "x"), delete(Table::Grant, "a"), put(Table::Grant, "a", "y")];
    store.commit(in_order).await.unwrap();
    assert_eq!(value(store, Table::Grant, "a").await.as_deref(), Some("y"));
    store.commit(Vec::new()).await.unwrap();
}

async fn expectations_look_at_live_records_before_the_batch(setup: Setup) {
    let store = &*setup.store;
    let end = NOW.plus(Duration::from_secs(10));
    assert!(!applied(store, vec![expect(Table::Code, "k", Some("v"))]).await);
    let first = vec![put_with(Table::Code, "k", "v", end, &[]), expect(Table::Code, "k", None)];
    assert!(applied(store, first.clone()).await, "the state before the batch counts");
    assert!(!applied(store, first).await);
    assert!(!applied(store, vec![expect(Table::Code, "k", Some(""))]).await);
    assert!(!applied(store, vec![expect(Table::Code, "k", Some("vv"))]).await);
    assert!(applied(store, vec![expect(Table::Code, "k", Some("v"))]).await);
    assert!(applied(store, vec![expect(Table::Grant, "k", None)]).await, "tables are apart");
    setup.hand.advance(Duration::from_secs(10));
    assert!(!applied(store, vec![expect(Table::Code, "k", Some("v"))]).await);
    assert!(applied(store, vec![expect(Table::Code, "k", None)]).await, "an ended record is none");
}

async fn one_of_many_at_once_wins(setup: Setup) {
    for (before, round) in [(None, "first"), (Some("first-won"), "second")] {
        let tries = (0..64).map(|index| {
            let store = Arc::clone(&setup.store);
            tokio::spawn(async move {
                let won = vec![
                    expect(Table::Code, "k", before),
                    put(Table::Code, "k", &format!("{round}-won")),
                    put(Table::Grant, &format!("{round}-{index}"), "mine"),
                ];
                applied(&*store, won).await
            })
        });
        let wins = join_all(tries).await.into_iter().filter(|won| *won.as_ref().unwrap()).count();
        assert_eq!(wins, 1, "{round}");
    }
    assert_eq!(setup.store.list(Table::Grant).await.unwrap().len(), 2, "losers leave nothing behind");
}

async fn no_increment_is_lost(setup: Setup) {
    let tasks = (0..8).map(|_| {
        let store = Arc::clone(&setup.store);
        tokio::spawn(async move {
            let mut done = 0;
            while done < 5 {
                let before = value(&*store, Table::Meta, "n").await;
                let next = before.as_ref().map_or(0, |text| text.parse::<u32>().unwrap()) + 1;
                let step = vec![expect(Table::Meta, "n", before.as_deref()), put(Table::Meta, "n", &next.to_string())];
                done += u32::from(applied(&*store, step).await);
            }
        })
    });
    join_all(tasks).await.into_iter().for_each(|task| task.unwrap());
    assert_eq!(value(&*setup.store, Table::Meta, "n").await.as_deref(), Some("40"));
}

async fn terms_find_live_records_of_their_table(setup: Setup) {
    let store = &*setup.store;
    let end = NOW.plus(Duration::from_secs(10));
    let (ann, anna, client) = (term("subject", "ann"), term("subject", "anna"), term("client", "ann"));
    let batch = vec![
        put_with(Table::Grant, "1", "v", end, &[ann.clone(), client.clone()]),
        put_with(Table::Grant, "2", "v", NEVER, &[ann.clone(), ann.clone()]),
        put_with(Table::Grant, "3", "v", NEVER, std::slice::from_ref(&anna)),
        put_with(Table::Code, "4", "v", NEVER, std::slice::from_ref(&ann)),
    ];
    store.commit(batch).await.unwrap();
    assert_eq!(found(store, Table::Grant, &ann).await, ["1", "2"]);
    assert_eq!(found(store, Table::Grant, &anna).await, ["3"]);
    assert_eq!(found(store, Table::Grant, &client).await, ["1"]);
    assert_eq!(found(store, Table::Code, &ann).await, ["4"]);
    for unknown in [term("subject", "an"), term("subject", ""), term("subj", "ectann"), term("", "")] {
        assert!(found(store, Table::Grant, &unknown).await.is_empty(), "{unknown:?}");
    }

    // Terms live and end with the record.
    store.commit(vec![put_with(Table::Grant, "2", "v", NEVER, std::slice::from_ref(&anna))]).await.unwrap();
    assert_eq!(found(store, Table::Grant, &ann).await, ["1"]);
    assert_eq!(found(store, Table::Grant, &anna).await, ["2", "3"]);
    store.commit(vec![delete(Table::Grant, "3")]).await.unwrap();
    assert_eq!(found(store, Table::Grant, &anna).await, ["2"]);
    setup.hand.advance(Duration::from_secs(10));
    assert!(found(store, Table::Grant, &ann).await.is_empty());
    assert_eq!(store.sweep().await.unwrap(), 1);
    store.commit(vec![put(Table::Grant, "1", "again")]).await.unwrap();
    assert!(found(store, Table::Grant, &ann).await.is_empty(), "a swept record's terms are gone");
}

async fn a_sweep_removes_what_ended_and_nothing_else(setup: Setup) {
    let store = &*setup.store;
    let after = |seconds| NOW.plus(Duration::from_secs(seconds));
    let many = (0..2500).map(|n| put_with(Table::Code, &format!("{n:04}"), "v", after(n % 2 * 100 + 10), &[]));
    store.commit(many.collect()).await.unwrap();
    store.commit(vec![put_with(Table::Grant, "longer", "v", after(5), &[]), put(Table::Meta, "m", "v")]).await.unwrap();
    store.commit(vec![put_with(Table::Grant, "longer", "v", after(1000), &[])]).await.unwrap();
    assert_eq!(store.sweep().await.unwrap(), 0);
    setup.hand.advance(Duration::from_secs(10));
    assert_eq!(store.sweep().await.unwrap(), 1250);
    assert_eq!(store.sweep().await.unwrap(), 0);
    assert_eq!(store.list(Table::Code).await.unwrap().len(), 1250);
    assert!(value(store, Table::Grant, "longer").await.is_some(), "a replaced record has its new end");
    setup.hand.advance(Duration::from_secs(100));
    assert_eq!(store.sweep().await.unwrap(), 1250);
    assert!(value(store, Table::Meta, "m").await.is_some());
}

async fn a_list_is_one_table_s_live_records(setup: Setup) {
    let store = &*setup.store;
    assert!(store.list(Table::SigningKey).await.unwrap().is_empty());
    let batch = vec![
        put(Table::SigningKey, "b", "2"),
        put(Table::SigningKey, "a", "1"),
        put_with(Table::SigningKey, "c", "3", NOW.plus(Duration::from_secs(1)), &[]),
        put(Table::Meta, "a", "other"),
        put(Table::Grant, "a", "other"),
    ];
    store.commit(batch).await.unwrap();
    assert_eq!(store.list(Table::SigningKey).await.unwrap().len(), 3);
    setup.hand.advance(Duration::from_secs(1));
    let mut list = store.list(Table::SigningKey).await.unwrap();
    list.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(list, [(b"a".to_vec(), record("1", NEVER)), (b"b".to_vec(), record("2", NEVER))]);
}

async fn any_bytes_are_a_key_and_a_value(setup: Setup) {
    let store = &*setup.store;
    let keys: [Vec<u8>; 5] = [vec![], vec![0], vec![0, 0], vec![0xff; 300], (0..=255).collect()];
    let values: [Bytes; 5] =
        [Bytes::new(), Bytes::from_static(&[0]), vec![0xff; 9].into(), vec![7; 1 << 20].into(), "é".into()];
    for (key, value) in keys.iter().zip(&values) {
        let record = Record { value: value.clone(), expires_at: NEVER };
        let terms = vec![Term { kind: "k", value: key.clone() }];
        store.commit(vec![Change::Put { table: Table::Grant, key: key.clone(), record, terms }]).await.unwrap();
    }
    for (key, value) in keys.iter().zip(&values) {
        assert_eq!(store.get(Table::Grant, key).await.unwrap().unwrap().value, value);
        let found = store.find(Table::Grant, &Term { kind: "k", value: key.clone() }).await.unwrap();
        assert_eq!(found, std::slice::from_ref(key));
        let empty = Change::Expect { table: Table::Grant, key: key.clone(), value: Some(value.clone()) };
        assert!(applied(store, vec![empty]).await);
    }
    assert_eq!(store.list(Table::Grant).await.unwrap().len(), keys.len());
}

/// Small keys, few values, all steps: the store and a map that forgets what ended agree.
async fn random_batches_do_what_a_plain_map_does(setup: Setup) {
    let mut model = std::collections::BTreeMap::<String, (String, u64, bool)>::new();
    let mut now = NOW.0;
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    let tagged = term("tag", "x");
    for step in 0..250 {
        let mut batch = Vec::new();
        let mut next = model.clone();
        let mut holds = true;
        for _ in 0..=random(4) {
            let key = format!("k{}", random(6));
            match random(5) {
                0 => {
                    let claimed = [None, Some("v0"), Some("v1")][usize::try_from(random(3)).unwrap()];
                    holds &= model.get(&key).map(|(value, ..)| value.as_str()) == claimed;
                    batch.push(expect(Table::Grant, &key, claimed));
                }
                1 => {
                    next.remove(&key);
                    batch.push(delete(Table::Grant, &key));
                }
                _ => {
                    let (text, end, has_term) = (format!("v{}", random(2)), now + 1 + random(6), random(2) == 0);
                    let terms = if has_term { vec![tagged.clone()] } else { Vec::new() };
                    batch.push(put_with(Table::Grant, &key, &text, Timestamp(end), &terms));
                    next.insert(key, (text, end, has_term));
                }
            }
        }
        assert_eq!(applied(&*setup.store, batch).await, holds, "step {step}");
        if holds {
            model = next;
        }
        if random(3) == 0 {
            now += 1;
            setup.hand.advance(Duration::from_secs(1));
            model.retain(|_, (_, end, _)| *end > now);
        }
        if random(10) == 0 {
            setup.store.sweep().await.unwrap();
        }
        let mut list = setup.store.list(Table::Grant).await.unwrap();
        list.sort_by(|a, b| a.0.cmp(&b.0));
        let expected: Vec<_> = model
            .iter()
            .map(|(key, (text, end, _))| (key.clone().into_bytes(), record(text, Timestamp(*end))))
            .collect();
        assert_eq!(list, expected, "step {step}");
        let with_term: Vec<_> = model.iter().filter(|(_, value)| value.2).map(|(key, _)| key.clone()).collect();
        assert_eq!(found(&*setup.store, Table::Grant, &tagged).await, with_term, "step {step}");
    }
}

/// A store of one process has nothing to tell; one of several tells each of them.
async fn who_shares_a_store_learns_of_deleted_grants(setup: Setup) {
    let store = &*setup.store;
    let Some(begin) = store.deletions(None).await.unwrap() else {
        assert!(["memory", "embedded"].contains(&store.backend()));
        return;
    };
    assert!(begin.grants.is_empty() && !begin.missed);
    for key in ["a", "b", "c"] {
        store.commit(vec![put(Table::Grant, key, "v"), put(Table::Code, key, "v")]).await.unwrap();
    }
    store.commit(vec![delete(Table::Grant, "b"), delete(Table::Code, "a")]).await.unwrap();
    assert!(!applied(store, vec![delete(Table::Grant, "c"), expect(Table::Grant, "a", None)]).await);
    let told = store.deletions(Some(&begin.position)).await.unwrap().unwrap();
    assert_eq!((told.grants, told.missed), (vec![b"b".to_vec()], false));
    store.commit((0..1500).map(|n| delete(Table::Grant, &n.to_string())).collect()).await.unwrap();
    let mut position = told.position;
    let mut keys = Vec::new();
    while keys.len() < 1500 {
        let told = store.deletions(Some(&position)).await.unwrap().unwrap();
        assert!(!told.missed && !told.grants.is_empty());
        position = told.position;
        keys.extend(told.grants);
    }
    let told = store.deletions(Some(&position)).await.unwrap().unwrap();
    assert_eq!((told.grants.len(), told.missed, &told.position), (0, false, &position));
    let ahead = store.deletions(Some("99999999999999-0")).await.unwrap().unwrap();
    assert!(ahead.missed, "the server was set back");
}

async fn it_says_that_it_is_well(setup: Setup) {
    setup.store.health().await.unwrap();
    assert!(["memory", "embedded", "redis"].contains(&setup.store.backend()));
}

/// Durable stores only: another process finds everything, terms and ends too.
#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, hand) = Clock::manual(NOW);
    let subject = term("subject", "ann");
    for round in 0..3 {
        let store = EmbeddedStore::open(folder.path(), clock.clone()).unwrap();
        for before in 0..round {
            assert_eq!(value(&store, Table::Grant, &format!("k{before}")).await.as_deref(), Some("v"));
        }
        assert_eq!(found(&store, Table::Grant, &subject).await.len(), round);
        let key = format!("k{round}");
        store
            .commit(vec![put_with(
                Table::Grant,
                &key,
                "v",
                NOW.plus(Duration::from_secs(9)),
                std::slice::from_ref(&subject),
            )])
            .await
            .unwrap();
    }
    hand.advance(Duration::from_secs(9));
    let store = EmbeddedStore::open(folder.path(), clock).unwrap();
    assert_eq!(store.sweep().await.unwrap(), 3);
}
