//! Who may pass, the whole way: at sign-in, and at each route.

use reqwest::StatusCode;
use serde_json::json;

use crate::{
    browser::Browser,
    client::{Client, REDIRECT_URI, at_the_provider},
    stage::Stage,
};

/// The demo's people are at example.com.
async fn stage(policy: &str) -> Stage {
    let policy = policy.to_owned();
    Stage::configured(move |backend| {
        format!("    policy: {policy}\n    routes:\n      - {{ path: /mcp, backend: {backend} }}\n")
    })
    .await
}

/// S30, S34: somebody of another domain signs in and gets a page that says so, not what would have passed;
/// the client can be told by its link, no code exists, and it is counted by its rule.
#[tokio::test]
async fn s30_s34_who_may_not_pass_gets_no_code() {
    let stage = stage("{ email_domains: [elsewhere.example] }").await;
    let client = Client::discover(&stage.resource).await;
    let browser = Browser::new();
    let attempt = client.attempt();
    let consent = browser.get(attempt.url.as_str()).await;
    let there = browser.submit(&consent.form(), Some(("decision", "approve")), REDIRECT_URI).await;
    let page = at_the_provider(&browser, there, "ada").await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.text());
    assert!(
        page.text().contains("may not use this server") && page.text().contains("another account"),
        "{}",
        page.text()
    );
    assert!(!page.text().contains("elsewhere.example"), "it does not tell who may: {}", page.text());
    let back = page.links().into_iter().find(|link| link.starts_with(REDIRECT_URI)).unwrap();
    assert!(back.contains("error=access_denied") && !back.contains("code="), "{back}");
    let metrics = stage.metrics().await;
    let name = "demo";
    for line in [
        format!("vestibule_auth_denials_total{{provider=\"{name}\",rule=\"email_domain\"}} 1"),
        format!("vestibule_auth_logins_total{{fault=\"user\",outcome=\"policy_denied\",provider=\"{name}\"}} 1"),
        format!("vestibule_auth_codes_issued_total{{provider=\"{name}\"}} 0"),
    ] {
        assert!(metrics.contains(&line), "{line}\n{metrics}");
    }
    stage.stop().await;
}

#[tokio::test]
async fn who_may_pass_passes() {
    let stage = stage("{ email_domains: [example.com] }").await;
    let client = Client::discover(&stage.resource).await;
    let tokens = client.tokens("ada").await;
    let answer = client.call(&tokens.access, "tools/call", json!({ "name": "whoami", "arguments": {} })).await;
    assert_eq!(answer.status(), StatusCode::OK);
    client.refresh(tokens.refresh_token()).await.error_for_status().unwrap();
    stage.stop().await;
}
