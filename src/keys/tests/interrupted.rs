//! A store that answers late, or not any more, in the middle of a change.

use std::sync::{
    Mutex as Lock,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use tokio::sync::oneshot;

use super::*;
use crate::store::{Record, Term};

#[derive(Debug)]
struct Late {
    inner: MemoryStore,
    /// The next list is answered, with what was there before, only when this is sent.
    held: Lock<Option<oneshot::Receiver<()>>>,
    lists_fail: AtomicBool,
}

#[async_trait]
impl Store for Late {
    async fn get(&self, table: Table, key: &[u8]) -> Result<Option<Record>, StoreError> {
        self.inner.get(table, key).await
    }

    async fn commit(&self, batch: Vec<Change>) -> Result<(), CommitError> {
        self.inner.commit(batch).await
    }

    async fn find(&self, table: Table, term: &Term) -> Result<Vec<Vec<u8>>, StoreError> {
        self.inner.find(table, term).await
    }

    async fn list(&self, table: Table) -> Result<Vec<(Vec<u8>, Record)>, StoreError> {
        if self.lists_fail.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("gone".to_owned()));
        }
        let listed = self.inner.list(table).await;
        let held = self.held.lock().unwrap().take();
        if let Some(held) = held {
            held.await.unwrap();
        }
        listed
    }

    async fn sweep(&self) -> Result<usize, StoreError> {
        self.inner.sweep().await
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.inner.health().await
    }

    fn backend(&self) -> &'static str {
        "late"
    }
}

/// A ring whose key was replaced; the old one's name.
async fn replaced() -> (Arc<Late>, Arc<KeyRing>, String) {
    let (clock, _) = Clock::manual(NOW);
    let inner = MemoryStore::new(clock.clone());
    let store = Arc::new(Late { inner, held: Lock::default(), lists_fail: AtomicBool::new(false) });
    let sealer = Arc::new(Sealer::new(&[Secret::new("a".repeat(32))]).unwrap());
    let shared = Arc::<Late>::clone(&store);
    let records = Records::new(shared, sealer, Metrics::new().unwrap(), clock.clone());
    let ring = KeyRing::load(&records, &plan(SigningAlgorithm::Es256, &[]), clock).await.unwrap();
    let old = kid_of(&sign(&ring));
    ring.rotate(Duration::ZERO).await.unwrap();
    (store, Arc::new(ring), old)
}

/// A change that read the store before a key was revoked, and ends after that, does not bring it back.
#[tokio::test]
async fn what_was_read_before_does_not_bring_a_key_back() {
    let (store, ring, old) = replaced().await;
    let (go_on, held) = oneshot::channel();
    *store.held.lock().unwrap() = Some(held);
    let change = tokio::spawn({
        let ring = Arc::clone(&ring);
        async move { ring.change(&plan(SigningAlgorithm::Es256, &[])).await }
    });
    while store.held.lock().unwrap().is_some() {
        tokio::task::yield_now().await;
    }
    let revoke = tokio::spawn({
        let (ring, old) = (Arc::clone(&ring), old.clone());
        async move { ring.revoke(&old).await }
    });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    go_on.send(()).unwrap();
    change.await.unwrap().unwrap();
    assert!(revoke.await.unwrap().unwrap());
    assert!(ring.verifying(&old).is_none());
}

#[tokio::test]
async fn a_key_is_gone_here_though_the_store_does_not_answer_any_more() {
    let (store, ring, old) = replaced().await;
    store.lists_fail.store(true, Ordering::SeqCst);
    assert!(matches!(ring.revoke(&old).await, Err(KeyError::Store(_))));
    assert!(ring.verifying(&old).is_none());
    assert!(check(&ring, &sign(&ring)).is_ok(), "the others go on");
}
