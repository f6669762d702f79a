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

const GET: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";

/// Reads one answer of [`hello`].
async fn read_answer(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    while !text.ends_with("hello") {
        let mut bytes = [0; 500];
        let count = timeout(Duration::from_secs(5), stream.read(&mut bytes)).await.unwrap().unwrap();
        assert_ne!(count, 0, "closed after {text:?}");
        text.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
    }
    text
}

/// S84: a request on an idle connection that crosses with the drain is answered, as the last one; a connection on which
/// nothing comes is closed a little later.
#[tokio::test]
async fn s84_an_idle_connection_lingers() {
    let running = serve(LimitsPlan { drain_timeout: Duration::from_secs(20), ..limits() }, hello).await;
    let mut used = TcpStream::connect(running.address).await.unwrap();
    let mut unused = TcpStream::connect(running.address).await.unwrap();
    for stream in [&mut used, &mut unused] {
        stream.write_all(GET.as_bytes()).await.unwrap();
        assert!(!read_answer(stream).await.contains("connection: close"));
    }
    let begun = Instant::now();
    running.stop.send(()).unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    used.write_all(GET.as_bytes()).await.unwrap();
    assert!(read_answer(&mut used).await.contains("connection: close"));
    assert_eq!(read_all(&mut used).await, "");
    assert!(begun.elapsed() < LINGER, "closed as soon as it was answered");
    assert_eq!(read_all(&mut unused).await, "");
    assert!(begun.elapsed() >= LINGER);
    assert_eq!(running.served.await.unwrap(), Drained { open: 2, cut: 0 });
    assert!(begun.elapsed() < LINGER * 4);
}

/// S84: who connected and asked before the drain, and waits in the kernel's queue, is answered.
#[tokio::test]
async fn s84_the_queue_is_served() {
    use std::io::{Read as _, Write as _};
    let running = serve(limits(), hello).await;
    // Without giving the server a turn.
    let mut streams: Vec<_> = (0..3).map(|_| std::net::TcpStream::connect(running.address).unwrap()).collect();
    for stream in &mut streams {
        stream.write_all(GET.as_bytes()).unwrap();
    }
    running.stop.send(()).unwrap();
    assert_eq!(running.served.await.unwrap(), Drained { open: 3, cut: 0 });
    for mut stream in streams {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with("hello"), "{answer}");
    }
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
