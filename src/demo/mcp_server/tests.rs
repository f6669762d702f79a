//! The server by raw HTTP, as a client of each revision would use it.

use std::time::Instant;

use futures_util::StreamExt;
use http::HeaderName;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::*;

const BOTH: &str = "application/json, text/event-stream";

/// A client with one session.
struct Client {
    url: String,
    session: Option<String>,
    headers: Vec<(&'static str, &'static str)>,
}

impl Client {
    fn new(server: &Running) -> Self {
        Self { url: server.url(), session: None, headers: vec![("accept", BOTH)] }
    }

    async fn initialized(server: &Running, revision: &str) -> Self {
        let mut client = Self::new(server);
        let response = client.post(&initialize(revision)).await;
        assert_eq!(response.status(), 200);
        client.session = Some(response.headers()["mcp-session-id"].to_str().unwrap().to_owned());
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer["result"]["protocolVersion"], revision);
        let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        let response = client.post(&initialized).await;
        assert_eq!(response.status(), 202);
        assert_eq!(response.text().await.unwrap(), "");
        client
    }

    async fn send(&self, method: Method, body: Option<String>) -> Response {
        let mut request = http_client().request(method, &self.url);
        for (name, value) in &self.headers {
            request = request.header(*name, *value);
        }
        if let Some(session) = &self.session {
            request = request.header("mcp-session-id", session);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        request.send().await.unwrap()
    }

    async fn post(&self, message: &Value) -> Response {
        self.send(Method::POST, Some(message.to_string())).await
    }

    async fn call(&self, tool: &str, arguments: Value) -> Value {
        let response = self.post(&request("tools/call", json!({"name": tool, "arguments": arguments}))).await;
        assert_eq!(response.status(), 200);
        response.json().await.unwrap()
    }
}

fn http_client() -> reqwest::Client {
    reqwest::Client::new()
}

fn initialize(revision: &str) -> Value {
    let client = json!({"name": "test", "version": "0"});
    request("initialize", json!({"protocolVersion": revision, "capabilities": {}, "clientInfo": client}))
}

fn request(method: &str, params: impl Into<Value>) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params.into()})
}

async fn start() -> Running {
    let header = |name| Some(HeaderName::from_static(name));
    let identity_headers = IdentityHeaders {
        subject: header("x-subject"),
        email: header("x-email"),
        scopes: header("x-scopes"),
        client: header("x-client"),
        assertion: header("x-assertion"),
    };
    DemoMcpServer::start(Options { port: 0, identity_headers }).await.unwrap()
}

/// The messages of an event stream that ended.
fn messages(text: &str) -> Vec<Value> {
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|json| serde_json::from_str(json).unwrap()).collect()
}

async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed().as_secs() < 5, "{what}");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn every_revision_is_agreed_on_and_others_get_the_latest() {
    let server = start().await;
    for revision in ["2025-03-26", "2025-06-18", "2025-11-25"] {
        let client = Client::initialized(&server, revision).await;
        let answer: Value = client.post(&request("ping", json!({}))).await.json().await.unwrap();
        assert_eq!(answer, json!({"jsonrpc": "2.0", "id": 1, "result": {}}));
    }
    for other in ["2024-11-05", "2026-07-28", ""] {
        let answer: Value = Client::new(&server).post(&initialize(other)).await.json().await.unwrap();
        assert_eq!(answer["result"]["protocolVersion"], "2025-11-25");
    }
}

/// P-10, P-11: sessions are named, unknown after their end, and in nobody else's hands.
#[tokio::test]
async fn p10_p11_sessions() {
    let server = start().await;
    let ping = request("ping", json!({}));
    assert_eq!(Client::new(&server).post(&ping).await.status(), 400);
    let mut client = Client::initialized(&server, "2025-11-25").await;
    let session = client.session.replace("unknown".to_owned());
    assert_eq!(client.post(&ping).await.status(), 404);
    client.session = session;
    client.headers.push(("x-subject", "mallory"));
    assert_eq!(client.post(&ping).await.status(), 404);
    assert_eq!(client.send(Method::DELETE, None).await.status(), 404);
    client.headers.pop();
    assert_eq!(client.post(&ping).await.status(), 200);
    assert_eq!(client.send(Method::DELETE, None).await.status(), 204);
    assert_eq!(client.post(&ping).await.status(), 404);
    assert_eq!(client.send(Method::PUT, None).await.headers()["allow"], "GET, POST, DELETE");
    assert_eq!(server.sessions(), 0);

    let client = Client::initialized(&server, "2025-11-25").await;
    server.end_sessions();
    assert_eq!(client.post(&ping).await.status(), 404);
}

/// P-1, P-4, P-15: what a request must look like.
#[tokio::test]
async fn p1_p4_p15_bad_requests() {
    let server = start().await;
    let client = Client::initialized(&server, "2025-06-18").await;
    let ping = request("ping", json!({})).to_string();
    for (headers, status) in [
        (vec![("accept", BOTH), ("mcp-protocol-version", "2025-06-18")], 200),
        (vec![("accept", "*/*")], 200),
        (vec![("accept", BOTH), ("mcp-protocol-version", "1999-01-01")], 400),
        (vec![("accept", "application/json")], 406),
        (vec![("accept", BOTH), ("origin", "http://localhost:6274")], 200),
        (vec![("accept", BOTH), ("origin", "https://evil.example")], 403),
        (vec![("accept", BOTH), ("origin", "null")], 403),
        (vec![("accept", BOTH), ("host", "evil.example")], 421),
    ] {
        let other = Client { url: client.url.clone(), session: client.session.clone(), headers };
        assert_eq!(other.send(Method::POST, Some(ping.clone())).await.status(), status, "{:?}", other.headers);
    }
    for (body, code) in [
        ("{", message::PARSE_ERROR),
        ("1", message::INVALID_REQUEST),
        ("[]", message::INVALID_REQUEST),
        (r#"[{"jsonrpc":"2.0","method":"ping","id":1}]"#, message::INVALID_REQUEST),
        (r#"{"method":"ping","id":1}"#, message::INVALID_REQUEST),
        (r#"{"jsonrpc":"2.0","method":"ping","id":null}"#, message::INVALID_REQUEST),
        (r#"{"jsonrpc":"2.0","method":"ping","id":1,"params":[]}"#, message::INVALID_REQUEST),
    ] {
        let response = client.send(Method::POST, Some(body.to_owned())).await;
        assert_eq!(response.status(), 400, "{body}");
        assert_eq!(response.json::<Value>().await.unwrap()["error"]["code"], code, "{body}");
    }
    let text = http_client().post(&client.url).header("accept", BOTH).body(ping.clone()).send().await.unwrap();
    assert_eq!(text.status(), 415);
    let other_path = http_client().post(format!("{}/below", client.url)).body(ping).send().await.unwrap();
    assert_eq!(other_path.status(), 404);
    let unknown: Value = client.post(&request("nothing", json!({}))).await.json().await.unwrap();
    assert_eq!(unknown["error"]["code"], message::METHOD_NOT_FOUND);
}

#[tokio::test]
async fn tools() {
    let server = start().await;
    let mut client = Client::new(&server);
    client.headers.extend([("x-subject", "auth0|ada"), ("x-email", "ada@example.com"), ("x-scopes", "openid email")]);
    let response = client.post(&initialize("2025-11-25")).await;
    client.session = Some(response.headers()["mcp-session-id"].to_str().unwrap().to_owned());

    let list: Value = client.post(&request("tools/list", json!({}))).await.json().await.unwrap();
    let names: Vec<&str> =
        list["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["whoami", "echo", "add", "countdown"]);

    client.headers.extend([("authorization", "Bearer secret-token"), ("x-assertion", "secret-assertion")]);
    let who = client.call("whoami", json!({})).await;
    let expected = json!({
        "subject": "auth0|ada", "email": "ada@example.com", "scopes": ["openid", "email"], "client": null,
        "assertion": true, "authorization": "Bearer",
    });
    assert_eq!(who["result"]["structuredContent"], expected);
    assert!(!who.to_string().contains("secret-"));

    assert_eq!(client.call("echo", json!({"text": "ü"})).await["result"]["content"][0]["text"], "ü");
    assert_eq!(client.call("add", json!({"a": 1, "b": 2.5})).await["result"]["structuredContent"]["sum"], 3.5);
    for (tool, arguments) in [("echo", json!({})), ("add", json!({"a": 1, "b": "2"}))] {
        assert_eq!(client.call(tool, arguments).await["result"]["isError"], true, "{tool}");
    }
    assert_eq!(client.call("nothing", json!({})).await["error"]["code"], message::INVALID_PARAMS);
}

#[tokio::test]
async fn countdown_streams_from_the_first_step_on() {
    let server = start().await;
    let client = Client::initialized(&server, "2025-06-18").await;
    let arguments = json!({"from": 2, "interval_ms": 300});
    let call = json!({"name": "countdown", "arguments": arguments, "_meta": {"progressToken": "t"}});
    let begin = Instant::now();
    let response = client.post(&request("tools/call", call)).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    let mut stream = response.bytes_stream();
    let first = stream.next().await.unwrap().unwrap();
    assert!(begin.elapsed().as_millis() < 300, "the first event waited for the second");
    assert_eq!(server.open_streams(), 1);
    let mut text = String::from_utf8(first.to_vec()).unwrap();
    while let Some(bytes) = stream.next().await {
        text.push_str(std::str::from_utf8(&bytes.unwrap()).unwrap());
    }
    let messages = messages(&text);
    let progress: Vec<&Value> = messages.iter().filter(|one| one["method"] == "notifications/progress").collect();
    assert_eq!(progress.len(), 3);
    assert_eq!(progress[2]["params"], json!({"progressToken": "t", "progress": 2, "total": 2, "message": "0 to go"}));
    assert_eq!(messages[3]["result"]["content"][0]["text"], "Lift-off!");
    eventually("the stream is closed", || server.open_streams() == 0).await;
}

#[tokio::test]
async fn countdown_without_a_progress_token_logs_unless_told_not_to() {
    let server = start().await;
    let client = Client::initialized(&server, "2025-11-25").await;
    let call = request("tools/call", json!({"name": "countdown", "arguments": {"from": 1, "interval_ms": 10}}));
    let loud = messages(&client.post(&call).await.text().await.unwrap());
    assert_eq!(loud[0]["method"], "notifications/message");
    assert_eq!(client.post(&request("logging/setLevel", json!({"level": "error"}))).await.status(), 200);
    assert_eq!(messages(&client.post(&call).await.text().await.unwrap()).len(), 1);
    let wrong = request("tools/call", json!({"name": "countdown", "arguments": {"from": 0}}));
    assert_eq!(messages(&client.post(&wrong).await.text().await.unwrap())[0]["result"]["isError"], true);
}

#[tokio::test]
async fn a_countdown_ends_when_cancelled_or_when_nobody_reads() {
    let server = start().await;
    let client = Client::initialized(&server, "2025-11-25").await;
    let call = request("tools/call", json!({"name": "countdown", "arguments": {"from": 60}}));
    let response = client.post(&call).await;
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}});
    assert_eq!(client.post(&cancel).await.status(), 202);
    let cancelled = messages(&response.text().await.unwrap());
    assert!(cancelled.iter().all(|message| message.get("result").is_none()), "{cancelled:?}");

    let response = client.post(&call).await;
    eventually("the stream is open", || server.open_streams() == 1).await;
    drop(response);
    eventually("the stream is closed", || server.open_streams() == 0).await;
}

/// P-11: GET listens; the stream lives as long as its session.
#[tokio::test]
async fn p11_a_listening_stream_lives_as_long_as_its_session() {
    let server = start().await;
    let client = Client::initialized(&server, "2025-11-25").await;
    let mut stream = client.send(Method::GET, None).await.bytes_stream();
    assert_eq!(stream.next().await.unwrap().unwrap(), ": listening\n\n");
    assert_eq!(client.send(Method::DELETE, None).await.status(), 204);
    assert!(stream.next().await.is_none());
    assert_eq!(client.send(Method::GET, None).await.status(), 404);
}

/// P-16: arrays of messages belong to the first revision.
#[tokio::test]
async fn p16_batches_of_the_first_revision() {
    let server = start().await;
    let client = Client::initialized(&server, "2025-03-26").await;
    let note = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let ping = request("ping", json!({}));
    let answers: Value = client.post(&json!([ping, note, initialize("2025-03-26")])).await.json().await.unwrap();
    assert_eq!(answers[0]["result"], json!({}));
    assert_eq!(answers[1]["error"]["code"], message::INVALID_REQUEST);
    assert_eq!(client.post(&json!([note])).await.status(), 202);
    let countdown = request("tools/call", json!({"name": "countdown", "arguments": {"from": 1, "interval_ms": 10}}));
    let streamed = messages(&client.post(&json!([ping, countdown])).await.text().await.unwrap());
    assert_eq!(streamed.iter().filter(|message| message.get("result").is_some()).count(), 2);
}
