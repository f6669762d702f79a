//! Grants and the root secrets that sealed them.

use super::{GrantId, Grants, record::GrantRecord};
use crate::{
    seal::Seals,
    store::{CommitError, StoreError},
};

// === impl Grants ===

impl Grants {
    /// Seals by the first root secret what another one sealed, one grant after the other; returns how many. A grant
    /// that is used meanwhile is sealed anew by that.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer; the rest is as it was.
    pub async fn seal_anew(&self) -> Result<usize, StoreError> {
        let sealer = self.records.sealer();
        let mut count = 0;
        for key in self.records.find::<GrantRecord>(&GrantRecord::provider_term(&self.provider)).await? {
            let Some(record) = self.records.get::<GrantRecord>(&key).await? else { continue };
            // What is not text is no name of a grant.
            let Ok(id) = String::from_utf8(key) else { continue };
            if sealer.is_current(&record.version) {
                continue;
            }
            let expect = self.records.expect::<GrantRecord>(id.as_bytes(), Some(record.version));
            let put = record.value.put(&self.records, &GrantId::new(id));
            match self.records.commit(vec![expect, put]).await {
                Ok(()) => count += 1,
                Err(CommitError::Conflict) => {}
                Err(CommitError::Store(error)) => return Err(error),
            }
        }
        Ok(count)
    }

    /// Which root secrets sealed the grants of this provider.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn seals(&self) -> Result<Seals, StoreError> {
        let mut seals = Seals::default();
        for key in self.records.find::<GrantRecord>(&GrantRecord::provider_term(&self.provider)).await? {
            // It may have ended since.
            if let Some(version) = self.records.slot::<GrantRecord>(&key).await?.version {
                seals.add(self.records.sealer().sealed_by(&version));
            }
        }
        Ok(seals)
    }
}
