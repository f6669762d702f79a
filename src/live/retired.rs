//! What a change of the configuration ends.

use std::{collections::HashSet, sync::Arc};

use super::{Live, Shared, runtime::members};
use crate::{authority::Grants, config::plan::Plan, edge, provider::tokens::GivenBy};

/// What one configuration ran and the next one does not; see [`Live::retired`].
#[derive(Debug)]
pub struct Retired {
    grants: Vec<Arc<Grants>>,
    /// The choices that go on, and between which identity providers.
    choices: Vec<(Arc<Grants>, Vec<GivenBy>)>,
    providers: Vec<String>,
    routes: Vec<String>,
}

// === impl Live ===

impl Live {
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

/// Everything that series are named after: providers, choices and what can be chosen.
fn provider_names(plan: &Plan) -> impl Iterator<Item = &str> {
    let all = plan.providers.iter().flat_map(|provider| std::iter::once(provider).chain(&provider.choice));
    all.map(|provider| provider.name.as_str())
}

fn route_ids(plan: &Plan) -> impl Iterator<Item = &str> {
    plan.providers.iter().flat_map(|provider| &provider.routes).map(|route| route.id.as_str())
}
