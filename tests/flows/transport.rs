//! Streamable HTTP through the gate, with a backend that is watched byte for byte (P1 to P7).

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use reqwest::{Method, StatusCode};
use tokio::time::timeout;

use crate::{
    backend::{Backend, SOON, response},
    client::{Client, Tokens},
    stage::Stage,
};

/// A stage in front of this backend, and somebody who is signed in.
async fn signed_in(backend: &Backend) -> (Stage, Client, Tokens) {
    let url = backend.url.clone();
    let stage = Stage::configured(|_| format!("    routes:\n      - {{ path: /mcp, backend: '{url}' }}\n")).await;
    let client = Client::discover(&stage.resource).await;
    let tokens = client.tokens("ada").await;
    (stage, client, tokens)
}

/// P1, P-5, P-6: the head comes at once, a stream may be silent for seconds, its comments and
/// events are untouched and not compressed, though the client would take it.
#[tokio::test]
async fn p1_a_quiet_stream() {
    let (socket, url) = {
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", socket.local_addr().unwrap());
        (socket, url)
    };
    let quiet = Duration::from_secs(4);
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut stream, _) = socket.accept().await.unwrap();
        drop(stream.read(&mut [0; 8192]).await);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n").await.unwrap();
        for event in [": first\n\n", "id: 7\nevent: message\ndata: {\"x\":1}\n\n"] {
            tokio::time::sleep(quiet / 2).await;
            stream.write_all(event.as_bytes()).await.unwrap();
        }
    });
    let stage = Stage::configured(|_| {
        format!("    routes:\n      - {{ path: /mcp, backend: '{url}', response_timeout: 1s }}\n")
    })
    .await;
    let client = Client::discover(&stage.resource).await;
    let tokens = client.tokens("ada").await;
    let begun = Instant::now();
    let request = client.http.get(&stage.resource).bearer_auth(&tokens.access);
    let answer =
        request.header("accept-encoding", "gzip, br").header("accept", "text/event-stream").send().await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1), "the head waited for an event");
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    assert_eq!(answer.headers()["x-accel-buffering"], "no");
    assert!(!answer.headers().contains_key("content-encoding"));
    let all = timeout(SOON, answer.text()).await.unwrap().unwrap();
    assert_eq!(all, ": first\n\nid: 7\nevent: message\ndata: {\"x\":1}\n\n");
    assert!(begun.elapsed() >= quiet);
    stage.stop().await;
}

/// P2, P4, P-4, P-10 to P-12, P-15, P-22, P-26: statuses and bodies come back as they are, headers of
/// the protocol arrive as they are, whatever the method.
#[tokio::test]
async fn p2_p4_answers_and_headers_pass_unchanged() {
    let modern = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"x"}}"#;
    let backend = Backend::start(move |head| {
        let kind = head.lines().find_map(|line| line.strip_prefix("x-kind: ")).unwrap_or_default();
        match kind {
            "202" => response("202 Accepted", &[], ""),
            "404" => response("404 Not Found", &["content-type: application/json"], modern),
            "400" => response("400 Bad Request", &["content-type: application/json"], modern),
            "405" => response("405 Method Not Allowed", &["allow: POST"], ""),
            _ => response("200 OK", &["mcp-session-id: s-1", "x-own: 1"], "[]"),
        }
    })
    .await;
    let (stage, client, tokens) = signed_in(&backend).await;
    for (kind, status, body) in
        [("202", 202, ""), ("404", 404, modern), ("400", 400, modern), ("405", 405, ""), ("200", 200, "[]")]
    {
        for method in [Method::POST, Method::GET, Method::DELETE] {
            let request = client.http.request(method.clone(), &stage.resource).bearer_auth(&tokens.access);
            let answer = request
                .header("x-kind", kind)
                .header("mcp-session-id", "S-1")
                .header("mcp-protocol-version", "2025-11-25")
                .header("last-event-id", "Ev/7==")
                .header("mcp-param-region", "=?base64?eA==?=")
                .header("mcp-method", "tools/call")
                .header("mcp-name", "Echo")
                .body(r#"[{"jsonrpc":"2.0","method":"a"},{"jsonrpc":"2.0","method":"b"}]"#)
                .send()
                .await
                .unwrap();
            assert_eq!(answer.status().as_u16(), status, "{kind} {method}");
            if kind == "202" {
                assert!(!answer.headers().contains_key("content-type"), "{:?}", answer.headers());
            }
            if kind == "405" {
                assert_eq!(answer.headers()["allow"], "POST");
            }
            if kind == "200" {
                assert_eq!(answer.headers()["mcp-session-id"], "s-1");
                assert_eq!(answer.headers()["x-own"], "1");
            }
            assert_eq!(answer.text().await.unwrap(), body, "{kind} {method}");
            let seen = backend.last();
            assert!(seen.starts_with(&format!("{method} /mcp HTTP/1.1")), "{seen}");
            for line in [
                "mcp-session-id: S-1",
                "mcp-protocol-version: 2025-11-25",
                "last-event-id: Ev/7==",
                "mcp-param-region: =?base64?eA==?=",
                "mcp-method: tools/call",
                "mcp-name: Echo",
            ] {
                assert!(seen.lines().any(|seen| seen == line), "{line} is not in {seen}");
            }
        }
    }
    stage.stop().await;
}

/// P3: a redirect to the backend's own address becomes a public one; one to elsewhere stays, and
/// nobody follows it for the client.
#[tokio::test]
async fn p3_redirects_become_public() {
    let backend = Backend::start(|head| {
        let host = head.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned();
        let location = match head.split(' ').nth(1).unwrap() {
            "/mcp/elsewhere" => "https://elsewhere.example/mcp".to_owned(),
            "/mcp/relative" => "/mcp/".to_owned(),
            _ => format!("http://{host}/mcp/?x=1"),
        };
        response("307 Temporary Redirect", &[&format!("location: {location}")], "")
    })
    .await;
    let (stage, client, tokens) = signed_in(&backend).await;
    let resource = &stage.resource;
    for (path, expected) in [
        ("", format!("{resource}/?x=1")),
        ("/relative", "/mcp/".to_owned()),
        ("/elsewhere", "https://elsewhere.example/mcp".to_owned()),
    ] {
        let request = client.http.post(format!("{resource}{path}")).bearer_auth(&tokens.access).body("{}");
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::TEMPORARY_REDIRECT);
        assert_eq!(answer.headers()["location"], expected.as_str());
    }
    assert_eq!(backend.seen().len(), 3);
    stage.stop().await;
}

/// P7, S40, S42, S46, RS-21, D-11: who calls is said by us alone; credentials and cookies of ours
/// stay here.
#[tokio::test]
async fn p7_s40_s46_who_calls_is_said_by_us() {
    let backend = Backend::start(|_| {
        response("200 OK", &["set-cookie: vestibule-browser=planted; Path=/", "set-cookie: own=1"], "ok")
    })
    .await;
    let (stage, client, tokens) = signed_in(&backend).await;
    let mut request = client.http.post(&stage.resource).bearer_auth(&tokens.access).body("{}");
    for name in [
        "x-vestibule-subject",
        "X-Vestibule-Email",
        "x_vestibule_subject",
        "x-forwarded-user",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-real-ip",
        "x-auth-request-email",
        "x-original-url",
        "forwarded",
        "remote-user",
    ] {
        request = request.header(name, "root");
    }
    let answer = request.header("cookie", "vestibule-browser=x; theirs=1").send().await.unwrap();
    let cookies: Vec<_> = answer.headers().get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["own=1"]);
    let seen = backend.last();
    assert!(!seen.contains("root") && !seen.contains("authorization") && !seen.contains(&tokens.access), "{seen}");
    assert!(!seen.contains("vestibule-browser") && seen.contains("cookie: theirs=1"), "{seen}");
    let subject = tokens.claims()["sub"].as_str().unwrap().to_owned();
    assert!(seen.contains(&format!("x-vestibule-subject: {subject}\r\n")), "{seen}");
    assert!(seen.contains(&format!("x-vestibule-client: {}", client.client_id)), "{seen}");
    let public = stage.origin.strip_prefix("http://").unwrap();
    assert!(seen.contains(&format!("x-forwarded-host: {public}")), "{seen}");
    stage.stop().await;
}

/// P-24, issue of the gate: a client that goes away, before or within the answer, ends the
/// backend's request; RS-12, S54: a token in the query opens nothing.
#[tokio::test]
async fn p24_a_client_that_goes_ends_the_backends_request() {
    let mut backend = Backend::start(|head| {
        if head.starts_with("GET") {
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n: hello\n\n".to_owned()
        } else {
            String::new()
        }
    })
    .await;
    let (stage, client, tokens) = signed_in(&backend).await;
    let in_query = format!("{}?access_token={}", stage.resource, tokens.access);
    assert_eq!(client.http.get(in_query).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert!(backend.seen().is_empty());
    let answer = client.http.get(&stage.resource).bearer_auth(&tokens.access).send().await.unwrap();
    let mut stream = answer.bytes_stream();
    assert_eq!(stream.next().await.unwrap().unwrap(), ": hello\n\n");
    drop(stream);
    backend.closed().await;
    let waiting =
        client.http.post(&stage.resource).bearer_auth(&tokens.access).body("{}").timeout(Duration::from_millis(500));
    assert!(waiting.send().await.unwrap_err().is_timeout());
    backend.closed().await;
    stage.stop().await;
}

/// S34: a revocation by the client ends its open stream.
#[tokio::test]
async fn s34_a_revocation_ends_the_stream() {
    let mut backend =
        Backend::start(|_| "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n: hello\n\n".to_owned()).await;
    let (stage, client, tokens) = signed_in(&backend).await;
    let answer = client.http.get(&stage.resource).bearer_auth(&tokens.access).send().await.unwrap();
    let mut stream = answer.bytes_stream();
    assert_eq!(stream.next().await.unwrap().unwrap(), ": hello\n\n");
    assert_eq!(client.revoke(tokens.refresh_token()).await.status(), StatusCode::OK);
    let end = timeout(Duration::from_secs(1), stream.next()).await.expect("within a second");
    assert!(end.is_none(), "a clean end: {end:?}");
    backend.closed().await;
    stage.stop().await;
}

/// P4, P-7: HTTP/2 clients, headers of 40 KB, and bodies up to the limit pass; beyond it is 413.
#[tokio::test]
async fn p4_p7_http2_and_large_messages() {
    let backend = Backend::start(|_| response("200 OK", &[], "ok")).await;
    let url = backend.url.clone();
    let stage =
        Stage::configured(|_| format!("    routes:\n      - {{ path: /mcp, backend: '{url}', max_body: 1MiB }}\n"))
            .await;
    let client = Client::discover(&stage.resource).await;
    let tokens = client.tokens("ada").await;
    let http2 = reqwest::Client::builder().http2_prior_knowledge().no_proxy().build().unwrap();
    let large = "x".repeat(40_000);
    for http in [&client.http, &http2] {
        for (length, status) in [(1 << 20, 200), ((1 << 20) + 1, 413)] {
            let request = http.post(&stage.resource).bearer_auth(&tokens.access).header("mcp-param-large", &large);
            let answer = request.body("b".repeat(length)).send().await.unwrap();
            assert_eq!(answer.status().as_u16(), status, "{:?} {length}", answer.version());
        }
    }
    assert!(backend.seen().iter().all(|head| head.contains(&large)));
    stage.stop().await;
}
