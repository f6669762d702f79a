//! What a route's gate tells of the sign-ins behind its requests: that the first call passed, and why a
//! later one did not. Where the provider is the authorization server, that is the whole story.
//!
//! Nothing is told of a request whose token is known and good.

use std::{net::IpAddr, sync::Arc, time::Duration};

use super::Access;
use crate::{
    config::plan::RoutePlan,
    flow::{Bearer, Beginning, Flows},
    metrics::outcome::Verification,
    oauth::ClientId,
};

/// How long somebody is waited for who was sent to the provider.
const REMOTE: Duration = Duration::from_mins(15);

/// The stories that one route adds to.
#[derive(Debug)]
pub(super) struct Story {
    flows: Arc<Flows>,
    route: Arc<RoutePlan>,
    /// The provider's tokens open it.
    is_remote: bool,
}

// === impl Story ===

impl Story {
    pub(super) fn new(flows: Arc<Flows>, route: Arc<RoutePlan>, is_remote: bool) -> Self {
        Self { flows, route, is_remote }
    }

    /// A request came without a token.
    pub(super) fn missing(&self, address: IpAddr) {
        if self.is_remote {
            self.flows.knocked(&self.beginning(address), &self.route.path);
        }
    }

    /// A token that was not seen before is good.
    pub(super) fn accepted(&self, digest: &[u8; 32], address: IpAddr, access: &Access) {
        let path = &self.route.path;
        if self.is_remote {
            let identity = access.identity();
            let client_id = access.client_id().map(ClientId::as_str);
            let bearer = Bearer { subject: &identity.subject, client_id };
            self.flows.accepted_remote(&self.beginning(address), digest, bearer, path);
        } else {
            self.flows.accepted(digest, path);
        }
    }

    /// A token is refused. That its time is over is no story: the client renews it.
    pub(super) fn refused(&self, digest: &[u8; 32], address: IpAddr, outcome: Verification, reason: Option<&str>) {
        if outcome == Verification::Expired {
            return;
        }
        let (path, word) = (&self.route.path, outcome.as_str());
        let text = match reason {
            Some(reason) => format!("a call to {path} was refused ({word}): {reason}"),
            None => format!("a call to {path} was refused ({word})"),
        };
        if self.is_remote {
            self.flows.refuse_remote(&self.beginning(address), digest, word, &text);
        } else {
            self.flows.refuse_token(digest, word, &text);
        }
    }

    fn beginning(&self, address: IpAddr) -> Beginning<'_> {
        Beginning {
            provider: &self.route.provider,
            address,
            client_id: None,
            resource: Some(self.route.resource.as_str()),
            lifetime: REMOTE,
        }
    }
}
