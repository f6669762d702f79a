//! Discovery and challenges (W2 to W11), and what browsers may read.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::{
    browser::Browser,
    client::{Client, Tokens, json_of, parameter},
    stage::Stage,
};

const PAGE: &str = "https://inspector.example";

/// W8, W9, AS-4, AS-45: one issuer, byte for byte, in four places; and the way to its metadata.
#[tokio::test]
async fn w8_as4_one_issuer_everywhere() {
    for (stage, path) in [(Stage::start().await, ""), (Stage::start_two_providers().await, "/first")] {
        let client = Client::discover(&stage.resource).await;
        let issuer = format!("{}{path}", stage.origin);
        assert_eq!(client.issuer, issuer);
        assert_eq!(client.metadata["issuer"], issuer.as_str());
        assert_eq!(client.metadata["authorization_response_iss_parameter_supported"], true);
        let attempt = client.attempt();
        let back = client.sign_in(&Browser::new(), &attempt, "ada").await;
        let iss: Vec<_> =
            back.query_pairs().filter(|(name, _)| name == "iss").map(|(_, iss)| iss.into_owned()).collect();
        assert_eq!(iss.join(" "), issuer);
        let code = client.code(&attempt, &back);
        let tokens = Tokens::read(client.exchange(&attempt, &code).await).await;
        assert_eq!(tokens.claims()["iss"], issuer.as_str());
        // The three places of RFC 8414 and OpenID Connect Discovery, derived from the issuer.
        for place in [
            format!("/.well-known/oauth-authorization-server{path}"),
            format!("/.well-known/openid-configuration{path}"),
            format!("{path}/.well-known/openid-configuration"),
        ] {
            let found = client.http.get(format!("{}{place}", stage.origin)).send().await.unwrap();
            assert_eq!(json_of(found).await["issuer"], issuer.as_str(), "{place}");
        }
        stage.stop().await;
    }
}

/// AS-5, AS-7, AS-10, AS-21, W5, W10: what the metadata say, for the strictest readers; with one
/// provider at `/` the endpoints are where clients of 2025-03-26 look.
#[tokio::test]
async fn as5_as7_w5_w10_metadata() {
    let stage = Stage::start().await;
    let client = Client::discover(&stage.resource).await;
    let metadata = &client.metadata;
    assert_eq!(metadata["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(metadata["response_types_supported"], json!(["code"]));
    for name in [
        "subject_types_supported",
        "id_token_signing_alg_values_supported",
        "token_endpoint_auth_methods_supported",
        "grant_types_supported",
        "scopes_supported",
    ] {
        assert!(metadata[name].as_array().is_some_and(|list| !list.is_empty()), "{name}");
    }
    for (name, path) in [
        ("authorization_endpoint", "/authorize"),
        ("token_endpoint", "/token"),
        ("registration_endpoint", "/register"),
        ("revocation_endpoint", "/revoke"),
        ("jwks_uri", "/.well-known/jwks.json"),
    ] {
        assert_eq!(metadata[name], format!("{}{path}", stage.origin).as_str());
    }
    let keys = json_of(client.http.get(client.endpoint("jwks_uri")).send().await.unwrap()).await;
    assert!(keys["keys"].as_array().unwrap().iter().all(|key| key.get("d").is_none() && key["kty"].is_string()));
    stage.stop().await;
}

/// AS-8, W3: discovery with the header of the protocol's version, HEAD and OPTIONS: no token asked,
/// no body where none may be, and no method that nobody has.
#[tokio::test]
async fn as8_w3_methods_of_the_documents() {
    let stage = Stage::start().await;
    let http = crate::client::http();
    for path in [
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-protected-resource/mcp",
        "/.well-known/jwks.json",
    ] {
        let url = format!("{}{path}", stage.origin);
        let get = http.get(&url).header("mcp-protocol-version", "2025-06-18").send().await.unwrap();
        assert_eq!(get.status(), StatusCode::OK);
        assert_eq!(get.headers()["content-type"], "application/json");
        let length = get.headers()["content-length"].clone();
        let head = http.head(&url).send().await.unwrap();
        assert_eq!(head.status(), StatusCode::OK, "{path}");
        assert_eq!(head.headers()["content-length"], length);
        assert!(head.bytes().await.unwrap().is_empty());
        for method in [Method::OPTIONS, Method::POST, Method::DELETE] {
            let refused = http.request(method.clone(), &url).send().await.unwrap();
            assert!(
                refused.status() == StatusCode::METHOD_NOT_ALLOWED || refused.status() == StatusCode::NO_CONTENT,
                "{method} {path}: {}",
                refused.status()
            );
        }
    }
    stage.stop().await;
}

/// W6, W7, RS-10, RS-13: an error only when a token was presented, 400 for what cannot be read, and
/// the scheme in any case.
#[tokio::test]
async fn w7_rs10_rs13_challenges() {
    let stage = Stage::start().await;
    let client = Client::discover(&stage.resource).await;
    let tokens = client.tokens("ada").await;
    for (authorization, status, error) in [
        (None, 401, None),
        (Some("Basic YTpi".to_owned()), 401, None),
        (Some("Bearer nonsense".to_owned()), 401, Some("invalid_token")),
        (Some("Bearer a b".to_owned()), 400, Some("invalid_request")),
        (Some(format!("bEaReR {}", tokens.access)), 200, None),
    ] {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": { "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "x", "version": "1" } } });
        let mut request =
            client.http.post(&stage.resource).header("accept", "application/json, text/event-stream").json(&body);
        if let Some(authorization) = &authorization {
            request = request.header("authorization", authorization);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{authorization:?}");
        if status == 200 {
            continue;
        }
        let challenge = answer.headers()["www-authenticate"].to_str().unwrap();
        assert_eq!(parameter(challenge, "error").as_deref(), error, "{challenge}");
        assert!(parameter(challenge, "resource_metadata").unwrap().starts_with(&stage.origin));
    }
    stage.stop().await;
}

/// W11, AS-9: a client in a browser: preflights allow what MCP clients send, errors are readable,
/// and the pages for people have none of it.
#[tokio::test]
async fn w11_as9_a_client_in_a_browser() {
    let stage = Stage::configured(|backend| {
        format!("    routes:\n      - {{ path: /mcp, backend: {backend}, allowed_origins: ['{PAGE}'] }}\n")
    })
    .await;
    let client = Client::discover(&stage.resource).await;
    let tokens = client.tokens("ada").await;
    let asked = "authorization, content-type, mcp-protocol-version, mcp-session-id, mcp-method, mcp-name, last-event-id, mcp-param-region";
    for path in [
        "/mcp",
        "/.well-known/oauth-protected-resource/mcp",
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
        "/.well-known/jwks.json",
        "/register",
        "/token",
        "/revoke",
    ] {
        let url = format!("{}{path}", stage.origin);
        let preflight = client.http.request(Method::OPTIONS, &url).header("origin", PAGE);
        let preflight =
            preflight.header("access-control-request-method", "POST").header("access-control-request-headers", asked);
        let preflight = preflight.send().await.unwrap();
        assert!(preflight.status().is_success(), "{path}: {}", preflight.status());
        let header = |name: &str| preflight.headers()[name].to_str().unwrap().to_ascii_lowercase();
        assert!(["*", PAGE].contains(&header("access-control-allow-origin").as_str()), "{path}");
        let allowed = header("access-control-allow-headers");
        for name in asked.split(", ") {
            assert!(allowed.split(", ").any(|one| one == name), "{path}: {name} is not in {allowed}");
        }
        assert!(header("access-control-allow-methods").contains("delete"));
    }
    let post = |url: String| client.http.post(url).header("origin", PAGE);
    let mcp = stage.resource.clone();
    for (request, status) in [
        (post(mcp.clone()), 401),
        (post(mcp.clone()).bearer_auth("x"), 401),
        (
            post(mcp.clone())
                .bearer_auth(&tokens.access)
                .header("mcp-session-id", "gone")
                .header("accept", "application/json, text/event-stream")
                .json(&json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" })),
            404,
        ),
        (post(format!("{}/token", stage.origin)).form(&[("grant_type", "x")]), 401),
        (post(format!("{}/.well-known/oauth-protected-resource/x", stage.origin)), 404),
    ] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{}", answer.url());
        assert!(answer.headers().contains_key("access-control-allow-origin"), "{}", answer.url());
        let exposed = answer.headers()["access-control-expose-headers"].to_str().unwrap().to_ascii_lowercase();
        for name in ["www-authenticate", "mcp-session-id", "retry-after"] {
            assert!(exposed.contains(name), "{exposed}");
        }
    }
    let foreign = client.http.post(&mcp).header("origin", "https://evil.example").bearer_auth(&tokens.access);
    assert_eq!(foreign.send().await.unwrap().status(), StatusCode::FORBIDDEN, "P-1");
    let page = client.http.get(client.attempt().url).header("origin", PAGE).send().await.unwrap();
    assert!(!page.headers().contains_key("access-control-allow-origin"));
    stage.stop().await;
}

/// S73: what is for operators is not on the public listener.
#[tokio::test]
async fn s73_the_admin_surface_is_not_public() {
    let stage = Stage::start().await;
    for path in ["/metrics", "/healthz", "/readyz", "/-/reload", "/debug/pprof"] {
        for method in [Method::GET, Method::POST] {
            let answer = crate::client::http().request(method, format!("{}{path}", stage.origin)).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
        }
    }
    stage.stop().await;
}
