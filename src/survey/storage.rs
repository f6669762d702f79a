//! Asks the store that replicas share: does it answer, may we do what we have to, and does it keep
//! what it is given?

use super::finding::{Finding, Subject};
use crate::{
    config::plan::{RedisPlan, StoragePlan},
    store::{StoreError, redis::RedisStore},
    time::Clock,
};

/// `None`: the store is no server.
pub(super) async fn survey(plan: &StoragePlan, clock: &Clock) -> Option<Subject> {
    match plan {
        StoragePlan::Memory | StoragePlan::Embedded { .. } => None,
        StoragePlan::Redis(plan) => Some(ask(plan, clock).await),
    }
}

async fn ask(plan: &RedisPlan, clock: &Clock) -> Subject {
    let findings = match RedisStore::open(plan, clock.clone()).await {
        Ok(store) => {
            let answers = Finding::ok("answers", "yes, and everything that is needed is allowed");
            let doubts = store.doubts().await;
            let doubts = doubts.iter().map(|doubt| Finding::warning("durability", doubt, "see docs/store.md"));
            std::iter::once(answers).chain(doubts).collect()
        }
        Err(StoreError::Unavailable(reason)) => {
            vec![Finding::error("answers", reason, "start the server, and check `storage.url`")]
        }
        Err(StoreError::Unusable(reason)) => vec![Finding::error("answers", reason, "see docs/store.md")],
    };
    let url = plan.urls().collect::<Vec<_>>().join(", ");
    Subject { name: "storage".to_owned(), url, findings, enter: Vec::new() }
}
