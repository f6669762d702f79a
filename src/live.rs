//! The plan plus what runs: one runtime per provider, and the surface that requests meet.
//!
//! Immutable once built, and swapped whole by one atomic pointer: whatever is under way finishes on
//! the one it began with. A provider whose plan did not change keeps its runtime, so that a new
//! configuration fetches nothing again and forgets nothing.

mod grants;
mod known;
mod retired;
mod runtime;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, OnceLock},
};

use crate::{
    audit,
    authority::ClientDocuments,
    config::plan::{Plan, ProviderPlan},
    edge::Surface,
    egress::{Egress, EgressError, Reach},
    endpoint::{ServerFacts, limiter::Limiters, memory::Memory},
    flow::Flows,
    forward::{Forwarder, TlsError},
    keys::KeyRing,
    metrics::{Metrics, outcome::Callback},
    provider::Readiness,
    route::RouteError,
    seal::Sealer,
    store::{StoreError, record::Records},
    time::Clock,
};

pub use retired::Retired;
use runtime::{Core, Runtime};

/// What outlives a change of the configuration.
#[derive(Debug)]
pub struct Shared {
    sealer: Arc<Sealer>,
    records: Records,
    keys: Arc<KeyRing>,
    documents: Arc<ClientDocuments>,
    /// Towards all providers with https, and towards those that may speak plain http: the roots of
    /// trust are loaded once for each.
    egress: [OnceLock<Egress>; 2],
    forwarder: Forwarder,
    memory: Arc<Memory>,
    flows: Arc<Flows>,
    metrics: Arc<Metrics>,
    clock: Clock,
}

/// A running configuration.
pub struct Live {
    plan: Plan,
    surface: Surface,
    runtimes: Vec<Arc<Runtime>>,
    limiters: Arc<Limiters>,
}

/// Why a plan cannot be made live.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Two things claim one path.
    #[error(transparent)]
    Routes(#[from] RouteError),
    /// No HTTP client for a provider.
    #[error("provider `{provider}`: {source}")]
    Egress {
        /// Its name.
        provider: String,
        /// What went wrong.
        source: EgressError,
    },
    /// No HTTP client for client ID metadata documents.
    #[error("client ID metadata documents: {0}")]
    Documents(#[source] EgressError),
    /// No TLS towards a backend.
    #[error("route `{route}`: {source}")]
    Backend {
        /// Its id.
        route: String,
        /// What went wrong.
        source: TlsError,
    },
}

// === impl Shared ===

impl Shared {
    /// What all configurations of one process share.
    ///
    /// # Errors
    /// [`BuildError::Documents`] if there is no TLS at all.
    pub fn new(
        sealer: Arc<Sealer>,
        records: Records,
        keys: Arc<KeyRing>,
        metrics: Arc<Metrics>,
        clock: Clock,
    ) -> Result<Self, BuildError> {
        let fetcher = Egress::for_documents(Reach::Public).map_err(BuildError::Documents)?;
        Ok(Self {
            documents: Arc::new(ClientDocuments::new(Arc::new(fetcher), clock.clone())),
            egress: Default::default(),
            forwarder: Forwarder::new(),
            memory: Arc::new(Memory::new()),
            flows: Arc::new(Flows::new(clock.clone())),
            sealer,
            records,
            keys,
            metrics,
            clock,
        })
    }

    /// The last sign-ins.
    pub fn flows(&self) -> &Arc<Flows> {
        &self.flows
    }

    fn egress(&self, plan: &ProviderPlan) -> Result<Egress, BuildError> {
        let [https, any] = &self.egress;
        let shared = if plan.allow_insecure_http { any } else { https };
        if let Some(egress) = shared.get() {
            return Ok(egress.with_deadline(plan.timeout));
        }
        let egress = Egress::for_provider(plan.timeout, plan.allow_insecure_http)
            .map_err(|source| BuildError::Egress { provider: plan.name.clone(), source })?;
        Ok(shared.get_or_init(|| egress).with_deadline(plan.timeout))
    }

    /// Deletes the grants of providers that the store knows and `plan` does not have: also of those
    /// that were removed while nobody ran.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer; the next start or change does it then.
    pub async fn settle(&self, plan: &Plan) -> Result<(), StoreError> {
        known::settle(plan, self).await
    }
}

// === impl Live ===

impl Live {
    /// Builds everything that a plan describes; of `previous` it keeps what did not change.
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`BuildError`]; nothing is changed then.
    pub fn build(plan: Plan, shared: &Shared, previous: Option<&Self>) -> Result<Self, BuildError> {
        let limiters = match previous {
            Some(previous) if previous.plan.limits.quotas() == plan.limits.quotas() => Arc::clone(&previous.limiters),
            _ => Arc::new(Limiters::new(&plan.limits)),
        };
        let server = ServerFacts { https: plan.is_https(), public_url: plan.public_url.clone() };
        let known: HashMap<&str, &Arc<Runtime>> = previous
            .iter()
            .flat_map(|live| &live.runtimes)
            .map(|runtime| (runtime.core.plan.name.as_str(), runtime))
            .collect();
        let mut runtimes = Vec::with_capacity(plan.providers.len());
        for provider in &plan.providers {
            // Another document is another provider, whatever its name, and with another mode people
            // come in another way: it has nothing of the old one.
            let before = known.get(provider.name.as_str()).filter(|known| known.core.plan.is_same_way_in(provider));
            let runtime = match before {
                Some(same) if same.core.is_for(provider, &server) && Arc::ptr_eq(&same.limiters, &limiters) => {
                    Arc::clone(same)
                }
                _ => {
                    Arc::new(Runtime::new(provider, &server, shared, &limiters, before.map(|runtime| &*runtime.core))?)
                }
            };
            runtimes.push(runtime);
        }
        let mounts = runtimes.iter().map(|runtime| Arc::clone(&runtime.mount)).collect();
        let surface = Surface::new(&plan, mounts, &shared.metrics)?;
        Ok(Self { plan, surface, runtimes, limiters })
    }

    /// What requests meet.
    pub fn surface(&self) -> &Surface {
        &self.surface
    }

    /// What was compiled.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Gives up sign-ins that took too long, and says how many are under way. Called now and then.
    pub fn settle_flows(&self, flows: &Flows) {
        let of = |name: &str| self.runtimes.iter().find(|runtime| runtime.core.plan.name == name);
        let under_way = flows.settle(|flow| {
            if let Some(runtime) = of(&flow.provider) {
                runtime.core.metrics.abandoned();
            }
            let entry = audit::Entry {
                provider: Some(&flow.provider),
                client_id: flow.client_id.as_deref(),
                resource: flow.resource.as_deref(),
                flow: Some(flow.id.as_str()),
                ..audit::Entry::default()
            };
            entry.tell(audit::Event::SignIn, Callback::Abandoned.as_str());
        });
        for runtime in &self.runtimes {
            let count = under_way.get(&runtime.core.plan.name).copied().unwrap_or_default();
            runtime.core.metrics.flows_in_progress(count);
            if runtime.core.plan.is_choice() {
                runtime.core.metrics.ready(runtime.core.readiness().ready);
            }
        }
    }

    /// Every provider's name and whether it can be used right now.
    pub fn readiness(&self) -> Vec<(String, Readiness)> {
        let of = |core: &Core| (core.plan.name.clone(), core.readiness());
        self.runtimes.iter().map(|runtime| of(&runtime.core)).collect()
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Live").field("surface", &self.surface).finish_non_exhaustive()
    }
}
