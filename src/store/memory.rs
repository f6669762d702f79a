//! State that ends with the process: tests, and `storage: memory`.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;

use super::{Change, CommitError, Record, Store, StoreError, Table, Term};
use crate::time::{Clock, Timestamp};

/// A [`Store`] in memory. One lock, held for map operations only and never across an `await`.
#[derive(Debug)]
pub struct MemoryStore {
    state: Mutex<State>,
    clock: Clock,
}

#[derive(Debug, Default)]
struct State {
    tables: HashMap<Table, BTreeMap<Vec<u8>, Entry>>,
    terms: BTreeSet<(Table, Term, Vec<u8>)>,
    expiries: BTreeSet<(Timestamp, Table, Vec<u8>)>,
}

#[derive(Debug)]
struct Entry {
    record: Record,
    terms: Vec<Term>,
}

// === impl MemoryStore ===

impl MemoryStore {
    /// An empty store.
    pub fn new(clock: Clock) -> Self {
        Self { state: Mutex::default(), clock }
    }

    /// No operation leaves the state half changed, so a panic elsewhere does not poison it.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, table: Table, key: &[u8]) -> Result<Option<Record>, StoreError> {
        Ok(self.state().live(table, key, self.clock.now()).cloned())
    }

    async fn commit(&self, batch: Vec<Change>) -> Result<(), CommitError> {
        let now = self.clock.now();
        let mut state = self.state();
        if !batch.iter().all(|change| state.holds(change, now)) {
            return Err(CommitError::Conflict);
        }
        for change in batch {
            state.apply(change);
        }
        Ok(())
    }

    async fn find(&self, table: Table, term: &Term) -> Result<Vec<Vec<u8>>, StoreError> {
        let now = self.clock.now();
        let state = self.state();
        Ok(state
            .terms
            .range((table, term.clone(), Vec::new())..)
            .take_while(|(of_table, of_term, _)| *of_table == table && of_term == term)
            .filter(|(_, _, key)| state.live(table, key, now).is_some())
            .map(|(_, _, key)| key.clone())
            .collect())
    }

    async fn list(&self, table: Table) -> Result<Vec<(Vec<u8>, Record)>, StoreError> {
        let now = self.clock.now();
        let state = self.state();
        let entries = state.tables.get(&table).into_iter().flatten();
        Ok(entries
            .filter(|(_, entry)| entry.record.is_live(now))
            .map(|(key, entry)| (key.clone(), entry.record.clone()))
            .collect())
    }

    async fn sweep(&self) -> Result<usize, StoreError> {
        let now = self.clock.now();
        let mut state = self.state();
        let mut swept = 0;
        while let Some((expires_at, table, key)) = state.expiries.first().cloned() {
            if expires_at > now {
                break;
            }
            state.remove(table, &key);
            swept += 1;
        }
        Ok(swept)
    }

    async fn health(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn backend(&self) -> &'static str {
        "memory"
    }
}

// === impl State ===

impl State {
    fn live(&self, table: Table, key: &[u8], now: Timestamp) -> Option<&Record> {
        let entry = self.tables.get(&table)?.get(key)?;
        entry.record.is_live(now).then_some(&entry.record)
    }

    fn holds(&self, change: &Change, now: Timestamp) -> bool {
        match change {
            Change::Expect { table, key, value } => {
                self.live(*table, key, now).map(|record| &record.value) == value.as_ref()
            }
            Change::Put { .. } | Change::Delete { .. } => true,
        }
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Expect { .. } => {}
            Change::Put { table, key, record, terms } => {
                self.remove(table, &key);
                for term in &terms {
                    self.terms.insert((table, term.clone(), key.clone()));
                }
                self.expiries.insert((record.expires_at, table, key.clone()));
                self.tables.entry(table).or_default().insert(key, Entry { record, terms });
            }
            Change::Delete { table, key } => self.remove(table, &key),
        }
    }

    fn remove(&mut self, table: Table, key: &[u8]) {
        let Some(entry) = self.tables.get_mut(&table).and_then(|entries| entries.remove(key)) else { return };
        self.expiries.remove(&(entry.record.expires_at, table, key.to_vec()));
        for term in entry.terms {
            self.terms.remove(&(table, term, key.to_vec()));
        }
    }
}
