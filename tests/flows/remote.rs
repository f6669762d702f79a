//! `mode: remote`: the provider registers clients and issues their tokens, the gate checks those.

use std::time::Duration;

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::time::timeout;
use vestibule::demo::identity_provider::{AccessTokens, Endpoint, Fault, Lifetimes, Options, Rotation};

use crate::{
    backend::{Backend, SOON, response},
    client::{http, json_of, parameter},
    stage::Stage,
};

fn routes(backend: &str) -> String {
    format!(
        "    required_scopes: [mcp]\n    routes:\n      - {{ path: /mcp, backend: '{backend}' }}\n      \
         - {{ path: /other, backend: '{backend}', scopes: [write] }}\n"
    )
}

fn options() -> Options {
    Options { scopes: vec!["mcp".to_owned(), "write".to_owned()], ..Options::default() }
}

async fn stage() -> Stage {
    Stage::remote(options(), true, |_, backend| routes(backend)).await
}

/// Opaque tokens that are asked about; `more` is further keys of `introspection`.
async fn introspecting(more: &str) -> Stage {
    Stage::remote(Options { access_tokens: AccessTokens::Opaque, ..options() }, true, |provider, backend| {
        let secret = provider.client_secret().unwrap().expose();
        let introspection = format!("{{ client_id: {}, client_secret: {secret}{more} }}", provider.client_id());
        format!("    introspection: {introspection}\n{}", routes(backend))
    })
    .await
}

async fn call(url: &str, token: &str) -> Response {
    let hello = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" },
    } });
    let request = http().post(url).bearer_auth(token).header("accept", "application/json, text/event-stream");
    request.json(&hello).send().await.unwrap()
}

fn challenge(answer: &Response) -> String {
    answer.headers().get("www-authenticate").map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}

fn token(stage: &Stage, audience: &str, scope: &str) -> String {
    stage.provider().access_token("ada", Some(audience), scope).unwrap()
}

/// RS-1: the documents name the provider, byte for byte, and nothing here pretends to be an
/// authorization server; clients of 2025-03-26 find the provider's metadata at this origin.
#[tokio::test]
async fn rs1_the_resource_metadata_name_the_provider() {
    let stage = stage().await;
    let refused = http().post(&stage.resource).json(&json!({})).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let place = parameter(&challenge(&refused), "resource_metadata").unwrap();
    let metadata = json_of(http().get(place).send().await.unwrap()).await;
    assert_eq!(metadata["resource"], stage.resource.as_str());
    assert_eq!(metadata["authorization_servers"], json!([stage.provider().issuer()]));
    assert_eq!(metadata["scopes_supported"], json!(["mcp"]));
    let before = stage.provider_requests(Endpoint::Discovery).len();
    for place in ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration/mcp"] {
        let relayed = json_of(http().get(format!("{}{place}", stage.origin)).send().await.unwrap()).await;
        let own = json_of(http().get(stage.provider().config_url()).send().await.unwrap()).await;
        assert_eq!(relayed, own, "{place}");
    }
    assert_eq!(stage.provider_requests(Endpoint::Discovery).len(), before + 2, "only the test itself asked");
    for path in ["/authorize", "/token", "/register", "/revoke", "/consent", "/auth/callback"] {
        let answer = http().get(format!("{}{path}", stage.origin)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
    }
    stage.stop().await;
}

/// RS-20, RS-6, S52: a token of the provider opens the route that it is for, with the scopes that the
/// route demands; an ID token, a token for another route or of nobody opens nothing.
#[tokio::test]
async fn rs20_the_providers_tokens_open_their_route_only() {
    let stage = stage().await;
    let other = format!("{}/other", stage.origin);
    let good = token(&stage, &stage.resource, "mcp");
    for _ in 0..2 {
        let answer = call(&stage.resource, &good).await;
        assert_eq!(answer.status(), StatusCode::OK, "{}", challenge(&answer));
    }
    let id_token = json!({
        "iss": stage.provider().issuer(), "sub": "demo|ada", "aud": stage.provider().client_id(),
        "exp": 4_000_000_000_u64, "nonce": "n", "scope": "mcp",
    });
    for (url, refused) in [
        (&other, good.clone()),
        (&stage.resource, token(&stage, &other, "mcp")),
        (&stage.resource, stage.provider().sign("JWT", &id_token).unwrap()),
        (&stage.resource, stage.provider().access_token("ada", None, "mcp").unwrap()),
    ] {
        let answer = call(url, &refused).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert!(challenge(&answer).contains("error=\"invalid_token\""), "{}", challenge(&answer));
    }
    let answer = call(&other, &token(&stage, &other, "mcp")).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert_eq!(parameter(&challenge(&answer), "scope").as_deref(), Some("mcp write"));
    assert_eq!(call(&other, &token(&stage, &other, "mcp write")).await.status(), StatusCode::OK);
    let metrics = stage.metrics().await;
    let counted = "vestibule_token_verifications_total{credential=\"jwt\",fault=\"client\",outcome=\"audience_mismatch\",provider=\"demo\"} 2";
    assert!(metrics.contains(counted), "{metrics}");
    stage.stop().await;
}

/// What can be seen here of a sign-in at the provider is a flow: the knock, what was refused and why, the first
/// good token; and what is refused later.
#[tokio::test]
async fn a_sign_in_at_the_provider_is_a_flow() {
    let stage = stage().await;
    let flows = async || -> Value { serde_json::from_str(&stage.admin("/flows").await).unwrap() };
    assert_eq!(flows().await, json!([]));
    assert_eq!(http().post(&stage.resource).json(&json!({})).send().await.unwrap().status(), 401);
    let foreign = token(&stage, &format!("{}/other", stage.origin), "mcp");
    assert_eq!(call(&stage.resource, &foreign).await.status(), 401);
    let good = token(&stage, &stage.resource, "mcp");
    for _ in 0..2 {
        assert_eq!(call(&stage.resource, &good).await.status(), 200);
    }
    let list = flows().await;
    assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
    assert_eq!((&list[0]["outcome"], &list[0]["trouble"]), (&json!("ok"), &json!("audience_mismatch")));
    let story = stage.admin(&format!("/flows/{}", list[0]["id"].as_str().unwrap())).await;
    let story: Value = serde_json::from_str(&story).unwrap();
    let kinds: Vec<_> = story["steps"].as_array().unwrap().iter().map(|step| step["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["challenged", "refused", "accepted"], "{story}");
    assert!(story["steps"][1]["text"].as_str().unwrap().contains("its audience is"), "{story}");
    assert_eq!(story["subject"], "demo|ada");
    assert!(story["trouble"]["advice"].as_str().unwrap().contains("`audience`"), "{story}");
    assert!([&good, &foreign].iter().all(|token| !story.to_string().contains(token.as_str())));
    stage.stop().await;
}

/// S54, RS-12: a token in the query is none.
#[tokio::test]
async fn s54_a_token_in_the_query_is_none() {
    let stage = stage().await;
    let url = format!("{}?access_token={}", stage.resource, token(&stage, &stage.resource, "mcp"));
    let answer = http().post(url).json(&json!({})).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert!(!challenge(&answer).contains("error="), "{}", challenge(&answer));
    stage.stop().await;
}

/// RS-22: the backend hears who calls, never the client's token; an assertion is ours.
#[tokio::test]
async fn rs22_the_backend_hears_who_calls() {
    let backend = Backend::start(|_| response("200 OK", &[], "ok")).await;
    let url = backend.url.clone();
    let stage = Stage::remote(options(), true, |_, _| {
        format!("    routes:\n      - {{ path: /mcp, backend: '{url}', backend_authorization: assertion }}\n")
    })
    .await;
    let claims = json!({
        "iss": stage.provider().issuer(), "sub": "demo|ada", "aud": [stage.resource], "azp": "a-client",
        "exp": 4_000_000_000_u64, "scp": ["mcp"], "email": "ada@example.com", "email_verified": true,
    });
    let token = stage.provider().sign("JWT", &claims).unwrap();
    assert_eq!(call(&stage.resource, &token).await.status(), StatusCode::OK);
    let seen = backend.last();
    for line in [
        "x-vestibule-subject: demo|ada",
        "x-vestibule-email: ada@example.com",
        "x-vestibule-scopes: mcp",
        "x-vestibule-client: a-client",
    ] {
        assert!(seen.contains(line), "{line} in\n{seen}");
    }
    assert!(!seen.contains(&token));
    assert!(seen.contains("authorization: Bearer "), "{seen}");
    stage.stop().await;
}

/// S76, T3, W3: a provider that cannot be asked is 503, never 401, and everything recovers by itself.
#[tokio::test]
async fn s76_a_provider_that_is_down_is_503() {
    let stage = Stage::remote(options(), false, |_, backend| routes(backend)).await;
    let good = token(&stage, &stage.resource, "mcp");
    let metadata = format!("{}/.well-known/oauth-protected-resource/mcp", stage.origin);
    for answer in [call(&stage.resource, &good).await, http().get(&metadata).send().await.unwrap()] {
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(answer.headers().contains_key("retry-after"));
        assert!(!answer.headers().contains_key("www-authenticate"));
    }
    let missing = http().post(&stage.resource).json(&json!({})).send().await.unwrap();
    assert_eq!(missing.status(), StatusCode::UNAUTHORIZED, "no token is still no token");
    stage.provider_up();
    let mut left = 100;
    while call(&stage.resource, &good).await.status() != StatusCode::OK {
        left -= 1;
        assert!(left > 0, "it never recovers");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // With the keys known, nobody needs the provider.
    stage.provider().down();
    assert_eq!(call(&stage.resource, &token(&stage, &stage.resource, "mcp")).await.status(), StatusCode::OK);
    // But for a key that is not known.
    stage.provider().rotate_key(Rotation::KeepOld).unwrap();
    let new = token(&stage, &stage.resource, "mcp");
    assert_eq!(call(&stage.resource, &new).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    stage.stop().await;
}

/// A stream ends with the token that opened it: nobody would tell of another end.
#[tokio::test]
async fn a_stream_ends_with_its_token() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n: here\n\n";
    let backend = Backend::start(move |_| head.to_owned()).await;
    let url = backend.url.clone();
    let lifetimes = Lifetimes { access_token: Duration::from_secs(3), ..Lifetimes::default() };
    let stage = Stage::remote(Options { lifetimes, ..options() }, true, |_, _| routes(&url)).await;
    let token = token(&stage, &stage.resource, "mcp");
    let mut stream = http().get(&stage.resource).bearer_auth(&token).send().await.unwrap();
    assert_eq!(stream.status(), StatusCode::OK);
    assert!(stream.chunk().await.unwrap().is_some());
    let end = async { while let Ok(Some(_)) = stream.chunk().await {} };
    timeout(SOON, end).await.expect("the stream outlives its token");
    assert_eq!(call(&stage.resource, &token).await.status(), StatusCode::UNAUTHORIZED);
    stage.stop().await;
}

/// RFC 7662: opaque tokens open their route; one that is revoked at the provider does not.
#[tokio::test]
async fn opaque_tokens_are_asked_about() {
    let stage = introspecting(", cache_ttl_seconds: 1").await;
    let good = token(&stage, &stage.resource, "mcp");
    for _ in 0..3 {
        assert_eq!(call(&stage.resource, &good).await.status(), StatusCode::OK);
    }
    assert!(stage.provider_requests(Endpoint::Introspect).len() <= 3);
    let other = format!("{}/other", stage.origin);
    assert_eq!(call(&other, &good).await.status(), StatusCode::UNAUTHORIZED, "RS-20");
    assert_eq!(call(&stage.resource, "unknown").await.status(), StatusCode::UNAUTHORIZED);
    stage.provider().revoke(&good);
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let answer = call(&stage.resource, &good).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    let metrics = stage.metrics().await;
    assert!(
        metrics.contains("credential=\"opaque\",fault=\"none\",outcome=\"valid\",provider=\"demo\"} 3"),
        "{metrics}"
    );
    assert!(
        metrics
            .contains("vestibule_provider_requests_total{endpoint=\"introspection\",provider=\"demo\",result=\"200\"}")
    );
    stage.stop().await;
}

/// T3: an introspection endpoint that fails is 503 with `Retry-After`; what is known stays known.
#[tokio::test]
async fn t3_an_introspection_that_fails_is_503() {
    let stage = introspecting("").await;
    let known = token(&stage, &stage.resource, "mcp");
    assert_eq!(call(&stage.resource, &known).await.status(), StatusCode::OK);
    stage.provider().faults().set(Endpoint::Introspect, Fault::Status(500));
    let answer = call(&stage.resource, &token(&stage, &stage.resource, "mcp")).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers().contains_key("retry-after"));
    let body: Value = json_of(answer).await;
    assert_eq!(body["error"], "temporarily_unavailable");
    assert_eq!(call(&stage.resource, &known).await.status(), StatusCode::OK);
    assert!(stage.metrics().await.contains("outcome=\"introspection_failed\",provider=\"demo\"} 1"));
    stage.stop().await;
}

/// RS-20, S50: each route may be for an audience of its own, whatever the provider's is; a token for
/// one opens no other.
#[tokio::test]
async fn rs20_an_audience_for_each_route() {
    let stage = Stage::remote(options(), true, |_, backend| {
        format!(
            "    audience: urn:all\n    routes:\n      - {{ path: /mcp, backend: '{backend}' }}\n      \
             - {{ path: /two, backend: '{backend}', audience: [urn:two, urn:second] }}\n"
        )
    })
    .await;
    let two = format!("{}/two", stage.origin);
    for (audience, opens_one, opens_two) in [
        ("urn:all", true, false),
        ("urn:two", false, true),
        ("urn:second", false, true),
        (stage.resource.as_str(), false, false),
        (two.as_str(), false, false),
    ] {
        let token = token(&stage, audience, "mcp");
        for (url, opens) in [(&stage.resource, opens_one), (&two, opens_two)] {
            let expected = if opens { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
            assert_eq!(call(url, &token).await.status(), expected, "{audience} at {url}");
        }
    }
    stage.stop().await;
}

/// Cognito's access tokens say by `client_id` for whom they are, and have no `aud`; one that has an
/// `aud` is for that. Its ID tokens open nothing.
#[tokio::test]
async fn s50_s52_cognitos_access_tokens() {
    let stage = Stage::remote(options(), true, |_, backend| {
        format!(
            "    audience_claim: client_id\n    audience: [app-client]\n    routes:\n      \
             - {{ path: /mcp, backend: '{backend}' }}\n"
        )
    })
    .await;
    let base = json!({
        "iss": stage.provider().issuer(), "sub": "demo|ada", "exp": 4_000_000_000_u64, "scope": "mcp",
        "token_use": "access", "client_id": "app-client", "username": "ada", "cognito:groups": ["staff"],
    });
    for (changes, expected) in [
        (json!({}), StatusCode::OK),
        (json!({ "client_id": "another-client" }), StatusCode::UNAUTHORIZED),
        (json!({ "aud": "https://api.example.com" }), StatusCode::UNAUTHORIZED),
        (json!({ "token_use": "id", "aud": "app-client" }), StatusCode::UNAUTHORIZED),
    ] {
        let mut claims = base.clone();
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let token = stage.provider().sign("JWT", &claims).unwrap();
        assert_eq!(call(&stage.resource, &token).await.status(), expected, "{changes}");
    }
    stage.stop().await;
}
