//! The audit log of the real program, where whoever should read it does not.

use std::{
    fs,
    io::{Read as _, Write as _},
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::Value;

use crate::{
    client::{Client, http},
    process::Program,
    world::{Place, replace},
};

const BY_SIGNAL: &str = "vestibule_config_reloads_total{outcome=\"unchanged\",trigger=\"signal\"}";
const SOON: Duration = Duration::from_secs(5);

/// The `audit` key in front of a configuration.
fn audited(place: &Place, audit: &str) -> String {
    format!("audit: {audit}\n{}", place.text(&["/mcp"]))
}

/// Reloads go on, another file takes over, and the end is not held up.
async fn goes_on(mut program: Program) {
    program.signal("HUP");
    program.place.until_metric(BY_SIGNAL, "1").await;
    let file = program.place.path("audit.jsonl");
    replace(&program.place.config(), &audited(&program.place, &file.display().to_string()));
    program.place.until_metric("vestibule_config_reloads_total{outcome=\"applied\",trigger=\"file\"}", "1").await;
    for _ in 0..200 {
        if fs::read_to_string(&file).is_ok_and(|text| text.contains("\"applied\"")) {
            program.signal("TERM");
            assert!(program.ended(SOON).await.success());
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("nothing is in the new file: {}", program.log());
}

/// A named pipe that nobody reads, nor ever read.
#[tokio::test]
async fn a_pipe_that_nobody_reads_holds_nothing_up() {
    let place = Place::new().await;
    let pipe = place.path("audit.pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    fs::write(place.config(), audited(&place, &pipe.display().to_string())).unwrap();
    goes_on(Program::start(place).await).await;
}

/// Standard output is a pipe that somebody holds and does not empty.
#[tokio::test]
async fn a_full_standard_output_holds_nothing_up() {
    let place = Place::new().await;
    fs::write(place.config(), audited(&place, "stdout")).unwrap();
    let (mut reader, mut writer) = std::io::pipe().unwrap();
    let theirs = writer.try_clone().unwrap();
    let program = Program::start_with(place, Stdio::from(theirs)).await;
    // Ends with an error when the reader is gone.
    let filling = std::thread::spawn(move || while writer.write_all(&[b'\n'; 4096]).is_ok() {});
    tokio::time::sleep(Duration::from_millis(300)).await;
    goes_on(program).await;
    reader.read_exact(&mut [0; 16]).unwrap();
    drop(reader);
    filling.join().unwrap();
}

/// What is in the audit log.
fn events(program: &Program) -> Vec<Value> {
    let text = fs::read_to_string(program.place.path("audit.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Waits for an event with these fields; `*` is any text.
async fn event(program: &Program, fields: &[(&str, &str)]) -> Value {
    let fits = |line: &Value| {
        fields
            .iter()
            .all(|(name, expected)| line[name].as_str().is_some_and(|text| *expected == "*" || text == *expected))
    };
    for _ in 0..200 {
        if let Some(found) = events(program).into_iter().find(fits) {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{fields:?} is not among {:#?}", events(program));
}

/// These fields, and who asked: the request's name and the client's address.
fn asked<'a>(fields: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [fields, &[("request_id", "*"), ("client", "127.0.0.1")]].concat()
}

/// Each decision is there with the request that caused it.
#[tokio::test]
async fn decisions_are_in_it_with_the_request_that_caused_them() {
    let place = Place::new().await;
    let url = place.url("/mcp");
    let resource = url.as_str();
    let with = |place: &Place, policy: &str| {
        let file = place.path("audit.jsonl");
        let head = place.head().replace("authorizations_per_minute: 1000000", "authorizations_per_minute: 5");
        format!("audit: {}\n{head}{}", file.display(), place.block("demo", policy, &["/mcp"]))
    };
    fs::write(place.config(), with(&place, "policy: { email_domains: [example.com] }")).unwrap();
    let program = Program::start(place).await;
    let client = Client::discover(resource).await;
    let expected = [("event", "registration"), ("outcome", "created"), ("by", "dcr"), ("client_id", "*")];
    event(&program, &asked(&expected)).await;
    let (tokens, returned) = (client.tokens("ada").await, client.tokens("ada").await);

    assert!(client.revoke(returned.refresh_token()).await.status().is_success());
    let expected =
        [("event", "grant_revoked"), ("by", "client"), ("grant", "*"), ("flow", "*"), ("resource", resource)];
    event(&program, &asked(&expected)).await;

    let endpoint = client.endpoint("revocation_endpoint");
    let long = "c".repeat(60_000);
    http().post(&endpoint).form(&[("token", "x"), ("client_id", long.as_str())]).send().await.unwrap();
    let refused = event(&program, &asked(&[("event", "revocation"), ("reason", "*"), ("client_id", "*")])).await;
    assert_eq!(refused["client_id"].as_str().unwrap().len(), 400, "what strangers say is cut");

    let document = "https://localhost/client.json";
    http().get(client.attempt().with("client_id", Some(document)).url).send().await.unwrap();
    let expected = [("event", "registration"), ("by", "metadata_document"), ("client_id", document), ("reason", "*")];
    event(&program, &asked(&expected)).await;

    http().post(program.place.url("/consent")).form(&[("decision", "approve")]).send().await.unwrap();
    event(&program, &asked(&[("event", "consent"), ("outcome", "csrf_rejected")])).await;

    let admin = |path: &str| format!("http://127.0.0.1:{}{path}", program.place.admin);
    let answer = http().get(admin("/status")).header("host", "evil.example").send().await.unwrap();
    let name = answer.headers()["x-request-id"].to_str().unwrap();
    let expected = [("event", "admin_action"), ("outcome", "refused"), ("by", "GET /status"), ("reason", "*")];
    assert_eq!(event(&program, &asked(&expected)).await["request_id"], name);
    http().post(admin("/reload")).send().await.unwrap();
    event(&program, &asked(&[("event", "admin_action"), ("outcome", "ok"), ("by", "reload")])).await;

    let mut stream = program.place.get("/mcp/events", &tokens.access).await;
    assert!(stream.chunk().await.unwrap().is_some());
    replace(&program.place.config(), &with(&program.place, "policy: { email_domains: [elsewhere.example] }"));
    http().post(admin("/reload")).send().await.unwrap();
    let expected =
        [("event", "policy_denied"), ("by", "reload"), ("grant", "*"), ("subject", "*"), ("resource", resource)];
    event(&program, &expected).await;
    program.place.get("/mcp", &tokens.access).await;
    event(&program, &asked(&[("event", "policy_denied"), ("by", "gate"), ("resource", resource)])).await;

    for _ in 0..20 {
        http().get(client.attempt().url).send().await.unwrap();
    }
    let expected = [("event", "authorization"), ("outcome", "rate_limited"), ("client_id", "*")];
    event(&program, &asked(&expected)).await;
    let limited = events(&program).into_iter().filter(|line| line["outcome"] == "rate_limited").count();
    assert_eq!(limited, 1, "once for an address, however often it asks");
}

/// A configuration that is refused leaves nothing: no keys and no series.
#[tokio::test]
async fn a_refused_configuration_leaves_no_traces() {
    let place = Place::new().await;
    let one = place.head() + &place.block("demo", "mount: /demo", &["/mcp"]);
    fs::write(place.config(), &one).unwrap();
    let program = Program::start(place).await;
    let jwks = program.place.url("/demo/.well-known/jwks.json");
    let keys = async || http().get(&jwks).send().await.unwrap().text().await.unwrap();
    let before = keys().await;
    let newcomer = program.place.block("newcomer", "mount: /newcomer", &["/mcp"]);
    replace(
        &program.place.config(),
        &format!("signing_algorithm: RS256\naudit: /nonexistent/audit.jsonl\n{one}{newcomer}"),
    );
    program.place.until_metric("vestibule_config_reloads_total{outcome=\"rejected\",trigger=\"file\"}", "1").await;
    assert!(program.log().contains("`/nonexistent/audit.jsonl` cannot be written"), "{}", program.log());
    assert!(before.contains("kid") && keys().await == before);
    let metrics = program.place.metrics().await;
    let left: Vec<_> = metrics.lines().filter(|line| line.contains("newcomer")).collect();
    assert!(left.is_empty(), "{left:#?}");
}
