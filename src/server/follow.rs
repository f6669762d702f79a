//! What other replicas did, as far as it concerns what is open or known here: grants that they
//! ended. Does nothing for a store that belongs to one process.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::time::MissedTickBehavior;

use crate::{live::Live, store::record::Records};

/// How often deletions are asked for: twice this, and a revocation is everywhere.
const INTERVAL: Duration = Duration::from_millis(400);

/// Runs until it is dropped.
pub(super) async fn follow(records: Records, live: Arc<ArcSwap<Live>>) {
    if !records.is_shared() {
        return;
    }
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut position: Option<String> = None;
    // Deletions may have been missed: everything that is held here has to be looked up.
    let mut owed = false;
    loop {
        ticks.tick().await;
        match records.deletions(position.as_deref()).await {
            Ok(None) => return,
            Ok(Some(told)) => {
                let live = live.load_full();
                live.deleted(&told.grants);
                owed |= told.missed;
                position = Some(told.position);
                if owed && live.look_up_grants().await.is_ok() {
                    tracing::debug!("every grant in use was looked up");
                    owed = false;
                }
            }
            Err(error) => {
                tracing::debug!(%error, "the store does not tell which grants were ended");
                // Nothing was told yet: what comes between is told by nobody.
                owed |= position.is_none();
            }
        }
    }
}
