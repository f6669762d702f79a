//! A grant's state in memory, shared by everything that hangs off the grant.

use std::sync::{
    Arc, Weak,
    atomic::{AtomicU64, Ordering},
};

use arc_swap::ArcSwap;
use dashmap::DashMap;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{
    End, GrantId,
    record::{Due, GrantRecord, Life},
};
use crate::{
    identity::Identity,
    oauth::{ClientId, ResourceUri, Scopes},
    provider::tokens::GivenBy,
    secret::Secret,
    time::Timestamp,
};

/// What is known of a live grant. Everything but the revocation and the provider's token stays as
/// it is.
#[derive(Debug)]
pub struct GrantState {
    /// Its name.
    pub id: GrantId,
    identity: ArcSwap<Identity>,
    /// Who was given it.
    pub client_id: ClientId,
    /// What was given; a single token may hold less.
    pub scopes: Scopes,
    /// For which route.
    pub resource: ResourceUri,
    /// The grant ends then, however often it is refreshed.
    pub expires_at: Timestamp,
    /// The member of a choice where the person signed in.
    pub(super) given_by: Option<GivenBy>,
    revocation: End,
    provider_token: ArcSwap<ProviderToken>,
    turn: Arc<Mutex<()>>,
    failures: AtomicU64,
    registry: Weak<DashMap<GrantId, Weak<GrantState>>>,
}

/// The provider's access token as it was last read.
#[derive(Debug)]
pub(in crate::authority) struct ProviderToken {
    pub(in crate::authority) token: Secret,
    pub(in crate::authority) life: Life,
}

/// The right to change a grant: one holder at a time in this process.
#[derive(Debug)]
pub(in crate::authority) struct Turn {
    _guard: OwnedMutexGuard<()>,
    /// Renewals that had failed when the holder began to wait.
    failures_before: u64,
    /// The provider's token when the holder began to wait.
    life_before: Life,
}

// === impl GrantState ===

impl GrantState {
    pub(super) fn new(id: GrantId, record: &GrantRecord, registry: Weak<DashMap<GrantId, Weak<GrantState>>>) -> Self {
        Self {
            id,
            identity: ArcSwap::from_pointee(record.identity.clone()),
            client_id: record.client_id.clone(),
            scopes: record.scopes.clone(),
            resource: record.resource.clone(),
            expires_at: record.ends_at,
            given_by: record.tokens.given_by.clone(),
            revocation: End::default(),
            provider_token: ArcSwap::from_pointee(ProviderToken::of(record)),
            turn: Arc::default(),
            failures: AtomicU64::new(0),
            registry,
        }
    }

    /// Who signed in, as the provider last told it.
    pub fn identity(&self) -> Arc<Identity> {
        self.identity.load_full()
    }

    pub(in crate::authority) fn set_identity(&self, identity: &Identity) {
        if **self.identity.load() != *identity {
            self.identity.store(Arc::new(identity.clone()));
        }
    }

    /// Whether the grant was revoked: one atomic read.
    pub fn is_revoked(&self) -> bool {
        self.revocation.is_reached()
    }

    /// Resolves when the grant is revoked; at once if it is.
    pub async fn revoked(&self) {
        self.revocation.reached().await;
    }

    pub(super) fn mark_revoked(&self) {
        self.revocation.reach();
    }

    pub(in crate::authority) fn provider_token(&self) -> Arc<ProviderToken> {
        self.provider_token.load_full()
    }

    pub(in crate::authority) fn set_provider_token(&self, record: &GrantRecord) {
        self.provider_token.store(Arc::new(ProviderToken::of(record)));
    }

    /// Takes over what is stored.
    pub(in crate::authority) fn adopt(&self, record: &GrantRecord) {
        let held = self.provider_token();
        if held.life != record.life() || held.token.expose() != record.tokens.access_token {
            self.set_provider_token(record);
        }
        self.set_identity(&record.identity);
    }

    /// Waits until nobody else in this process changes the grant (S55).
    pub(in crate::authority) async fn turn(&self) -> Turn {
        let failures_before = self.failures.load(Ordering::Acquire);
        let life_before = self.provider_token().life;
        Turn { _guard: Arc::clone(&self.turn).lock_owned().await, failures_before, life_before }
    }

    /// Whether a renewal failed while the holder of this turn waited for it: asking the provider
    /// again at once would only make everybody wait longer.
    pub(in crate::authority) fn failed_meanwhile(&self, turn: &Turn) -> bool {
        self.failures.load(Ordering::Acquire) != turn.failures_before
    }

    pub(in crate::authority) fn count_failure(&self) {
        self.failures.fetch_add(1, Ordering::AcqRel);
    }
}

// === impl Turn ===

impl Turn {
    /// Whether the provider's token was due when the holder began to wait.
    pub(in crate::authority) fn was_due(&self, due: Due, now: Timestamp) -> bool {
        self.life_before.is_due(due, now)
    }
}

impl Drop for GrantState {
    fn drop(&mut self) {
        if let Some(registry) = self.registry.upgrade() {
            // A newer state of the same grant stays.
            registry.remove_if(&self.id, |_, held| held.strong_count() == 0);
        }
    }
}

// === impl ProviderToken ===

impl ProviderToken {
    fn of(record: &GrantRecord) -> Self {
        Self { token: Secret::new(record.tokens.access_token.clone()), life: record.life() }
    }
}
