//! The last sign-ins, step by step, for whoever has to say why one failed.
//!
//! A flow begins with an authorization request and ends with the first accepted call. It has a short
//! name that people see on error pages and clients in error descriptions; `vestibule flows show` prints
//! what happened. Everything is in memory and bounded: the oldest flow goes when a new one begins.
//!
//! Steps of different requests are joined by digests of what a request carries (a form, `state`, a
//! code, a token), never by the secrets themselves.

mod advice;
mod id;
mod remote;
mod timeline;

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use moka::sync::Cache;

pub use id::FlowId;
pub use remote::{Bearer, NO_TOKEN};
pub use timeline::{Flow, Overview, Step, StepKind, Trouble};

use crate::{
    metrics::outcome::Callback,
    printable::bounded,
    time::{Clock, Timestamp},
};

/// Flows that are remembered.
const MOST_FLOWS: usize = 2_000;
/// Things that lead to one flow: forms, states, codes, tokens.
const MOST_LINKS: usize = 64;
/// What happens before a flow begins is remembered so long, and for so many.
const BEFORE: Duration = Duration::from_mins(10);
const MOST_BEFORE: u64 = 10_000;

/// The memory of all flows of the process; outlives a reload.
pub struct Flows {
    state: Mutex<State>,
    /// The last refusal of a request without a token, by address and provider.
    challenges: Cache<(IpAddr, String), Step>,
    /// Registrations, by the client's identifier.
    registrations: Cache<[u8; 32], Step>,
    clock: Clock,
}

#[derive(Default)]
struct State {
    flows: HashMap<FlowId, Held>,
    /// Oldest first.
    order: VecDeque<FlowId>,
    links: HashMap<[u8; 32], FlowId>,
}

struct Held {
    flow: Flow,
    links: Vec<[u8; 32]>,
    /// A sign-in that is not over by then was given up.
    until: Timestamp,
    /// A token of it has passed the gate.
    accepted: bool,
    /// The provider is the authorization server; see `remote`.
    remote: bool,
}

/// What is known when a flow begins.
#[derive(Clone, Debug)]
pub struct Beginning<'a> {
    /// The provider's name.
    pub provider: &'a str,
    /// Where the request came from.
    pub address: IpAddr,
    /// The client's identifier, if one was sent.
    pub client_id: Option<&'a str>,
    /// What is asked for, if it is known.
    pub resource: Option<&'a str>,
    /// How long the sign-in may take.
    pub lifetime: Duration,
}

// === impl Flows ===

impl Flows {
    /// An empty memory.
    pub fn new(clock: Clock) -> Self {
        Self {
            state: Mutex::default(),
            challenges: Cache::builder().max_capacity(MOST_BEFORE).time_to_live(BEFORE).build(),
            registrations: Cache::builder().max_capacity(MOST_BEFORE).time_to_live(BEFORE).build(),
            clock,
        }
    }

    /// A request without a token was told where to sign in.
    pub fn challenged(&self, address: IpAddr, provider: &str, route: &str) {
        let text = format!(
            "a request to {route} without a token was told where to sign in (same address: probably this sign-in)"
        );
        let step = Step::new(self.clock.now(), StepKind::Challenged, &text);
        self.challenges.insert((address, provider.to_owned()), step);
    }

    /// A client registered itself.
    pub fn registered(&self, client_id: &str, name: &str) {
        let step =
            Step::new(self.clock.now(), StepKind::Registered, &format!("the client registered itself as \"{name}\""));
        self.registrations.insert(crate::seal::sha256(client_id.as_bytes()), step);
    }

    /// A new flow, with what led to it.
    pub fn begin(&self, beginning: &Beginning<'_>) -> FlowId {
        let now = self.clock.now();
        let before = [
            self.challenges.get(&(beginning.address, beginning.provider.to_owned())),
            beginning.client_id.and_then(|id| self.registrations.get(&crate::seal::sha256(id.as_bytes()))),
        ];
        let mut flow = Flow::new(beginning, now);
        before.into_iter().flatten().for_each(|step| flow.add(step));
        let id = flow.id.clone();
        let mut state = self.state();
        if state.order.len() >= MOST_FLOWS
            && let Some(oldest) = state.order.pop_front()
        {
            state.forget(&oldest);
        }
        state.order.push_back(id.clone());
        let until = now.plus(beginning.lifetime);
        state.flows.insert(id.clone(), Held { flow, links: Vec::new(), until, accepted: false, remote: false });
        id
    }

    /// Something happened in a flow. Unknown flows are long over.
    pub fn step(&self, id: &FlowId, kind: StepKind, text: impl AsRef<str>) {
        let step = Step::new(self.clock.now(), kind, text.as_ref());
        self.change(id, |flow| flow.add(step));
    }

    /// Says more about a flow.
    pub fn change(&self, id: &FlowId, change: impl FnOnce(&mut Flow)) {
        if let Some(held) = self.state().flows.get_mut(id) {
            change(&mut held.flow);
        }
    }

    /// The sign-in ended, with this person if one is known. False if it had ended before: then nothing
    /// changes. What is not remembered any more ends now.
    pub fn end(&self, id: &FlowId, outcome: &str, subject: Option<&str>) -> bool {
        let mut state = self.state();
        let Some(held) = state.flows.get_mut(id) else { return true };
        if !held.flow.is_under_way() {
            return false;
        }
        held.flow.end(outcome);
        held.flow.subject = subject.map(bounded);
        true
    }

    /// Whoever comes with what has this digest belongs to the flow.
    pub fn link(&self, digest: [u8; 32], id: &FlowId) {
        let mut state = self.state();
        if state.links.get(&digest) == Some(id) {
            return;
        }
        let Some(held) = state.flows.get_mut(id) else { return };
        if held.links.len() >= MOST_LINKS {
            let oldest = held.links.remove(0);
            held.links.push(digest);
            state.unlink(&oldest, id);
        } else {
            held.links.push(digest);
        }
        state.links.insert(digest, id.clone());
    }

    /// The flow that something belongs to.
    pub fn find(&self, digest: &[u8; 32]) -> Option<FlowId> {
        self.state().links.get(digest).cloned()
    }

    /// After the sign-in something was refused, and how that is counted.
    pub fn refuse(&self, id: &FlowId, outcome: &str, text: &str) {
        let now = self.clock.now();
        self.change(id, |flow| flow.refuse(now, outcome, text));
    }

    /// A token was refused at the gate.
    pub fn refuse_token(&self, digest: &[u8; 32], outcome: &str, text: &str) {
        if let Some(id) = self.find(digest) {
            id.name_request();
            self.refuse(&id, outcome, text);
        }
    }

    /// A token was accepted at the gate. Only the first time in a flow is a step.
    pub fn accepted(&self, digest: &[u8; 32], route: &str) {
        let now = self.clock.now();
        let mut state = self.state();
        let Some(id) = state.links.get(digest).cloned() else { return };
        let Some(held) = state.flows.get_mut(&id) else { return };
        if !std::mem::replace(&mut held.accepted, true) {
            held.flow.add(Step::new(
                now,
                StepKind::Accepted,
                &format!("the first call to {route} with its token passed"),
            ));
        }
    }

    /// One flow.
    pub fn get(&self, id: &FlowId) -> Option<Flow> {
        self.state().flows.get(id).map(|held| held.flow.clone())
    }

    /// The newest flows first.
    pub fn newest(&self, most: usize) -> Vec<Overview> {
        let state = self.state();
        let newest = state.order.iter().rev().take(most);
        newest.filter_map(|id| state.flows.get(id)).map(|held| held.flow.overview()).collect()
    }

    /// Gives up sign-ins that took too long, telling `abandoned` of them; returns how many are
    /// under way at each. Called now and then.
    pub fn settle(&self, mut abandoned: impl FnMut(&Flow)) -> HashMap<String, usize> {
        let now = self.clock.now();
        let mut under_way = HashMap::new();
        for held in self.state().flows.values_mut().filter(|held| held.flow.is_under_way()) {
            if held.remote {
                // No sign-in of ours: neither counted nor under way here.
                if now >= held.until {
                    remote::given_up(now, &mut held.flow);
                }
            } else if now >= held.until {
                held.flow.end(Callback::Abandoned.as_str());
                held.flow.add(Step::new(now, StepKind::Refused, "nobody came back from the identity provider in time"));
                abandoned(&held.flow);
            } else {
                *under_way.entry(held.flow.provider.clone()).or_default() += 1;
            }
        }
        under_way
    }

    /// A panic while it was held leaves nothing that could not be used.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Flows {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Flows")
    }
}

// === impl State ===

impl State {
    /// Unless it leads to another flow by now.
    fn unlink(&mut self, digest: &[u8; 32], id: &FlowId) {
        if self.links.get(digest) == Some(id) {
            self.links.remove(digest);
        }
    }

    fn forget(&mut self, id: &FlowId) {
        let links = self.flows.remove(id).map(|held| held.links).unwrap_or_default();
        for link in links {
            self.unlink(&link, id);
        }
    }
}

#[cfg(test)]
mod tests;
