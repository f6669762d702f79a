//! What concerns the grants of all providers: looked at, counted, ended, sealed anew.

use super::{Live, runtime::Runtime};
use crate::{
    audit,
    authority::{GrantFilter, GrantId, GrantList},
    policy,
    seal::Seals,
    store::StoreError,
};

// === impl Live ===

impl Live {
    /// Holds what is open against the rules that run now: a change of policy ends the streams of people
    /// who may not pass any more (S33).
    pub fn cut_denied(&self, previous: &Self) {
        for Runtime { core, .. } in self.runtimes.iter().map(AsRef::as_ref) {
            let unchanged = previous.plan.provider(&core.plan.name).is_some_and(|old| *old == core.plan);
            if unchanged {
                continue;
            }
            core.grants.cut(|grant| {
                let of_route = core.plan.route(&grant.resource).map(|route| &route.policy);
                let identity = grant.identity();
                let Err(denied) = policy::check_all(&core.plan, of_route, &identity) else { return true };
                let entry = audit::Entry {
                    provider: Some(&core.plan.name),
                    client_id: Some(grant.client_id.as_str()),
                    subject: Some(&identity.subject),
                    grant: Some(grant.id.as_str()),
                    resource: Some(grant.resource.as_str()),
                    by: Some("reload"),
                    reason: Some(&denied.reason),
                    ..audit::Entry::default()
                };
                entry.tell(audit::Event::PolicyDenied, denied.kind.as_str());
                false
            });
        }
    }

    /// Other processes deleted these grants: what is open here for them ends.
    pub fn deleted(&self, keys: &[Vec<u8>]) {
        for runtime in self.runtimes.iter().filter(|_| !keys.is_empty()) {
            runtime.core.grants.deleted(keys);
        }
    }

    /// Ends what is open here for grants that are not in the store any more.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn look_up_grants(&self) -> Result<(), StoreError> {
        for runtime in &self.runtimes {
            runtime.core.grants.look_up().await?;
        }
        Ok(())
    }

    /// Counts the grants in the store. Called now and then.
    pub async fn count_grants(&self) {
        for runtime in &self.runtimes {
            if let Err(error) = runtime.core.grants.count().await {
                tracing::debug!(%error, "the grants could not be counted");
            }
        }
    }

    /// The grants that fit, of all providers, at most `most`.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn grants(&self, filter: &GrantFilter, most: usize) -> Result<GrantList, StoreError> {
        let mut all = GrantList::default();
        for Runtime { core, .. } in self.runtimes.iter().map(AsRef::as_ref) {
            let list = core.grants.list(&core.plan, filter, most - all.grants.len()).await?;
            all.grants.extend(list.grants);
            all.more |= list.more;
        }
        Ok(all)
    }

    /// Ends the grants that fit, for an operator; returns how many there were.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer; some may have ended before.
    pub async fn revoke_grants(&self, filter: &GrantFilter) -> Result<usize, StoreError> {
        let mut ended = 0;
        for Runtime { core, .. } in self.runtimes.iter().map(AsRef::as_ref) {
            for grant in core.grants.list(&core.plan, filter, usize::MAX).await?.grants {
                ended += usize::from(core.authority.revoke_for_operator(&GrantId::new(grant.id)).await?);
            }
        }
        Ok(ended)
    }

    /// Seals every grant by the first root secret that another one sealed; returns how many.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer; the rest is as it was.
    pub async fn seal_anew(&self) -> Result<usize, StoreError> {
        let mut sealed = 0;
        for runtime in &self.runtimes {
            sealed += runtime.core.grants.seal_anew().await?;
        }
        Ok(sealed)
    }

    /// Which root secrets sealed the grants.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn seals(&self) -> Result<Seals, StoreError> {
        let mut seals = Seals::default();
        for runtime in &self.runtimes {
            seals.extend(&runtime.core.grants.seals().await?);
        }
        Ok(seals)
    }
}
