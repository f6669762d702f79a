use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::oneshot,
    time::timeout,
};

use super::*;
use crate::body;

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: tokio::task::JoinHandle<Drained>,
}

fn limits() -> LimitsPlan {
    LimitsPlan {
        connections: 10,
        header_timeout: Duration::from_secs(5),
        header_bytes: 32 * 1024,
        drain_timeout: Duration::from_millis(300),
        registrations_per_hour: 1,
        authorizations_per_minute: 1,
        token_requests_per_minute: 1,
    }
}

async fn serve<H, F>(limits: LimitsPlan, handler: H) -> Running
where
    H: Fn(Request<Incoming>, Peer) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let listener = Listener::bind(([127, 0, 0, 1], 0).into(), &limits, None).await.unwrap();
    let address = listener.local_address().unwrap();
    let (stop, stopped) = oneshot::channel();
    let served = tokio::spawn(listener.serve(handler, async move { drop(stopped.await) }));
    Running { address, stop, served }
}

async fn hello(_: Request<Incoming>, _peer: Peer) -> Response<Body> {
    Response::new(body::full("hello"))
}

/// Reads until the other side closes.
async fn read_all(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    timeout(Duration::from_secs(5), stream.read_to_end(&mut bytes)).await.unwrap().ok();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn a_request_is_answered_and_the_drain_ends_at_once() {
    let running = serve(limits(), hello).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(read_all(&mut stream).await.ends_with("hello"));
    running.stop.send(()).unwrap();
    assert_eq!(running.served.await.unwrap().cut, 0);
}

/// S70: neither silence, nor half a header, nor half an HTTP/2 preface holds a connection.
#[tokio::test]
async fn s70_slow_headers_are_cut() {
    let running = serve(LimitsPlan { header_timeout: Duration::from_millis(200), ..limits() }, hello).await;
    for start in
        ["", "GET / HT", "GET / HTTP/1.1\r\nhost: x\r\nx-a:", "PRI * HTTP/2.0\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
    {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(start.as_bytes()).await.unwrap();
        let answer = read_all(&mut stream).await;
        assert!(!answer.contains("200"), "{start:?}: {answer}");
    }
}

/// S70: a header beyond the limit is refused with 431.
#[tokio::test]
async fn s70_long_headers_are_refused() {
    let running = serve(LimitsPlan { header_bytes: 8192, ..limits() }, hello).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let long = format!("GET / HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n", "x".repeat(20_000));
    stream.write_all(long.as_bytes()).await.ok();
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 431");
}

/// S70: rapid reset (CVE-2023-44487): streams opened and reset without end cost the connection.
#[tokio::test]
async fn s70_rapid_resets_are_cut() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let running = serve(limits(), move |_request: Request<Incoming>, _peer| {
        counter.fetch_add(1, Ordering::SeqCst);
        std::future::pending::<Response<Body>>()
    })
    .await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    // The preface and empty settings; then per stream a header block (GET, http, `/`, authority
    // `x`) that ends it, and its reset.
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    for stream in (1..20_000_u32).step_by(2) {
        let id = stream.to_be_bytes();
        bytes.extend_from_slice(&[0, 0, 6, 1, 5, id[0], id[1], id[2], id[3], 0x82, 0x86, 0x84, 0x41, 0x01, b'x']);
        bytes.extend_from_slice(&[0, 0, 4, 3, 0, id[0], id[1], id[2], id[3], 0, 0, 0, 8]);
    }
    let (mut reader, mut writer) = stream.split();
    let mut seen = Vec::new();
    let (_, read) =
        tokio::join!(writer.write_all(&bytes), timeout(Duration::from_secs(5), reader.read_to_end(&mut seen)));
    assert!(read.is_ok(), "the connection stays open");
    // GOAWAY with ENHANCE_YOUR_CALM, unless the close was faster than our reading.
    let calm = seen.windows(17).any(|frame| frame[3] == 7 && frame[13..17] == [0, 0, 0, 11]);
    assert!(calm || read.unwrap().is_err(), "{seen:?}");
    assert!(calls.load(Ordering::SeqCst) < 1_000, "{calls:?}");
}

/// S70: beyond the limit connections wait; they are neither taken nor dropped.
#[tokio::test]
async fn s70_connections_beyond_the_limit_wait() {
    let running = serve(LimitsPlan { connections: 1, ..limits() }, hello).await;
    let first = TcpStream::connect(running.address).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut second = TcpStream::connect(running.address).await.unwrap();
    second.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut byte = [0];
    assert!(timeout(Duration::from_millis(200), second.read(&mut byte)).await.is_err());
    drop(first);
    assert!(read_all(&mut second).await.contains("200 OK"));
}

/// S84: a running request may end within the deadline; what lasts longer is cut.
#[tokio::test]
async fn s84_drain_waits_and_then_cuts() {
    let done = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&done);
    let running = serve(limits(), move |request: Request<Incoming>, _peer| {
        let counter = Arc::clone(&counter);
        async move {
            let pause = if request.uri().path() == "/slow" { 60_000 } else { 100 };
            tokio::time::sleep(Duration::from_millis(pause)).await;
            counter.fetch_add(1, Ordering::SeqCst);
            Response::new(body::empty())
        }
    })
    .await;
    let mut streams = Vec::new();
    for path in ["/quick", "/slow"] {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
        streams.push(stream);
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    running.stop.send(()).unwrap();
    let drained = timeout(Duration::from_secs(5), running.served).await.unwrap().unwrap();
    assert_eq!(drained, Drained { open: 2, cut: 1 });
    assert_eq!(done.load(Ordering::SeqCst), 1);
    assert!(read_all(&mut streams[0]).await.contains("200 OK"));
    assert_eq!(read_all(&mut streams[1]).await, "");
    assert!(TcpStream::connect(running.address).await.is_err());
}

/// A handler that panics costs its own connection and nothing else.
#[tokio::test]
async fn a_panic_stays_in_its_connection() {
    let running = serve(limits(), |request: Request<Incoming>, _peer| async move {
        assert_ne!(request.uri().path(), "/panic");
        Response::new(body::full("fine"))
    })
    .await;
    for (path, expected) in [("/panic", ""), ("/", "fine")] {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        assert!(read_all(&mut stream).await.ends_with(expected), "{path}");
    }
}
