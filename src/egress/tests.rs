use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::Instant,
};

use super::*;

const DEADLINE: Duration = Duration::from_millis(300);

/// A server that reads a request, writes these bytes and keeps the connection open.
async fn canned(answer: impl Into<Vec<u8>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = answer.into();
    tokio::spawn(async move {
        let mut open = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 2048];
            drop(stream.read(&mut request).await);
            drop(stream.write_all(&answer).await);
            open.push(stream);
        }
    });
    port
}

fn small() -> Egress {
    Egress::new(Reach::Anywhere, 100, DEADLINE).unwrap()
}

async fn get(egress: &Egress, url: &str) -> Result<http::Response<Bytes>, EgressError> {
    egress.send(http::Request::get(url).body(Vec::new()).unwrap()).await
}

async fn get_canned(answer: impl Into<Vec<u8>>) -> Result<http::Response<Bytes>, EgressError> {
    let port = canned(answer).await;
    get(&small(), &format!("http://127.0.0.1:{port}/")).await
}

#[tokio::test]
async fn an_answer_comes_with_status_header_and_body() {
    let answer = get_canned("HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\nx-a: b\r\n\r\nhi").await.unwrap();
    assert_eq!((answer.status(), answer.headers()["x-a"].as_bytes()), (StatusCode::NOT_FOUND, &b"b"[..]));
    assert_eq!(&answer.body()[..], b"hi");
}

/// S63: whatever a redirect names is not asked.
#[tokio::test]
async fn s63_redirects_are_not_followed() {
    let target = canned("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let answer = format!("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:{target}/\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(get_canned(answer).await.unwrap().status(), StatusCode::FOUND);
}

/// S63: declared, chunked or until the end of the connection: no more is read than the cap.
#[tokio::test]
async fn s63_bodies_are_capped_while_they_are_read() {
    let at_limit = format!("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{}", "x".repeat(100));
    assert_eq!(get_canned(at_limit).await.unwrap().body().len(), 100);
    let declared = "HTTP/1.1 200 OK\r\ncontent-length: 101\r\n\r\n".to_owned();
    let chunked = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n65\r\n{}\r\n", "x".repeat(101));
    let endless = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{}", "x".repeat(5000));
    for answer in [declared, chunked, endless] {
        let error = get_canned(answer.clone()).await.unwrap_err();
        assert!(matches!(error, EgressError::TooLarge(100)), "{answer:.60}: {error}");
        assert_eq!(error.word(), "too_large");
    }
}

#[tokio::test]
async fn one_request_can_have_a_smaller_cap_but_not_a_larger_one() {
    let port = canned(format!("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{}", "x".repeat(100))).await;
    let request = || http::Request::get(format!("http://127.0.0.1:{port}/")).body(Vec::new()).unwrap();
    assert!(matches!(small().send_within(request(), 99).await, Err(EgressError::TooLarge(99))));
    assert!(small().send_within(request(), 100).await.is_ok());
    let tiny = Egress::new(Reach::Anywhere, 50, DEADLINE).unwrap();
    assert!(matches!(tiny.send_within(request(), usize::MAX).await, Err(EgressError::TooLarge(50))));
}

/// S76: one deadline for the whole, wherever it hangs.
#[tokio::test]
async fn s76_everything_has_one_deadline() {
    for answer in ["", "HTTP/1.1 200 OK\r\nx-a: ", "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhalf"] {
        let begin = Instant::now();
        let error = get_canned(answer).await.unwrap_err();
        assert!(matches!(error, EgressError::Timeout(DEADLINE)), "{answer}: {error}");
        assert_eq!(error.word(), "timeout");
        assert!(begin.elapsed() < Duration::from_secs(5));
    }
}

#[tokio::test]
async fn failures_have_their_own_names() {
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let error = get(&small(), &format!("http://127.0.0.1:{unused}/")).await.unwrap_err();
    assert!(matches!(error, EgressError::Connect(_)), "{error}");
    assert!(error.to_string().contains("refused"), "the cause is named: {error}");
    let error = get(&small(), "http://does-not-exist.invalid/").await.unwrap_err();
    assert!(matches!(error, EgressError::Connect(_) | EgressError::Timeout(_)), "{error}");
    let plain = canned("HTTP/1.1 400 this is not TLS\r\n\r\n").await;
    let error = get(&small(), &format!("https://127.0.0.1:{plain}/")).await.unwrap_err();
    assert!(matches!(error, EgressError::Tls(_)), "{error}");
    assert_eq!(error.word(), "tls_error");
    let error = get_canned("SSH-2.0-OpenSSH_9.6\r\n").await.unwrap_err();
    assert!(matches!(error, EgressError::Broken(_)), "{error}");
}

/// S63: the guard holds for the client as a whole: literals, names, and plain http.
#[tokio::test]
async fn s63_documents_are_fetched_from_public_https_only() {
    let port = canned("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let documents = Egress::new(Reach::Public, DOCUMENT_BODY, DOCUMENT_DEADLINE).unwrap();
    for url in [
        format!("https://127.0.0.1:{port}/"),
        format!("https://[::ffff:127.0.0.1]:{port}/"),
        format!("https://localhost:{port}/"),
        format!("https://LOCALHOST:{port}/"),
        format!("http://localhost:{port}/"),
        "https://169.254.169.254/latest/meta-data/".to_owned(),
    ] {
        let error = get(&documents, &url).await.unwrap_err();
        assert!(matches!(error, EgressError::Blocked(_)), "{url}: {error}");
        assert_eq!(error.word(), "blocked");
    }
    get(&small(), &format!("http://127.0.0.1:{port}/")).await.unwrap();
}
