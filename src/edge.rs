//! One request, start to finish: who sends it, is it for us, whose is it, and what became of it.

mod client_address;
mod cors;
mod trace;

use std::{
    collections::HashMap,
    fmt,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, EXPECT},
};
use hyper::body::Incoming;
use ipnet::IpNet;
use tracing::Instrument as _;
use url::{Position, Url};

use crate::{
    answer,
    body::{self, Body},
    config::plan::{Plan, RoutePlan},
    endpoint::Endpoints,
    flow::Flows,
    forward::{Backend, ForwardHeaders, Lease},
    gate::{Access, Gate},
    listener::Peer,
    metrics::{HttpMetrics, Metrics, RouteMetrics, Running},
    request_id::{RequestIds, X_REQUEST_ID},
    route::{
        Endpoint, RouteError, RouteTable, Target,
        host::{HostError, Hosts},
        path::{self, PathError},
    },
};
use client_address::ClientAddress;
use cors::{Origins, Readers};

/// Everything that is reachable from outside. Immutable; a new configuration makes a new one.
pub struct Surface {
    table: RouteTable,
    hosts: Hosts,
    public_url: Url,
    /// What follows the `for` in `Forwarded`.
    forwarded_rest: String,
    trusted_proxies: Vec<IpNet>,
    request_ids: RequestIds,
    mounts: Vec<Arc<Mount>>,
    /// Counts what belongs to nobody.
    nobody: HttpMetrics,
}

/// One provider's mount.
#[derive(Debug)]
pub struct Mount {
    endpoints: Arc<Endpoints>,
    /// By [`Endpoint::name`].
    metrics: HashMap<&'static str, HttpMetrics>,
    routes: Vec<Arc<Route>>,
}

/// One protected route.
#[derive(Debug)]
pub struct Route {
    gate: Gate,
    backend: Arc<Backend>,
    origins: Origins,
    metrics: HttpMetrics,
    flows: Arc<Flows>,
    provider: String,
    path: String,
}

/// Where a request belongs.
enum Place<'a> {
    Endpoint(&'a Mount, Endpoint),
    Route(&'a Route),
    Nobody,
}

/// Why a request is not even looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    Path(#[from] PathError),
    #[error(transparent)]
    Host(#[from] HostError),
    /// A backend would send back all it was told, its own credential included.
    #[error("TRACE is not answered")]
    Trace,
}

/// What a forwarded exchange keeps: the access it may end with, the connection it came on, and its
/// place in the count.
struct Stay {
    access: Access,
    peer: Peer,
    _running: Running,
}

// === impl Surface ===

impl Surface {
    /// Lays out the plan's paths over what runs for them; `mounts` are in the order of
    /// [`Plan::providers`].
    ///
    /// # Errors
    /// [`RouteError`] if the paths do not fit together.
    pub fn new(plan: &Plan, mounts: Vec<Arc<Mount>>, metrics: &Arc<Metrics>) -> Result<Self, RouteError> {
        let host = &plan.public_url[Position::BeforeHost..Position::AfterPort];
        Ok(Self {
            table: RouteTable::build(plan)?,
            hosts: Hosts::new(plan),
            forwarded_rest: format!(";host=\"{host}\";proto={}", plan.public_url.scheme()),
            public_url: plan.public_url.clone(),
            trusted_proxies: plan.trusted_proxies.clone(),
            request_ids: RequestIds::new(),
            mounts,
            nobody: metrics.http("unknown"),
        })
    }

    /// Answers one request of the public listener: one line in the log, one count, one name, which
    /// every line that the request causes has.
    pub async fn answer(&self, peer: Peer, mut request: Request<Incoming>) -> Response<Body> {
        let client = ClientAddress::of(&peer, request.headers(), &self.trusted_proxies);
        let id = self.request_ids.of(request.headers(), client.by_trusted_proxy);
        let trace = trace::follow(request.headers_mut(), &id);
        let span = tracing::error_span!(
            "request",
            request_id = id.to_str().unwrap_or_default(),
            trace_id = trace,
            client = %client.ip,
            flow = tracing::field::Empty,
        );
        self.answer_named(peer, request, client, id).instrument(span).await
    }

    async fn answer_named(
        &self,
        peer: Peer,
        mut request: Request<Incoming>,
        client: ClientAddress,
        id: HeaderValue,
    ) -> Response<Body> {
        let begun = Instant::now();
        let method = request.method().clone();
        let place = self.place(&request);
        let (http, path) = match &place {
            Ok(Place::Endpoint(mount, endpoint)) => {
                let http = mount.metrics.get(endpoint.name()).unwrap_or(&self.nobody);
                (http, Some(request.uri().path().to_owned()))
            }
            Ok(Place::Route(route)) => (&route.metrics, None),
            Ok(Place::Nobody) | Err(_) => (&self.nobody, None),
        };
        let running = http.in_flight();
        let ip = client.ip;
        let mut response = match place {
            Ok(Place::Route(route)) => {
                let stay = |access| Stay { access, peer, _running: running };
                self.protected(route, request, &client, &id, stay).await
            }
            Ok(Place::Endpoint(mount, endpoint)) => {
                // Pages show it. Whatever else a client called it is gone.
                request.headers_mut().insert(X_REQUEST_ID, id.clone());
                own(mount, endpoint, request, ip).await
            }
            Ok(Place::Nobody) => nobody(&request),
            Err(refused) => refused.into_response(),
        };
        response.headers_mut().insert(X_REQUEST_ID, id);
        let took = begun.elapsed();
        http.request(&method, response.status(), (!is_stream(&response)).then_some(took));
        log(http, path.as_deref(), &method, response.status(), took);
        response
    }

    fn place(&self, request: &Request<Incoming>) -> Result<Place<'_>, Refused> {
        let uri = request.uri();
        path::check(uri.path())?;
        self.hosts.check(uri, request.headers())?;
        if request.method() == Method::TRACE {
            return Err(Refused::Trace);
        }
        // The table was built from the same plan as the mounts, so every position exists.
        let place = self.table.find(uri.path())?.and_then(|target| match target {
            Target::Endpoint { mount, endpoint } => Some(Place::Endpoint(self.mounts.get(mount)?, endpoint)),
            Target::Gate { mount, route } => Some(Place::Route(self.mounts.get(mount)?.routes.get(route)?)),
        });
        Ok(place.unwrap_or(Place::Nobody))
    }

    /// Origin, then token, then backend; each stops what does not pass, and the backend hears of
    /// nothing that was stopped (S25).
    async fn protected(
        &self,
        route: &Route,
        request: Request<Incoming>,
        client: &ClientAddress,
        id: &HeaderValue,
        stay: impl FnOnce(Access) -> Stay,
    ) -> Response<Body> {
        let Ok(readers) = route.origins.check(request.headers(), &self.hosts, &self.public_url) else {
            return answer::error(StatusCode::FORBIDDEN, "origin_not_allowed", &cors::ForeignOrigin.to_string());
        };
        if cors::is_preflight(request.method(), request.headers()) {
            return readers.preflight(request.headers());
        }
        let (head, incoming) = request.into_parts();
        let mut response = match route.gate.admit(&head, client.ip).await {
            Ok(admitted) => {
                let add = ForwardHeaders {
                    identity: admitted.identity,
                    authorization: admitted.authorization,
                    forwarded_for: client.forwarded_for.clone(),
                    forwarded: client.forwarded(&self.forwarded_rest),
                    request_id: id.clone(),
                };
                route.backend.forward(Request::from_parts(head, incoming), &add, stay(admitted.access)).await
            }
            Err(refusal) => {
                if !head.headers.contains_key(AUTHORIZATION) {
                    route.flows.challenged(client.ip, &route.provider, &route.path);
                }
                // Whoever waits for "100 Continue" has not sent anything yet.
                if !head.headers.contains_key(EXPECT) {
                    body::discard(incoming);
                }
                refusal.into_response()
            }
        };
        readers.apply(response.headers_mut());
        response
    }
}

impl fmt::Debug for Surface {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Surface").field("mounts", &self.mounts.len()).finish_non_exhaustive()
    }
}

// === impl Mount ===

impl Mount {
    /// The endpoints of the provider with this name, and its routes in the order of its plan.
    pub fn new(provider: &str, endpoints: Arc<Endpoints>, routes: Vec<Arc<Route>>, metrics: &Arc<Metrics>) -> Self {
        let metrics = Endpoint::NAMES.iter().map(|name| (*name, metrics.http(&endpoint_id(provider, name)))).collect();
        Self { endpoints, metrics, routes }
    }

    /// The values of the label `route` for the endpoints of this provider.
    pub fn metric_ids(provider: &str) -> impl Iterator<Item = String> {
        Endpoint::NAMES.iter().map(move |name| endpoint_id(provider, name))
    }
}

// === impl Route ===

impl Route {
    /// A guarded way to a backend.
    pub fn new(plan: &RoutePlan, gate: Gate, backend: Arc<Backend>, metrics: &RouteMetrics, flows: Arc<Flows>) -> Self {
        Self {
            gate,
            backend,
            origins: Origins::new(&plan.allowed_origins),
            metrics: metrics.http().clone(),
            flows,
            provider: plan.provider.clone(),
            path: plan.path.clone(),
        }
    }
}

// === impl Refused ===

impl Refused {
    fn into_response(self) -> Response<Body> {
        let (status, error) = match self {
            Self::Path(_) | Self::Host(HostError::Malformed) => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::Host(HostError::Misdirected) => (StatusCode::MISDIRECTED_REQUEST, "misdirected_request"),
            Self::Trace => (StatusCode::NOT_IMPLEMENTED, "not_implemented"),
        };
        answer::error(status, error, &self.to_string())
    }
}

// === impl Stay ===

impl Lease for Stay {
    fn is_over(&self) -> bool {
        self.access.is_over()
    }

    fn over(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let (access, peer) = (self.access.clone(), self.peer.clone());
        Box::pin(async move {
            tokio::select! {
                () = access.over() => {}
                () = peer.cut() => {}
            }
        })
    }
}

fn endpoint_id(provider: &str, endpoint: &str) -> String {
    format!("{provider}:{endpoint}")
}

/// Our own endpoints. What clients in browsers call may be read by scripts of any origin: no
/// answer depends on a cookie there.
async fn own(mount: &Mount, endpoint: Endpoint, request: Request<Incoming>, client: IpAddr) -> Response<Body> {
    if !endpoint.is_for_scripts() {
        return mount.endpoints.answer(endpoint, request, client).await;
    }
    if cors::is_preflight(request.method(), request.headers()) {
        return Readers::Any.preflight(request.headers());
    }
    let mut response = mount.endpoints.answer(endpoint, request, client).await;
    Readers::Any.apply(response.headers_mut());
    response
}

/// W2: always JSON, and readable for a client in a browser that looks for metadata.
fn nobody(request: &Request<Incoming>) -> Response<Body> {
    if cors::is_preflight(request.method(), request.headers()) {
        return Readers::Any.preflight(request.headers());
    }
    let mut response = answer::error(StatusCode::NOT_FOUND, "not_found", "There is nothing at this path");
    Readers::Any.apply(response.headers_mut());
    response
}

/// Long-lived responses have no duration.
fn is_stream(response: &Response<Body>) -> bool {
    const EVENTS: &[u8] = b"text/event-stream";
    let media_type = response.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    response.status() == StatusCode::SWITCHING_PROTOCOLS
        || media_type.get(..EVENTS.len()).is_some_and(|start| start.eq_ignore_ascii_case(EVENTS))
}

/// No method is longer; a stranger's own may be as long as a header.
const MAX_METHOD: usize = 16;

/// One line a request, when its response begins. Never a query, a header's value of the client or
/// a path that is not exactly one of ours (S62). Who asked, and the request's name, are the span's.
fn log(http: &HttpMetrics, path: Option<&str>, method: &Method, status: StatusCode, took: Duration) {
    tracing::info!(
        target: "vestibule::access",
        route = http.id(),
        path,
        method = %method.as_str().get(..MAX_METHOD).unwrap_or(method.as_str()),
        status = status.as_u16(),
        took = ?took,
    );
}
