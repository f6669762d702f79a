//! `scope` the way real clients write it, and step-up (S1 to S7 of the compatibility list).

use reqwest::StatusCode;
use serde_json::json;

use crate::{
    browser::Browser,
    client::{Client, REDIRECT_URI, Tokens, json_of, parameter},
    stage::Stage,
};

/// A route that needs `write`, at a provider whose clients may ask for `read` and `write`.
async fn stage() -> Stage {
    Stage::configured(|backend| {
        format!("    valid_scopes: [read, write]\n    routes:\n      - {{ path: /mcp, backend: {backend}, scopes: [write] }}\n")
    })
    .await
}

fn has(tokens: &Tokens, scope: &str) -> bool {
    let listed = |text: &serde_json::Value| text.as_str().unwrap().split(' ').any(|one| one == scope);
    assert_eq!(listed(&tokens.response["scope"]), listed(&tokens.claims()["scope"]));
    listed(&tokens.response["scope"])
}

/// S1, S2, S3, S4, AS-48: none, oddly written, far too many: each gets what it may have, and is
/// told; a refresh token comes without `offline_access`.
#[tokio::test]
async fn s1_s2_s3_s4_what_is_asked_for_and_granted() {
    let stage = stage().await;
    let client = Client::discover(&stage.resource).await;
    for (asked, read, write) in [
        (None, false, true),
        (Some("%20"), false, true),
        (Some("  read   write "), true, true),
        (Some("openid profile email"), false, false),
        (Some("read offline_access admin:everything mcp:*"), true, false),
    ] {
        let asked = asked.map(|text| text.replace("%20", " "));
        let attempt = client.attempt().with("scope", asked.as_deref());
        let tokens = client.tokens_by(&attempt, &[]).await;
        assert_eq!((has(&tokens, "read"), has(&tokens, "write")), (read, write), "{asked:?} {}", tokens.response);
        assert!(tokens.refresh.is_some(), "{asked:?}");
        assert!(!has(&tokens, "admin:everything") && !tokens.claims()["scope"].to_string().contains("offline_access"));
    }
    let attempt = client.attempt().with("scope", Some("nothing known"));
    let page = Browser::new().open(attempt.url.as_str(), REDIRECT_URI).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(page.links().iter().any(|link| link.contains("error=invalid_scope")), "{}", page.html);
    stage.stop().await;
}

/// S4, RS-9: `offline_access` is in the server's metadata, never in the resource's or a challenge.
#[tokio::test]
async fn s4_rs9_where_offline_access_is_listed() {
    let stage = stage().await;
    let client = Client::discover(&stage.resource).await;
    let has = |value: &serde_json::Value| value.as_array().unwrap().iter().any(|scope| scope == "offline_access");
    assert!(has(&client.metadata["scopes_supported"]));
    let refused = client.http.post(&stage.resource).send().await.unwrap();
    let challenge = refused.headers()["www-authenticate"].to_str().unwrap().to_owned();
    assert!(parameter(&challenge, "scope").unwrap().split(' ').any(|scope| scope == "write"), "RS-5: {challenge}");
    assert!(!challenge.contains("offline_access"));
    let url = parameter(&challenge, "resource_metadata").unwrap();
    let resource = json_of(client.http.get(url).send().await.unwrap()).await;
    assert!(!has(&resource["scopes_supported"]), "{resource}");
    stage.stop().await;
}

/// S5: a refresh narrows the access token only; the next one has everything again; more than was
/// granted is `invalid_scope`.
#[tokio::test]
async fn s5_a_refresh_narrows_one_token() {
    let stage = stage().await;
    let client = Client::discover(&stage.resource).await;
    let tokens = client.tokens_by(&client.attempt().with("scope", Some("read write")), &[]).await;
    let refresh = async |token: &str, scope: &str| {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            ("client_id", client.client_id.as_str()),
            ("scope", scope),
        ];
        client.token_request(&form).await
    };
    let fewer = Tokens::read(refresh(tokens.refresh_token(), "read").await).await;
    assert!(has(&fewer, "read") && !has(&fewer, "write"));
    let all = Tokens::read(refresh(fewer.refresh_token(), "").await).await;
    assert!(has(&all, "read") && has(&all, "write"));
    let narrow = client.tokens_by(&client.attempt().with("scope", Some("read")), &[]).await;
    let refused = refresh(narrow.refresh_token(), "read write").await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    assert_eq!(json_of(refused).await["error"], "invalid_scope");
    stage.stop().await;
}

/// S7, RS-6, RS-7: a 403 names what is granted and what is missing, so that a client which asks
/// for exactly that loses nothing.
#[tokio::test]
async fn s7_rs6_step_up() {
    let stage = stage().await;
    let client = Client::discover(&stage.resource).await;
    let tokens = client.tokens_by(&client.attempt().with("scope", Some("read")), &[]).await;
    let refused = client.call(&tokens.access, "ping", json!({})).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let challenge = refused.headers()["www-authenticate"].to_str().unwrap().to_owned();
    assert!(challenge.starts_with("Bearer error=\"insufficient_scope\""), "{challenge}");
    assert!(parameter(&challenge, "resource_metadata").is_some());
    let named = parameter(&challenge, "scope").unwrap();
    for scope in ["read", "write"] {
        assert!(named.split(' ').any(|one| one == scope), "{challenge}");
    }
    let stepped = client.tokens_by(&client.attempt().with("scope", Some(&named)), &[]).await;
    assert!(has(&stepped, "read") && has(&stepped, "write"));
    assert_eq!(client.call(&stepped.access, "ping", json!({})).await.status(), StatusCode::OK);
    stage.stop().await;
}
