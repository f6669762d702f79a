//! The way to the backends: pooled connections, streaming both ways, no byte copied or looked at.
//!
//! What may pass was decided before. This module does not know tokens, people or policies; it is
//! handed the headers to add and the lease to end with.

mod body;
mod connect;
mod failure;
mod headers;
mod target;
mod upgrade;

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use http::{HeaderName, HeaderValue, Request, Response, StatusCode, Version, header::EXPECT, request};
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::{body::Incoming, upgrade::OnUpgrade};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use url::Url;

pub use connect::TlsError;

use crate::{
    body::Body,
    config::plan::RoutePlan,
    metrics::{RouteMetrics, outcome::StreamKind},
};
use body::{Ending, Idle, RequestBody, ResponseBody};
use connect::Connector;
use failure::Failure;
use target::Mapping;

/// Shorter than what common servers grant an idle connection (Node and uvicorn: 5 s), so that a
/// request is not sent into a connection that is just being closed.
const POOL_IDLE: Duration = Duration::from_secs(4);
/// Idle connections kept for one backend.
const POOL_SIZE: usize = 256;

/// What all backends share: the TLS settings, loaded when the first backend needs them.
#[derive(Debug, Default)]
pub struct Forwarder {
    tls: connect::Tls,
}

/// One route's way to its backend: a connection pool and everything that can be prepared.
#[derive(Debug)]
pub struct Backend {
    client: Client<Connector, RequestBody>,
    mapping: Mapping,
    /// `Host` for the backend.
    host: HeaderValue,
    /// `X-Forwarded-Host` and `X-Forwarded-Proto`: ours, from the configuration.
    public_host: HeaderValue,
    public_scheme: HeaderValue,
    rules: Arc<headers::Rules>,
    max_body: u64,
    response_timeout: Duration,
    idle_timeout: Option<Duration>,
    metrics: Arc<RouteMetrics>,
}

/// What we tell the backend about the request.
#[derive(Clone, Debug)]
pub struct ForwardHeaders {
    /// Who calls: the headers of [`crate::config::plan::IdentityHeaders`], ready to be set.
    pub identity: Arc<[(HeaderName, HeaderValue)]>,
    /// The backend's own credential, if it gets one. The client's never goes there.
    pub authorization: Option<HeaderValue>,
    /// `X-Forwarded-For`.
    pub forwarded_for: HeaderValue,
    /// `Forwarded` (RFC 7239).
    pub forwarded: HeaderValue,
    /// `X-Request-Id`.
    pub request_id: HeaderValue,
}

/// What a forwarded exchange depends on. It is kept until the response, or the tunnel, has ended.
pub trait Lease: Send + Sync + Unpin + 'static {
    /// Whether what allowed the exchange is gone.
    fn is_over(&self) -> bool;

    /// Resolves when it is gone. Asked for once, and only for long-lived responses.
    fn over(&self) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

// === impl Forwarder ===

impl Forwarder {
    /// Opens nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Prepares the way to a route's backend.
    ///
    /// # Errors
    /// [`TlsError`] if the backend is https and this machine has no usable root certificates.
    pub fn backend(&self, public_url: &Url, route: &RoutePlan, metrics: RouteMetrics) -> Result<Backend, TlsError> {
        let connector = self.tls.connector(&route.backend)?;
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(POOL_SIZE)
            .build(connector);
        Ok(Backend {
            client,
            host: target::host_of(&route.backend.url),
            public_host: target::host_of(public_url),
            public_scheme: HeaderValue::try_from(public_url.scheme()).unwrap_or(HeaderValue::from_static("http")),
            mapping: Mapping::new(public_url, route),
            rules: Arc::new(headers::Rules::new(route)),
            max_body: route.max_body,
            response_timeout: route.backend.response_timeout,
            idle_timeout: route.backend.idle_timeout,
            metrics: Arc::new(metrics),
        })
    }
}

// === impl Backend ===

impl Backend {
    /// Sends a request on and streams the answer back. Dropping the future, or the response's
    /// body, drops the backend's request with it.
    pub async fn forward<L: Lease>(
        &self,
        request: Request<Incoming>,
        add: &ForwardHeaders,
        lease: L,
    ) -> Response<Body> {
        let mut ending = Ending::new(Arc::clone(&self.metrics));
        match self.exchange(request, add, lease, &mut ending).await {
            Ok(response) => response,
            Err(failure) => {
                ending.is(failure.outcome());
                failure.into_response()
            }
        }
    }

    async fn exchange<L: Lease>(
        &self,
        mut request: Request<Incoming>,
        add: &ForwardHeaders,
        lease: L,
        ending: &mut Ending,
    ) -> Result<Response<Body>, Failure> {
        if request.body().size_hint().lower() > self.max_body {
            if !request.headers().contains_key(EXPECT) {
                crate::body::discard(request.into_body());
            }
            return Err(Failure::BodyTooLarge);
        }
        let tunnel = upgrade::is_websocket(&request).then(|| hyper::upgrade::on(&mut request));
        let (head, body) = request.into_parts();
        // Nothing to wait for, nothing to watch: most requests have no body or a short one.
        let moved = (!body.is_end_stream()).then(|| Arc::new(AtomicBool::new(false)));
        let rules = Arc::clone(&self.rules);
        let body = RequestBody::new(body, self.max_body, moved.clone(), rules, Arc::clone(&self.metrics));
        let request = self.prepare(head, add, tunnel.is_some(), body)?;
        let sent = Instant::now();
        let response = self.head(request, moved.as_deref()).await?;
        self.metrics.backend_head(sent.elapsed());
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let client = tunnel.ok_or(Failure::Protocol)?;
            return Ok(self.tunnel(response, client, lease, ending));
        }
        Ok(self.answer(response, lease, ending))
    }

    fn prepare(
        &self,
        mut head: request::Parts,
        add: &ForwardHeaders,
        upgrade: bool,
        body: RequestBody,
    ) -> Result<Request<RequestBody>, Failure> {
        head.uri = self.mapping.to_backend(&head.uri).ok_or(Failure::Protocol)?;
        head.version = Version::HTTP_11;
        head.extensions.clear();
        headers::clean_request(&mut head.headers, &self.rules);
        headers::set_request(&mut head.headers, self, add);
        if upgrade {
            upgrade::announce(&mut head.headers);
        }
        Ok(Request::from_parts(head, body))
    }

    /// Waits for the response's head. The deadline starts anew as long as the request's body
    /// moves: an upload takes as long as it takes.
    async fn head(
        &self,
        request: Request<RequestBody>,
        moved: Option<&AtomicBool>,
    ) -> Result<Response<Incoming>, Failure> {
        let mut response = std::pin::pin!(self.client.request(request));
        let mut deadline = std::pin::pin!(tokio::time::sleep(self.response_timeout));
        loop {
            tokio::select! {
                biased;
                response = response.as_mut() => return response.map_err(|error| Failure::of(&error)),
                () = deadline.as_mut() => {
                    if !moved.is_some_and(|moved| moved.swap(false, Ordering::Relaxed)) {
                        return Err(Failure::Timeout);
                    }
                    deadline.as_mut().reset(tokio::time::Instant::now() + self.response_timeout);
                }
            }
        }
    }

    fn answer<L: Lease>(&self, response: Response<Incoming>, lease: L, ending: &mut Ending) -> Response<Body> {
        let (mut head, body) = response.into_parts();
        head.version = Version::HTTP_11;
        head.extensions.clear();
        headers::clean_response(&mut head.headers, &self.mapping);
        let kind = headers::stream_kind(&head.headers);
        if kind == Some(StreamKind::Sse) {
            headers::forbid_buffering(&mut head.headers);
        }
        let stream = kind.map(|kind| self.metrics.stream(kind));
        let idle = self.idle_timeout.map(Idle::new);
        let body = ResponseBody::new(body, lease, ending.take(), Arc::clone(&self.metrics), stream, idle);
        Response::from_parts(head, body.boxed_unsync())
    }

    /// The backend agreed to leave HTTP: both sides are copied until one ends.
    fn tunnel<L: Lease>(
        &self,
        mut response: Response<Incoming>,
        client: OnUpgrade,
        lease: L,
        ending: &mut Ending,
    ) -> Response<Body> {
        let backend = hyper::upgrade::on(&mut response);
        let (mut head, _) = response.into_parts();
        head.version = Version::HTTP_11;
        head.extensions.clear();
        headers::clean_response(&mut head.headers, &self.mapping);
        upgrade::announce(&mut head.headers);
        let stream = self.metrics.stream(StreamKind::Websocket);
        tokio::spawn(upgrade::run((client, backend), lease, ending.take(), stream, self.idle_timeout));
        Response::from_parts(head, crate::body::empty())
    }
}

#[cfg(test)]
mod tests;
