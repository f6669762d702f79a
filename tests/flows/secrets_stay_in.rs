//! D-11: nothing of the provider's ever reaches a client.

use serde_json::json;

use crate::{client::Client, stage::Stage};

#[tokio::test]
async fn d11_provider_tokens_never_leave() {
    let stage = Stage::start_with_short_provider_tokens().await;
    let client = Client::discover(&stage.resource).await;
    let tokens = client.tokens("ada").await;
    stage.until_provider_tokens_are_due().await;
    client.refresh(tokens.refresh_token()).await;
    let seen = client.call(&tokens.access, "tools/call", json!({ "name": "whoami", "arguments": {} })).await;
    let told = format!("{}{}{}", tokens.response, seen.text().await.unwrap(), stage.metrics().await);
    let secrets = stage.provider_secrets();
    assert!(secrets.len() >= 4, "client secret, code, verifier, refresh token");
    for secret in secrets {
        assert!(!told.contains(&secret), "a provider secret was told to somebody");
    }
    assert!(tokens.response.get("id_token").is_none());
    stage.stop().await;
}
