//! Opens the store that a plan names.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    config::plan::{RedisPlan, StoragePlan},
    seal::random_text,
    secret::Secret,
    store::{Store, StoreError, memory::MemoryStore, redb::EmbeddedStore, redis::RedisStore, root_secret},
    time::Clock,
};

/// How long a start waits for a server that does not answer yet: machines start together.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(500);

/// A store, and what belongs to it.
pub(super) struct Opened {
    pub(super) store: Arc<dyn Store>,
    /// The same, if its password can change.
    pub(super) redis: Option<Arc<RedisStore>>,
    /// The root secret that the store keeps, for when none is configured.
    pub(super) own_secret: Secret,
}

pub(super) async fn open(plan: &StoragePlan, clock: &Clock) -> Result<Opened, StoreError> {
    match plan {
        StoragePlan::Memory => {
            let store = Arc::new(MemoryStore::new(clock.clone()));
            Ok(Opened { store, redis: None, own_secret: Secret::new(random_text::<32>()) })
        }
        StoragePlan::Embedded { path } => {
            let (path, clock) = (path.clone(), clock.clone());
            let opened = tokio::task::spawn_blocking(move || {
                let secret = root_secret::load_or_create(&path)?;
                Ok::<_, StoreError>((EmbeddedStore::open(&path, clock)?, secret))
            });
            let (store, own_secret) = opened.await.map_err(|error| StoreError::Unusable(error.to_string()))??;
            Ok(Opened { store: Arc::new(store), redis: None, own_secret })
        }
        StoragePlan::Redis(plan) => {
            let store = Arc::new(patiently(plan, clock).await?);
            for doubt in store.doubts().await {
                tracing::warn!("storage: {doubt}");
            }
            // Never used: a plan with replicas has a secret of its own.
            let own_secret = Secret::new(random_text::<32>());
            let redis = Some(Arc::clone(&store));
            Ok(Opened { store, redis, own_secret })
        }
    }
}

async fn patiently(plan: &RedisPlan, clock: &Clock) -> Result<RedisStore, StoreError> {
    let begun = Instant::now();
    let mut said = false;
    loop {
        match RedisStore::open(plan, clock.clone()).await {
            Err(error @ StoreError::Unavailable(_)) if begun.elapsed() < PATIENCE => {
                if !std::mem::replace(&mut said, true) {
                    tracing::warn!(%error, "waiting for the store");
                }
                tokio::time::sleep(PAUSE).await;
            }
            result => return result,
        }
    }
}
