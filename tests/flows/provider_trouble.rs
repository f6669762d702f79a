//! The provider is down, slow, or says no.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;

use crate::{
    browser::Browser,
    client::{Client, REDIRECT_URI, Tokens, json_of},
    stage::Stage,
};

/// W3, S76: the gateway starts and serves metadata while the provider is down, a sign-in says so,
/// and everything recovers by itself.
#[tokio::test]
async fn w3_s76_a_provider_that_is_down_at_start() {
    let stage = Stage::start_with_provider_down().await;
    let client = Client::discover(&stage.resource).await;
    let browser = Browser::new();
    let consent = browser.open(client.attempt().url.as_str(), REDIRECT_URI).await;
    let page = if consent.status.is_success() {
        browser.submit(&consent.form(), Some(("decision", "approve")), REDIRECT_URI).await
    } else {
        consent
    };
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{}", page.html);
    assert!(page.headers.contains_key("retry-after"));
    assert!(stage.ready().await.contains("demo"), "the reason is told");
    stage.provider_up();
    let mut left = 100;
    while !stage.metrics().await.contains("vestibule_provider_ready{provider=\"demo\"} 1") {
        left -= 1;
        assert!(left > 0, "the provider never became ready");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    client.tokens("ada").await;
    stage.stop().await;
}

/// T3: a provider that fails is 503 and costs the client nothing.
#[tokio::test]
async fn t3_a_failing_provider_never_costs_a_grant() {
    let stage = Stage::start_with_short_provider_tokens().await;
    let client = Client::discover(&stage.resource).await;
    let tokens = client.tokens("ada").await;
    stage.until_provider_tokens_are_due().await;
    stage.provider_token_endpoint_fails(true);
    let refused = client.refresh(tokens.refresh_token()).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(json_of(refused).await["error"], "temporarily_unavailable");
    stage.provider_token_endpoint_fails(false);
    Tokens::read(client.refresh(tokens.refresh_token()).await).await;
    stage.stop().await;
}

/// D-10: when the provider says that it is over, so is our grant.
#[tokio::test]
async fn d10_the_end_at_the_provider_is_the_end_here() {
    let stage = Stage::start_with_short_provider_tokens().await;
    let client = Client::discover(&stage.resource).await;
    let tokens = client.tokens("ada").await;
    stage.until_provider_tokens_are_due().await;
    stage.provider_ends_grants();
    let refused = client.refresh(tokens.refresh_token()).await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    assert_eq!(json_of(refused).await["error"], "invalid_grant");
    let call = client.call(&tokens.access, "ping", json!({})).await;
    assert_eq!(call.status(), StatusCode::UNAUTHORIZED);
    stage.stop().await;
}
