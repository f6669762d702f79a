//! What persons gave clients: one grant a sign-in, kept sealed in the store, and one shared state
//! in memory for everything that hangs off it.
//!
//! All tokens of a grant share its [`GrantState`], so a revocation is seen by every cached token
//! and every open stream at once. A state lives as long as somebody holds it; the store is asked
//! when nobody does.

mod end;
mod listing;
pub(super) mod record;
mod sealing;
mod state;

use std::sync::{Arc, Weak};

use arc_swap::ArcSwapOption;
use dashmap::{DashMap, Entry};
use serde::{Deserialize, Serialize};
use tracing::Instrument as _;

pub use end::End;
pub use listing::{GrantFilter, GrantList, GrantOverview, short};
pub use state::GrantState;
pub(super) use state::Turn;

use super::error::TokenError;
use crate::{
    audit,
    metrics::{
        ProviderMetrics,
        outcome::{Revocation, RevocationInitiator},
    },
    provider::tokens::{GivenBy, ProviderTokens},
    seal,
    store::{
        CommitError, StoreError,
        record::{Records, Sealed},
    },
    time::Timestamp,
};
use record::GrantRecord;

/// Names a grant; the `sid` claim of its access tokens. Random, but no secret: it opens nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GrantId(String);

/// The grants of one provider. Cheap to clone; all clones are one registry.
#[derive(Clone, Debug)]
pub struct Grants {
    provider: Arc<str>,
    records: Records,
    metrics: ProviderMetrics,
    held: Registry,
    /// Where the persons of a choice may have signed in; `None`: there is no choice.
    members: Arc<ArcSwapOption<Vec<GivenBy>>>,
    /// The provider is gone, and its grants with it.
    closed: Arc<End>,
}

/// Grants deleted in one step when their provider is gone.
const DELETED_AT_ONCE: usize = 200;

/// States that somebody holds. A state takes itself out when it is dropped.
type Registry = Arc<DashMap<GrantId, Weak<GrantState>>>;

// === impl GrantId ===

impl GrantId {
    /// A new name: 128 random bits.
    pub(super) fn random() -> Self {
        Self(seal::random_text::<16>())
    }

    /// From a token of ours.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn key(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

// === impl Grants ===

impl Grants {
    /// The grants of the provider with this name.
    pub fn new(provider: &str, records: Records, metrics: ProviderMetrics) -> Self {
        Self {
            provider: provider.into(),
            records,
            metrics,
            held: Registry::default(),
            members: Arc::default(),
            closed: Arc::default(),
        }
    }

    /// The name under which [`Grants::new`] knows the grants that were given at one member of a
    /// choice, to delete them.
    pub fn of_member(choice: &str, name: &str) -> String {
        record::member(choice, name)
    }

    /// These are the identity providers of the choice from now on: every grant of another one ends
    /// here at once, on open streams too, and is not found any more.
    pub fn serve(&self, members: Vec<GivenBy>) {
        self.members.store(Some(Arc::new(members)));
        self.end_held(|state| !self.serves(state.given_by.as_ref()));
    }

    /// Whether people may sign in there.
    pub(super) fn serves(&self, given_by: Option<&GivenBy>) -> bool {
        match (&*self.members.load(), given_by) {
            (None, None) => true,
            (Some(members), Some(given_by)) => members.contains(given_by),
            _ => false,
        }
    }

    /// The state of a grant; `None` if there is no such grant (any more), or it is another
    /// provider's. Asks the store only if nobody holds the state.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn state(&self, id: &GrantId) -> Result<Option<Arc<GrantState>>, StoreError> {
        let held = self.held.get(id).and_then(|held| held.upgrade());
        if let Some(state) = held {
            return Ok((!state.is_revoked()).then_some(state));
        }
        let Some(record) = self.record(id).await? else { return Ok(None) };
        let state = self.hold(GrantState::new(id.clone(), &record.value, Arc::downgrade(&self.held)));
        // A revocation between the look and the entry would not have found the state. Whoever
        // deletes, or closes, after this second look finds it.
        if self.record(id).await?.is_none() {
            state.mark_revoked();
        }
        Ok((!state.is_revoked()).then_some(state))
    }

    /// Ends a grant: all its tokens are dead, here at once, and everywhere when the store was
    /// asked next. Returns the provider's tokens for whoever revokes them there; `None` if the
    /// grant had ended before.
    ///
    /// Goes on if the caller goes away.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer; the grant then goes on.
    pub async fn revoke(
        &self,
        id: &GrantId,
        initiator: RevocationInitiator,
    ) -> Result<Option<ProviderTokens>, StoreError> {
        let (grants, id) = (self.clone(), id.clone());
        // Between the store's answer and the mark nothing may stop this.
        let ended = async move {
            let ended = grants.end(&id, initiator).await;
            if ended.is_err() {
                grants.metrics.revocation(initiator, Revocation::StoreError);
            }
            ended
        };
        let ended = tokio::spawn(ended.in_current_span());
        ended.await.map_err(|_| StoreError::Unavailable("the revocation was stopped".into()))?
    }

    /// The provider is gone: every grant ends here at once, on open streams too, and none is found
    /// or made any more. [`Grants::delete_all`] then ends them in the store.
    pub fn close(&self) {
        self.closed.reach();
        self.end_held(|_| true);
    }

    fn end_held(&self, ends: impl Fn(&GrantState) -> bool) {
        // Upgraded first, marked and dropped after: a state that goes takes itself out of the map.
        let held: Vec<_> = self.held.iter().filter_map(|entry| entry.value().upgrade()).collect();
        for state in held.iter().filter(|state| ends(state)) {
            state.mark_revoked();
        }
    }

    /// The end of everything that hangs on the provider alone.
    pub fn end_of_provider(&self) -> Arc<End> {
        Arc::clone(&self.closed)
    }

    /// The rules have changed: what is open for people who may not pass any more ends now. Their grants
    /// stay until they are used again, which the rules refuse.
    pub fn cut(&self, may_pass: impl Fn(&GrantState) -> bool) {
        let held: Vec<_> = self.held.iter().filter_map(|entry| entry.value().upgrade()).collect();
        for state in held.iter().filter(|state| !state.is_revoked() && !may_pass(state)) {
            state.mark_revoked();
        }
    }

    /// Other processes deleted these: what is open here for them ends now.
    pub fn deleted(&self, keys: &[Vec<u8>]) {
        for id in keys.iter().filter_map(|key| std::str::from_utf8(key).ok()) {
            let held = self.held.get(&GrantId::new(id)).and_then(|held| held.upgrade());
            if let Some(state) = held {
                state.mark_revoked();
            }
        }
    }

    /// Ends what is open here for grants that are not in the store any more.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer; nothing more ends then.
    pub async fn look_up(&self) -> Result<(), StoreError> {
        let held: Vec<_> = self.held.iter().filter_map(|entry| entry.value().upgrade()).collect();
        for state in held.iter().filter(|state| !state.is_revoked()) {
            if self.record(&state.id).await?.is_none() {
                state.mark_revoked();
            }
        }
        Ok(())
    }

    /// Whether other processes have the same grants.
    pub(super) fn is_shared(&self) -> bool {
        self.records.is_shared()
    }

    pub(super) fn records(&self) -> &Records {
        &self.records
    }

    /// Whether the provider is gone.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.is_reached()
    }

    /// Counts the live grants in the store, for the metrics.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer; the last count then stays.
    pub async fn count(&self) -> Result<(), StoreError> {
        let live = self.records.find::<GrantRecord>(&GrantRecord::provider_term(&self.provider)).await?.len();
        self.metrics.sessions_active(live);
        Ok(())
    }

    /// Deletes every grant of this provider from the store; returns how many there were.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer; the rest is then still there.
    pub async fn delete_all(&self, initiator: RevocationInitiator) -> Result<usize, StoreError> {
        let keys = self.records.find::<GrantRecord>(&GrantRecord::provider_term(&self.provider)).await?;
        for some in keys.chunks(DELETED_AT_ONCE) {
            let batch = some.iter().map(|key| self.records.delete::<GrantRecord>(key)).collect();
            self.records.commit(batch).await.map_err(|error| {
                for _ in some {
                    self.metrics.revocation(initiator, Revocation::StoreError);
                }
                match error {
                    CommitError::Store(error) => error,
                    CommitError::Conflict => StoreError::Unavailable(error.to_string()),
                }
            })?;
            for key in some {
                self.metrics.revocation(initiator, Revocation::Ok);
                let grant = std::str::from_utf8(key).ok();
                let entry = audit::Entry {
                    provider: Some(&self.provider),
                    grant,
                    by: Some(initiator.as_str()),
                    ..audit::Entry::default()
                };
                entry.tell(audit::Event::GrantRevoked, "ok");
            }
        }
        Ok(keys.len())
    }

    async fn end(&self, id: &GrantId, initiator: RevocationInitiator) -> Result<Option<ProviderTokens>, StoreError> {
        let Some(record) = self.record(id).await? else { return Ok(None) };
        match self.records.commit(vec![self.records.delete::<GrantRecord>(id.key())]).await {
            Ok(()) => {}
            Err(CommitError::Store(error)) => return Err(error),
            Err(error @ CommitError::Conflict) => return Err(StoreError::Unavailable(error.to_string())),
        }
        let held = self.held.get(id).and_then(|held| held.upgrade());
        if let Some(state) = held {
            state.mark_revoked();
        }
        self.metrics.revocation(initiator, Revocation::Ok);
        let initiator = initiator.as_str();
        let GrantRecord { identity, client_id, resource, .. } = &record.value;
        let entry = audit::Entry {
            provider: Some(&self.provider),
            client_id: Some(client_id.as_str()),
            subject: Some(&identity.subject_here()),
            grant: Some(id.as_str()),
            resource: Some(resource.as_str()),
            by: Some(initiator),
            ..audit::Entry::default()
        };
        entry.tell(audit::Event::GrantRevoked, "ok");
        tracing::info!(provider = %self.provider, grant = id.as_str(), initiator, "a grant was revoked");
        Ok(Some(record.value.tokens))
    }

    /// The stored grant, if it is this provider's and still holds.
    pub(super) async fn record(&self, id: &GrantId) -> Result<Option<Sealed<GrantRecord>>, StoreError> {
        let record = self.records.get::<GrantRecord>(id.key()).await?;
        let holds = |record: &Sealed<GrantRecord>| {
            *record.value.provider == *self.provider
                && self.now() < record.value.ends_at
                && self.serves(record.value.tokens.given_by.as_ref())
                && !self.is_closed()
        };
        Ok(record.filter(holds))
    }

    /// Replaces a grant that nobody changed since it was read.
    pub(super) async fn replace(
        &self,
        id: &GrantId,
        read: &Sealed<GrantRecord>,
        value: &GrantRecord,
    ) -> Result<(), TokenError> {
        let expect = self.records.expect::<GrantRecord>(id.key(), Some(read.version.clone()));
        Ok(self.records.commit(vec![expect, value.put(&self.records, id)]).await?)
    }

    fn hold(&self, state: GrantState) -> Arc<GrantState> {
        // Dropped after the entry's lock: a state that goes takes itself out of the registry.
        let candidate = Arc::new(state);
        match self.held.entry(candidate.id.clone()) {
            Entry::Occupied(mut entry) => {
                if let Some(held) = entry.get().upgrade() {
                    return held;
                }
                entry.insert(Arc::downgrade(&candidate));
            }
            Entry::Vacant(entry) => {
                entry.insert(Arc::downgrade(&candidate));
            }
        }
        candidate
    }

    fn now(&self) -> Timestamp {
        self.records.clock().now()
    }
}

#[cfg(test)]
mod tests;
