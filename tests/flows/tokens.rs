//! What the token endpoint refuses, and that a refusal costs nothing.

use reqwest::StatusCode;
use serde_json::json;

use crate::{
    browser::Browser,
    client::{Client, REDIRECT_URI, Tokens, json_of},
    stage::Stage,
};

/// A wrong verifier, redirect URI, client or resource is refused and burns nothing; the code then
/// still works once, and its replay ends what it gave (S57, AS-52).
#[tokio::test]
async fn s57_a_code_is_spent_once_and_only_by_its_owner() {
    let stage = Stage::start().await;
    let client = Client::discover(&stage.resource).await;
    let attempt = client.attempt();
    let redirect = client.sign_in(&Browser::new(), &attempt, "ada").await;
    let code = client.code(&attempt, &redirect);
    let wrong_verifier = "x".repeat(43);
    for (redirect_uri, client_id, verifier, error) in [
        (REDIRECT_URI, client.client_id.as_str(), wrong_verifier.as_str(), "invalid_grant"),
        ("http://127.0.0.1:7777/other", client.client_id.as_str(), attempt.verifier.as_str(), "invalid_grant"),
        (REDIRECT_URI, "nobody", attempt.verifier.as_str(), "invalid_client"),
        (REDIRECT_URI, client.client_id.as_str(), "", "invalid_request"),
    ] {
        let refused = client
            .token_request(&[
                ("grant_type", "authorization_code"),
                ("code", &code),
                ("redirect_uri", redirect_uri),
                ("client_id", client_id),
                ("code_verifier", verifier),
            ])
            .await;
        assert!(refused.status().is_client_error());
        assert_eq!(refused.headers()["cache-control"], "no-store");
        assert_eq!(json_of(refused).await["error"], error);
    }
    let tokens = Tokens::read(client.exchange(&attempt, &code).await).await;
    let replay = client.exchange(&attempt, &code).await;
    assert_eq!(replay.status(), StatusCode::BAD_REQUEST);
    assert_eq!(json_of(replay).await["error"], "invalid_grant");
    assert_eq!(client.call(&tokens.access, "ping", json!({})).await.status(), StatusCode::UNAUTHORIZED);
    stage.stop().await;
}

/// T1, S56: twenty refreshes at the same moment are twenty answers with one successor.
#[tokio::test]
async fn t1_parallel_refreshes_share_one_successor() {
    let stage = Stage::start_with_short_provider_tokens().await;
    let client = Client::discover(&stage.resource).await;
    let tokens = client.tokens("ada").await;
    stage.until_provider_tokens_are_due().await;
    let refreshes = (0..20).map(|_| client.refresh(tokens.refresh_token()));
    let mut successors = Vec::new();
    for response in futures_util::future::join_all(refreshes).await {
        successors.push(Tokens::read(response).await.refresh.unwrap());
    }
    successors.sort();
    successors.dedup();
    assert_eq!(successors.len(), 1);
    assert_eq!(stage.provider_renewals(), 1, "one refresh at the provider");
    stage.stop().await;
}

/// T3: an unknown refresh token is `invalid_grant`; S5: only what was never granted is `invalid_scope`.
#[tokio::test]
async fn t3_s5_refused_refreshes() {
    let stage = Stage::start().await;
    let client = Client::discover(&stage.resource).await;
    let tokens = client.tokens("ada").await;
    for (token, scope, error) in
        [("vrt_x", "", "invalid_grant"), (tokens.refresh_token(), "unheard-of", "invalid_scope")]
    {
        let refused = client
            .token_request(&[
                ("grant_type", "refresh_token"),
                ("refresh_token", token),
                ("client_id", &client.client_id),
                ("scope", scope),
            ])
            .await;
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
        assert_eq!(json_of(refused).await["error"], error);
    }
    Tokens::read(client.refresh(tokens.refresh_token()).await).await;
    let odd = client.token_request(&[("grant_type", "password"), ("client_id", &client.client_id)]).await;
    assert_eq!(json_of(odd).await["error"], "unsupported_grant_type");
    stage.stop().await;
}

/// T7: revoking what nobody knows is 200 and changes nothing; another client's token is safe.
#[tokio::test]
async fn t7_only_the_owner_revokes() {
    let stage = Stage::start().await;
    let client = Client::discover(&stage.resource).await;
    let tokens = client.tokens("ada").await;
    let metadata = json!({
        "client_name": "Other",
        "redirect_uris": [REDIRECT_URI],
        "token_endpoint_auth_method": "none",
    });
    let response = client.register(&metadata).await;
    let mut other = client.clone();
    json_of(response).await["client_id"].as_str().unwrap().clone_into(&mut other.client_id);
    assert_ne!(other.client_id, client.client_id);
    assert_eq!(client.revoke("unknown").await.status(), StatusCode::OK);
    assert_eq!(other.revoke(tokens.refresh_token()).await.status(), StatusCode::OK);
    assert_eq!(other.revoke(&tokens.access).await.status(), StatusCode::OK);
    assert_eq!(client.call(&tokens.access, "ping", json!({})).await.status(), StatusCode::OK);
    assert_eq!(client.revoke(&tokens.access).await.status(), StatusCode::OK);
    assert_eq!(client.call(&tokens.access, "ping", json!({})).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(client.refresh(tokens.refresh_token()).await.status(), StatusCode::BAD_REQUEST);
    stage.stop().await;
}
