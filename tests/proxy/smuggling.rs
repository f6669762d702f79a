//! S28: two readers of the same bytes must not see different requests.

use std::time::Duration;

use crate::gateway::{Gateway, status};

/// Bytes that other servers read in two ways. Whatever we make of them, the backend never sees a
/// request that was not authorized by itself, and never one with a doubtful length.
#[tokio::test]
async fn s28_doubtful_bytes_are_refused() {
    let gateway = Gateway::start().await;
    let token = gateway.world.token("/mcp", "mcp").await;
    let host = gateway.address;
    let start = format!("POST /mcp HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n");
    for (name, rest) in [
        ("two lengths", "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
        ("a list of lengths", "Content-Length: 5, 6\r\n\r\nhello!"),
        ("a signed length", "Content-Length: +5\r\n\r\nhello"),
        ("a negative length", "Content-Length: -5\r\n\r\nhello"),
        ("a hexadecimal length", "Content-Length: 0x5\r\n\r\nhello"),
        ("a huge length", "Content-Length: 99999999999999999999\r\n\r\nhello"),
        ("an unknown coding", "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
        ("identity", "Transfer-Encoding: identity\r\n\r\n0\r\n\r\n"),
        ("chunked not last", "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
        ("a folded header", "X-A: b\r\n c\r\nContent-Length: 0\r\n\r\n"),
        ("a space before the colon", "Content-Length : 0\r\n\r\n"),
        ("a space before the name", " Content-Length: 0\r\n\r\n"),
        ("NUL in a value", "X-A: b\0c\r\nContent-Length: 0\r\n\r\n"),
        ("a bare CR in a value", "X-A: b\rc\r\nContent-Length: 0\r\n\r\n"),
        ("a name with a bad character", "X(A): b\r\nContent-Length: 0\r\n\r\n"),
        ("no name", ": b\r\nContent-Length: 0\r\n\r\n"),
    ] {
        let answer = gateway.raw(format!("{start}{rest}")).await;
        assert_eq!(status(&answer), 400, "{name}: {answer}");
        assert!(answer.matches("HTTP/1.1 ").count() == 1, "{name}: {answer}");
    }
    assert!(gateway.backend.seen().is_empty(), "{:?}", gateway.backend.seen());
}

/// A bad chunk ends the body with an error; nothing behind it is a request.
#[tokio::test]
async fn s28_bad_chunks_end_the_connection() {
    let gateway = Gateway::start().await;
    let token = gateway.world.token("/mcp", "mcp").await;
    let host = gateway.address;
    let next = format!("GET /mcp/smuggled HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n");
    for chunk in
        ["zz\r\n", "5\r\nhelloX", "-1\r\n", "5 \nhello\r\n", "ffffffffffffffffff\r\n", "5;\rx\r\n", "\r\n5\r\nhello"]
    {
        let answer = gateway
            .raw(format!(
                "POST /mcp HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\
                 Transfer-Encoding: chunked\r\n\r\n{chunk}{next}"
            ))
            .await;
        assert!(answer.matches("HTTP/1.1 ").count() <= 1, "{chunk:?}: {answer}");
        assert_ne!(status(&answer), 200, "{chunk:?}: {answer}");
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(gateway.backend.seen().iter().all(|seen| !seen.line.contains("smuggled")), "{:?}", gateway.backend.seen());
}

/// Both a length and a coding: the coding counts, the length is not passed on, and the connection
/// ends after it (RFC 9112 section 6.1).
#[tokio::test]
async fn s28_length_and_coding() {
    let gateway = Gateway::start().await;
    let token = gateway.world.token("/mcp", "mcp").await;
    let host = gateway.address;
    for headers in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        "Transfer-Encoding: Chunked\r\nContent-Length: 4\r\n",
    ] {
        let before = gateway.backend.seen().len();
        let answer = gateway
            .raw(format!(
                "POST /mcp HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n{headers}\r\n\
                 5\r\nhello\r\n0\r\n\r\nGET /mcp/smuggled HTTP/1.1\r\nHost: {host}\r\n\r\n"
            ))
            .await;
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
        let seen = gateway.backend.seen();
        assert_eq!(seen.len(), before + 1, "{seen:?}");
        let seen = seen.last().unwrap();
        assert_eq!((seen.line.as_str(), seen.body.as_str()), ("POST /mcp", "hello"));
        assert!(!seen.headers.contains_key("content-length"));
    }
}

/// Several requests on one connection are each decided by themselves (P-28).
#[tokio::test]
async fn p28_each_request_is_decided_by_itself() {
    let gateway = Gateway::start().await;
    let token = gateway.world.token("/mcp", "mcp").await;
    let host = gateway.address;
    let answer = gateway
        .raw(format!(
            "GET /mcp/1 HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n\
             GET /mcp/2 HTTP/1.1\r\nHost: {host}\r\n\r\n\
             GET /mcp/3 HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        ))
        .await;
    let codes: Vec<_> = answer.match_indices("HTTP/1.1 ").map(|(at, _)| &answer[at + 9..at + 12]).collect();
    assert_eq!(codes, ["200", "401", "200"]);
    let lines: Vec<_> = gateway.backend.seen().into_iter().map(|seen| seen.line).collect();
    assert_eq!(lines, ["GET /mcp/1", "GET /mcp/3"]);
}
