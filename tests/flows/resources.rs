//! `resource` the way real clients write it: emitted canonical, accepted liberal (R1 to R6).

use reqwest::StatusCode;
use serde_json::json;

use crate::{
    backend::{Backend, response},
    browser::Browser,
    client::{Client, REDIRECT_URI, Tokens, json_of},
    stage::Stage,
};

/// R1, R5: with and without a trailing slash, or left out, at either endpoint: the token is for
/// the canonical resource and opens it.
#[tokio::test]
async fn r1_r5_pairings_at_authorize_and_token() {
    let stage = Stage::start().await;
    let client = Client::discover(&stage.resource).await;
    let plain = stage.resource.as_str();
    let slash = format!("{plain}/");
    let slash = slash.as_str();
    for (authorize, token) in [
        (Some(plain), Some(plain)),
        (Some(plain), Some(slash)),
        (Some(slash), Some(plain)),
        (Some(slash), Some(slash)),
        (Some(plain), None),
        (None, Some(slash)),
        (None, None),
    ] {
        let attempt = client.attempt().with("resource", authorize);
        let more: Vec<_> = token.map(|token| ("resource", token)).into_iter().collect();
        let tokens = client.tokens_by(&attempt, &more).await;
        assert_eq!(tokens.claims()["aud"], plain, "{authorize:?} {token:?}");
        let answer = client.call(&tokens.access, "ping", json!({})).await;
        assert_eq!(answer.status(), StatusCode::OK, "{authorize:?} {token:?}");
    }
    stage.stop().await;
}

/// R3, R4, R6: the bare origin, a query, another spelling, the same twice: still the one resource.
#[tokio::test]
async fn r3_r4_r6_spellings_of_the_only_resource() {
    let stage = Stage::start().await;
    let client = Client::discover(&stage.resource).await;
    let origin = stage.origin.as_str();
    for wish in [
        origin.to_owned(),
        format!("{origin}/"),
        format!("{origin}/mcp?kb_name=x"),
        format!("{origin}/%6Dcp"),
        format!("HTTP{}/mcp", origin.strip_prefix("http").unwrap()),
    ] {
        let attempt = client.attempt().with("resource", Some(&wish)).and("resource", &stage.resource);
        let tokens = client.tokens_by(&attempt, &[("resource", &wish)]).await;
        assert_eq!(tokens.claims()["aud"], stage.resource.as_str(), "{wish}");
    }
    stage.stop().await;
}

/// R3, R5, R6, AS-46: with two resources the origin alone says nothing, and neither does silence;
/// a strange or a second one is `invalid_target` at every step.
#[tokio::test]
async fn r3_r5_r6_as46_what_is_no_target() {
    let stage = Stage::configured(|backend| {
        format!(
            "    routes:\n      - {{ path: /mcp, backend: {backend} }}\n      - {{ path: /two, backend: {backend} }}\n"
        )
    })
    .await;
    let client = Client::discover(&stage.resource).await;
    let two = format!("{}/two", stage.origin);
    for attempt in [
        client.attempt().with("resource", Some(&stage.origin)),
        client.attempt().with("resource", None),
        client.attempt().with("resource", Some("https://elsewhere.example/mcp")),
        client.attempt().with("resource", Some("mcp")),
        client.attempt().and("resource", &two),
    ] {
        let page = Browser::new().open(attempt.url.as_str(), REDIRECT_URI).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{}", attempt.url);
        let link = page.links().into_iter().find(|link| link.starts_with(REDIRECT_URI)).expect("a link back");
        for part in ["error=invalid_target", "iss=", &format!("state={}", attempt.state)] {
            assert!(link.contains(part), "{link}");
        }
    }
    let tokens = client.tokens_by(&client.attempt(), &[]).await;
    let refresh = [
        ("grant_type", "refresh_token"),
        ("refresh_token", tokens.refresh_token()),
        ("client_id", client.client_id.as_str()),
    ];
    for wrong in [two.as_str(), stage.origin.as_str()] {
        let form = [&refresh[..], &[("resource", wrong)]].concat();
        let refused = client.token_request(&form).await;
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
        assert_eq!(json_of(refused).await["error"], "invalid_target", "{wrong}");
    }
    // R5: absent at a refresh keeps what was granted.
    let again = Tokens::read(client.token_request(&refresh).await).await;
    assert_eq!(again.claims()["aud"], stage.resource.as_str());
    // RS-20: it opens one, not the other.
    let other = Client { resource: two, ..client.clone() };
    assert_eq!(other.call(&again.access, "ping", json!({})).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(client.call(&again.access, "ping", json!({})).await.status(), StatusCode::OK);
    stage.stop().await;
}

/// R4: the query of an MCP request reaches the backend as it was sent.
#[tokio::test]
async fn r4_the_query_is_forwarded_unchanged() {
    let backend = Backend::start(|_| response("200 OK", &[], "{}")).await;
    let url = backend.url.clone();
    let stage = Stage::configured(|_| format!("    routes:\n      - {{ path: /mcp, backend: '{url}' }}\n")).await;
    let client = Client::discover(&stage.resource).await;
    let tokens = client.tokens("ada").await;
    let asked = format!("{}?kb_name=a%20b&x=%2F&&=", stage.resource);
    let answer = client.http.post(asked).bearer_auth(&tokens.access).body("{}").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(backend.last().starts_with("POST /mcp?kb_name=a%20b&x=%2F&&= HTTP/1.1\r\n"), "{}", backend.last());
    stage.stop().await;
}

/// RS-20, R*: a route's own `audience` is in its tokens. Clients ask by the URL that the metadata name
/// (RS-4), or by the audience itself; such a token opens this route and no other.
#[tokio::test]
async fn rs4_rs20_an_audience_of_ones_own() {
    let stage = Stage::configured(|backend| {
        format!(
            "    routes:\n      - {{ path: /mcp, backend: {backend}, audience: 'api://tools' }}\n      \
             - {{ path: /two, backend: {backend} }}\n"
        )
    })
    .await;
    let client = Client::discover(&stage.resource).await;
    let two = Client { resource: format!("{}/two", stage.origin), ..client.clone() };
    for (authorize, token) in [(stage.resource.as_str(), "api://tools"), ("api://tools", stage.resource.as_str())] {
        let attempt = client.attempt().with("resource", Some(authorize));
        let tokens = client.tokens_by(&attempt, &[("resource", token)]).await;
        assert_eq!(tokens.claims()["aud"], "api://tools");
        assert_eq!(client.call(&tokens.access, "ping", json!({})).await.status(), StatusCode::OK);
        assert_eq!(two.call(&tokens.access, "ping", json!({})).await.status(), StatusCode::UNAUTHORIZED);
    }
    let attempt = client.attempt().with("resource", Some(&two.resource));
    let tokens = client.tokens_by(&attempt, &[]).await;
    assert_eq!(tokens.claims()["aud"], two.resource.as_str());
    assert_eq!(two.call(&tokens.access, "ping", json!({})).await.status(), StatusCode::OK);
    assert_eq!(client.call(&tokens.access, "ping", json!({})).await.status(), StatusCode::UNAUTHORIZED);
    stage.stop().await;
}
