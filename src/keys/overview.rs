//! The keys as an operator sees them. Nothing here is secret.

use serde::{Deserialize, Serialize};

use super::{Key, KeyRing, StoredKey};
use crate::{metrics::outcome::KeyUse, seal::Seals, store::StoreError, time::Timestamp};

/// A key without its private half.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyOverview {
    /// The thumbprint of its public half (RFC 7638), as in the key set and in the header of tokens.
    pub kid: String,
    /// The JOSE name of its algorithm.
    pub alg: String,
    /// What it does now.
    pub state: KeyState,
    /// It is an operator's own, from the configuration of this process or another one.
    pub configured: bool,
    /// RFC 3339: since when it has been known.
    pub since: String,
    /// RFC 3339: it signs from then on.
    pub signs_from: String,
    /// RFC 3339: what it signed is refused from then on; none while it signs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// It signs what is signed now.
    Signs,
    /// It is published, and will sign.
    Waits,
    /// What it signed is good; it signs no more.
    Verifies,
}

// === impl KeyState ===

impl KeyState {
    const fn label(self) -> KeyUse {
        match self {
            Self::Signs => KeyUse::Signs,
            Self::Waits => KeyUse::Waits,
            Self::Verifies => KeyUse::Verifies,
        }
    }
}

// === impl KeyRing ===

impl KeyRing {
    /// Every key that is published, the newest first.
    pub fn overview(&self) -> Vec<KeyOverview> {
        let (ring, now) = (self.ring.load(), self.clock.now());
        let signing = ring.signing(now).kid();
        let overview = |key: &Key| KeyOverview {
            kid: key.kid().to_owned(),
            alg: key.algorithm().name().to_owned(),
            state: state(key, signing, now),
            configured: key.is_brought(),
            since: key.made_at().to_string(),
            signs_from: key.signs_from().to_string(),
            until: (!key.is_current()).then(|| key.not_after().to_string()),
        };
        ring.published(now).into_iter().map(overview).collect()
    }

    /// Which root secrets sealed the keys in the store.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn seals(&self) -> Result<Seals, StoreError> {
        let mut seals = Seals::default();
        for (_, kept) in self.records.list::<StoredKey>().await? {
            seals.add(self.records.sealer().sealed_by(&kept.version));
        }
        Ok(seals)
    }

    /// For the metrics.
    pub(super) fn tell(&self) {
        let (ring, now) = (self.ring.load(), self.clock.now());
        let signing = ring.signing(now);
        let states: Vec<_> =
            ring.published(now).into_iter().map(|key| state(key, signing.kid(), now).label()).collect();
        let count = |wanted| states.iter().filter(|state| **state == wanted).count();
        for wanted in [KeyUse::Signs, KeyUse::Waits, KeyUse::Verifies] {
            self.records.metrics().signing_keys(wanted, count(wanted));
        }
        self.records.metrics().signing_since(signing.signs_from());
    }
}

fn state(key: &Key, signing: &str, now: Timestamp) -> KeyState {
    if key.kid() == signing {
        KeyState::Signs
    } else if key.is_current() && now < key.signs_from() {
        KeyState::Waits
    } else {
        KeyState::Verifies
    }
}
