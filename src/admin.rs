//! The operator's side door: metrics, health, what runs and how it came to run. On a listener of its
//! own and never on the public one (S73).
//!
//! There is no authentication, so no answer holds a secret. What may be asked is in `guard`.

mod grants;
mod guard;
mod keys;
mod pages;
pub mod readiness;
pub mod status;

use std::{convert::Infallible, fmt, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode,
    header::{
        ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, VARY,
        X_CONTENT_TYPE_OPTIONS,
    },
};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::Serialize;
use tower_service::Service;
use tracing::Instrument as _;
use url::Url;
use warp::{
    Filter, Rejection,
    filters::BoxedFilter,
    reject::{InvalidQuery, MethodNotAllowed},
};

use crate::{
    audit,
    authority::{GrantFilter, GrantList},
    body::{self, Body, BoxError},
    config::facts::Facts,
    flow::{FlowId, Flows},
    keys::{KeyError, KeyOverview},
    listener::Peer,
    metrics::{Format, Metrics},
    page::Page,
    request_id::{RequestIds, X_REQUEST_ID},
    store::StoreError,
};

pub use self::keys::{KeyList, RevokeKey, RootSecret, Rotate};
pub use grants::Revoked;
pub use readiness::{NamedPart, Part, Readiness};
pub use status::{Failure, ProviderStatus, RouteStatus, Status};

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const KNOWN: &str = "only GET /metrics, /healthz, /readyz, /status, /flows, /flows/NAME, /grants, /keys, \
                     /config and POST /grants/revoke, /grants/revoke-all, /keys/rotate, /keys/revoke, /reload\n";

const UNKNOWN_QUERY: &str = "grants are picked by id, provider, subject, email, client and route, each at most once; \
                             /keys/rotate takes now=true, /keys/revoke needs kid\n";
const NO_FLOW: &str = "this sign-in is not remembered: it is too old, or another process had it\n";
/// Of a list.
const MOST_FLOWS: usize = 200;

/// The process as its operator sees it.
#[async_trait]
pub trait Process: Send + Sync + 'static {
    /// Whether it should be sent requests.
    async fn readiness(&self) -> Readiness;

    /// What it does, and since when.
    fn status(&self) -> Status;

    /// What its configuration says.
    fn facts(&self) -> Facts;

    /// The last sign-ins.
    fn flows(&self) -> Arc<Flows>;

    /// What clients type.
    fn public_url(&self) -> Url;

    /// Whether this host name (lower case, without a port) is one of the configured ones.
    fn answers_for(&self, host: &str) -> bool;

    /// What persons gave clients: the grants that fit, at most `most`.
    async fn grants(&self, filter: &GrantFilter, most: usize) -> Result<GrantList, StoreError>;

    /// Ends the grants that fit; returns how many there were.
    async fn revoke_grants(&self, filter: &GrantFilter) -> Result<usize, StoreError>;

    /// Our signing keys, and the root secrets by name.
    async fn keys(&self) -> Result<KeyList, StoreError>;

    /// The signing keys alone.
    fn signing_keys(&self) -> Vec<KeyOverview>;

    /// Makes a new signing key, which signs now or in a while; returns all of them.
    async fn rotate_keys(&self, now: bool) -> Result<Vec<KeyOverview>, KeyError>;

    /// Ends a key; false if there is none with this name.
    async fn revoke_key(&self, kid: &str) -> Result<bool, KeyError>;

    /// Reads the configuration again, now.
    async fn reload(&self) -> Reloaded;
}

/// How an attempt to reload ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reloaded {
    /// What was read is what runs.
    pub good: bool,
    /// The report; no secrets.
    pub report: serde_json::Value,
}

/// The handler of the admin listener. Cheap to clone.
#[derive(Clone)]
pub struct Admin {
    routes: BoxedFilter<(Response<Bytes>,)>,
    process: Arc<dyn Process>,
    request_ids: Arc<RequestIds>,
}

/// What `/config` answers; `vestibule config diff` reads it.
#[derive(Clone, Debug, Serialize, serde::Deserialize)]
pub struct RunningConfig {
    /// The version of the program.
    pub version: String,
    /// [`Facts::hash`].
    pub sha256: String,
    /// Everything, secrets as fingerprints.
    #[serde(flatten)]
    pub facts: Facts,
}

// === impl Admin ===

impl Admin {
    /// Everything that an operator may ask a process.
    pub fn new(metrics: Arc<Metrics>, process: Arc<dyn Process>) -> Self {
        let metrics = get("metrics").and(warp::header::headers_cloned()).map(move |headers| {
            let format = Format::preferred(&headers);
            let mut answer = answer(StatusCode::OK, format.media_type(), metrics.render_as(format));
            answer.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
            answer
        });
        // Nothing to check: a process that cannot serve does not answer.
        let health = get("healthz").map(|| answer(StatusCode::OK, TEXT, "ok\n"));
        let asked = Arc::clone(&process);
        let ready = get("readyz").then(move || {
            let process = Arc::clone(&asked);
            async move {
                let report = process.readiness().await.report();
                json(if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, &report)
            }
        });
        let asked = Arc::clone(&process);
        let status = get("status").and(warp::header::headers_cloned()).then(move |headers| {
            let process = Arc::clone(&asked);
            async move {
                let status = Status { store: process.readiness().await.store, ..process.status() };
                either(&headers, &status, || pages::status(&status, &process.public_url()))
            }
        });
        let asked = Arc::clone(&process);
        let flows = get("flows").and(warp::header::headers_cloned()).map(move |headers| {
            let newest = asked.flows().newest(MOST_FLOWS);
            either(&headers, &newest, || pages::flows(&newest, &asked.public_url()))
        });
        let asked = Arc::clone(&process);
        let flow = warp::path!("flows" / String).and(warp::get()).and(warp::header::headers_cloned()).map(
            move |id: String, headers| {
                let flow = match id.parse::<FlowId>() {
                    Ok(id) => asked.flows().get(&id),
                    Err(error) => return answer(StatusCode::BAD_REQUEST, TEXT, format!("{error}\n")),
                };
                match flow {
                    Some(flow) => either(&headers, &flow, || pages::flow(&flow, &asked.public_url())),
                    None => answer(StatusCode::NOT_FOUND, TEXT, NO_FLOW),
                }
            },
        );
        let asked = Arc::clone(&process);
        let config = get("config").map(move || json(StatusCode::OK, &RunningConfig::new(asked.facts())));
        let asked = Arc::clone(&process);
        let reload = at("reload").and(warp::post()).then(move || {
            let process = Arc::clone(&asked);
            async move {
                let Reloaded { good, report } = process.reload().await;
                let reason = report.get("error").and_then(serde_json::Value::as_str);
                audit::Entry { by: Some("reload"), reason, ..audit::Entry::default() }
                    .tell(audit::Event::AdminAction, if good { "ok" } else { "refused" });
                json(if good { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY }, &report)
            }
        });
        let health = metrics.or(health).unify().or(ready).unify();
        let flows = flows.or(flow).unify();
        let grants =
            grants::list(&process).or(grants::revoke(&process)).unify().or(grants::revoke_all(&process)).unify();
        let keys = self::keys::list(&process)
            .or(self::keys::rotate(&process))
            .unify()
            .or(self::keys::revoke(&process))
            .unify();
        let grants = grants.or(keys).unify();
        let known =
            health.or(status).unify().or(config).unify().or(flows).unify().or(grants).unify().or(reload).unify();
        let request_ids = Arc::new(RequestIds::new());
        Self { routes: known.recover(unknown).unify().boxed(), process, request_ids }
    }

    /// Answers one request, which gets a name as on the public listener: every line that it causes has it.
    pub async fn answer(&self, request: Request<Incoming>, peer: Peer) -> Response<Body> {
        let id = self.request_ids.make();
        let name = id.to_str().unwrap_or_default();
        let span = tracing::error_span!("admin", request_id = name, client = %peer.ip());
        let mut response = self.answer_named(request).instrument(span).await;
        response.headers_mut().insert(X_REQUEST_ID, id);
        response
    }

    async fn answer_named(&self, request: Request<Incoming>) -> Response<Body> {
        let (method, uri) = (request.method(), request.uri());
        let allowed = guard::check(method, uri, request.headers(), |host| self.process.answers_for(host));
        if let Err(refusal) = allowed {
            let (by, reason) = (format!("{method} {}", uri.path()), refusal.to_string());
            audit::Entry { by: Some(&by), reason: Some(&reason), ..audit::Entry::default() }
                .tell(audit::Event::AdminAction, "refused");
            return answer(refusal.status(), TEXT, format!("{refusal}\n")).map(body::full);
        }
        let response = warp::service(self.routes.clone()).call(request).await.unwrap_or_else(|never| match never {});
        response.map(|body| body.map_err(BoxError::from).boxed_unsync())
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Admin")
    }
}

// === impl RunningConfig ===

impl RunningConfig {
    fn new(facts: Facts) -> Self {
        Self { version: env!("CARGO_PKG_VERSION").to_owned(), sha256: facts.hash(), facts: facts.for_others() }
    }
}

fn at(path: &'static str) -> impl Filter<Extract = (), Error = Rejection> + Clone {
    warp::path(path).and(warp::path::end())
}

fn get(path: &'static str) -> impl Filter<Extract = (), Error = Rejection> + Clone {
    at(path).and(warp::get().or(warp::head()).unify())
}

async fn unknown(rejection: Rejection) -> Result<Response<Bytes>, Infallible> {
    if rejection.find::<InvalidQuery>().is_some() {
        return Ok(answer(StatusCode::BAD_REQUEST, TEXT, UNKNOWN_QUERY));
    }
    if rejection.find::<MethodNotAllowed>().is_none() {
        return Ok(answer(StatusCode::NOT_FOUND, TEXT, KNOWN));
    }
    let mut answer = answer(StatusCode::METHOD_NOT_ALLOWED, TEXT, KNOWN);
    // Which of them it is does not matter enough to keep a second table of paths.
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
    Ok(answer)
}

/// A page for a browser, JSON for everybody else.
fn either(headers: &HeaderMap, value: &impl Serialize, page: impl FnOnce() -> Page) -> Response<Bytes> {
    let accepts = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut answer = if accepts.flat_map(|value| value.split([',', ';'])).any(|range| range.trim() == "text/html") {
        let Page { html, policy } = page();
        let mut answer = answer(StatusCode::OK, HTML, html);
        if let Ok(policy) = HeaderValue::try_from(policy) {
            answer.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
        }
        answer.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        answer
    } else {
        json(StatusCode::OK, value)
    };
    answer.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
    answer
}

fn json(status: StatusCode, value: &impl Serialize) -> Response<Bytes> {
    match serde_json::to_vec(value) {
        Ok(text) => answer(status, JSON, text),
        Err(_) => answer(StatusCode::INTERNAL_SERVER_ERROR, TEXT, "the answer could not be written\n"),
    }
}

fn answer(status: StatusCode, media_type: HeaderValue, text: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, media_type);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // No page of anybody else's may embed an answer.
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    response
}

#[cfg(test)]
mod tests;
