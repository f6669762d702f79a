//! Several providers in one gateway: own mounts, own issuers, own audiences.

use reqwest::StatusCode;
use serde_json::json;

use crate::{client::Client, stage::Stage};

/// S50, D-9: a token of one provider's route is nothing at another's.
#[tokio::test]
async fn s50_each_mount_is_its_own_world() {
    let stage = Stage::start_two_providers().await;
    let (first, second) = (format!("{}/first/mcp", stage.origin), format!("{}/second/mcp", stage.origin));
    let one = Client::discover(&first).await;
    let two = Client::discover(&second).await;
    assert_eq!(one.issuer, format!("{}/first", stage.origin));
    assert_eq!(two.issuer, format!("{}/second", stage.origin));
    let tokens = one.tokens("ada").await;
    assert_eq!(one.call(&tokens.access, "ping", json!({})).await.status(), StatusCode::OK);
    assert_eq!(two.call(&tokens.access, "ping", json!({})).await.status(), StatusCode::UNAUTHORIZED);
    let foreign = two.refresh(tokens.refresh_token()).await;
    assert!(foreign.status().is_client_error());
    assert_eq!(one.call(&tokens.access, "ping", json!({})).await.status(), StatusCode::OK, "nothing was burnt");
    stage.stop().await;
}
