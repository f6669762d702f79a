//! What runs for one provider: its authority, its gates and backends, and the identity providers behind it.

use std::sync::Arc;

use tokio::task::AbortHandle;

use super::{BuildError, Shared};
use crate::{
    authority::{self, Authority, Grants},
    config::plan::{ConsentPlan, Mode, PolicyPlan, ProviderPlan, RoutePlan},
    edge,
    endpoint::{self, Endpoints, ServerFacts, limiter::Limiters},
    forward::Backend,
    gate::{self, Gate, Issued},
    metrics::ProviderMetrics,
    provider::{
        Choice, Provider, Readiness,
        tokens::{GivenBy, TokenSource},
    },
};

/// What runs for one provider.
pub(super) struct Runtime {
    pub(super) core: Arc<Core>,
    pub(super) limiters: Arc<Limiters>,
    pub(super) mount: Arc<edge::Mount>,
}

/// The part of a [`Runtime`] that knows nothing of limits.
pub(super) struct Core {
    pub(super) plan: Arc<ProviderPlan>,
    pub(super) server: ServerFacts,
    /// In the order of [`ProviderPlan::identity_providers`].
    pub(super) upstreams: Vec<Arc<Upstream>>,
    pub(super) authority: Arc<Authority>,
    pub(super) grants: Arc<Grants>,
    pub(super) metrics: ProviderMetrics,
    pub(super) backends: Vec<Arc<Backend>>,
    /// In the order of the plan.
    pub(super) routes: Vec<Arc<edge::Route>>,
}

/// One identity provider with what was learnt of it.
pub(super) struct Upstream {
    pub(super) provider: Arc<Provider>,
    /// The background refresh of discovery and keys.
    pub(super) background: AbortHandle,
}

// === impl Runtime ===

impl Runtime {
    pub(super) fn new(
        plan: &Arc<ProviderPlan>,
        server: &ServerFacts,
        shared: &Shared,
        limiters: &Arc<Limiters>,
        before: Option<&Core>,
    ) -> Result<Self, BuildError> {
        let core = match before {
            Some(same) if same.is_for(plan, server) => same.again(),
            _ => Core::new(plan, server, shared, before)?,
        };
        let endpoints = Arc::new(Endpoints::new(&Arc::new(endpoint::Mount {
            plan: Arc::clone(&core.plan),
            server: core.server.clone(),
            authority: Arc::clone(&core.authority),
            providers: core.providers(),
            keys: Arc::clone(&shared.keys),
            sealer: Arc::clone(&shared.sealer),
            metrics: core.metrics.clone(),
            limiters: Arc::clone(limiters),
            memory: Arc::clone(&shared.memory),
            flows: Arc::clone(&shared.flows),
            clock: shared.clock.clone(),
        })));
        let mount = edge::Mount::new(&plan.name, endpoints, core.routes.clone(), &shared.metrics);
        Ok(Self { core: Arc::new(core), limiters: Arc::clone(limiters), mount: Arc::new(mount) })
    }
}

// === impl Core ===

impl Core {
    fn new(
        plan: &Arc<ProviderPlan>,
        server: &ServerFacts,
        shared: &Shared,
        before: Option<&Self>,
    ) -> Result<Self, BuildError> {
        let metrics = match before {
            Some(before) => before.metrics.clone(),
            None => shared.metrics.provider(&plan.name),
        };
        let grants = if let Some(before) = before {
            Arc::clone(&before.grants)
        } else {
            let grants = Arc::new(Grants::new(&plan.name, shared.records.clone(), metrics.clone()));
            if plan.is_choice() {
                grants.serve(members(plan));
            }
            grants
        };
        let mut upstreams: Vec<Arc<Upstream>> = Vec::new();
        for identity_provider in plan.identity_providers() {
            let before = before.and_then(|before| before.upstream(identity_provider));
            upstreams.push(match before {
                Some(same) if upstream_of(same.provider.plan()) == upstream_of(identity_provider) => Arc::clone(same),
                _ => {
                    let metrics = match before {
                        Some(before) => before.provider.metrics().clone(),
                        None if plan.is_choice() => shared.metrics.provider(&identity_provider.name),
                        None => metrics.clone(),
                    };
                    Arc::new(Upstream::new(identity_provider, shared, metrics, before)?)
                }
            });
        }
        let tokens: Arc<dyn TokenSource> = match upstreams.as_slice() {
            [only] if !plan.is_choice() => Arc::<Provider>::clone(&only.provider),
            some => Arc::new(Choice::new(some.iter().map(|upstream| Arc::clone(&upstream.provider)).collect())),
        };
        let authority = Arc::new(Authority::new(authority::Parts {
            plan: Arc::clone(plan),
            records: shared.records.clone(),
            sealer: Arc::clone(&shared.sealer),
            keys: Arc::clone(&shared.keys),
            grants: Arc::clone(&grants),
            tokens,
            documents: Arc::clone(&shared.documents),
            clock: shared.clock.clone(),
            metrics: metrics.clone(),
        }));
        let mut core = Self {
            plan: Arc::clone(plan),
            server: server.clone(),
            upstreams,
            authority,
            grants,
            metrics,
            backends: Vec::with_capacity(plan.routes.len()),
            routes: Vec::with_capacity(plan.routes.len()),
        };
        for route in &plan.routes {
            core.add(route, shared, before)?;
        }
        Ok(core)
    }

    /// A gate, and a way to the backend: the one that is there, with its open connections, if the
    /// route did not change.
    fn add(&mut self, route: &Arc<RoutePlan>, shared: &Shared, before: Option<&Self>) -> Result<(), BuildError> {
        let metrics = shared.metrics.route(&route.id);
        let gate = Gate::new(gate::Parts {
            plan: Arc::clone(route),
            provider: Arc::clone(&self.plan),
            issuer: self.plan.issuer.clone(),
            keys: Arc::clone(&shared.keys),
            issued: self.issued(),
            flows: Arc::clone(&shared.flows),
            clock: shared.clock.clone(),
            metrics: self.metrics.clone(),
        });
        let backend =
            match before.filter(|before| before.server == self.server).and_then(|before| before.backend(route)) {
                Some(same) => Arc::clone(same),
                None => Arc::new(
                    shared
                        .forwarder
                        .backend(&self.server.public_url, route, metrics.clone())
                        .map_err(|source| BuildError::Backend { route: route.id.clone(), source })?,
                ),
            };
        self.routes.push(Arc::new(edge::Route::new(
            route,
            gate,
            Arc::clone(&backend),
            &metrics,
            Arc::clone(&shared.flows),
        )));
        self.backends.push(backend);
        Ok(())
    }

    /// Whose tokens open the routes.
    fn issued(&self) -> Issued {
        match (self.plan.mode, &self.plan.access_tokens, self.upstreams.first()) {
            (Mode::Remote, Some(plan), Some(upstream)) => Issued::ByProvider {
                provider: Arc::clone(&upstream.provider),
                plan: plan.clone(),
                end_of_provider: self.grants.end_of_provider(),
            },
            _ => Issued::ByUs { grants: Arc::clone(&self.grants), authority: Arc::clone(&self.authority) },
        }
    }

    fn providers(&self) -> Vec<Arc<Provider>> {
        self.upstreams.iter().map(|upstream| Arc::clone(&upstream.provider)).collect()
    }

    /// What runs for the same identity provider.
    fn upstream(&self, plan: &ProviderPlan) -> Option<&Arc<Upstream>> {
        self.upstreams.iter().find(|upstream| {
            let known = upstream.provider.plan();
            known.name == plan.name && known.source() == plan.source()
        })
    }

    /// Whether people can sign in: in a choice, somewhere.
    pub(super) fn readiness(&self) -> Readiness {
        if !self.plan.is_choice() {
            let readiness = self.upstreams.first().map(|upstream| upstream.provider.readiness());
            return readiness.unwrap_or_default();
        }
        let mut whole = Readiness::default();
        let mut reasons = Vec::new();
        for provider in self.upstreams.iter().map(|upstream| &upstream.provider) {
            let one = provider.readiness();
            whole.ready |= one.ready;
            let name = &provider.plan().name;
            reasons.extend(one.reason.map(|reason| format!("{name}: {reason}")));
        }
        whole.reason = (!reasons.is_empty()).then(|| reasons.join("; "));
        whole
    }

    fn backend(&self, route: &Arc<RoutePlan>) -> Option<&Arc<Backend>> {
        let mut known = self.plan.routes.iter().zip(&self.backends);
        known.find(|(known, _)| *known == route).map(|(_, backend)| backend)
    }

    pub(super) fn is_for(&self, plan: &Arc<ProviderPlan>, server: &ServerFacts) -> bool {
        self.plan == *plan && self.server == *server
    }

    /// The same for another [`Runtime`].
    fn again(&self) -> Self {
        Self {
            plan: Arc::clone(&self.plan),
            server: self.server.clone(),
            upstreams: self.upstreams.clone(),
            authority: Arc::clone(&self.authority),
            grants: Arc::clone(&self.grants),
            metrics: self.metrics.clone(),
            backends: self.backends.clone(),
            routes: self.routes.clone(),
        }
    }
}

// === impl Upstream ===

impl Upstream {
    fn new(
        plan: &Arc<ProviderPlan>,
        shared: &Shared,
        metrics: ProviderMetrics,
        before: Option<&Arc<Self>>,
    ) -> Result<Self, BuildError> {
        let egress = shared.egress(plan)?;
        let (plan, clock) = (Arc::clone(plan), shared.clock.clone());
        let provider = match before {
            Some(before) => Provider::following(&before.provider, plan, egress, clock, metrics),
            None => Provider::new(plan, egress, clock, metrics),
        };
        let background = provider.start().abort_handle();
        Ok(Self { provider, background })
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.background.abort();
    }
}

/// The part of a plan that the identity provider has to do with: everything but what concerns only
/// our clients and routes.
fn upstream_of(plan: &ProviderPlan) -> ProviderPlan {
    ProviderPlan {
        display_name: String::new(),
        service_documentation: None,
        dynamic_registration: true,
        enable_cimd: true,
        private_use_schemes: None,
        allowed_client_redirect_uris: None,
        consent: ConsentPlan::Always,
        clients: Vec::new(),
        policy: PolicyPlan::default(),
        routes: Vec::new(),
        ..plan.clone()
    }
}

/// The identity providers of a choice, as its grants remember them.
pub(super) fn members(plan: &ProviderPlan) -> Vec<GivenBy> {
    plan.choice.iter().map(|member| GivenBy::of(member)).collect()
}
