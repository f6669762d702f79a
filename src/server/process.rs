//! The running process as its operator sees it: what the admin listener asks.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    admin::{self, Failure, KeyList, NamedPart, Part, ProviderStatus, Readiness, Reloaded, RootSecret, Status},
    authority::{GrantFilter, GrantList},
    config::facts::{Facts, facts},
    flow::Flows,
    keys::{KeyError, KeyOverview, KeyRing, LEAD},
    live::Live,
    reload::{ReloadReport, ReloadTrigger, Reloader},
    seal::Seals,
    store::{StoreError, record::Records},
    time::{Clock, Timestamp},
};

/// Everything that knows how the process is.
pub(super) struct Process {
    pub(super) live: Arc<ArcSwap<Live>>,
    pub(super) records: Records,
    pub(super) keys: Arc<KeyRing>,
    pub(super) reloader: Arc<Reloader>,
    pub(super) stop: CancellationToken,
    pub(super) clock: Clock,
    pub(super) started: Timestamp,
    pub(super) flows: Arc<Flows>,
}

// === impl Process ===

#[async_trait]
impl admin::Process for Process {
    async fn readiness(&self) -> Readiness {
        let store = match self.records.health().await {
            Ok(()) => Part { ready: true, reason: None },
            Err(error) => Part { ready: false, reason: Some(error.to_string()) },
        };
        let live = self.live.load();
        let providers = live.readiness().into_iter().map(|(name, readiness)| NamedPart {
            name,
            state: Part { ready: readiness.ready, reason: readiness.reason },
        });
        Readiness { draining: self.stop.is_cancelled(), store, providers: providers.collect() }
    }

    fn status(&self) -> Status {
        let (live, now) = (self.live.load(), self.clock.now());
        let flows = self.flows.newest(usize::MAX);
        let age = |at: Option<Timestamp>| at.map(|at| now.since(at).as_secs());
        let providers =
            live.plan().providers.iter().zip(live.readiness()).map(|(plan, (_, readiness))| ProviderStatus {
                discovery_age_seconds: age(readiness.discovery_at),
                keys_age_seconds: age(readiness.jwks_at),
                ..ProviderStatus::new(plan, Part { ready: readiness.ready, reason: readiness.reason })
            });
        Status {
            version: env!("CARGO_PKG_VERSION"),
            revision: env!("BUILD_REVISION"),
            rustc: env!("BUILD_RUSTC"),
            store: Part::default(),
            flows_in_progress: flows.iter().filter(|flow| flow.outcome.is_none()).count(),
            recent_failures: Failure::among(&flows),
            started_at: self.started.to_string(),
            uptime_seconds: now.since(self.started).as_secs(),
            draining: self.stop.is_cancelled(),
            public_url: live.plan().public_url.to_string(),
            config_sha256: facts(live.plan()).hash(),
            last_reload: json(&self.reloader.last()),
            providers: providers.collect(),
        }
    }

    fn flows(&self) -> Arc<Flows> {
        Arc::clone(&self.flows)
    }

    fn public_url(&self) -> Url {
        self.live.load().plan().public_url.clone()
    }

    fn facts(&self) -> Facts {
        facts(self.live.load().plan())
    }

    fn answers_for(&self, host: &str) -> bool {
        let live = self.live.load();
        let plan = live.plan();
        // Those may have a port; ours is another one.
        let bare = |allowed: &str| allowed.rsplit_once(':').map_or(allowed == host, |(name, _)| name == host);
        plan.public_url.host_str() == Some(host) || plan.allowed_hosts.iter().any(|allowed| bare(allowed))
    }

    async fn grants(&self, filter: &GrantFilter, most: usize) -> Result<GrantList, StoreError> {
        self.live.load_full().grants(filter, most).await
    }

    async fn revoke_grants(&self, filter: &GrantFilter) -> Result<usize, StoreError> {
        self.live.load_full().revoke_grants(filter).await
    }

    async fn keys(&self) -> Result<KeyList, StoreError> {
        let names = self.records.sealer().root_names();
        let signing = self.keys.overview();
        if names.len() < 2 {
            let root_secrets = names.into_iter().map(|id| RootSecret { id, grants: None, signing_keys: None });
            return Ok(KeyList { signing, root_secrets: root_secrets.collect(), lost_grants: 0 });
        }
        let (grants, keys) = (self.live.load_full().seals().await?, self.keys.seals().await?);
        let count = |seals: &Seals, place: usize| Some(seals.by_root.get(place).copied().unwrap_or_default());
        let root = |(place, id)| RootSecret { id, grants: count(&grants, place), signing_keys: count(&keys, place) };
        let root_secrets = names.into_iter().enumerate().map(root).collect();
        Ok(KeyList { signing, root_secrets, lost_grants: grants.unknown })
    }

    fn signing_keys(&self) -> Vec<KeyOverview> {
        self.keys.overview()
    }

    async fn rotate_keys(&self, now: bool) -> Result<Vec<KeyOverview>, KeyError> {
        self.keys.rotate(if now { Duration::ZERO } else { LEAD }).await?;
        Ok(self.keys.overview())
    }

    async fn revoke_key(&self, kid: &str) -> Result<bool, KeyError> {
        self.keys.revoke(kid).await
    }

    async fn reload(&self) -> Reloaded {
        let report = self.reloader.reload(ReloadTrigger::Api).await;
        Reloaded { good: report.is_good(), report: json(&report) }
    }
}

fn json(report: &ReloadReport) -> serde_json::Value {
    serde_json::to_value(report).unwrap_or_default()
}
