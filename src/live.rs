//! The plan plus what runs: route table, one runtime per provider, gates and ways to the backends.
//!
//! Immutable once built, and swapped whole by one atomic pointer: whatever is under way finishes on
//! the one it began with. A provider whose plan did not change keeps its runtime, so a reload
//! fetches nothing again and forgets nothing.

use std::{fmt, sync::Arc};

use tokio::task::AbortHandle;

use crate::{
    authority::{Authority, ClientDocuments, Grants, Parts},
    config::plan::{Plan, ProviderPlan, RoutePlan},
    edge::{Exit, Mounted, Surface},
    egress::{Egress, EgressError, Reach},
    endpoint::{Endpoints, Mount, ServerFacts, limiter::Limiters, memory::Memory},
    forward::{Forwarder, TlsError},
    gate::Gate,
    keys::KeyRing,
    metrics::Metrics,
    provider::{Provider, Readiness},
    route::{RouteError, RouteTable},
    seal::Sealer,
    store::record::Records,
    time::Clock,
};
