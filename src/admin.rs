//! The operator's side door: metrics and health, on a listener of its own and never on the public
//! one (S73).

use std::{convert::Infallible, fmt, pin::Pin, sync::Arc};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE},
};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::Serialize;
use tower_service::Service;
use warp::{Filter, Rejection, filters::BoxedFilter, reject::MethodNotAllowed};

use crate::{
    body::{Body, BoxError},
    listener::Peer,
    metrics::Metrics,
};

/// The text format of Prometheus.
const METRICS: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Whether this process should be sent requests, and what is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// The process is on its way out.
    pub draining: bool,
    /// The store.
    pub store: Part,
    /// Each provider by its name. One that is down does not make us unready: whoever is signed in
    /// goes on (S76).
    pub providers: Vec<NamedPart>,
}

/// One thing that may be ready or not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Part {
    /// It can be used.
    pub ready: bool,
    /// Why not; for an operator, without secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One of several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NamedPart {
    /// Its name in the configuration.
    pub name: String,
    /// How it is.
    #[serde(flatten)]
    pub state: Part,
}

/// Says how ready we are, now.
pub type Probe = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Readiness> + Send>> + Send + Sync>;

/// Reads the configuration again, now.
pub type Reload = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Reloaded> + Send>> + Send + Sync>;

/// How that ended.
#[derive(Clone, Debug)]
pub struct Reloaded {
    /// What was read is what runs.
    pub good: bool,
    /// For people and programs, without secrets.
    pub report: serde_json::Value,
}

/// The handler of the admin listener. Cheap to clone.
#[derive(Clone)]
pub struct Admin {
    routes: BoxedFilter<(Response<Bytes>,)>,
}

#[derive(Serialize)]
struct Report<'a> {
    ready: bool,
    #[serde(flatten)]
    readiness: &'a Readiness,
}

// === impl Readiness ===

impl Readiness {
    /// Whether requests should come here.
    pub fn is_ready(&self) -> bool {
        !self.draining && self.store.ready
    }
}

// === impl Admin ===

impl Admin {
    /// `/metrics`, `/healthz` and `/readyz`.
    pub fn new(metrics: Arc<Metrics>, probe: Probe) -> Self {
        let metrics = at("metrics").map(move || answer(StatusCode::OK, METRICS, metrics.render()));
        // Nothing to check: a process that cannot serve does not answer.
        let health = at("healthz").map(|| answer(StatusCode::OK, TEXT, "ok\n"));
        let ready = at("readyz").then(move || {
            let readiness = probe();
            async move { report(&readiness.await) }
        });
        let known = metrics.or(health).unify().or(ready).unify();
        Self { routes: known.recover(unknown).unify().boxed() }
    }

    /// And `POST /reload`: 200 when what was read is what runs, 422 when it was refused. Pages of
    /// other sites may not ask for it.
    #[must_use]
    pub fn with_reload(self, reload: Reload) -> Self {
        let reload = warp::path("reload")
            .and(warp::path::end())
            .and(warp::method())
            .and(warp::header::optional::<String>("origin"))
            .then(move |method: Method, origin: Option<String>| {
                let asked = (method == Method::POST && origin.is_none()).then(|| reload());
                async move {
                    match asked {
                        Some(asked) => reloaded(&asked.await),
                        None if origin.is_some() => answer(StatusCode::FORBIDDEN, TEXT, "not for browsers\n"),
                        None => not_allowed("POST"),
                    }
                }
            });
        Self { routes: reload.or(self.routes).unify().boxed() }
    }

    /// Answers one request.
    pub async fn answer(&self, request: Request<Incoming>, _peer: Peer) -> Response<Body> {
        let response = warp::service(self.routes.clone()).call(request).await.unwrap_or_else(|never| match never {});
        response.map(|body| body.map_err(BoxError::from).boxed_unsync())
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Admin")
    }
}

fn at(path: &'static str) -> impl Filter<Extract = (), Error = Rejection> + Clone {
    warp::path(path).and(warp::path::end()).and(warp::get().or(warp::head()).unify())
}

fn report(readiness: &Readiness) -> Response<Bytes> {
    let ready = readiness.is_ready();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let json = serde_json::to_vec(&Report { ready, readiness }).unwrap_or_default();
    answer(status, JSON, json)
}

async fn unknown(rejection: Rejection) -> Result<Response<Bytes>, Infallible> {
    let status = if rejection.find::<MethodNotAllowed>().is_some() {
        StatusCode::METHOD_NOT_ALLOWED
    } else {
        StatusCode::NOT_FOUND
    };
    Ok(match status {
        StatusCode::METHOD_NOT_ALLOWED => not_allowed("GET, HEAD"),
        _ => answer(status, TEXT, "only GET /metrics, /healthz and /readyz, and POST /reload\n"),
    })
}

fn not_allowed(allow: &'static str) -> Response<Bytes> {
    let mut answer = answer(StatusCode::METHOD_NOT_ALLOWED, TEXT, format!("only {allow}\n"));
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    answer
}

fn reloaded(reloaded: &Reloaded) -> Response<Bytes> {
    let status = if reloaded.good { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    answer(status, JSON, serde_json::to_vec(&reloaded.report).unwrap_or_default())
}

fn answer(status: StatusCode, media_type: HeaderValue, text: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    use super::*;
    use crate::{listener::Listener, testing};

    async fn ask(admin: &Admin, line: &str) -> String {
        let limits = testing::plan("https://g.example", &[]).limits;
        let listener = Listener::bind(([127, 0, 0, 1], 0).into(), &limits, None).await.unwrap();
        let address = listener.local_address().unwrap();
        let admin = admin.clone();
        let handler = move |request: Request<Incoming>, peer| {
            let admin = admin.clone();
            async move { admin.answer(request, peer).await }
        };
        tokio::spawn(listener.serve(handler, std::future::pending()));
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    fn part(reason: Option<&str>) -> Part {
        Part { ready: reason.is_none(), reason: reason.map(str::to_owned) }
    }

    /// S76: a provider that is down is told with its reason, and does not stop the rest.
    #[tokio::test]
    async fn s76_readiness_has_reasons() {
        let state = Arc::new(Mutex::new(Readiness::default()));
        let shared = Arc::clone(&state);
        let probe: Probe = Arc::new(move || {
            let readiness = shared.lock().unwrap().clone();
            Box::pin(async move { readiness })
        });
        let admin = Admin::new(Metrics::new().unwrap(), probe);
        let down = NamedPart { name: "auth0".to_owned(), state: part(Some("no discovery document")) };
        for (readiness, status, body) in [
            (
                Readiness { draining: false, store: part(None), providers: vec![down] },
                "200",
                r#"{"ready":true,"draining":false,"store":{"ready":true},"providers":[{"name":"auth0","ready":false,"reason":"no discovery document"}]}"#,
            ),
            (
                Readiness { draining: true, store: part(None), providers: vec![] },
                "503",
                r#"{"ready":false,"draining":true,"store":{"ready":true},"providers":[]}"#,
            ),
            (
                Readiness { draining: false, store: part(Some("disk full")), providers: vec![] },
                "503",
                r#"{"ready":false,"draining":false,"store":{"ready":false,"reason":"disk full"},"providers":[]}"#,
            ),
        ] {
            *state.lock().unwrap() = readiness;
            let answer = ask(&admin, "GET /readyz").await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
            assert!(answer.contains("content-type: application/json\r\n") && answer.ends_with(body), "{answer}");
        }
    }

    #[tokio::test]
    async fn metrics_and_health() {
        let probe: Probe = Arc::new(|| Box::pin(async { Readiness::default() }));
        let admin = Admin::new(Metrics::new().unwrap(), probe);
        let answer = ask(&admin, "GET /metrics").await;
        assert!(answer.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{answer}");
        assert!(answer.contains("vestibule_build_info{"), "{answer}");
        for (line, status) in [
            ("GET /healthz", "200 OK"),
            ("HEAD /healthz", "200 OK"),
            ("POST /healthz", "405 Method Not Allowed"),
            ("GET /", "404 Not Found"),
            ("GET /metrics/x", "404 Not Found"),
        ] {
            assert!(ask(&admin, line).await.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{line}");
        }
    }
}
