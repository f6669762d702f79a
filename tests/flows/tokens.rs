//! What the token endpoint refuses, and that a refusal costs nothing.

use reqwest::StatusCode;
use serde_json::json;
use vestibule::demo::identity_provider::Endpoint;

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

/// T1, T2, S56: a retry within the grace gets the same successor; after it, the same token is a reuse
/// that ends the whole family.
#[tokio::test]
async fn t2_a_late_replay_ends_the_family() {
    let stage = Stage::configured(|backend| {
        format!("    lifetimes: {{ refresh_grace: 1s }}\n    routes:\n      - {{ path: /mcp, backend: {backend} }}\n")
    })
    .await;
    let client = Client::discover(&stage.resource).await;
    let first = client.tokens("ada").await;
    let second = Tokens::read(client.refresh(first.refresh_token()).await).await;
    let again = Tokens::read(client.refresh(first.refresh_token()).await).await;
    assert_eq!(again.refresh, second.refresh);
    tokio::time::sleep(std::time::Duration::from_millis(2100)).await;
    let replay = client.refresh(first.refresh_token()).await;
    assert_eq!(replay.status(), StatusCode::BAD_REQUEST);
    assert_eq!(json_of(replay).await["error"], "invalid_grant");
    assert_eq!(client.refresh(second.refresh_token()).await.status(), StatusCode::BAD_REQUEST);
    for tokens in [&first, &second, &again] {
        assert_eq!(client.call(&tokens.access, "ping", json!({})).await.status(), StatusCode::UNAUTHORIZED);
    }
    stage.stop().await;
}

/// AS-49, AS-60, T4, T5, S54: errors of the token endpoint are 400 JSON that nobody keeps; a repeated
/// parameter and one in the query are refused.
#[tokio::test]
async fn as49_as60_t5_errors_of_the_token_endpoint() {
    let stage = Stage::start().await;
    let client = Client::discover(&stage.resource).await;
    let id = client.client_id.as_str();
    for form in [
        vec![],
        vec![("grant_type", "authorization_code"), ("client_id", id)],
        vec![("grant_type", "refresh_token"), ("refresh_token", "a"), ("refresh_token", "b"), ("client_id", id)],
        vec![
            ("grant_type", "refresh_token"),
            ("grant_type", "refresh_token"),
            ("refresh_token", "a"),
            ("client_id", id),
        ],
        vec![("grant_type", "refresh_token"), ("refresh_token", ""), ("client_id", id)],
    ] {
        let refused = client.token_request(&form).await;
        assert!(refused.status().is_client_error(), "{form:?}");
        assert_eq!(refused.headers()["content-type"], "application/json");
        assert_eq!(refused.headers()["cache-control"], "no-store");
        let body = json_of(refused).await;
        assert!(["invalid_request", "invalid_client"].contains(&body["error"].as_str().unwrap()), "{form:?} {body}");
    }
    let tokens = client.tokens("ada").await;
    let url = format!(
        "{}?grant_type=refresh_token&client_id={id}&refresh_token={}",
        client.endpoint("token_endpoint"),
        tokens.refresh_token()
    );
    let in_query = client.http.post(&url).form(&[("x", "y")]).send().await.unwrap();
    assert!(in_query.status().is_client_error());
    assert_eq!(client.http.get(&url).send().await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
    Tokens::read(client.refresh(tokens.refresh_token()).await).await;
    stage.stop().await;
}

/// T7: the provider is told to revoke its own token, never ours.
#[tokio::test]
async fn t7_the_provider_revokes_its_own_token() {
    let stage = Stage::start().await;
    let client = Client::discover(&stage.resource).await;
    let tokens = client.tokens("ada").await;
    assert_eq!(client.revoke(tokens.refresh_token()).await.status(), StatusCode::OK);
    for _ in 0..200 {
        if let Some(parameters) = stage.provider_requests(Endpoint::Revoke).pop() {
            let (_, token) = parameters.iter().find(|(name, _)| name == "token").unwrap();
            assert!(token != tokens.refresh_token() && *token != tokens.access);
            return stage.stop().await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    panic!("the provider was not told");
}

/// S75, D6, W11: each limit answers 429 with `Retry-After` that a browser may read; other clients
/// behind the same address, and the same registration again, are not hit.
#[tokio::test]
async fn s75_d6_w11_limits() {
    let stage = Stage::configured(|backend| {
        format!("    routes:\n      - {{ path: /mcp, backend: {backend} }}\nlimits: {{ registrations_per_hour: 2, token_requests_per_minute: 3 }}\n")
    })
    .await;
    let client = Client::discover(&stage.resource).await;
    let metadata = |name: &str| json!({ "client_name": name, "redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": "none" });
    let (other, _) = client.registered_as(&metadata("Second")).await;
    let third = client.register(&metadata("Third")).await;
    assert_eq!(third.status(), StatusCode::TOO_MANY_REQUESTS);
    client.registered_as(&metadata("Second")).await;
    let mut last = third;
    for _ in 0..8 {
        last = client.refresh("vrt_x").await;
    }
    assert_eq!(last.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(last.headers()["retry-after"].to_str().unwrap().parse::<u32>().unwrap() > 0);
    assert_eq!(last.headers()["access-control-allow-origin"], "*");
    assert!(last.headers()["access-control-expose-headers"].to_str().unwrap().contains("Retry-After"));
    assert_eq!(other.refresh("vrt_x").await.status(), StatusCode::BAD_REQUEST);
    stage.stop().await;
}
