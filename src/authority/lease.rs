//! Which of several processes asks the provider to renew a grant: a record with an end, taken and
//! given back by compare-and-swap.
//!
//! A lease can be lost: its holder may hang, or die. So it only spares the provider a second
//! question. What fences a late answer off is the grant itself, which takes new tokens of the
//! provider only in place of those that were sent.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::grants::{GrantId, Grants};
use crate::store::{
    Change, CommitError, StoreError, Table,
    record::{Kind, Records},
};

/// The record; its expiry is the end of the lease.
#[derive(Debug, Serialize, Deserialize)]
struct LeaseRecord {}

/// A lease that is ours until it ends.
#[derive(Debug)]
pub(super) struct Lease {
    records: Records,
    grant: GrantId,
    version: Bytes,
}

// === impl LeaseRecord ===

impl Kind for LeaseRecord {
    const TABLE: Table = Table::Lease;
    const NAME: &'static str = "lease";
}

// === impl Grants ===

impl Grants {
    /// The lease of a grant, unless somebody has it.
    pub(super) async fn lease(&self, id: &GrantId, lasts: Duration) -> Result<Option<Lease>, StoreError> {
        let records = self.records();
        let slot = records.slot::<LeaseRecord>(id.key()).await?;
        if slot.value.is_some() {
            return Ok(None);
        }
        let put = records.put(id.key(), &LeaseRecord {}, records.clock().now().plus(lasts), Vec::new());
        let version = match &put {
            Change::Put { record, .. } => record.value.clone(),
            Change::Expect { .. } | Change::Delete { .. } => Bytes::new(),
        };
        match records.commit(vec![records.expect::<LeaseRecord>(id.key(), slot.version), put]).await {
            Ok(()) => Ok(Some(Lease { records: records.clone(), grant: id.clone(), version })),
            Err(CommitError::Conflict) => Ok(None),
            Err(CommitError::Store(error)) => Err(error),
        }
    }
}

// === impl Lease ===

impl Lease {
    /// Lets the next one ask. If that fails, or the lease was lost, its end does the same.
    pub(super) async fn give_back(self) {
        let Self { records, grant, version } = self;
        let ours = records.expect::<LeaseRecord>(grant.key(), Some(version));
        if let Err(CommitError::Store(error)) =
            records.commit(vec![ours, records.delete::<LeaseRecord>(grant.key())]).await
        {
            tracing::debug!(%error, grant = grant.as_str(), "a lease ends by itself");
        }
    }
}

#[cfg(test)]
mod tests;
