//! Sign-ins that happen elsewhere (`mode: remote`: the provider is the authorization server). All that is
//! seen of them here is that somebody comes without a token, and then with one.
//!
//! Until a token is good, requests of one address are one story; from then on the person is. Whoever has many
//! addresses begins one story at each, and no more.

use std::net::IpAddr;

use super::{Beginning, FlowId, Flows, Step, StepKind};
use crate::seal::sha256;

/// The outcome of a story in which nobody came back with a token.
pub const NO_TOKEN: &str = "no_token";

/// Whom a good token stands for.
#[derive(Clone, Copy, Debug)]
pub struct Bearer<'a> {
    /// The provider's stable id.
    pub subject: &'a str,
    /// The client, if the token says so.
    pub client_id: Option<&'a str>,
}

// === impl Flows ===

impl Flows {
    /// Somebody came without a token to `path` and was sent to the provider.
    pub fn knocked(&self, at: &Beginning<'_>, path: &str) {
        let key = address(at);
        if self.find_under_way(&key).is_none() {
            let id = self.begin_remote(at);
            self.link(key, &id);
            self.step(
                &id,
                StepKind::Challenged,
                format!("a request to {path} without a token was sent to the provider"),
            );
        }
    }

    /// A token of the provider's is good.
    pub fn accepted_remote(&self, at: &Beginning<'_>, digest: &[u8; 32], bearer: Bearer<'_>, path: &str) {
        if self.find(digest).is_some() {
            return;
        }
        let person = person(at, bearer);
        let known = self.find_under_way(&address(at)).or_else(|| self.find(&person));
        let id = known.unwrap_or_else(|| self.begin_remote(at));
        id.name_request();
        self.link(*digest, &id);
        self.link(person, &id);
        if self.end(&id, "ok", Some(bearer.subject)) {
            let client_id = bearer.client_id.map(super::bounded);
            self.change(&id, |flow| flow.client_id = client_id);
            self.step(&id, StepKind::Accepted, format!("the first call to {path} with a token of the provider passed"));
        }
    }

    /// A token of the provider's is refused.
    pub fn refuse_remote(&self, at: &Beginning<'_>, digest: &[u8; 32], outcome: &str, text: &str) {
        let key = address(at);
        let id = self.find(digest).or_else(|| self.find_under_way(&key)).unwrap_or_else(|| {
            let id = self.begin_remote(at);
            self.link(key, &id);
            id
        });
        id.name_request();
        self.refuse(&id, outcome, text);
    }

    fn begin_remote(&self, at: &Beginning<'_>) -> FlowId {
        let id = self.begin(at);
        if let Some(held) = self.state().flows.get_mut(&id) {
            held.remote = true;
        }
        id
    }

    fn find_under_way(&self, digest: &[u8; 32]) -> Option<FlowId> {
        let state = self.state();
        let id = state.links.get(digest)?;
        state.flows.get(id).filter(|held| held.flow.is_under_way()).map(|_| id.clone())
    }
}

/// How a story ends in which nobody came back in time, if it is one of these.
pub(super) fn given_up(now: crate::time::Timestamp, flow: &mut super::Flow) {
    let outcome = flow.trouble.take().map_or_else(|| NO_TOKEN.to_owned(), |trouble| trouble.outcome);
    flow.end(&outcome);
    if outcome == NO_TOKEN {
        flow.add(Step::new(now, StepKind::Refused, "nobody came back with a token in time"));
    }
}

/// Of IPv6, the network: its end is the visitor's to choose.
fn address(at: &Beginning<'_>) -> [u8; 32] {
    let network = match at.address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().into_iter().take(8).collect(),
    };
    sha256(&[b"address\0".as_slice(), at.provider.as_bytes(), b"\0", &network].concat())
}

fn person(at: &Beginning<'_>, bearer: Bearer<'_>) -> [u8; 32] {
    let client_id = bearer.client_id.unwrap_or_default();
    sha256(["person", at.provider, client_id, bearer.subject].join("\0").as_bytes())
}
