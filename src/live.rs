//! The plan plus what runs: one runtime per provider, and the surface that requests meet.
//!
//! Immutable once built, and swapped whole by one atomic pointer: whatever is under way finishes on
//! the one it began with. A provider whose plan did not change keeps its runtime, so that a new
//! configuration fetches nothing again and forgets nothing.

mod known;

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, OnceLock},
};

use tokio::task::AbortHandle;

use crate::{
    audit,
    authority::{self, Authority, ClientDocuments, GrantFilter, GrantId, GrantList, Grants},
    config::plan::{ConsentPlan, Mode, Plan, PolicyPlan, ProviderPlan, RoutePlan},
    edge::{self, Surface},
    egress::{Egress, EgressError, Reach},
    endpoint::{self, Endpoints, ServerFacts, limiter::Limiters, memory::Memory},
    flow::Flows,
    forward::{Backend, Forwarder, TlsError},
    gate::{self, Gate, Issued},
    keys::KeyRing,
    metrics::{Metrics, ProviderMetrics, outcome::Callback},
    policy,
    provider::{
        Choice, Provider, Readiness,
        tokens::{GivenBy, TokenSource},
    },
    route::RouteError,
    seal::{Sealer, Seals},
    store::{StoreError, record::Records},
    time::Clock,
};

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

/// What one configuration ran and the next one does not; see [`Live::retired`].
#[derive(Debug)]
pub struct Retired {
    grants: Vec<Arc<Grants>>,
    /// The choices that go on, and between which identity providers.
    choices: Vec<(Arc<Grants>, Vec<GivenBy>)>,
    providers: Vec<String>,
    routes: Vec<String>,
}

/// What runs for one provider.
struct Runtime {
    core: Arc<Core>,
    limiters: Arc<Limiters>,
    mount: Arc<edge::Mount>,
}

/// The part of a [`Runtime`] that knows nothing of limits.
struct Core {
    plan: Arc<ProviderPlan>,
    server: ServerFacts,
    /// In the order of [`ProviderPlan::identity_providers`].
    upstreams: Vec<Arc<Upstream>>,
    authority: Arc<Authority>,
    grants: Arc<Grants>,
    metrics: ProviderMetrics,
    backends: Vec<Arc<Backend>>,
    /// In the order of the plan.
    routes: Vec<Arc<edge::Route>>,
}

/// One identity provider with what was learnt of it.
struct Upstream {
    provider: Arc<Provider>,
    /// The background refresh of discovery and keys.
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

    /// What `previous` ran and this one does not.
    pub fn retired(&self, previous: &Self) -> Retired {
        let grants: HashSet<_> = self.runtimes.iter().map(|runtime| Arc::as_ptr(&runtime.core.grants)).collect();
        let choices = self.runtimes.iter().map(|runtime| &runtime.core).filter(|core| core.plan.is_choice());
        let providers: HashSet<_> = provider_names(&self.plan).collect();
        let routes: HashSet<_> = route_ids(&self.plan).collect();
        let gone = previous.runtimes.iter().map(|runtime| &runtime.core);
        let names: HashSet<_> = provider_names(&previous.plan).collect();
        Retired {
            grants: gone.map(|core| &core.grants).filter(|old| !grants.contains(&Arc::as_ptr(old))).cloned().collect(),
            choices: choices.map(|core| (Arc::clone(&core.grants), members(&core.plan))).collect(),
            providers: names.into_iter().filter(|name| !providers.contains(name)).map(str::to_owned).collect(),
            routes: route_ids(&previous.plan).filter(|id| !routes.contains(id)).map(str::to_owned).collect(),
        }
    }

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

// === impl Retired ===

impl Retired {
    /// Ends the access of the providers that are gone: here at once, on open streams too, then in
    /// the store. Their series go last; what is still under way for them brings none back.
    pub async fn end(self, live: &Live, shared: &Shared) {
        for grants in &self.grants {
            grants.close();
        }
        for (grants, members) in self.choices {
            grants.serve(members);
        }
        if let Err(error) = shared.settle(&live.plan).await {
            tracing::error!(
                %error,
                "the store does not answer: grants of removed providers are still in it, until the next change or start"
            );
        }
        for name in &self.providers {
            shared.metrics.remove_provider(name);
            edge::Mount::metric_ids(name).for_each(|id| shared.metrics.remove_route(&id));
        }
        for id in &self.routes {
            shared.metrics.remove_route(id);
        }
    }
}

// === impl Runtime ===

impl Runtime {
    fn new(
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
    fn readiness(&self) -> Readiness {
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

    fn is_for(&self, plan: &Arc<ProviderPlan>, server: &ServerFacts) -> bool {
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
fn members(plan: &ProviderPlan) -> Vec<GivenBy> {
    plan.choice.iter().map(|member| GivenBy::of(member)).collect()
}

/// Everything that series are named after: providers, choices and what can be chosen.
fn provider_names(plan: &Plan) -> impl Iterator<Item = &str> {
    let all = plan.providers.iter().flat_map(|provider| std::iter::once(provider).chain(&provider.choice));
    all.map(|provider| provider.name.as_str())
}

fn route_ids(plan: &Plan) -> impl Iterator<Item = &str> {
    plan.providers.iter().flat_map(|provider| &provider.routes).map(|route| route.id.as_str())
}
