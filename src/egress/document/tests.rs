use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use url::Url;

use super::*;
use crate::egress::Reach;

/// A server for one request: gives the port, and what arrives there.
async fn once(answer: String) -> (u16, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 4096];
        let length = stream.read(&mut request).await.unwrap();
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(request[..length].to_vec()).unwrap()
    });
    (port, task)
}

fn request(port: u16, etag: Option<&str>) -> DocumentRequest {
    let url = Url::parse(&format!("http://127.0.0.1:{port}/client?v=1")).unwrap();
    DocumentRequest { url, etag: etag.map(str::to_owned), max_bytes: 20 }
}

/// D9: a `client_id` with a query, and what a cache needs.
#[tokio::test]
async fn d9_the_request_and_what_a_cache_needs() {
    let head = "content-type: application/json\r\ncache-control: max-age=60\r\ncache-control: public\r\nage: 7\r\n";
    let (port, seen) = once(format!("HTTP/1.1 200 OK\r\n{head}etag: \"b\"\r\ncontent-length: 2\r\n\r\n{{}}")).await;
    let fetcher = Egress::for_documents(Reach::Anywhere).unwrap();
    let answer = fetcher.fetch(request(port, Some("\"a\""))).await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.content_type.as_deref(), Some("application/json"));
    assert_eq!(answer.fresh_for, Some(Duration::from_secs(53)));
    assert_eq!(answer.etag.as_deref(), Some("\"b\""));
    assert_eq!(&answer.body[..], b"{}");
    let seen = seen.await.unwrap();
    assert!(seen.starts_with("GET /client?v=1 HTTP/1.1\r\n"), "{seen}");
    assert!(seen.contains("if-none-match: \"a\"\r\n") && seen.contains("accept: application/json\r\n"), "{seen}");
    assert!(!seen.contains("cookie") && !seen.contains("authorization") && !seen.contains("referer"), "{seen}");
}

/// AS-27: what the library reads out of an answer's headers.
#[test]
fn as27_freshness() {
    let (asked, ()) = Request::get("https://app.example/client").body(()).unwrap().into_parts();
    let now = SystemTime::now();
    let control = |text: &str| ("cache-control", text.to_owned());
    for (status, (name, value), expected) in [
        (200, control("max-age=600"), Some(600)),
        (200, control("public, Max-Age=600, s-maxage=300"), Some(300)),
        (200, control("no-store"), Some(0)),
        (200, control("no-cache, max-age=600"), Some(0)),
        (200, control("private, max-age=600"), Some(0)),
        (304, control("max-age=600"), Some(600)),
        (200, control("max-age=x"), Some(0)),
        (200, ("x-other", String::new()), None),
        (200, ("expires", "Thu, 01 Jan 1970 00:00:00 GMT".to_owned()), Some(0)),
    ] {
        let answer = Response::builder().status(status).header(name, &value).body(()).unwrap();
        let fresh = freshness(&asked, &answer.into_parts().0, now);
        assert_eq!(fresh.map(|fresh| fresh.as_secs()), expected, "{status} {name}: {value}");
    }
}

#[tokio::test]
async fn s63_failures_are_told_apart() {
    let fetcher = Egress::for_documents(Reach::Anywhere).unwrap();
    let (port, _) = once(format!("HTTP/1.1 200 OK\r\ncontent-length: 21\r\n\r\n{}", "x".repeat(21))).await;
    assert_eq!(fetcher.fetch(request(port, None)).await.unwrap_err(), FetchError::TooLarge);
    let (port, _) = once("nonsense\r\n\r\n".to_owned()).await;
    assert_eq!(fetcher.fetch(request(port, None)).await.unwrap_err(), FetchError::Failed);
    assert_eq!(fetcher.fetch(request(1, Some("a\nb"))).await.unwrap_err(), FetchError::Failed);
    let (port, _) =
        once("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".to_owned()).await;
    assert_eq!(fetcher.fetch(request(port, None)).await.unwrap().status, 302);
    let guarded = Egress::for_documents(Reach::Public).unwrap();
    for url in ["https://127.0.0.1/c", "https://localhost/c", "http://example.com/c", "https://[::ffff:10.0.0.1]/c"] {
        let request = DocumentRequest { url: Url::parse(url).unwrap(), etag: None, max_bytes: 20 };
        assert_eq!(guarded.fetch(request).await.unwrap_err(), FetchError::Blocked, "{url}");
    }
}

/// S63: what is kept with a copy is small, whatever a stranger's server sends.
#[tokio::test]
async fn s63_an_endless_entity_tag_is_left_out() {
    let tag = "x".repeat(100_000);
    let (port, _) = once(format!("HTTP/1.1 200 OK\r\netag: \"{tag}\"\r\ncontent-length: 2\r\n\r\n{{}}")).await;
    let answer = Egress::for_documents(Reach::Anywhere).unwrap().fetch(request(port, None)).await.unwrap();
    assert_eq!((answer.status, answer.etag), (200, None));
}
