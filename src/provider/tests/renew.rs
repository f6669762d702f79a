use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::fixture::{Answer, CLIENT_ID, CLIENT_SECRET, START, World};
use crate::{
    config::plan::ClientAuthMethod,
    oauth::Scopes,
    provider::tokens::{ProviderTokens, RenewError, TokenSource},
    time::Timestamp,
};

pub(super) fn tokens() -> ProviderTokens {
    ProviderTokens {
        access_token: "at-1".to_owned(),
        refresh_token: Some("rt-1".to_owned()),
        expires_at: Some(START),
        scopes: Some(Scopes::parse("openid email").unwrap()),
        ..ProviderTokens::default()
    }
}

#[tokio::test]
async fn t6_a_rotating_provider() {
    let world = World::new().await;
    world.hand.advance(Duration::from_secs(10));
    world.idp.answer(
        "/token",
        Answer::Json(
            200,
            json!({ "access_token": "at-2", "refresh_token": "rt-2", "token_type": "bearer", "expires_in": 60, "scope": "openid" }),
        ),
    );
    let renewed = world.provider.renew(&tokens()).await.unwrap().tokens;
    assert_eq!(renewed.access_token, "at-2");
    assert_eq!(renewed.refresh_token.as_deref(), Some("rt-2"));
    assert_eq!(renewed.expires_at, Some(Timestamp(START.0 + 70)));
    assert_eq!(renewed.scopes.unwrap().to_string(), "openid");
    let request = &world.idp.seen("/token")[0];
    assert_eq!(request.form("grant_type").as_deref(), Some("refresh_token"));
    assert_eq!(request.form("refresh_token").as_deref(), Some("rt-1"));
    assert_eq!(request.form("audience").as_deref(), Some("https://api.example.com"));
    assert_eq!(request.form("tenant").as_deref(), Some("one"));
    assert_eq!(request.form("scope"), None);
}

#[tokio::test]
async fn t6_a_provider_that_does_not_rotate_keeps_the_old_refresh_token() {
    let world = World::new().await;
    world.idp.answer("/token", Answer::Json(200, json!({ "access_token": "at-2", "token_type": "Bearer" })));
    let renewed = world.provider.renew(&tokens()).await.unwrap().tokens;
    assert_eq!(renewed.refresh_token.as_deref(), Some("rt-1"));
    assert_eq!(renewed.scopes, tokens().scopes);
    assert_eq!(renewed.expires_at, None, "the provider did not say");
}

/// T6: only what a new sign-in cures ends the grant; everything else leaves it as it is.
#[tokio::test]
async fn t6_what_ends_a_grant_and_what_does_not() {
    let world = World::with(|plan| plan.timeout = Duration::from_millis(300)).await;
    let error = |status, error: &str| Answer::Json(status, json!({ "error": error }));
    for (name, answer) in [
        ("invalid_grant", error(400, "invalid_grant")),
        ("Auth0's invalid_grant", error(403, "invalid_grant")),
        ("interaction_required", error(400, "interaction_required")),
    ] {
        world.idp.answer("/token", answer);
        let error = world.provider.renew(&tokens()).await.unwrap_err();
        assert!(matches!(error, RenewError::Ended(_)), "{name}: {error}");
    }
    for (name, answer) in [
        ("500", error(500, "invalid_grant")),
        ("503", Answer::Raw(503, &[], Bytes::from("upstream connect error"))),
        ("429", error(429, "invalid_grant")),
        ("invalid_client", error(401, "invalid_client")),
        ("unauthorized_client", error(400, "unauthorized_client")),
        ("invalid_request", error(400, "invalid_request")),
        ("redirect", Answer::Raw(302, &[("location", "https://evil.example/")], Bytes::new())),
        ("HTML", Answer::Raw(403, &[], Bytes::from("<p>blocked by a firewall"))),
        ("nonsense", Answer::Json(200, json!({}))),
        ("too large", Answer::Raw(200, &[], Bytes::from(vec![b' '; crate::egress::PROVIDER_BODY + 1]))),
        ("not a bearer token", Answer::Json(200, json!({ "access_token": "a", "token_type": "DPoP" }))),
        ("silence", Answer::Silence),
        ("hang-up", Answer::Hangup),
    ] {
        world.idp.answer("/token", answer);
        let error = world.provider.renew(&tokens()).await.unwrap_err();
        assert!(matches!(error, RenewError::Unavailable(_)), "{name}: {error}");
        assert!(!error.to_string().contains("rt-1"), "{name}: {error}");
    }
    let none = ProviderTokens { refresh_token: None, ..tokens() };
    assert!(matches!(world.provider.renew(&none).await.unwrap_err(), RenewError::Ended(_)));
}

#[tokio::test]
async fn revocation_is_asked_for_with_the_clients_credentials() {
    let world = World::new().await;
    world.begin().await;
    world.idp.answer("/revoke", Answer::Raw(200, &[], Bytes::new()));
    world.provider.revoke(&tokens()).await;
    let request = world.idp.seen("/revoke").remove(0);
    assert_eq!(request.method, http::Method::POST);
    assert_eq!(request.form("token").as_deref(), Some("rt-1"));
    assert_eq!(request.form("token_type_hint").as_deref(), Some("refresh_token"));
    assert_eq!(request.headers["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(request.form("client_secret"), None);
    world.idp.answer("/token", Answer::Json(400, json!({ "error": "invalid_grant" })));
    world.provider.renew(&tokens()).await.unwrap_err();
    assert_eq!(
        request.headers["authorization"],
        world.idp.seen("/token")[0].headers["authorization"],
        "the same credentials as openidconnect writes"
    );

    let world = World::with(|plan| plan.token_endpoint_auth_method = Some(ClientAuthMethod::Post)).await;
    world.begin().await;
    world.provider.revoke(&ProviderTokens { refresh_token: None, ..tokens() }).await;
    let request = &world.idp.seen("/revoke")[0];
    assert_eq!(request.form("token").as_deref(), Some("at-1"));
    assert_eq!(request.form("token_type_hint").as_deref(), Some("access_token"));
    assert_eq!(request.form("client_id").as_deref(), Some(CLIENT_ID));
    assert_eq!(request.form("client_secret").as_deref(), Some(CLIENT_SECRET));
}

#[tokio::test]
async fn revocation_is_best_effort() {
    let world = World::with(|plan| {
        plan.client_secret = None;
        plan.timeout = Duration::from_millis(200);
    })
    .await;
    world.begin().await;
    for answer in [Answer::Json(400, json!({ "error": "unsupported_token_type" })), Answer::Silence, Answer::Hangup] {
        world.idp.answer("/revoke", answer);
        world.provider.revoke(&tokens()).await;
    }
    assert_eq!(world.idp.seen("/revoke")[0].form("client_id").as_deref(), Some(CLIENT_ID));
    let world = World::new().await;
    world.idp.change_metadata(&json!({ "revocation_endpoint": Value::Null }));
    world.begin().await;
    world.provider.revoke(&tokens()).await;
    assert!(world.idp.seen("/revoke").is_empty());
}
