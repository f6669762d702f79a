use std::sync::Mutex;

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::*;
use crate::{
    authority::GrantOverview,
    config::{facts::facts, plan::Plan},
    keys::KeyState,
    listener::Listener,
    secret::Secret,
    testing,
};

/// A process that is as the test says.
struct Scene {
    readiness: Mutex<Readiness>,
    plan: Plan,
    reloaded: Reloaded,
    reloads: Mutex<u32>,
    flows: Arc<Flows>,
    grants: Vec<GrantOverview>,
}

#[async_trait]
impl Process for Scene {
    async fn readiness(&self) -> Readiness {
        self.readiness.lock().unwrap().clone()
    }

    fn status(&self) -> Status {
        Status {
            version: "1.2.3",
            revision: "0123456789ab",
            rustc: "1.95.0",
            store: Part::default(),
            flows_in_progress: 0,
            recent_failures: Failure::among(&self.flows.newest(10)),
            started_at: "2026-01-01T00:00:00Z".to_owned(),
            uptime_seconds: 5,
            draining: false,
            public_url: self.plan.public_url.to_string(),
            config_sha256: facts(&self.plan).hash(),
            last_reload: json!({ "outcome": "applied" }),
            providers: self
                .plan
                .providers
                .iter()
                .map(|plan| ProviderStatus::new(plan, part(Some("no discovery document"))))
                .collect(),
        }
    }

    fn flows(&self) -> Arc<Flows> {
        Arc::clone(&self.flows)
    }

    fn public_url(&self) -> Url {
        self.plan.public_url.clone()
    }

    fn facts(&self) -> Facts {
        facts(&self.plan)
    }

    fn answers_for(&self, host: &str) -> bool {
        host == "g.example"
    }

    async fn grants(&self, filter: &GrantFilter, most: usize) -> Result<GrantList, StoreError> {
        if filter.subject.as_deref() == Some("broken") {
            return Err(StoreError::Unavailable("the disk is full".to_owned()));
        }
        let grants: Vec<_> =
            self.grants.iter().filter(|grant| filter.allows_provider(&grant.provider)).cloned().collect();
        Ok(GrantList { more: grants.len() > most, grants })
    }

    async fn revoke_grants(&self, filter: &GrantFilter) -> Result<usize, StoreError> {
        self.grants(filter, usize::MAX).await.map(|list| list.grants.len())
    }

    async fn keys(&self) -> Result<KeyList, StoreError> {
        let roots = vec![RootSecret { id: "00c0ffee".to_owned(), grants: None, signing_keys: None }];
        Ok(KeyList { signing: self.signing_keys(), root_secrets: roots, lost_grants: 0 })
    }

    fn signing_keys(&self) -> Vec<KeyOverview> {
        vec![KeyOverview {
            kid: "one".to_owned(),
            alg: "ES256".to_owned(),
            state: KeyState::Signs,
            configured: false,
            since: String::new(),
            signs_from: String::new(),
            until: None,
        }]
    }

    async fn rotate_keys(&self, now: bool) -> Result<Vec<KeyOverview>, KeyError> {
        if now { Err(KeyError::Brought) } else { Ok(self.signing_keys()) }
    }

    async fn revoke_key(&self, kid: &str) -> Result<bool, KeyError> {
        if kid == "one" { Err(KeyError::Signs) } else { Ok(kid == "two") }
    }

    async fn reload(&self) -> Reloaded {
        *self.reloads.lock().unwrap() += 1;
        self.reloaded.clone()
    }
}

fn scene() -> Scene {
    let mut plan = testing::plan("https://g.example", &[("auth0", "/", &["/mcp"])]);
    let mut provider = (*plan.providers[0]).clone();
    provider.client_secret = Some(Secret::new("a-secret-of-a-machine-0123456789"));
    plan.providers = vec![Arc::new(provider)];
    Scene {
        readiness: Mutex::default(),
        plan,
        reloaded: Reloaded { good: true, report: json!({ "outcome": "applied" }) },
        reloads: Mutex::new(0),
        flows: Arc::new(Flows::new(crate::time::Clock::system())),
        grants: Vec::new(),
    }
}

/// Sends a request line with headers, and returns the whole answer.
async fn ask(process: &Arc<Scene>, head: &str) -> String {
    let process: Arc<dyn Process> = Arc::<Scene>::clone(process);
    let admin = Admin::new(Metrics::new().unwrap(), process);
    let limits = testing::plan("https://g.example", &[]).limits;
    let listener = Listener::bind(([127, 0, 0, 1], 0).into(), &limits, None).await.unwrap();
    let address = listener.local_address().unwrap();
    let handler = move |request: Request<Incoming>, peer| {
        let admin = admin.clone();
        async move { admin.answer(request, peer).await }
    };
    tokio::spawn(listener.serve(handler, std::future::pending()));
    let (line, fields) = head.split_once("\r\n").unwrap_or((head, "host: x"));
    let mut stream = TcpStream::connect(address).await.unwrap();
    let text = format!("{line} HTTP/1.1\r\n{fields}\r\nconnection: close\r\n\r\n");
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

fn body(answer: &str) -> serde_json::Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

fn part(reason: Option<&str>) -> Part {
    Part { ready: reason.is_none(), reason: reason.map(str::to_owned) }
}

/// S76: a provider that is down is told with its reason, and does not stop the rest.
#[tokio::test]
async fn s76_readiness_has_reasons() {
    let process = Arc::new(scene());
    let down = NamedPart { name: "auth0".to_owned(), state: part(Some("no discovery document")) };
    for (readiness, status, body) in [
        (
            Readiness { draining: false, store: part(None), providers: vec![down] },
            "200",
            r#"{"ready":true,"draining":false,"store":{"ready":true},"providers":[{"name":"auth0","ready":false,"reason":"no discovery document"}]}"#,
        ),
        (
            Readiness { draining: true, store: part(None), providers: vec![] },
            "503",
            r#"{"ready":false,"draining":true,"store":{"ready":true},"providers":[]}"#,
        ),
        (
            Readiness { draining: false, store: part(Some("disk full")), providers: vec![] },
            "503",
            r#"{"ready":false,"draining":false,"store":{"ready":false,"reason":"disk full"},"providers":[]}"#,
        ),
    ] {
        *process.readiness.lock().unwrap() = readiness;
        let answer = ask(&process, "GET /readyz").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains("content-type: application/json\r\n") && answer.ends_with(body), "{answer}");
    }
}

#[tokio::test]
async fn metrics_and_health() {
    let process = Arc::new(scene());
    let answer = ask(&process, "GET /metrics").await;
    assert!(answer.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{answer}");
    assert!(answer.contains("vestibule_build_info{"), "{answer}");
    assert!(!answer.contains("# EOF"));
    let answer = ask(&process, "GET /metrics\r\naccept: application/openmetrics-text;version=1.0.0").await;
    assert!(answer.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"), "{answer}");
    assert!(answer.ends_with("# EOF\n"), "{answer}");
    for (line, status) in [
        ("GET /healthz", "200 OK"),
        ("HEAD /healthz", "200 OK"),
        ("POST /healthz", "405 Method Not Allowed"),
        ("GET /reload", "405 Method Not Allowed"),
        ("GET /", "404 Not Found"),
        ("GET /metrics/x", "404 Not Found"),
    ] {
        assert!(ask(&process, line).await.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{line}");
    }
    assert_eq!(*process.reloads.lock().unwrap(), 0);
}

#[tokio::test]
async fn the_status_says_what_runs() {
    let process = Arc::new(scene());
    let status = body(&ask(&process, "GET /status").await);
    assert_eq!(status["config_sha256"], facts(&process.plan).hash());
    assert_eq!(status["uptime_seconds"], 5);
    assert_eq!(
        status["providers"],
        json!([{
            "name": "auth0",
            "display_name": "auth0",
            "ready": false,
            "reason": "no discovery document",
            "discovery_age_seconds": null,
            "keys_age_seconds": null,
            "issuer": "https://g.example",
            "callback_url": "https://g.example/auth/callback",
            "routes": [
                { "path": "/mcp", "resource": "https://g.example/mcp", "backend": "http://127.0.0.1:9/" },
            ],
        }])
    );
}

/// S62: everybody who reaches the listener may read this.
#[tokio::test]
async fn s62_the_running_configuration_holds_no_secret() {
    let process = Arc::new(scene());
    let answer = ask(&process, "GET /config").await;
    assert!(!answer.contains("a-secret-of"), "{answer}");
    let config: RunningConfig = serde_json::from_value(body(&answer)).unwrap();
    assert_eq!(config.facts, facts(&process.plan));
    assert_eq!(config.sha256, config.facts.hash());
    assert!(config.facts.get("providers.auth0.client_secret").unwrap().starts_with("sha256:"));
}

#[tokio::test]
async fn a_reload_is_reported() {
    let answer = ask(&Arc::new(scene()), "POST /reload").await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(r#"{"outcome":"applied"}"#), "{answer}");
    let mut refused = scene();
    refused.reloaded = Reloaded { good: false, report: json!({ "outcome": "rejected" }) };
    let answer = ask(&Arc::new(refused), "POST /reload").await;
    assert!(answer.starts_with("HTTP/1.1 422 ") && answer.ends_with(r#"{"outcome":"rejected"}"#), "{answer}");
}

/// S73: neither a page that owns a name nor one that sends a form reaches anything.
#[tokio::test]
async fn s73_web_pages_are_kept_away() {
    let process = Arc::new(scene());
    for (head, status) in [
        ("GET /config\r\nhost: evil.example", "421"),
        ("GET /metrics\r\nhost: evil.example", "421"),
        ("GET /status\r\nhost: g.example:9464", "200"),
        ("POST /reload\r\nhost: 127.0.0.1:9464\r\norigin: https://evil.example", "403"),
        ("POST /reload\r\nhost: 127.0.0.1:9464\r\nsec-fetch-site: cross-site", "403"),
        ("OPTIONS /reload\r\nhost: 127.0.0.1:9464\r\norigin: https://evil.example", "403"),
    ] {
        let answer = ask(&process, head).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{head}: {answer}");
        assert!(!answer.to_lowercase().contains("access-control"), "{answer}");
    }
    assert_eq!(*process.reloads.lock().unwrap(), 0);
}

fn grant(provider: &str) -> GrantOverview {
    GrantOverview {
        id: "g1".to_owned(),
        provider: provider.to_owned(),
        subject: "ada".to_owned(),
        email: None,
        client_id: "c".to_owned(),
        client: "0".to_owned(),
        client_name: "A client".to_owned(),
        route: None,
        resource: "https://g.example/mcp".to_owned(),
        scopes: "openid".to_owned(),
        since: String::new(),
        until: String::new(),
    }
}

#[tokio::test]
async fn grants_are_picked_by_known_filters_and_never_all_by_mistake() {
    let process = Arc::new(Scene { grants: vec![grant("auth0"), grant("google")], ..scene() });
    let list = body(&ask(&process, "GET /grants").await);
    assert_eq!((list["grants"].as_array().unwrap().len(), &list["more"]), (2, &json!(false)));
    let list = body(&ask(&process, "GET /grants?provider=google").await);
    assert_eq!(list["grants"][0]["provider"], "google");
    for (line, expected) in [
        ("GET /grants?providr=google", "400"),
        ("GET /grants?subject=a&subject=b", "400"),
        ("GET /grants?subject=broken", "503"),
        ("POST /grants/revoke", "400"),
        ("POST /grants/revoke?all=true", "400"),
        ("POST /grants/revoke?subject=broken", "503"),
        ("GET /grants/revoke", "405"),
    ] {
        let answer = ask(&process, line).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected}")), "{line}: {answer}");
    }
    let ended = ask(&process, "POST /grants/revoke?provider=google").await;
    assert_eq!(body(&ended), json!({ "revoked": 1 }));
    assert_eq!(body(&ask(&process, "POST /grants/revoke-all").await), json!({ "revoked": 2 }));
}

#[tokio::test]
async fn keys_are_shown_rotated_and_revoked() {
    let process = Arc::new(scene());
    let list = body(&ask(&process, "GET /keys").await);
    assert_eq!(list["signing"][0]["kid"], "one");
    assert_eq!((&list["signing"][0]["state"], &list["root_secrets"][0]["id"]), (&json!("signs"), &json!("00c0ffee")));
    for (line, expected) in [
        ("POST /keys/rotate", "200"),
        ("POST /keys/rotate?now=true", "409"),
        ("POST /keys/rotate?at=once", "400"),
        ("POST /keys/revoke?kid=two", "200"),
        ("POST /keys/revoke?kid=one", "409"),
        ("POST /keys/revoke?kid=three", "404"),
        ("POST /keys/revoke", "400"),
        ("GET /keys/rotate", "405"),
        ("POST /keys/rotate\r\norigin: https://evil.example", "403"),
    ] {
        let answer = ask(&process, line).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected}")), "{line}: {answer}");
    }
    let refused = ask(&process, "POST /keys/revoke?kid=one").await;
    assert!(refused.contains("vestibule keys rotate --now"), "{refused}");
}
