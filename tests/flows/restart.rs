//! kill -9 in the middle of a client's day costs it nothing.

use reqwest::StatusCode;
use serde_json::json;

use crate::{
    browser::Browser,
    client::{Client, REDIRECT_URI, Tokens, at_the_provider},
    stage::ProcessStage,
};

#[tokio::test]
async fn kill_minus_nine_costs_no_client_anything() {
    let mut stage = ProcessStage::start().await;
    let client = Client::discover(&stage.resource).await;
    let tokens = client.tokens("ada").await;

    // A second sign-in is half done: approved, the browser is at the provider.
    let browser = Browser::new();
    let attempt = client.attempt();
    let consent = browser.open(attempt.url.as_str(), REDIRECT_URI).await;
    let at_provider = browser.submit(&consent.form(), Some(("decision", "approve")), REDIRECT_URI).await;

    stage.kill_and_restart().await;

    assert_eq!(client.call(&tokens.access, "ping", json!({})).await.status(), StatusCode::OK);
    let refreshed = Tokens::read(client.refresh(tokens.refresh_token()).await).await;
    assert_eq!(client.call(&refreshed.access, "ping", json!({})).await.status(), StatusCode::OK);
    let back = at_the_provider(&browser, at_provider, "grace").await.location().unwrap();
    let code = client.code(&attempt, &back);

    stage.kill_and_restart().await;

    let second = Tokens::read(client.exchange(&attempt, &code).await).await;
    assert_eq!(client.call(&second.access, "ping", json!({})).await.status(), StatusCode::OK);
    client.tokens("linus").await;

    // What was revoked stays so.
    assert_eq!(client.revoke(&refreshed.access).await.status(), StatusCode::OK);
    stage.kill_and_restart().await;
    assert_eq!(client.call(&refreshed.access, "ping", json!({})).await.status(), StatusCode::UNAUTHORIZED);
    stage.stop();
}

/// What nobody authenticated for writes nothing to disk.
#[tokio::test]
async fn strangers_write_nothing() {
    let stage = ProcessStage::start().await;
    let client = Client::discover(&stage.resource).await;
    let before = stage.store_bytes();
    for index in 0..50 {
        let name = format!("Client {index}");
        let response = client.register(&json!({ "client_name": name, "redirect_uris": [REDIRECT_URI] })).await;
        assert_eq!(response.status(), StatusCode::CREATED);
        let browser = Browser::new();
        let consent = browser.open(client.attempt().url.as_str(), REDIRECT_URI).await;
        browser.submit(&consent.form(), Some(("decision", "approve")), REDIRECT_URI).await;
    }
    assert!(stage.store_bytes() == before, "the file changed");
    stage.stop();
}
