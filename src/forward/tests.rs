//! Over real sockets: client -> our listener -> [`Backend::forward`] -> a backend.

use std::net::SocketAddr;

use http_body_util::{Full, StreamBody};
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    time::timeout,
};

use super::*;
use crate::{
    body::{self as bodies, BoxError},
    listener::{Listener, Peer},
    metrics::Metrics,
    testing,
};

const SOON: Duration = Duration::from_secs(5);

/// A lease that the test ends.
#[derive(Clone)]
struct TestLease(watch::Receiver<bool>);

impl Lease for TestLease {
    fn is_over(&self) -> bool {
        *self.0.borrow()
    }

    fn over(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let mut receiver = self.0.clone();
        Box::pin(async move {
            if receiver.wait_for(|over| *over).await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }
}

struct Gateway {
    address: SocketAddr,
    metrics: Arc<Metrics>,
    revoke: watch::Sender<bool>,
}

impl Gateway {
    async fn connect(&self, request: impl AsRef<[u8]>) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_ref()).await.unwrap();
        stream
    }

    /// Sends a raw request and reads until the connection closes.
    async fn talk(&self, request: impl AsRef<[u8]>) -> String {
        read_all(&mut self.connect(request).await).await
    }

    async fn assert_outcome(&self, outcome: &str) {
        let line = format!("vestibule_backend_requests_total{{outcome=\"{outcome}\",route=\"a/mcp\"}} 1");
        // What ends by a dropped body is counted a moment after the client saw the end.
        for _ in 0..100 {
            if self.metrics.render().contains(&line) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{line}\n{}", self.metrics.render());
    }
}

/// A gateway that forwards everything to `backend`.
async fn gateway(backend: &str, change: impl FnOnce(&mut RoutePlan)) -> Gateway {
    let public_url = Url::parse("https://g.example/").unwrap();
    let mut route = testing::route(&public_url, "a", "/mcp", backend);
    change(&mut route);
    let metrics = Metrics::new().unwrap();
    let backend = Forwarder::new().backend(&public_url, &route, metrics.route("a/mcp")).unwrap();
    let backend = Arc::new(backend);
    let (revoke, revoked) = watch::channel(false);
    let add = ForwardHeaders {
        identity: Arc::from([(HeaderName::from_static("x-user-subject"), HeaderValue::from_static("alice"))]),
        authorization: None,
        forwarded_for: HeaderValue::from_static("192.0.2.1"),
        forwarded: HeaderValue::from_static("for=192.0.2.1"),
        request_id: HeaderValue::from_static("r1"),
    };
    let address = serve(move |request, _peer| {
        let (backend, add, lease) = (Arc::clone(&backend), add.clone(), TestLease(revoked.clone()));
        async move { backend.forward(request, &add, lease).await }
    })
    .await;
    Gateway { address, metrics, revoke }
}

async fn serve<H, F>(handler: H) -> SocketAddr
where
    H: Fn(Request<Incoming>, Peer) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let limits = testing::plan("https://g.example", &[]).limits;
    let listener = Listener::bind(([127, 0, 0, 1], 0).into(), &limits, None).await.unwrap();
    let address = listener.local_address().unwrap();
    tokio::spawn(listener.serve(handler, std::future::pending()));
    address
}

/// A backend made of a handler.
async fn backend<H, F>(handler: H) -> String
where
    H: Fn(Request<Incoming>, Peer) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    format!("http://{}/mcp", serve(handler).await)
}

/// A backend that accepts one connection, reads a head, answers these bytes, and tells when the
/// connection was closed.
async fn raw_backend(answer: &'static str) -> (String, mpsc::Receiver<String>) {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let (tell, told) = mpsc::channel(10);
    tokio::spawn(async move {
        let (mut stream, _) = socket.accept().await.unwrap();
        let mut bytes = Vec::new();
        let mut chunk = [0; 4096];
        while !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
            let length = stream.read(&mut chunk).await.unwrap();
            bytes.extend_from_slice(&chunk[..length]);
        }
        tell.send(String::from_utf8(bytes).unwrap()).await.unwrap();
        stream.write_all(answer.as_bytes()).await.unwrap();
        while stream.read(&mut chunk).await.is_ok_and(|length| length > 0) {}
        tell.send("closed".to_owned()).await.unwrap();
    });
    (format!("http://{address}/mcp"), told)
}

async fn next(told: &mut mpsc::Receiver<String>) -> String {
    timeout(SOON, told.recv()).await.expect("nothing was told").unwrap()
}

async fn read_all(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    timeout(SOON, stream.read_to_end(&mut bytes)).await.expect("the connection stays open").ok();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads until the text has been seen.
async fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut seen = String::new();
    let mut chunk = [0; 4096];
    while !seen.contains(text) {
        let length = timeout(SOON, stream.read(&mut chunk)).await.expect("no bytes came").unwrap();
        assert!(length > 0, "closed after {seen}");
        seen.push_str(&String::from_utf8_lossy(&chunk[..length]));
    }
    seen
}

/// A body fed by the test.
fn channel_body() -> (mpsc::Sender<Result<http_body::Frame<bytes::Bytes>, BoxError>>, Body) {
    let (sender, mut receiver) = mpsc::channel(10);
    let stream = futures_util::stream::poll_fn(move |context| receiver.poll_recv(context));
    (sender, StreamBody::new(stream).boxed_unsync())
}

const GET: &str = "GET /mcp HTTP/1.1\r\nhost: g.example\r\nconnection: close\r\n\r\n";

/// P-2, P7, S40: what the backend sees of an ordinary request.
#[tokio::test]
async fn p2_p7_what_the_backend_sees() {
    let (url, mut told) = raw_backend("HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n").await;
    let gateway = gateway(&url, |_| ()).await;
    let answer = gateway
        .talk(
            "POST /mcp/x%2Fy?q=1 HTTP/1.1\r\nHost: g.example\r\nConnection: close, X-User-Subject\r\n\
             Authorization: Bearer secret\r\nX-User-Subject: root\r\nX_User_Email: root\r\nOrigin: https://a.example\r\n\
             Mcp-Param-A: B\r\nContent-Length: 2\r\n\r\n{}",
        )
        .await;
    let seen = next(&mut told).await;
    let mut seen: Vec<&str> = seen.lines().take_while(|line| !line.is_empty()).collect();
    assert_eq!(seen.remove(0), "POST /mcp/x%2Fy?q=1 HTTP/1.1");
    let host = format!("host: {}", url.trim_start_matches("http://").trim_end_matches("/mcp"));
    seen.sort_unstable();
    assert_eq!(
        seen,
        [
            "content-length: 2",
            "forwarded: for=192.0.2.1",
            &host,
            "mcp-param-a: B",
            "x-forwarded-for: 192.0.2.1",
            "x-forwarded-host: g.example",
            "x-forwarded-proto: https",
            "x-request-id: r1",
            "x-user-subject: alice",
        ]
    );
    // P4: a 202 without a body stays one.
    assert!(answer.starts_with("HTTP/1.1 202 Accepted\r\n"), "{answer}");
    assert!(!answer.contains("content-type"), "{answer}");
}

/// Both directions are counted as they pass.
#[tokio::test]
async fn bytes_of_bodies_are_counted() {
    let url = backend(|request, _peer| async move {
        let sent = request.into_body().collect().await.unwrap().to_bytes();
        Response::new(bodies::full(format!("got {}", sent.len())))
    })
    .await;
    let gateway = gateway(&url, |_| ()).await;
    let answer = gateway
        .talk("POST /mcp HTTP/1.1\r\nhost: g.example\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello")
        .await;
    assert!(answer.ends_with("got 5"), "{answer}");
    gateway.assert_outcome("ok").await;
    for (direction, count) in [("request", 5), ("response", 5)] {
        let line = format!("vestibule_http_{direction}_body_bytes_total{{route=\"a/mcp\"}} {count}\n");
        assert!(gateway.metrics.render().contains(&line), "{line}\n{}", gateway.metrics.render());
    }
}

/// P-4, P-6, P1: each event arrives when it is sent, unchanged.
#[tokio::test]
async fn p6_events_arrive_at_once() {
    let (sender, body) = channel_body();
    let body = Arc::new(std::sync::Mutex::new(Some(body)));
    let url = backend(move |_request, _peer| {
        let body = body.lock().unwrap().take().unwrap();
        async move { Response::builder().header("content-type", "text/event-stream").body(body).unwrap() }
    })
    .await;
    let gateway = gateway(&url, |_| ()).await;
    let mut stream = gateway.connect(GET).await;
    let head = read_until(&mut stream, "\r\n\r\n").await;
    assert!(head.contains("x-accel-buffering: no"), "{head}");
    for event in [": ping\n\n", "id: 1\ndata: x\n\n"] {
        sender.send(Ok(http_body::Frame::data(event.into()))).await.unwrap();
        assert!(read_until(&mut stream, event).await.contains(event));
    }
    assert!(gateway.metrics.render().contains("vestibule_backend_streams_open{kind=\"sse\",route=\"a/mcp\"} 1"));
    drop(sender);
    assert!(read_all(&mut stream).await.contains("0\r\n\r\n"));
    gateway.assert_outcome("ok").await;
    assert!(gateway.metrics.render().contains("vestibule_backend_streams_open{kind=\"sse\",route=\"a/mcp\"} 0"));
}

/// P-24: a client that goes takes the backend's request with it, before and after the head.
#[tokio::test]
async fn p24_a_client_that_goes_closes_the_backend() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: 1\n\n";
    for answer in ["", head] {
        let (url, mut told) = raw_backend(answer).await;
        let gateway = gateway(&url, |_| ()).await;
        let mut stream = gateway.connect("GET /mcp HTTP/1.1\r\nhost: g.example\r\n\r\n").await;
        next(&mut told).await;
        if !answer.is_empty() {
            read_until(&mut stream, "data: 1").await;
        }
        drop(stream);
        assert_eq!(next(&mut told).await, "closed");
        gateway.assert_outcome("client_abort").await;
    }
}

/// A long upload streams: the backend has the first part before the client sends the second.
#[tokio::test]
async fn uploads_stream_and_take_their_time() {
    let url = backend(|request: Request<Incoming>, _peer| async move {
        let mut body = request.into_body();
        let mut total = 0;
        while let Some(Ok(frame)) = body.frame().await {
            total += frame.data_ref().map_or(0, bytes::Bytes::len);
        }
        Response::new(bodies::full(format!("{total} bytes")))
    })
    .await;
    // The head's deadline is shorter than the upload; it counts from the last byte.
    let gateway = gateway(&url, |route| route.backend.response_timeout = Duration::from_millis(300)).await;
    let mut stream = gateway
        .connect("POST /mcp HTTP/1.1\r\nhost: g.example\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n")
        .await;
    for _ in 0..5 {
        stream.write_all(b"3\r\nabc\r\n").await.unwrap();
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    assert!(read_all(&mut stream).await.ends_with("15 bytes"));
    gateway.assert_outcome("ok").await;
}

/// P-7: too much is 413, announced or not.
#[tokio::test]
async fn p7_a_body_beyond_the_limit_is_413() {
    let url = backend(|request: Request<Incoming>, _peer| async move {
        let length = request.into_body().collect().await.map(|body| body.to_bytes().len());
        Response::new(bodies::full(format!("{length:?}")))
    })
    .await;
    for (body, status) in [
        ("content-length: 4\r\n\r\nabcd", "200"),
        ("transfer-encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n", "200"),
        ("content-length: 5\r\n\r\nabcde", "413"),
        ("content-length: 99999999999\r\n\r\n", "413"),
        ("transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", "413"),
    ] {
        let gateway = gateway(&url, |route| route.max_body = 4).await;
        let answer =
            gateway.talk(format!("POST /mcp HTTP/1.1\r\nhost: g.example\r\nconnection: close\r\n{body}")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{body}: {answer}");
        if status == "413" {
            assert!(answer.contains("\"error\":\"request_too_large\""), "{answer}");
            gateway.assert_outcome("body_too_large").await;
        }
    }
}

/// S76, P-26: a backend that fails is 502 or 504 with a JSON body, each with its own outcome.
#[tokio::test]
async fn p26_failures_have_their_status_and_outcome() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (silent, _told) = raw_backend("").await;
    let reset = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let reset_url = format!("http://{}/mcp", reset.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = reset.accept().await {
            drop(stream.read(&mut [0; 1024]).await);
        }
    });
    let (odd, _told) = raw_backend("ODD\r\n\r\n").await;
    let (switching, _told) = raw_backend("HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\n\r\n").await;
    for (url, status, outcome) in [
        (format!("http://{closed}/mcp"), "502", "connect_error"),
        (silent, "504", "timeout"),
        (reset_url, "502", "reset"),
        (odd, "502", "protocol_error"),
        (switching, "502", "protocol_error"),
    ] {
        let gateway = gateway(&url, |route| route.backend.response_timeout = Duration::from_millis(300)).await;
        let answer = gateway.talk(GET).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{outcome}: {answer}");
        assert!(answer.contains("application/json") && answer.contains("\"error\""), "{outcome}: {answer}");
        gateway.assert_outcome(outcome).await;
    }
}

/// A backend that breaks off in the middle breaks the client's response off too: a cut answer
/// never looks complete.
#[tokio::test]
async fn a_cut_answer_stays_cut() {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", socket.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = socket.accept().await.unwrap();
        read_until(&mut stream, "\r\n\r\n").await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n").await.unwrap();
    });
    let gateway = gateway(&url, |_| ()).await;
    let answer = gateway.talk(GET).await;
    assert!(answer.contains("abc") && !answer.contains("0\r\n\r\n"), "{answer}");
    gateway.assert_outcome("reset").await;
}

/// Trailers pass in both directions (gRPC lives on them), except for what only we may say (S40).
#[tokio::test]
async fn trailers_pass() {
    let url = backend(|request: Request<Incoming>, _peer| async move {
        let te = request.headers().get("te").cloned();
        let collected = request.into_body().collect().await.unwrap();
        let trailers = collected.trailers().cloned().unwrap_or_default();
        let text = format!("{te:?} {:?} {:?}", trailers.get("x-sum"), trailers.get("x-user-subject"));
        let mut back = http::HeaderMap::new();
        back.insert("x-status", HeaderValue::from_static("7"));
        let frames = [http_body::Frame::data(text.into()), http_body::Frame::trailers(back)];
        let body = StreamBody::new(futures_util::stream::iter(frames.map(Ok::<_, BoxError>))).boxed_unsync();
        Response::builder().header("trailer", "x-status").body(body).unwrap()
    })
    .await;
    let gateway = gateway(&url, |_| ()).await;
    let answer = gateway
        .talk(
            "POST /mcp HTTP/1.1\r\nhost: g.example\r\nconnection: close, te\r\nte: trailers\r\n\
             trailer: x-sum, x-user-subject\r\ntransfer-encoding: chunked\r\n\r\n\
             1\r\na\r\n0\r\nx-sum: 1\r\nx-user-subject: root\r\n\r\n",
        )
        .await;
    assert!(answer.contains("Some(\"trailers\") Some(\"1\") None"), "{answer}");
    assert!(answer.ends_with("x-status: 7\r\n\r\n"), "{answer}");
}

/// The end of a grant ends its open streams: at once, and cleanly where the length is open.
#[tokio::test]
async fn revocation_ends_streams() {
    for (head, clean) in [
        ("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: 1\n\n", true),
        ("HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\ndata: 1\n\n", false),
    ] {
        let (url, mut told) = raw_backend(head).await;
        let gateway = gateway(&url, |_| ()).await;
        let mut stream = gateway.connect(GET).await;
        read_until(&mut stream, "data: 1").await;
        next(&mut told).await;
        gateway.revoke.send(true).unwrap();
        assert_eq!(read_all(&mut stream).await.contains("0\r\n\r\n"), clean);
        assert_eq!(next(&mut told).await, "closed");
    }
}

const UPGRADE: &str = "GET /mcp HTTP/1.1\r\nhost: g.example\r\nconnection: keep-alive, Upgrade\r\n\
                       upgrade: WebSocket\r\nsec-websocket-key: x\r\n\r\n";

/// Starts a tunnel to a backend that echoes one message and then waits for the end.
async fn tunnel() -> (Gateway, TcpStream, mpsc::Receiver<String>) {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", socket.local_addr().unwrap());
    let (tell, told) = mpsc::channel(10);
    tokio::spawn(async move {
        let (mut stream, _) = socket.accept().await.unwrap();
        let mut chunk = [0; 4096];
        let length = stream.read(&mut chunk).await.unwrap();
        tell.send(String::from_utf8_lossy(&chunk[..length]).into_owned()).await.unwrap();
        let answer = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                      sec-websocket-accept: y\r\n\r\nwelcome";
        stream.write_all(answer.as_bytes()).await.unwrap();
        while let Ok(length) = stream.read(&mut chunk).await
            && length > 0
        {
            if &chunk[..length] == b"bye" {
                return;
            }
            stream.write_all(&chunk[..length]).await.unwrap();
        }
        tell.send("closed".to_owned()).await.unwrap();
    });
    let gateway = gateway(&url, |_| ()).await;
    let mut stream = gateway.connect(UPGRADE).await;
    let mut told = told;
    let seen = next(&mut told).await;
    assert!(seen.contains("connection: upgrade\r\n") && seen.contains("upgrade: websocket\r\n"), "{seen}");
    let head = read_until(&mut stream, "welcome").await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    assert!(head.contains("sec-websocket-accept: y"), "{head}");
    stream.write_all(b"ping").await.unwrap();
    read_until(&mut stream, "ping").await;
    assert!(gateway.metrics.render().contains("kind=\"websocket\",route=\"a/mcp\"} 1"));
    (gateway, stream, told)
}

/// S34: an upgraded connection lives as long as both sides and the grant.
#[tokio::test]
async fn s34_tunnels_end_with_either_side_or_the_grant() {
    let (gateway, stream, mut told) = tunnel().await;
    drop(stream);
    assert_eq!(next(&mut told).await, "closed");
    gateway.assert_outcome("ok").await;

    let (_gateway, mut stream, _told) = tunnel().await;
    stream.write_all(b"bye").await.unwrap();
    assert_eq!(read_all(&mut stream).await, "");

    let (gateway, mut stream, mut told) = tunnel().await;
    gateway.revoke.send(true).unwrap();
    assert_eq!(read_all(&mut stream).await, "");
    assert_eq!(next(&mut told).await, "closed");
}

/// S28: no other protocol than WebSocket is offered to a backend.
#[tokio::test]
async fn s28_h2c_is_not_passed_on() {
    let (url, mut told) = raw_backend("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let gateway = gateway(&url, |_| ()).await;
    let mut stream = gateway
        .connect("GET /mcp HTTP/1.1\r\nhost: g.example\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AA\r\n\r\n")
        .await;
    let seen = next(&mut told).await;
    assert!(!seen.contains("h2c") && !seen.contains("http2-settings") && !seen.contains("connection"), "{seen}");
    assert!(read_until(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 200"));
}

/// HTTP/2 clients (cookie crumbs, no `Host`) reach HTTP/1.1 backends.
#[tokio::test]
async fn p4_http2_clients_reach_http1_backends() {
    let (url, mut told) = raw_backend("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok").await;
    let gateway = gateway(&url, |_| ()).await;
    let client =
        Client::builder(TokioExecutor::new()).http2_only(true).build::<_, Full<bytes::Bytes>>(HttpConnector::new());
    let request = Request::post(format!("http://{}/mcp", gateway.address))
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .body(Full::from("{}"))
        .unwrap();
    let response = client.request(request).await.unwrap();
    assert_eq!(response.version(), Version::HTTP_2);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok");
    let seen = next(&mut told).await;
    assert!(seen.contains("cookie: a=1; b=2\r\n") && seen.contains("content-length: 2"), "{seen}");
}
