//! Whose series are whose. Those of a provider, or of a route, are there as long as somebody has its
//! handles and it is configured; what is still under way when it goes counts where nobody looks.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{Metrics, families::Families};

/// One set of handles for one value of a label. Dropping the last one drops the series.
#[derive(Debug)]
pub(super) struct Owner {
    all: Arc<Metrics>,
    label: &'static str,
    value: String,
    ended: AtomicBool,
}

/// All that were not ended, by label and value.
#[derive(Debug, Default)]
pub(super) struct Owners(Mutex<HashMap<Key, Vec<Weak<Owner>>>>);

type Key = (&'static str, String);

// === impl Owner ===

impl Owner {
    pub(super) fn new(all: &Arc<Metrics>, label: &'static str, value: &str) -> Arc<Self> {
        let value = value.to_owned();
        let owner = Arc::new(Self { all: Arc::clone(all), label, value, ended: AtomicBool::new(false) });
        all.owners.lock().entry(owner.key()).or_default().push(Arc::downgrade(&owner));
        owner
    }

    /// The value of the label.
    pub(super) fn value(&self) -> &str {
        &self.value
    }

    pub(super) fn all(&self) -> &Arc<Metrics> {
        &self.all
    }

    /// Where to count: nowhere in particular once it has ended.
    pub(super) fn families(&self) -> &Families {
        if self.ended.load(Ordering::Acquire) { &self.all.nowhere } else { &self.all.families }
    }

    fn key(&self) -> Key {
        (self.label, self.value.clone())
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let mut owners = self.all.owners.lock();
        let key = self.key();
        let others = owners.get_mut(&key).is_some_and(|known| {
            known.retain(|owner| owner.strong_count() > 0);
            !known.is_empty()
        });
        if !others {
            owners.remove(&key);
            // Also what was counted just when it ended.
            self.all.families.end(self.label, &self.value);
            self.all.nowhere.end(self.label, &self.value);
        }
    }
}

// === impl Owners ===

impl Owners {
    /// Ends everybody with this value, and the series, although requests may still be under way.
    pub(super) fn end(&self, families: &Families, label: &'static str, value: &str) {
        let mut owners = self.lock();
        let known = owners.remove(&(label, value.to_owned())).unwrap_or_default();
        // Let go of after the lock, which the last one would want.
        let known: Vec<Arc<Owner>> = known.iter().filter_map(Weak::upgrade).collect();
        for owner in &known {
            owner.ended.store(true, Ordering::Release);
        }
        families.end(label, value);
        drop(owners);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Vec<Weak<Owner>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
