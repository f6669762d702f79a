//! S80 and the rules of the handshake, with real clients on real sockets.

use std::{net::Ipv4Addr, time::Duration};

use http::{Request, Response};
use hyper::body::Incoming;
use rustls::{ClientConfig, ClientConnection, ProtocolVersion, RootCertStore, pki_types::ServerName};
use tokio::{
    sync::oneshot,
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsConnector, client};

use super::{
    fixture::{Authority, Pair},
    *,
};
use crate::{
    body::{self, Body},
    config::plan::LimitsPlan,
    listener::{Drained, Listener, Peer},
    time::Clock,
};

const SOON: Duration = Duration::from_secs(5);

/// A listener with TLS that answers "hello" and the client's address.
struct Running {
    authority: Authority,
    pair: Pair,
    tls: Arc<Tls>,
    metrics: Arc<Metrics>,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Drained>,
}

// === impl Running ===

impl Running {
    async fn start(header_timeout: Duration) -> Self {
        let limits = LimitsPlan {
            connections: 20,
            header_timeout,
            header_bytes: 32 * 1024,
            drain_timeout: Duration::from_secs(3),
            registrations_per_hour: 1,
            authorizations_per_minute: 1,
            token_requests_per_minute: 1,
        };
        let authority = Authority::new();
        let pair = authority.pair();
        let metrics = Metrics::new().unwrap();
        let tls = Arc::new(Tls::new(load(&pair).unwrap(), &metrics).unwrap());
        let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0).into(), &limits, Some(Arc::clone(&metrics)));
        let listener = listener.await.unwrap().with_tls(Some(Arc::clone(&tls)));
        let address = listener.local_address().unwrap();
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(listener.serve(answer, async move { drop(stopped.await) }));
        Self { authority, pair, tls, metrics, address, stop, served }
    }

    /// A client that trusts the authority and speaks these versions and protocols.
    async fn connect(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        protocols: &[&[u8]],
    ) -> io::Result<client::TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.der()).unwrap();
        self.connect_trusting(roots, versions, protocols).await
    }

    async fn connect_trusting(
        &self,
        roots: RootCertStore,
        versions: &[&'static SupportedProtocolVersion],
        protocols: &[&[u8]],
    ) -> io::Result<client::TlsStream<TcpStream>> {
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        let stream = TcpStream::connect(self.address).await?;
        let name = ServerName::from(self.address.ip());
        timeout(SOON, TlsConnector::from(Arc::new(config)).connect(name, stream)).await.unwrap()
    }

    /// A client that would take anything.
    fn http_client(&self) -> reqwest::Client {
        let root = reqwest::Certificate::from_der(&self.authority.der()).unwrap();
        reqwest::Client::builder().tls_certs_only([root]).no_proxy().build().unwrap()
    }

    fn url(&self) -> String {
        format!("https://{}/", self.address)
    }

    /// Waits for the counter of an outcome to reach `count`: the client sees the end before we count it.
    async fn expect_outcome(&self, outcome: TlsHandshake, count: u32) {
        let line = format!("vestibule_tls_handshakes_total{{outcome=\"{}\"}} {count}\n", outcome.as_str());
        let seen = timeout(SOON, async {
            while !self.metrics.render().contains(&line) {
                sleep(Duration::from_millis(10)).await;
            }
        });
        assert!(seen.await.is_ok(), "not counted: {line}");
    }
}

async fn answer(request: Request<Incoming>, peer: Peer) -> Response<Body> {
    if request.headers().contains_key(http::header::UPGRADE) {
        tokio::spawn(echo(request, peer));
        let switch = Response::builder().status(101).header("connection", "upgrade").header("upgrade", "echo");
        return switch.body(body::empty()).unwrap();
    }
    Response::new(body::full(format!("hello {} over {:?}", peer.ip(), request.version())))
}

/// A tunnel: sends back what comes.
async fn echo(request: Request<Incoming>, _peer: Peer) {
    let tunnel = hyper_util::rt::TokioIo::new(hyper::upgrade::on(request).await.unwrap());
    let (mut read, mut write) = tokio::io::split(tunnel);
    tokio::io::copy(&mut read, &mut write).await.ok();
}

fn load(pair: &Pair) -> Result<Certificate, TlsError> {
    Certificate::load(&pair.plan, Clock::system().now())
}

fn certificate_seen_by(connection: &ClientConnection) -> Vec<u8> {
    connection.peer_certificates().unwrap()[0].to_vec()
}

async fn read_all(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    timeout(SOON, stream.read_to_end(&mut bytes)).await.expect("the connection is closed").ok();
    bytes
}

/// Sends a request on an open HTTP/1.1 connection and reads one answer.
async fn ask(stream: &mut client::TlsStream<TcpStream>) -> String {
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut text = String::new();
    while !text.contains("hello") {
        let mut bytes = [0; 1024];
        let count = timeout(SOON, stream.read(&mut bytes)).await.unwrap().unwrap();
        assert_ne!(count, 0, "closed after {text:?}");
        text.push_str(&String::from_utf8_lossy(&bytes[..count]));
    }
    text
}

#[tokio::test]
async fn https_is_answered_over_http_2() {
    let running = Running::start(SOON).await;
    let answer = running.http_client().get(running.url()).send().await.unwrap();
    assert_eq!(answer.version(), http::Version::HTTP_2);
    assert_eq!(answer.text().await.unwrap(), "hello 127.0.0.1 over HTTP/2.0");
    running.expect_outcome(TlsHandshake::Ok, 1).await;
}

#[tokio::test]
async fn the_protocol_is_what_client_and_we_have_in_common() {
    let running = Running::start(SOON).await;
    for (offered, expected) in [("h2 http/1.1", "h2"), ("http/1.1 h2", "h2"), ("http/1.1", "http/1.1"), ("", "")] {
        let offered: Vec<&[u8]> = offered.split_whitespace().map(str::as_bytes).collect();
        let stream = running.connect(&VERSIONS, &offered).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol().unwrap_or_default(), expected.as_bytes());
    }
    let refused = running.connect(&VERSIONS, &[b"acme-tls/1"]).await.unwrap_err().to_string();
    assert!(refused.contains("NoApplicationProtocol"), "{refused}");
    running.expect_outcome(TlsHandshake::Incompatible, 1).await;
    let mut plain = running.connect(&VERSIONS, &[]).await.unwrap();
    assert!(ask(&mut plain).await.contains("over HTTP/1.1"));
}

/// A `ClientHello` of this highest version (2 is TLS 1.1, 3 is TLS 1.2), otherwise good enough for TLS 1.2. By hand,
/// because rustls has nothing older (RFC 5246 section 7.4.1.2).
fn hello(version: u8) -> Vec<u8> {
    let mut hello = vec![22, 3, 1, 0, 65, 1, 0, 0, 61, 3, version];
    hello.extend([7; 32]);
    hello.push(0); // no session
    hello.extend([0, 4, 0xc0, 0x2b, 0xc0, 0x09]); // ECDHE_ECDSA with AES_128_GCM_SHA256, AES_128_CBC_SHA
    hello.extend([1, 0]); // no compression
    hello.extend([0, 16]);
    hello.extend([0, 13, 0, 4, 0, 2, 4, 3]); // signature_algorithms: ecdsa_secp256r1_sha256
    hello.extend([0, 10, 0, 4, 0, 2, 0, 23]); // supported_groups: secp256r1
    hello
}

/// S80: what may be negotiated is the same before and after the certificate is replaced.
#[tokio::test]
async fn s80_the_tls_floor_is_the_same_after_a_reload() {
    let running = Running::start(SOON).await;
    let config = Arc::clone(running.tls.acceptor.config());
    for reload in 0..3 {
        if reload > 0 {
            running.pair.write(&running.authority.issue(|_| {}));
            running.tls.replace(load(&running.pair).unwrap());
        }
        for (version, expected) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
            let stream = running.connect(&[version], &[b"h2"]).await.unwrap();
            assert_eq!(stream.get_ref().1.protocol_version(), Some(expected));
        }
        // A handshake record with a ServerHello: nothing but the version is wrong with the next one.
        let mut new = TcpStream::connect(running.address).await.unwrap();
        new.write_all(&hello(3)).await.unwrap();
        let mut answer = [0; 6];
        new.read_exact(&mut answer).await.unwrap();
        assert!(matches!(answer, [22, 3, 3, _, _, 2]), "{answer:?}");
        // One record: alert, fatal, protocol_version (RFC 5246 section 7.2).
        let mut old = TcpStream::connect(running.address).await.unwrap();
        old.write_all(&hello(2)).await.unwrap();
        let answer = read_all(&mut old).await;
        assert!(matches!(answer[..], [21, 3, _, 0, 2, 2, 70]), "{answer:?}");
        running.expect_outcome(TlsHandshake::Incompatible, reload + 1).await;
        assert!(Arc::ptr_eq(&config, running.tls.acceptor.config()), "the settings were made anew");
    }
}

/// Early data could be replayed, so there is none; keys are never written anywhere.
#[test]
fn no_early_data_and_no_key_log() {
    let metrics = Metrics::new().unwrap();
    let tls = Tls::new(load(&Authority::new().pair()).unwrap(), &metrics).unwrap();
    let config = tls.acceptor.config();
    assert_eq!(config.max_early_data_size, 0);
    assert!(!config.key_log.will_log("CLIENT_RANDOM"));
    assert!(!config.enable_secret_extraction);
}

#[tokio::test]
async fn a_new_certificate_is_for_new_connections_and_old_ones_stay() {
    let running = Running::start(SOON).await;
    let mut old = running.connect(&VERSIONS, &[b"http/1.1"]).await.unwrap();
    ask(&mut old).await;
    let first = certificate_seen_by(old.get_ref().1);
    running.pair.write(&running.authority.issue(|params| params.not_after = rcgen::date_time_ymd(2040, 1, 1)));
    running.tls.replace(load(&running.pair).unwrap());

    let new = running.connect(&VERSIONS, &[b"http/1.1"]).await.unwrap();
    assert_ne!(certificate_seen_by(new.get_ref().1), first);
    assert!(ask(&mut old).await.contains("200 OK"));
    let line = format!(
        "vestibule_tls_certificate_not_after_timestamp_seconds{{name=\"{}\"}} 2208988800\n",
        running.pair.plan.certificate.display()
    );
    assert!(running.metrics.render().contains(&line), "{}", running.metrics.render());
}

/// S81: nothing of a broken pair comes into use; the good one that follows does.
#[tokio::test]
async fn s81_a_broken_pair_is_refused_and_the_old_one_stays() {
    let running = Running::start(SOON).await;
    let seen = async || {
        let stream = running.connect(&VERSIONS, &[]).await.unwrap();
        certificate_seen_by(stream.get_ref().1)
    };
    let first = seen().await;
    let (one, two) = (running.authority.issue(|_| {}), running.authority.issue(|_| {}));
    // Between the two writes of a renewal the pair does not match.
    running.pair.write(&super::fixture::Pem { certificate: one.certificate, key: two.key });
    assert!(matches!(load(&running.pair), Err(TlsError::Mismatch { .. })));
    assert_eq!(seen().await, first);
    running.pair.write(&running.authority.issue(|_| {}));
    running.tls.replace(load(&running.pair).unwrap());
    assert_ne!(seen().await, first);
}

#[tokio::test]
async fn plain_http_is_told_to_use_https() {
    let running = Running::start(SOON).await;
    let answer = running.http_client().get(running.url().replace("https", "http")).send().await.unwrap();
    assert_eq!(answer.status(), 400);
    assert_eq!(answer.text().await.unwrap(), "This port speaks https: use https://.\n");
    running.expect_outcome(TlsHandshake::PlainHttp, 1).await;
}

/// S70: neither silence nor half a handshake holds a connection beyond the header timeout; nor
/// does silence after a whole one.
#[tokio::test]
async fn s70_slow_handshakes_are_cut() {
    let running = Running::start(Duration::from_secs(1)).await;
    let mut silent = running.connect(&VERSIONS, &[]).await.unwrap();
    let mut slow = Vec::new();
    for start in [&[][..], &[22, 3, 1], &hello(3)[..30]] {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(start).await.unwrap();
        slow.push(stream);
    }
    for mut stream in slow {
        assert_eq!(read_all(&mut stream).await, b"");
    }
    running.expect_outcome(TlsHandshake::Timeout, 3).await;
    let mut byte = [0];
    let end = timeout(SOON, silent.read(&mut byte)).await.expect("silence after the handshake is cut");
    assert!(!matches!(end, Ok(1)));
}

/// Garbage, a client that goes away and one that does not trust us cost their own connection only.
#[tokio::test]
async fn a_failed_handshake_costs_that_connection_only() {
    let running = Running::start(SOON).await;
    let mut garbage = TcpStream::connect(running.address).await.unwrap();
    garbage.write_all(&[22, 3, 3, 0, 4, 250, 250, 250, 250]).await.unwrap();
    read_all(&mut garbage).await;
    running.expect_outcome(TlsHandshake::ProtocolError, 1).await;

    let mut gone = TcpStream::connect(running.address).await.unwrap();
    gone.write_all(&hello(3)[..20]).await.unwrap();
    drop(gone);
    running.expect_outcome(TlsHandshake::Closed, 1).await;

    for (count, version) in [(1, &TLS12), (2, &TLS13)] {
        let mut roots = RootCertStore::empty();
        roots.add(Authority::named("Another authority").der()).unwrap();
        running.connect_trusting(roots, &[version], &[]).await.unwrap_err();
        running.expect_outcome(TlsHandshake::CertificateRefused, count).await;
    }
    assert!(running.http_client().get(running.url()).send().await.unwrap().status().is_success());
}

/// S84: a drain does not wait for a handshake; a request under way may end.
#[tokio::test]
async fn s84_a_drain_does_not_wait_for_a_handshake() {
    let running = Running::start(Duration::from_mins(1)).await;
    let mut open = running.connect(&VERSIONS, &[b"http/1.1"]).await.unwrap();
    ask(&mut open).await;
    let mut silent = TcpStream::connect(running.address).await.unwrap();
    silent.write_all(&hello(3)[..20]).await.unwrap();
    sleep(Duration::from_millis(50)).await;
    running.stop.send(()).unwrap();
    let drained = timeout(Duration::from_secs(2), running.served).await.expect("well before the deadline").unwrap();
    assert_eq!(drained, Drained { open: 2, cut: 0 });
    assert_eq!(read_all(&mut silent).await, b"");
}

/// A session is resumed without a table on our side.
#[tokio::test]
async fn sessions_are_resumed() {
    let running = Running::start(SOON).await;
    for version in VERSIONS {
        let mut roots = RootCertStore::empty();
        roots.add(running.authority.der()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = TlsConnector::from(Arc::new(config));
        for expected in [rustls::HandshakeKind::Full, rustls::HandshakeKind::Resumed] {
            let stream = TcpStream::connect(running.address).await.unwrap();
            let mut stream = connector.connect(ServerName::from(running.address.ip()), stream).await.unwrap();
            ask(&mut stream).await;
            assert_eq!(stream.get_ref().1.handshake_kind(), Some(expected));
        }
    }
}

/// A tunnel (a WebSocket) runs over TLS like any other connection.
#[tokio::test]
async fn a_tunnel_works_over_tls() {
    let running = Running::start(SOON).await;
    let mut stream = running.connect(&VERSIONS, &[b"http/1.1"]).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nping").await.unwrap();
    let mut text = String::new();
    while !text.ends_with("\r\n\r\nping") {
        let mut bytes = [0; 256];
        let count = timeout(SOON, stream.read(&mut bytes)).await.unwrap().unwrap();
        assert_ne!(count, 0, "closed after {text:?}");
        text.push_str(&String::from_utf8_lossy(&bytes[..count]));
    }
    assert!(text.starts_with("HTTP/1.1 101"), "{text}");
}

/// S83: certificates are replaced under load, and no connection notices.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s83_replacing_under_load_loses_nothing() {
    let running = Running::start(Duration::from_secs(30)).await;
    let pairs = [running.authority.pair(), running.authority.pair()];
    let (url, done) = (running.url(), tokio_util::sync::CancellationToken::new());
    let clients: Vec<_> = (0..4)
        .map(|_| {
            // Nothing is kept, so that each request needs a handshake.
            let root = reqwest::Certificate::from_der(&running.authority.der()).unwrap();
            let client = reqwest::Client::builder().tls_certs_only([root]).no_proxy().pool_max_idle_per_host(0);
            let (client, url, done) = (client.build().unwrap(), url.clone(), done.clone());
            tokio::spawn(async move {
                let mut answered = 0_u32;
                while !done.is_cancelled() {
                    assert_eq!(client.get(&url).send().await.unwrap().status(), 200);
                    answered += 1;
                }
                answered
            })
        })
        .collect();
    for reload in 0..200 {
        running.tls.replace(load(&pairs[reload % 2]).unwrap());
        sleep(Duration::from_millis(2)).await;
    }
    done.cancel();
    for client in clients {
        assert!(client.await.unwrap() > 0);
    }
}
