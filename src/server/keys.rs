//! Tends the keys while the process runs: the rotation of signing keys, and what an older root secret sealed.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use tokio::time::MissedTickBehavior;

use crate::{
    keys::{KeyError, KeyRing},
    live::Live,
    store::record::Records,
};

/// How often the signing keys are looked at: what another process did with them is known then.
const KEYS_INTERVAL: Duration = Duration::from_secs(10);

/// How often it is asked whether there is a new root secret.
const ROOT_INTERVAL: Duration = Duration::from_secs(2);

/// How often all grants are looked through while two root secrets are accepted: other processes may have gone on
/// with the old one for a while.
const AGAIN: Duration = Duration::from_hours(1);

/// Runs until it is dropped.
pub(super) async fn tend(keys: Arc<KeyRing>) {
    let mut ticks = ticks(KEYS_INTERVAL);
    let mut failed = false;
    loop {
        ticks.tick().await;
        let tended = keys.tend().await;
        match &tended {
            // The store's watch says it, too.
            Err(KeyError::Store(error)) => tracing::debug!(%error, "the signing keys could not be looked at"),
            Err(error) if !failed => tracing::error!(%error, "the signing keys cannot be tended"),
            Err(_) | Ok(()) => {}
        }
        failed = tended.is_err();
    }
}

/// Seals grants by a new root secret, so that the one before can go. Runs until it is dropped.
pub(super) async fn seal_anew(records: Records, live: Arc<ArcSwap<Live>>) {
    let mut ticks = ticks(ROOT_INTERVAL);
    let mut done: Option<(Vec<String>, Instant)> = None;
    loop {
        ticks.tick().await;
        let roots = records.sealer().root_names();
        let is_done = |(under, at): &(Vec<String>, Instant)| *under == roots && at.elapsed() < AGAIN;
        if !records.sealer().is_rotating() || done.as_ref().is_some_and(is_done) {
            continue;
        }
        match live.load_full().seal_anew().await {
            Ok(sealed) => {
                if sealed > 0 {
                    tracing::info!(sealed, "grants were sealed by the first root secret");
                }
                done = Some((roots, Instant::now()));
            }
            Err(error) => tracing::debug!(%error, "grants could not be sealed anew"),
        }
    }
}

fn ticks(interval: Duration) -> tokio::time::Interval {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
