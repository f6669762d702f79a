//! What programs ask: metadata, registration, tokens, revocation.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use serde_json::json;

use super::world::{Browser, DOCUMENT_CLIENT, VERIFIER, World, request};
use crate::{endpoint::form::MAX_BODY, route::Endpoint};

const REDIRECT: &str = "https://client.example/cb";

/// A code of a new sign-in.
async fn code(world: &World, client: &str, redirect: &str) -> String {
    let mut browser = Browser::new();
    let url = world.until_callback(&mut browser, &request(client, redirect)).await;
    browser.callback(world, &url).await.answered("code").unwrap()
}

/// W8, W10, AS-4, AS-5: both documents say the same, byte for byte where strings are compared.
#[tokio::test]
async fn w8_w10_metadata() {
    let world = World::new().await;
    let server = world.get(Endpoint::ServerMetadata).await;
    assert_eq!((server.status.as_u16(), server.header("content-type")), (200, "application/json"));
    assert_eq!(server.header("cache-control"), "public, max-age=300");
    let server = server.json();
    assert_eq!(server["issuer"], "https://mcp.example.com");
    assert_eq!(server["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(server["authorization_response_iss_parameter_supported"], true);
    let resource = world.get(Endpoint::ResourceMetadata { route: 0 }).await.json();
    assert_eq!(resource["resource"], "https://mcp.example.com/mcp");
    assert_eq!(resource["authorization_servers"], json!(["https://mcp.example.com"]));
    let keys = world.get(Endpoint::Jwks).await.json();
    assert_eq!(keys["keys"][0]["kty"], "EC");
    assert!(keys["keys"][0].get("d").is_none());
}

/// W2: what is not there is JSON too.
#[tokio::test]
async fn w2_unknown_documents_are_json_404s() {
    let world = World::new().await;
    world.get(Endpoint::ResourceMetadata { route: 9 }).await.assert_error(404, "not_found");
}

/// W3: metadata are there while the provider is down, and need no method but GET and HEAD.
#[tokio::test]
async fn w3_metadata_need_no_provider() {
    let world = World::new().await;
    world.provider.down();
    assert_eq!(world.get(Endpoint::ServerMetadata).await.status, 200);
    let head = Request::builder().method(Method::HEAD).body(Full::default()).unwrap();
    let head = world.send(Endpoint::ServerMetadata, "192.0.2.1", head).await;
    assert_eq!((head.status.as_u16(), head.body.as_str()), (200, ""));
    let post = world.post(Endpoint::Jwks, &[]).await;
    post.assert_error(405, "invalid_request");
    assert_eq!(post.header("allow"), "GET, HEAD");
}

/// D1, D2: the response has no null and no empty text.
#[tokio::test]
async fn d1_d2_registration_answers_are_complete() {
    let world = World::new().await;
    for metadata in [
        json!({ "redirect_uris": [REDIRECT] }),
        json!({ "redirect_uris": [REDIRECT], "client_name": "", "client_uri": "", "logo_uri": null, "scope": "" }),
        json!({ "redirect_uris": [REDIRECT], "token_endpoint_auth_method": "none", "client_name": "Notes" }),
    ] {
        let registered = world.register(metadata.clone()).await;
        assert_eq!(registered.status, 201, "{}", registered.body);
        assert_eq!(registered.header("content-type"), "application/json");
        assert_eq!(registered.header("cache-control"), "no-store");
        let answer = registered.json();
        for (name, value) in answer.as_object().unwrap() {
            assert!(!value.is_null() && value != "", "{name}");
        }
        assert_eq!(answer.get("client_secret").is_some(), answer.get("client_secret_expires_at").is_some());
    }
}

/// RFC 7591 section 3.2.2, S71: what cannot be registered is named.
#[tokio::test]
async fn s12_s71_bad_registrations_are_named() {
    let world = World::new().await;
    for (metadata, error) in [
        (json!({}), "invalid_redirect_uri"),
        (json!([]), "invalid_client_metadata"),
        (json!({ "redirect_uris": ["javascript:alert(1)"] }), "invalid_redirect_uri"),
        (json!({ "redirect_uris": ["http://example.com/cb"] }), "invalid_redirect_uri"),
        (json!({ "redirect_uris": ["https://a.example/#x"] }), "invalid_redirect_uri"),
        (json!({ "redirect_uris": [REDIRECT], "grant_types": ["password"] }), "invalid_client_metadata"),
    ] {
        world.register(metadata.clone()).await.assert_error(400, error);
    }
    let send = async |content_type: &'static str, body: Bytes| {
        let request =
            Request::builder().method(Method::POST).header("content-type", content_type).body(Full::new(body)).unwrap();
        world.send(Endpoint::Register, "192.0.2.1", request).await
    };
    send("application/json", Bytes::new()).await.assert_error(400, "invalid_client_metadata");
    send("application/json", Bytes::from_static(b"{")).await.assert_error(400, "invalid_client_metadata");
    send("text/plain", Bytes::from_static(b"{}")).await.assert_error(400, "invalid_client_metadata");
    let long = vec![b' '; MAX_BODY + 1];
    send("application/json", Bytes::from(long)).await.assert_error(413, "invalid_client_metadata");
    let get = world.get(Endpoint::Register).await;
    get.assert_error(405, "invalid_client_metadata");
    assert_eq!(get.header("allow"), "POST");
}

/// D5, D6: the same registration a hundred times is one client and counts once; new ones are
/// limited by their address, with a time to come back.
#[tokio::test]
async fn d5_d6_registrations_are_limited_with_care() {
    let world = World::with_limits(20, |_| {}).await;
    let first = world.client("Claude Code", "http://localhost:1/cb").await;
    for _ in 0..100 {
        assert_eq!(world.client("Claude Code", "http://localhost:1/cb").await, first);
    }
    for number in 1..20 {
        world.client(&format!("client {number}"), REDIRECT).await;
    }
    let limited = world.register(json!({ "redirect_uris": [REDIRECT], "client_name": "one more" })).await;
    limited.assert_error(429, "temporarily_unavailable");
    assert!(limited.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert_eq!(world.client("Claude Code", "http://localhost:1/cb").await, first);
}

/// T4, S1, AS-60: the token response.
#[tokio::test]
async fn t4_as60_token_responses() {
    let world = World::new().await;
    let client = world.client("Notes", REDIRECT).await;
    let code = code(&world, &client, REDIRECT).await;
    let token = world
        .post(
            Endpoint::Token,
            &[
                ("grant_type", "authorization_code"),
                ("client_id", &client),
                ("code", &code),
                ("code_verifier", VERIFIER),
            ],
        )
        .await;
    assert_eq!(token.status, 200, "{}", token.body);
    assert_eq!(token.header("content-type"), "application/json");
    assert_eq!((token.header("cache-control"), token.header("pragma")), ("no-store", "no-cache"));
    let body = token.json();
    assert!(body["expires_in"].is_u64(), "{body}");
    assert_eq!(body["token_type"], "Bearer");
    assert!(!body["scope"].as_str().unwrap().is_empty());
    let refresh = body["refresh_token"].as_str().unwrap();
    let refreshed = world
        .post(Endpoint::Token, &[("grant_type", "refresh_token"), ("client_id", &client), ("refresh_token", refresh)])
        .await;
    assert!(refreshed.json()["expires_in"].is_u64(), "{}", refreshed.body);
    world.assert_metric(
        "vestibule_tokens_issued_total{grant_type=\"refresh_token\",provider=\"acme\",token_type=\"refresh\"} 1",
    );
}

/// T5, AS-49, AS-60, D7: errors are 4xx JSON; 401 carries a challenge.
#[tokio::test]
async fn t5_as60_d7_token_errors() {
    let world = World::new().await;
    let client = world.client("Notes", REDIRECT).await;
    for (fields, status, error) in [
        (vec![], 401, "invalid_client"),
        (vec![("client_id", "gone"), ("grant_type", "refresh_token"), ("refresh_token", "x")], 401, "invalid_client"),
        (vec![("client_id", client.as_str())], 400, "invalid_request"),
        (vec![("client_id", client.as_str()), ("grant_type", "password")], 400, "unsupported_grant_type"),
        (vec![("client_id", client.as_str()), ("grant_type", "authorization_code")], 400, "invalid_request"),
        (
            vec![("client_id", client.as_str()), ("grant_type", "refresh_token"), ("refresh_token", "x")],
            400,
            "invalid_grant",
        ),
        (
            vec![
                ("client_id", client.as_str()),
                ("grant_type", "refresh_token"),
                ("refresh_token", "x"),
                ("refresh_token", "y"),
            ],
            400,
            "invalid_request",
        ),
        (vec![("client_id", client.as_str()), ("client_id", "other")], 400, "invalid_request"),
    ] {
        let answer = world.post(Endpoint::Token, &fields).await;
        answer.assert_error(status, error);
        assert_eq!(answer.headers.contains_key("www-authenticate"), status == 401);
    }
    // S71: an empty POST is an answer, not an accident.
    let empty = Request::builder().method(Method::POST).body(Full::default()).unwrap();
    world.send(Endpoint::Token, "192.0.2.1", empty).await.assert_error(401, "invalid_client");
    let get = world.get(Endpoint::Token).await;
    get.assert_error(405, "invalid_request");
    assert_eq!(get.header("allow"), "POST");
    // S54: what stands in the URL is not read.
    let in_query = Request::builder()
        .method(Method::POST)
        .uri("/token?client_id=listed&grant_type=refresh_token&refresh_token=x")
        .body(Full::default())
        .unwrap();
    world.send(Endpoint::Token, "192.0.2.1", in_query).await.assert_error(401, "invalid_client");
    let long = "x".repeat(MAX_BODY);
    world.post(Endpoint::Token, &[("code", &long)]).await.assert_error(413, "invalid_request");
}

/// AS-61, D4: a confidential client by Basic or by the body; a wrong secret is 401 with a challenge.
#[tokio::test]
async fn as61_d4_confidential_clients() {
    let world = World::new().await;
    let registered = world.register(json!({ "redirect_uris": [REDIRECT] })).await.json();
    let id = registered["client_id"].as_str().unwrap();
    let secret = registered["client_secret"].as_str().unwrap();
    let basic = |secret: &str| format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
    let fields = [("grant_type", "refresh_token"), ("refresh_token", "x")];
    let by_header = world.post_with(Endpoint::Token, &fields, &[("authorization", &basic(secret))]).await;
    by_header.assert_error(400, "invalid_grant");
    let mut all = fields.to_vec();
    all.extend([("client_id", id), ("client_secret", secret)]);
    world.post(Endpoint::Token, &all).await.assert_error(400, "invalid_grant");
    let wrong = world.post_with(Endpoint::Token, &fields, &[("authorization", &basic("wrong"))]).await;
    wrong.assert_error(401, "invalid_client");
    assert!(wrong.header("www-authenticate").starts_with("Basic"));
    // S41: two of them are refused, not one of them chosen.
    let (good, bad) = (basic(secret), basic("wrong"));
    let two = world.post_with(Endpoint::Token, &fields, &[("authorization", &good), ("authorization", &bad)]).await;
    two.assert_error(400, "invalid_request");
}

/// S75: guessing is limited, and a known client next door goes on.
#[tokio::test]
async fn s75_token_requests_are_limited() {
    let world = World::with_limits(3, |_| {}).await;
    let fields = |client| [("client_id", client), ("grant_type", "refresh_token"), ("refresh_token", "x")];
    for (client, status) in [("a", 401), ("b", 401), ("c", 401), ("d", 429)] {
        assert_eq!(world.post(Endpoint::Token, &fields(client)).await.status.as_u16(), status);
    }
    let limited = world.post(Endpoint::Token, &fields("e")).await;
    limited.assert_error(429, "temporarily_unavailable");
    assert!(limited.header("retry-after").parse::<u64>().unwrap() >= 1);
    world.post(Endpoint::Token, &fields("listed")).await.assert_error(400, "invalid_grant");
}

/// RFC 7009, T7: 200 for what is unknown; after a revocation both tokens are dead.
#[tokio::test]
async fn t7_revocation() {
    let world = World::new().await;
    let client = world.client("Notes", REDIRECT).await;
    let code = code(&world, &client, REDIRECT).await;
    let tokens = world
        .post(
            Endpoint::Token,
            &[
                ("grant_type", "authorization_code"),
                ("client_id", &client),
                ("code", &code),
                ("code_verifier", VERIFIER),
            ],
        )
        .await
        .json();
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let refreshing = [("grant_type", "refresh_token"), ("client_id", client.as_str()), ("refresh_token", refresh)];
    let unknown = world.post(Endpoint::Revoke, &[("client_id", &client), ("token", "nothing")]).await;
    assert_eq!((unknown.status.as_u16(), unknown.body.as_str()), (200, ""));
    // Another client's request changes nothing.
    assert_eq!(world.post(Endpoint::Revoke, &[("client_id", "listed"), ("token", refresh)]).await.status, 200);
    let tokens = world.post(Endpoint::Token, &refreshing).await.json();
    let access = tokens["access_token"].as_str().unwrap();
    assert_eq!(world.post(Endpoint::Revoke, &[("client_id", &client), ("token", access)]).await.status, 200);
    world.post(Endpoint::Token, &refreshing).await.assert_error(400, "invalid_grant");
    world.post(Endpoint::Revoke, &[("client_id", &client)]).await.assert_error(400, "invalid_request");
    world.post(Endpoint::Revoke, &[("token", "x")]).await.assert_error(401, "invalid_client");
}

/// AS-20: a client that is a document needs no registration, from the page to the token.
#[tokio::test]
async fn as20_document_clients_get_tokens() {
    let world = World::new().await;
    let code = code(&world, DOCUMENT_CLIENT, REDIRECT).await;
    let fields = [
        ("grant_type", "authorization_code"),
        ("client_id", DOCUMENT_CLIENT),
        ("code", &code),
        ("code_verifier", VERIFIER),
    ];
    assert_eq!(world.post(Endpoint::Token, &fields).await.status, 200);
}

/// T3, T5: what is our fault is a 503 with a time to come back, and costs the client nothing.
#[tokio::test]
async fn t3_a_store_that_fails_is_a_503() {
    let world = World::new().await;
    let client = world.client("Notes", REDIRECT).await;
    let code = code(&world, &client, REDIRECT).await;
    let fields = [
        ("grant_type", "authorization_code"),
        ("client_id", client.as_str()),
        ("code", &code),
        ("code_verifier", VERIFIER),
    ];
    world.store.fail(true);
    let answer = world.post(Endpoint::Token, &fields).await;
    answer.assert_error(503, "temporarily_unavailable");
    assert_eq!(answer.header("retry-after"), "10");
    world.store.fail(false);
    assert_eq!(world.post(Endpoint::Token, &fields).await.status, 200);
}
