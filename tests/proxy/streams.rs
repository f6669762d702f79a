//! What stays open: event streams through a whole gateway, and how they end.

use std::{
    io::Write,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{io::AsyncWriteExt, net::TcpStream, time::Instant};
use tracing_subscriber::fmt::MakeWriter;

use crate::gateway::{Gateway, read_all, read_until, status};

/// P-4 to P-6, P1: the head comes before any event, each event at once and as it was sent.
#[tokio::test]
async fn p6_events_pass_at_once() {
    let gateway = Gateway::start().await;
    let token = format!("Authorization: Bearer {}", gateway.world.token("/mcp", "mcp").await);
    let mut stream = gateway.connect(gateway.request("GET /mcp/events", &[&token])).await;
    let head = read_until(&mut stream, "\r\n\r\n").await;
    assert!(head.contains("content-type: text/event-stream") && head.contains("x-accel-buffering: no"), "{head}");
    for event in [":\n\n", "id: 1\nretry: 5\ndata: \u{e9}\n\n"] {
        gateway.backend.event(event).await;
        read_until(&mut stream, event).await;
    }
    // Streams have no duration.
    assert!(!gateway.world.metrics.render().contains("vestibule_http_request_duration_seconds_count{method=\"GET\""));
    assert!(gateway.world.metrics.render().contains("requests_in_flight{route=\"auth0/mcp\"} 1"));
    // P-24: the client goes, and the backend's side with it.
    drop(stream);
    gateway.backend.closed().await;
    for _ in 0..100 {
        if gateway.world.metrics.render().contains("requests_in_flight{route=\"auth0/mcp\"} 0") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("still in flight");
}

/// S34: revoking ends open streams and the next request; P5: expiry leaves running streams alone.
#[tokio::test]
async fn s34_p5_revocation_and_expiry() {
    let gateway = Gateway::start().await;
    let (kept, revoked) = (gateway.world.token("/mcp", "mcp").await, gateway.world.token("/mcp", "mcp").await);
    let open = async |token: &str| {
        let authorization = format!("Authorization: Bearer {token}");
        let mut stream = gateway.connect(gateway.request("GET /mcp/events", &[&authorization])).await;
        read_until(&mut stream, "\r\n\r\n").await;
        stream
    };
    let mut first = open(&kept).await;
    let mut second = open(&revoked).await;
    gateway.world.revoke(&revoked).await;
    assert!(read_all(&mut second).await.ends_with("0\r\n\r\n"));
    gateway.backend.closed().await;
    for (token, expected) in [(&revoked, 401), (&kept, 200)] {
        let answer = gateway.ask("GET /mcp", &[&format!("Authorization: Bearer {token}")]).await;
        assert_eq!(status(&answer), expected);
    }
    gateway.world.hand.advance(Duration::from_hours(2));
    gateway.backend.event("data: later\n\n").await;
    read_until(&mut first, "data: later").await;
    assert_eq!(status(&gateway.ask("GET /mcp", &[&format!("Authorization: Bearer {kept}")]).await), 401);
}

/// S84: an open stream does not keep the process; the deadline does.
#[tokio::test]
async fn s84_drain_with_an_open_stream() {
    let mut gateway = Gateway::with(|plan, _| plan.limits.drain_timeout = Duration::from_millis(300)).await;
    let token = format!("Authorization: Bearer {}", gateway.world.token("/mcp", "mcp").await);
    let mut stream = gateway.connect(gateway.request("GET /mcp/events", &[&token])).await;
    read_until(&mut stream, "\r\n\r\n").await;
    let begun = Instant::now();
    let drained = gateway.stop().await;
    assert_eq!((drained.open, drained.cut), (1, 1));
    assert!(begun.elapsed() >= Duration::from_millis(300) && begun.elapsed() < Duration::from_secs(2));
    read_all(&mut stream).await;
    gateway.backend.closed().await;
}

/// Asks for a tunnel, with this header as credential.
async fn tunnel(gateway: &Gateway, credential: &str) -> TcpStream {
    let request = format!(
        "GET /mcp/socket HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{credential}\r\n\r\n",
        gateway.address
    );
    gateway.connect(request).await
}

async fn assert_echo(stream: &mut TcpStream) {
    stream.write_all(b"echo").await.unwrap();
    read_until(stream, "echo").await;
}

/// S34: a tunnel needs a token like everything else, and ends with its grant.
#[tokio::test]
async fn s34_tunnels_are_gated() {
    let gateway = Gateway::start().await;
    let token = gateway.world.token("/mcp", "mcp").await;
    for credential in ["X-None: 1", "Authorization: Bearer forged"] {
        let mut stream = tunnel(&gateway, credential).await;
        assert!(read_until(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 401 "));
    }
    assert!(gateway.backend.seen().is_empty());
    let mut stream = tunnel(&gateway, &format!("Authorization: Bearer {token}")).await;
    assert!(read_until(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 101 "));
    assert_echo(&mut stream).await;
    gateway.world.revoke(&token).await;
    assert_eq!(read_all(&mut stream).await, "");
}

/// S84: a tunnel belongs to no connection any more, and ends by the deadline all the same.
#[tokio::test]
async fn s84_drain_with_an_open_tunnel() {
    let mut gateway = Gateway::with(|plan, _| plan.limits.drain_timeout = Duration::from_millis(300)).await;
    let credential = format!("Authorization: Bearer {}", gateway.world.token("/mcp", "mcp").await);
    let mut stream = tunnel(&gateway, &credential).await;
    read_until(&mut stream, "\r\n\r\n").await;
    assert_echo(&mut stream).await;
    let drained = gateway.stop().await;
    assert_eq!((drained.open, drained.cut), (1, 1));
    assert_eq!(read_all(&mut stream).await, "");
}

/// S62: whatever a request carries, the log has none of it.
#[tokio::test]
async fn s62_no_secret_in_the_log() {
    let log = Log::default();
    // For the whole process: what other tests log is none of these secrets either.
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false);
    tracing::subscriber::set_global_default(subscriber.with_writer(log.clone()).finish()).unwrap();
    let gateway = Gateway::start().await;
    let token = gateway.world.token("/mcp", "mcp").await;
    let authorization = format!("Authorization: Bearer {token}");
    let secrets = ["Cookie: vestibule-browser=cookie-secret", "Mcp-Param-Key: param-secret", "X-Api-Key: key-secret"];
    let carried = [&*authorization, secrets[0], secrets[1], secrets[2]];
    gateway.ask("GET /mcp/path-secret?access_token=query-secret", &carried).await;
    gateway.ask("GET /auth/callback?code=code-secret&state=state-secret", &carried).await;
    gateway.ask("GET /nobody/path-secret?x=query-secret", &carried).await;
    gateway.ask("GET /mcp", &["Authorization: Bearer wrong-secret"]).await;
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("route=\"auth0/mcp\"") && text.contains("path=\"/auth/callback\""), "{text}");
    let ours: String = text.lines().filter(|line| line.contains("vestibule")).collect();
    assert!(!ours.contains("secret"), "{ours}");
    assert!(!ours.contains(token.rsplit('.').next().unwrap()), "{ours}");
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// A backend that says nothing for longer than the route allows: events end cleanly, a tunnel ends,
/// and every sign of life begins the time anew. Without `idle_timeout` nothing ends (P1, P-6).
#[tokio::test]
async fn p6_only_a_silence_that_the_route_names_ends_a_stream() {
    let longest = Duration::from_millis(600);
    let gateway = Gateway::with(|_, provider| {
        Arc::make_mut(&mut provider.routes[0]).backend.idle_timeout = Some(longest);
    })
    .await;
    let token = format!("Authorization: Bearer {}", gateway.world.token("/mcp", "mcp").await);
    let other = format!("Authorization: Bearer {}", gateway.world.token("/other", "mcp").await);
    let mut patient = gateway.connect(gateway.request("GET /other/events", &[&other])).await;
    read_until(&mut patient, "\r\n\r\n").await;
    let mut stream = gateway.connect(gateway.request("GET /mcp/events", &[&token])).await;
    read_until(&mut stream, "\r\n\r\n").await;
    let begun = Instant::now();
    for _ in 0..4 {
        tokio::time::sleep(longest / 2).await;
        gateway.backend.event(": here\n\n").await;
        read_until(&mut stream, ": here").await;
    }
    assert!(begun.elapsed() > longest, "it outlived one silence");
    assert!(read_all(&mut stream).await.ends_with("0\r\n\r\n"), "events end cleanly");
    gateway.backend.closed().await;
    let counted = "vestibule_backend_requests_total{outcome=\"timeout\",route=\"auth0/mcp\"} 1";
    let metrics = gateway.world.metrics.render();
    assert!(metrics.contains(counted), "{metrics}");

    let socket = gateway.request(
        "GET /mcp/socket",
        &[&token, "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"],
    );
    let mut tunnel = gateway.connect(socket.replace("connection: close", "connection: upgrade")).await;
    read_until(&mut tunnel, "\r\n\r\n").await;
    let begun = Instant::now();
    for word in ["one", "two", "three"] {
        tokio::time::sleep(longest / 2).await;
        tunnel.write_all(word.as_bytes()).await.unwrap();
        read_until(&mut tunnel, word).await;
    }
    assert!(begun.elapsed() > longest, "it outlived one silence");
    assert_eq!(read_all(&mut tunnel).await, "");

    gateway.backend.event(": still here\n\n").await;
    read_until(&mut patient, ": still here").await;
}
