//! Tokens that were verified, by their SHA-256: a token itself is kept nowhere.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use moka::sync::Cache as Moka;

use super::{Access, outgoing::Outgoing, policy::Insufficient};
use crate::{oauth::Scopes, policy::Denied, time::Timestamp};

/// Tokens of one route that are known at one time.
const CAPACITY: u64 = 10_000;

/// After this a token is verified anew, and its grant looked up: the bound within which a
/// revocation by another process is seen. One by this process is seen at once.
const TIME_TO_LIVE: Duration = Duration::from_mins(1);

/// What is known of a verified token. Expiry and revocation are to be looked at on every use.
#[derive(Debug)]
pub(super) struct Verified {
    /// Who calls; says whether that was revoked.
    pub(super) access: Access,
    /// [`super::verify::Verifier::signature_losses`] before it was verified.
    pub(super) losses: u64,
    /// The token's own end, if it has one.
    pub(super) expires_at: Option<Timestamp>,
    /// What the token covers; the grant may cover more.
    pub(super) scopes: Scopes,
    /// Set if a policy refuses the person.
    pub(super) denied: Option<Denied>,
    /// Set if that is too little for the route.
    pub(super) insufficient: Option<Insufficient>,
    /// What the backend is told; made anew only when it carries an assertion that ends.
    pub(super) outgoing: ArcSwap<Outgoing>,
}

/// Bounded; reading waits for nobody.
#[derive(Debug)]
pub(super) struct Cache(Moka<[u8; 32], Arc<Verified>>);

// === impl Cache ===

impl Cache {
    pub(super) fn new() -> Self {
        Self(Moka::builder().max_capacity(CAPACITY).time_to_live(TIME_TO_LIVE).build())
    }

    pub(super) fn get(&self, digest: &[u8; 32]) -> Option<Arc<Verified>> {
        self.0.get(digest)
    }

    pub(super) fn insert(&self, digest: [u8; 32], verified: Arc<Verified>) {
        self.0.insert(digest, verified);
    }

    pub(super) fn remove(&self, digest: &[u8; 32]) {
        self.0.invalidate(digest);
    }
}
