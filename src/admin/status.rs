//! What runs, for an operator: without secrets, and answered without asking anybody.

use serde::Serialize;

use super::Part;
use crate::{
    config::plan::{ProviderPlan, RoutePlan},
    flow::{FlowId, NO_TOKEN, Overview},
};

/// What `/status` answers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// Of the program.
    pub version: &'static str,
    /// The commit that it was built from.
    pub revision: &'static str,
    /// The compiler that built it.
    pub rustc: &'static str,
    /// RFC 3339.
    pub started_at: String,
    /// Since then.
    pub uptime_seconds: u64,
    /// The process is on its way out.
    pub draining: bool,
    /// Where clients connect.
    pub public_url: String,
    /// [`crate::config::facts::Facts::hash`] of the running configuration.
    pub config_sha256: String,
    /// The report of the last attempt to read the configuration; the start counts as one.
    pub last_reload: serde_json::Value,
    /// Whether the store answers; filled in when somebody asks.
    pub store: Part,
    /// Sign-ins that nobody has finished yet.
    pub flows_in_progress: usize,
    /// The ways in which the last sign-ins, and what followed them, failed; most frequent first.
    pub recent_failures: Vec<Failure>,
    /// In the order of the configuration.
    pub providers: Vec<ProviderStatus>,
}

/// A way in which sign-ins failed lately.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// A word of docs/metrics.md.
    pub outcome: String,
    /// How often, among the flows that are remembered.
    pub count: usize,
    /// The last of them.
    pub newest: FlowId,
}

/// A provider and what is mounted for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProviderStatus {
    /// In the configuration.
    pub name: String,
    /// What people read.
    pub display_name: String,
    /// Whether people can sign in there now.
    #[serde(flatten)]
    pub state: Part,
    /// Age of its discovery document; `None` if it was never there.
    pub discovery_age_seconds: Option<u64>,
    /// Age of its keys.
    pub keys_age_seconds: Option<u64>,
    /// Our issuer.
    pub issuer: String,
    /// What has to be entered at the provider; of a choice all of them, each at its own.
    pub callback_url: String,
    /// In the order of the configuration.
    pub routes: Vec<RouteStatus>,
}

/// A protected path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RouteStatus {
    /// The public one.
    pub path: String,
    /// What clients type.
    pub resource: String,
    /// Where it goes.
    pub backend: String,
}

// === impl Failure ===

impl Failure {
    /// Counts them; `flows` are the newest first.
    pub fn among(flows: &[Overview]) -> Vec<Self> {
        let mut failures: Vec<Self> = Vec::new();
        for flow in flows {
            let ended = flow.outcome.as_deref().filter(|outcome| !["ok", NO_TOKEN].contains(outcome));
            for outcome in ended.into_iter().chain(flow.trouble.as_deref()) {
                match failures.iter_mut().find(|known| known.outcome == outcome) {
                    Some(known) => known.count += 1,
                    None => failures.push(Self { outcome: outcome.to_owned(), count: 1, newest: flow.id.clone() }),
                }
            }
        }
        failures.sort_by_key(|failure| std::cmp::Reverse(failure.count));
        failures
    }
}

// === impl ProviderStatus ===

impl ProviderStatus {
    /// A provider of the plan; how it is must be filled in.
    pub fn new(plan: &ProviderPlan, state: Part) -> Self {
        Self {
            name: plan.name.clone(),
            display_name: plan.display_name.clone(),
            state,
            discovery_age_seconds: None,
            keys_age_seconds: None,
            issuer: plan.issuer.to_string(),
            callback_url: callback_urls(plan),
            routes: plan.routes.iter().map(|route| RouteStatus::new(route)).collect(),
        }
    }
}

fn callback_urls(plan: &ProviderPlan) -> String {
    if plan.is_choice() {
        plan.choice.iter().map(|member| member.callback_url.as_str()).collect::<Vec<_>>().join(", ")
    } else {
        plan.callback_url.to_string()
    }
}

// === impl RouteStatus ===

impl RouteStatus {
    fn new(plan: &RoutePlan) -> Self {
        Self { path: plan.path.clone(), resource: plan.resource.to_string(), backend: plan.backend.url.to_string() }
    }
}
