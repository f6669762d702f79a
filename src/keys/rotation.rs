//! Keys that come and go: the schedule, an operator's wish, a new root secret.

use std::time::Duration;

use super::{CURRENT, Current, KeyError, KeyRing, LEAD, OVERLAP, Ring, StoredKey, ended, replace, settled, told};
use crate::{
    private_key::PrivateKey,
    store::{NEVER, record::Records},
};

// === impl KeyRing ===

impl KeyRing {
    /// Makes a key that signs after `lead`; what signed until then verifies and stays published for [`OVERLAP`]
    /// more. If somebody else rotates at the same moment, theirs is the new key, and one that waits for its time is
    /// enough, unless the new one is to sign at once. Returns its `kid`.
    ///
    /// # Errors
    /// [`KeyError::Brought`] if the operator brings the keys; others when the store does not answer. The ring
    /// then stays as it is.
    pub async fn rotate(&self, lead: Duration) -> Result<String, KeyError> {
        let waiting = if lead.is_zero() { None } else { self.waiting() };
        self.rotate_unless(lead, |made_last| waiting.as_deref() == Some(made_last)).await
    }

    /// The same, unless the key that was made last is one of these.
    async fn rotate_unless(&self, lead: Duration, is_new: impl Fn(&str) -> bool) -> Result<String, KeyError> {
        let plan = self.plan.load_full();
        if !plan.keys.is_empty() {
            return Err(KeyError::Brought);
        }
        let _changing = self.changing.lock().await;
        let current = self.records.slot::<Current>(CURRENT).await?;
        let signs_from = self.clock.now().plus(lead);
        if !current.value.as_ref().is_some_and(|current| is_new(&current.kid)) {
            replace(&self.records, current, plan.algorithm, signs_from, signs_from.plus(OVERLAP)).await?;
        }
        let ring = settled(&self.records, &plan, &self.clock).await?;
        let newest = ring.signing.first().unwrap_or(&ring.fallback);
        let kid = newest.kid().to_owned();
        tracing::info!(kid, signs_from = %newest.signs_from(), "a new signing key");
        self.take(ring);
        Ok(kid)
    }

    /// Ends a key: what it signed is refused, here at once and in other processes soon. False if there is none
    /// with this `kid`.
    ///
    /// # Errors
    /// [`KeyError::Signs`] and [`KeyError::Configured`] for keys that are needed; others when the store does not
    /// answer. Nothing has changed then, or the key is gone and only the next one could not be made.
    pub async fn revoke(&self, kid: &str) -> Result<bool, KeyError> {
        let _changing = self.changing.lock().await;
        let plan = self.plan.load_full();
        if plan.keys.iter().any(|key| key.kid() == kid) {
            return Err(KeyError::Configured);
        }
        let now = self.clock.now();
        if self.ring.load().signing(now).kid() == kid {
            return Err(KeyError::Signs);
        }
        if self.records.get::<StoredKey>(kid.as_bytes()).await?.is_none() {
            return Ok(false);
        }
        told(self.records.commit(vec![self.records.delete::<StoredKey>(kid.as_bytes())]).await)?;
        // Here at once, also if the store does not answer any more.
        let mut left = self.ring.load().by_kid.clone();
        left.remove(kid);
        if let Some(ring) = Ring::new(&plan, left, now)? {
            self.take(ring);
        }
        tracing::warn!(kid, "a signing key was revoked");
        // It may have been the one that was to sign next.
        self.take(settled(&self.records, &plan, &self.clock).await?);
        Ok(true)
    }

    /// What has to be done now and then, by every process: looking at what others did, the rotation when it is
    /// due, sealing anew what an older root secret sealed.
    ///
    /// # Errors
    /// [`KeyError`] when the store does not answer; the rest is done the next time.
    pub async fn tend(&self) -> Result<(), KeyError> {
        let plan = self.plan.load_full();
        if self.records.is_shared() {
            self.look_again().await?;
        }
        match plan.keys.first() {
            Some(key) => publish(&self.records, key).await?,
            None => {
                // Of several processes that find this one old, the first one replaces it.
                if let Some(old) = self.due(plan.lifetime) {
                    self.rotate_unless(LEAD, |made_last| made_last != old).await?;
                }
            }
        }
        self.seal_anew().await?;
        self.tell();
        Ok(())
    }

    /// The newest key, if its time is still to come.
    fn waiting(&self) -> Option<String> {
        let (ring, now) = (self.ring.load(), self.clock.now());
        let newest = ring.signing.first().filter(|key| key.is_current() && now < key.signs_from())?;
        Some(newest.kid().to_owned())
    }

    /// The newest key, if it has signed for so long that the next one has to be published.
    fn due(&self, lifetime: Duration) -> Option<String> {
        let ring = self.ring.load();
        let newest = ring.signing.first().filter(|key| key.is_current())?;
        let is_due = newest.signs_from().plus(lifetime) <= self.clock.now().plus(LEAD);
        is_due.then(|| newest.kid().to_owned())
    }

    /// Seals by the first root secret what another one sealed, so that that one can go.
    async fn seal_anew(&self) -> Result<(), KeyError> {
        let sealer = self.records.sealer();
        if !sealer.is_rotating() {
            return Ok(());
        }
        for (kid, kept) in self.records.list::<StoredKey>().await? {
            if sealer.is_current(&kept.version) {
                continue;
            }
            let anew = kept.value.sealed_anew(sealer)?;
            let batch = vec![
                self.records.expect::<StoredKey>(&kid, Some(kept.version)),
                self.records.put(&kid, &anew, kept.expires_at, Vec::new()),
            ];
            told(self.records.commit(batch).await)?;
        }
        let slot = self.records.slot::<Current>(CURRENT).await?;
        if let (Some(version), Some(current)) = (slot.version, slot.value)
            && !sealer.is_current(&version)
        {
            let batch = vec![
                self.records.expect::<Current>(CURRENT, Some(version)),
                self.records.put(CURRENT, &current, NEVER, Vec::new()),
            ];
            told(self.records.commit(batch).await)?;
        }
        Ok(())
    }
}

/// Lets the other processes verify what an operator's own key signs, and goes on doing so for a while when that
/// key is another one; the key that we made ourselves before has an end then.
pub(super) async fn publish(records: &Records, key: &PrivateKey) -> Result<(), KeyError> {
    let now = records.clock().now();
    let kid = key.kid().as_bytes();
    let kept = records.get::<StoredKey>(kid).await?;
    let version = match &kept {
        Some(kept) => Some(kept.version.clone()),
        // One that an unknown root secret sealed is replaced.
        None => records.slot::<StoredKey>(kid).await?.version,
    };
    if kept.as_ref().is_none_or(|kept| kept.expires_at < now.plus(OVERLAP + LEAD)) {
        let batch = vec![
            records.expect::<StoredKey>(kid, version),
            records.put(kid, &StoredKey::public(key, now)?, now.plus(OVERLAP + OVERLAP), Vec::new()),
        ];
        told(records.commit(batch).await)?;
    }
    let current = records.slot::<Current>(CURRENT).await?;
    if let Some(Current { kid }) = current.value {
        let mut batch = vec![records.expect::<Current>(CURRENT, current.version), records.delete::<Current>(CURRENT)];
        batch.extend(ended(records, &kid, now.plus(OVERLAP)).await?);
        told(records.commit(batch).await)?;
    }
    Ok(())
}
