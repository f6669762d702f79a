//! The plan plus what runs: one runtime per provider, and the surface that requests meet.
//!
//! Immutable once built, and swapped whole by one atomic pointer: whatever is under way finishes on
//! the one it began with. A provider whose plan did not change keeps its runtime, so that a new
//! configuration fetches nothing again and forgets nothing.

use std::{fmt, sync::Arc};

use tokio::task::AbortHandle;

use crate::{
    authority::{self, Authority, ClientDocuments, Grants},
    config::plan::{Plan, ProviderPlan},
    edge::{self, Surface},
    egress::{Egress, EgressError, Reach},
    endpoint::{self, Endpoints, ServerFacts, limiter::Limiters, memory::Memory},
    forward::{Forwarder, TlsError},
    gate::{self, Gate},
    keys::KeyRing,
    metrics::{Metrics, ProviderMetrics},
    provider::{Provider, Readiness},
    route::RouteError,
    seal::Sealer,
    store::record::Records,
    time::Clock,
};

/// What outlives a change of the configuration.
#[derive(Debug)]
pub struct Shared {
    sealer: Arc<Sealer>,
    records: Records,
    keys: Arc<KeyRing>,
    documents: Arc<ClientDocuments>,
    forwarder: Forwarder,
    memory: Arc<Memory>,
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

/// What runs for one provider.
struct Runtime {
    plan: Arc<ProviderPlan>,
    server: ServerFacts,
    provider: Arc<Provider>,
    authority: Arc<Authority>,
    grants: Arc<Grants>,
    endpoints: Arc<Endpoints>,
    metrics: ProviderMetrics,
    /// The background refresh of discovery and keys; ends with the runtime.
    background: AbortHandle,
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
            forwarder: Forwarder::new(),
            memory: Arc::new(Memory::new()),
            sealer,
            records,
            keys,
            metrics,
            clock,
        })
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
            Some(previous) if previous.plan.limits == plan.limits => Arc::clone(&previous.limiters),
            _ => Arc::new(Limiters::new(&plan.limits)),
        };
        let server = ServerFacts { https: plan.is_https(), public_url: plan.public_url.clone() };
        let mut runtimes = Vec::with_capacity(plan.providers.len());
        let mut mounts = Vec::with_capacity(plan.providers.len());
        for provider in &plan.providers {
            let before = previous.and_then(|live| live.runtime(&provider.name));
            let runtime = match before {
                Some(same) if same.plan == *provider && same.server == server => Arc::clone(same),
                _ => Arc::new(Runtime::new(provider, &server, shared, &limiters, before)?),
            };
            mounts.push(mount(&runtime, shared)?);
            runtimes.push(runtime);
        }
        let surface = Surface::new(&plan, mounts, &shared.metrics)?;
        Ok(Self { surface, runtimes, limiters, plan })
    }

    /// What requests meet.
    pub fn surface(&self) -> &Surface {
        &self.surface
    }

    /// What was compiled.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Every provider's name and whether it can be used right now.
    pub fn readiness(&self) -> Vec<(String, Readiness)> {
        self.runtimes.iter().map(|runtime| (runtime.plan.name.clone(), runtime.provider.readiness())).collect()
    }

    fn runtime(&self, name: &str) -> Option<&Arc<Runtime>> {
        self.runtimes.iter().find(|runtime| runtime.plan.name == name)
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Live").field("surface", &self.surface).finish_non_exhaustive()
    }
}

// === impl Runtime ===

impl Runtime {
    fn new(
        plan: &Arc<ProviderPlan>,
        server: &ServerFacts,
        shared: &Shared,
        limiters: &Arc<Limiters>,
        before: Option<&Arc<Self>>,
    ) -> Result<Self, BuildError> {
        let egress = Egress::for_provider(plan.timeout, plan.allow_insecure_http)
            .map_err(|source| BuildError::Egress { provider: plan.name.clone(), source })?;
        let metrics = match before {
            Some(before) => before.metrics.clone(),
            None => shared.metrics.provider(&plan.name),
        };
        let grants = match before {
            Some(before) => Arc::clone(&before.grants),
            None => Arc::new(Grants::new(&plan.name, shared.records.clone(), metrics.clone())),
        };
        let provider = Provider::new(Arc::clone(plan), egress, shared.clock.clone(), metrics.clone());
        let background = provider.start().abort_handle();
        let authority = Arc::new(Authority::new(authority::Parts {
            plan: Arc::clone(plan),
            records: shared.records.clone(),
            sealer: Arc::clone(&shared.sealer),
            keys: Arc::clone(&shared.keys),
            grants: Arc::clone(&grants),
            tokens: Arc::clone(&provider) as Arc<dyn crate::provider::tokens::TokenSource>,
            documents: Arc::clone(&shared.documents),
            clock: shared.clock.clone(),
            metrics: metrics.clone(),
        }));
        let endpoints = Arc::new(Endpoints::new(&Arc::new(endpoint::Mount {
            plan: Arc::clone(plan),
            server: server.clone(),
            authority: Arc::clone(&authority),
            provider: Arc::clone(&provider),
            keys: Arc::clone(&shared.keys),
            sealer: Arc::clone(&shared.sealer),
            metrics: metrics.clone(),
            limiters: Arc::clone(limiters),
            memory: Arc::clone(&shared.memory),
            clock: shared.clock.clone(),
        })));
        Ok(Self {
            plan: Arc::clone(plan),
            server: server.clone(),
            provider,
            authority,
            grants,
            endpoints,
            metrics,
            background,
        })
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.background.abort();
    }
}

/// A provider's mount: its endpoints, and a gate and a way to the backend for each route.
fn mount(runtime: &Runtime, shared: &Shared) -> Result<edge::Mount, BuildError> {
    let mut routes = Vec::with_capacity(runtime.plan.routes.len());
    for route in &runtime.plan.routes {
        let metrics = shared.metrics.route(&route.id);
        let gate = Gate::new(gate::Parts {
            plan: Arc::clone(route),
            issuer: runtime.plan.issuer.clone(),
            keys: Arc::clone(&shared.keys),
            grants: Arc::clone(&runtime.grants),
            authority: Arc::clone(&runtime.authority),
            clock: shared.clock.clone(),
            metrics: runtime.metrics.clone(),
        });
        let backend = shared
            .forwarder
            .backend(&runtime.server.public_url, route, metrics.clone())
            .map_err(|source| BuildError::Backend { route: route.id.clone(), source })?;
        routes.push(edge::Route::new(route, gate, backend, &metrics));
    }
    let endpoints = Arc::clone(&runtime.endpoints);
    Ok(edge::Mount::new(&runtime.plan.name, endpoints, routes, &shared.metrics))
}
