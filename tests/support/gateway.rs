//! The whole request line over real sockets: listener, edge, gate, forwarder, and a backend that
//! remembers what it was asked.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::timeout,
};
use url::Url;
use vestibule::{
    body::{self, Body, BoxError},
    config::plan::{Plan, ProviderPlan},
    edge::{self, Surface},
    egress::Egress,
    endpoint::{self, Endpoints, ServerFacts, limiter::Limiters, memory::Memory},
    flow::Flows,
    forward::Forwarder,
    gate::{self, Gate, Issued},
    listener::{Drained, Listener},
    provider::Provider,
};

use super::{
    plan,
    world::{self, World},
};

/// Whatever is waited for comes within this, or the test fails.
pub(crate) const SOON: Duration = Duration::from_secs(5);

/// A gateway with one provider at `/`, the routes `/mcp` and `/other`, and one backend for both.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) world: World,
    pub(crate) backend: Backend,
    stop: Option<oneshot::Sender<()>>,
    served: Option<JoinHandle<Drained>>,
}

/// What the backend was asked, and the way to feed its open streams.
#[derive(Clone, Default)]
pub(crate) struct Backend {
    seen: Arc<Mutex<Vec<Seen>>>,
    events: Arc<Mutex<Vec<mpsc::Sender<Event>>>>,
}

type Event = Result<Frame<Bytes>, BoxError>;

/// One request as the backend saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: String,
}

// === impl Gateway ===

impl Gateway {
    pub(crate) async fn start() -> Self {
        Self::with(|_, _| ()).await
    }

    /// With changes to the plan of the instance and of the provider.
    pub(crate) async fn with(change: impl Fn(&mut Plan, &mut ProviderPlan)) -> Self {
        let backend = Backend::default();
        let backend_url = backend.clone().serve().await;
        let planned = |public_url: &Url| {
            let mut plan = plan::plan(public_url.as_str(), &[]);
            let mut provider = plan::provider(public_url, "auth0", "/", &[]);
            for path in ["/mcp", "/other"] {
                let route = plan::route(public_url, "auth0", path, &format!("{backend_url}{path}"));
                provider.routes.push(Arc::new(route));
            }
            change(&mut plan, &mut provider);
            (plan, provider)
        };
        // The public URL names the port that the system chooses.
        let limits = planned(&Url::parse("http://127.0.0.1").unwrap()).0.limits;
        let listener = Listener::bind(([127, 0, 0, 1], 0).into(), &limits, None).await.unwrap();
        let address = listener.local_address().unwrap();
        let (mut plan, provider) = planned(&Url::parse(&format!("http://{address}")).unwrap());
        let world = World::new(provider).await;
        plan.providers = vec![Arc::clone(&world.plan)];
        let surface = Arc::new(surface(&plan, &world));
        let (stop, stopped) = oneshot::channel();
        let handler = move |request: Request<Incoming>, peer| {
            let surface = Arc::clone(&surface);
            async move { surface.answer(peer, request).await }
        };
        let served = tokio::spawn(listener.serve(handler, async move { drop(stopped.await) }));
        Self { address, world, backend, stop: Some(stop), served: Some(served) }
    }

    /// The public origin.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) async fn connect(&self, request: impl AsRef<[u8]>) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_ref()).await.unwrap();
        stream
    }

    /// Sends bytes and reads until the connection closes.
    pub(crate) async fn raw(&self, request: impl AsRef<[u8]>) -> String {
        read_all(&mut self.connect(request).await).await
    }

    /// One request with these header lines; `Host` and the end of the connection are added.
    pub(crate) async fn ask(&self, line: &str, headers: &[&str]) -> String {
        self.raw(self.request(line, headers)).await
    }

    pub(crate) fn request(&self, line: &str, headers: &[&str]) -> String {
        let host = format!("host: {}", self.address);
        let first = format!("{line} HTTP/1.1");
        let mut lines = vec![first.as_str(), &host, "connection: close"];
        lines.extend_from_slice(headers);
        lines.join("\r\n") + "\r\n\r\n"
    }

    /// Ends the gateway as SIGTERM does.
    pub(crate) async fn stop(&mut self) -> Drained {
        self.stop.take().unwrap().send(()).unwrap();
        timeout(SOON, self.served.take().unwrap()).await.expect("the drain does not end").unwrap()
    }
}

fn surface(plan: &Plan, world: &World) -> Surface {
    let forwarder = Forwarder::new();
    let flows = Arc::new(Flows::new(world.clock.clone()));
    let routes = world.plan.routes.iter().map(|route| {
        let metrics = world.metrics.route(&route.id);
        let gate = Gate::new(gate::Parts {
            plan: Arc::clone(route),
            provider: Arc::clone(&world.plan),
            issuer: world.plan.issuer.clone(),
            keys: Arc::clone(&world.keys),
            issued: Issued::ByUs { grants: Arc::clone(&world.grants), authority: Arc::clone(&world.authority) },
            flows: Arc::clone(&flows),
            clock: world.clock.clone(),
            metrics: world.provider_metrics.clone(),
        });
        let backend = forwarder.backend(&plan.public_url, route, metrics.clone()).unwrap();
        Arc::new(edge::Route::new(route, gate, Arc::new(backend), &metrics, Arc::clone(&flows)))
    });
    let endpoints = Endpoints::new(&Arc::new(endpoint::Mount {
        plan: Arc::clone(&world.plan),
        server: ServerFacts { https: plan.is_https(), public_url: plan.public_url.clone() },
        authority: Arc::clone(&world.authority),
        providers: vec![Provider::new(
            Arc::clone(&world.plan),
            Egress::for_provider(world.plan.timeout, false).unwrap(),
            world.clock.clone(),
            world.provider_metrics.clone(),
        )],
        keys: Arc::clone(&world.keys),
        sealer: world::sealer(),
        metrics: world.provider_metrics.clone(),
        limiters: Arc::new(Limiters::new(&plan.limits)),
        memory: Arc::new(Memory::new()),
        flows: Arc::clone(&flows),
        clock: world.clock.clone(),
    }));
    let mount = edge::Mount::new("auth0", Arc::new(endpoints), routes.collect(), &world.metrics);
    Surface::new(plan, vec![Arc::new(mount)], &world.metrics).unwrap()
}

// === impl Backend ===

impl Backend {
    /// All requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Sends an event to the latest open stream.
    pub(crate) async fn event(&self, text: &str) {
        let sender = self.events.lock().unwrap().last().unwrap().clone();
        sender.send(Ok(Frame::data(text.to_owned().into()))).await.unwrap();
    }

    /// Resolves when the latest open stream is gone.
    pub(crate) async fn closed(&self) {
        let sender = self.events.lock().unwrap().pop().unwrap();
        timeout(SOON, sender.closed()).await.expect("the backend's stream stays open");
    }

    async fn serve(self) -> String {
        let limits = plan::plan("http://localhost", &[]).limits;
        let listener = Listener::bind(([127, 0, 0, 1], 0).into(), &limits, None).await.unwrap();
        let address = listener.local_address().unwrap();
        let handler = move |request, _peer| {
            let backend = self.clone();
            async move { backend.handle(request).await }
        };
        tokio::spawn(listener.serve(handler, std::future::pending()));
        format!("http://{address}")
    }

    /// Paths that end with `events` are event streams, with `socket` tunnels that echo; everything
    /// else is answered with `ok`.
    async fn handle(&self, mut request: Request<Incoming>) -> Response<Body> {
        let upgrade = hyper::upgrade::on(&mut request);
        let (head, body) = request.into_parts();
        let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        self.seen.lock().unwrap().push(Seen {
            line: format!("{} {}", head.method, head.uri),
            headers: head.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        });
        if head.uri.path().ends_with("socket") {
            tokio::spawn(async move {
                let (mut from, mut to) = tokio::io::split(TokioIo::new(upgrade.await.unwrap()));
                drop(tokio::io::copy(&mut from, &mut to).await);
            });
            let response = Response::builder().status(101).header("connection", "upgrade");
            return response.header("upgrade", "websocket").body(body::empty()).unwrap();
        }
        if !head.uri.path().ends_with("events") {
            return Response::builder().header("mcp-session-id", "s1").body(body::full("ok")).unwrap();
        }
        let (sender, mut receiver) = mpsc::channel(10);
        self.events.lock().unwrap().push(sender);
        let stream = futures_util::stream::poll_fn(move |context| receiver.poll_recv(context));
        let body = StreamBody::new(stream).boxed_unsync();
        Response::builder().header("content-type", "text/event-stream").body(body).unwrap()
    }
}

/// Reads until the connection closes.
pub(crate) async fn read_all(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    timeout(SOON, stream.read_to_end(&mut bytes)).await.expect("the connection stays open").ok();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads until the text has been seen.
pub(crate) async fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut seen = String::new();
    let mut chunk = [0; 4096];
    while !seen.contains(text) {
        let length = timeout(SOON, stream.read(&mut chunk)).await.expect("no bytes came").unwrap();
        assert!(length > 0, "closed after {seen}");
        seen.push_str(&String::from_utf8_lossy(&chunk[..length]));
    }
    seen
}

/// The status code of a response.
pub(crate) fn status(response: &str) -> u16 {
    response.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_default()
}

/// The value of a header of a response, if it is there once.
pub(crate) fn header<'a>(response: &'a str, name: &str) -> Option<&'a str> {
    let head = response.split("\r\n\r\n").next()?;
    let mut values = head.lines().skip(1).filter_map(|line| line.split_once(": ")).filter(|(own, _)| *own == name);
    let (_, value) = values.next()?;
    assert!(values.next().is_none(), "{name} is there twice: {head}");
    Some(value)
}
