//! What `check --online` finds: every provider and every backend is asked once, all at the same
//! time, and what they say is compared with what the plan needs of them.
//!
//! Nothing is signed in and nothing is changed anywhere: discovery documents and key sets are
//! fetched, backends get one `HEAD` without credentials, a store that is a server one key that ends.

mod backend;
mod finding;
mod metadata;
mod provider;
mod storage;

use futures_util::future::{join_all, join3};

use crate::{
    config::plan::{Plan, ProviderPlan},
    metrics::Metrics,
    time::Clock,
};

pub use finding::{Entry, Finding, Subject, Verdict};

/// Everything that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// In the order of the plan.
    pub providers: Vec<Subject>,
    /// Each once, in the order of the plan.
    pub backends: Vec<Subject>,
    /// The store, if it is a server.
    pub storage: Option<Subject>,
}

/// Asks everybody that a plan names. Each request has the deadline that the plan has for it.
///
/// # Errors
/// If the counters that the program's own reader wants cannot be made.
pub async fn survey(plan: &Plan, clock: &Clock) -> Result<Survey, prometheus::Error> {
    let metrics = &Metrics::new()?;
    let providers = plan.providers.iter().flat_map(ProviderPlan::identity_providers);
    let providers = providers.map(|provider| provider::survey(provider, clock, metrics));
    let backends = backend::all(plan).into_iter().map(|(routes, route)| backend::survey(routes, route));
    let storage = storage::survey(&plan.storage, clock);
    let (providers, backends, storage) = join3(join_all(providers), join_all(backends), storage).await;
    Ok(Survey { providers, backends, storage })
}

// === impl Survey ===

impl Survey {
    /// How many findings there are of a kind.
    pub fn count(&self, verdict: Verdict) -> usize {
        let subjects = self.providers.iter().chain(&self.backends).chain(&self.storage);
        subjects.flat_map(|subject| &subject.findings).filter(|finding| finding.verdict == verdict).count()
    }
}

#[cfg(test)]
mod tests;
