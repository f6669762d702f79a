//! A change of policy binds those who are signed in.

use std::time::Duration;

use reqwest::StatusCode;

use crate::{
    client::{Client, json_of},
    world::{NEVER, Place, World},
};

fn with(place: &Place, policy: &str) -> String {
    place.head() + &place.block("demo", policy, &["/mcp"])
}

/// S33, contract 6: the next request is held against the new rules, an open stream is cut, a refresh ends the
/// grant; and nobody is asked to sign in again by a challenge.
#[tokio::test]
async fn s33_a_new_rule_binds_at_once() {
    let place = Place::new().await;
    std::fs::write(place.config(), with(&place, "policy: { email_domains: [example.com] }")).unwrap();
    let world = World::follow(place, NEVER).await;
    world.place.until_metric("vestibule_provider_ready{provider=\"demo\"}", "1").await;
    let client = Client::discover(&world.place.url("/mcp")).await;
    let tokens = client.tokens("ada").await;
    let mut events = world.place.get("/mcp/events", &tokens.access).await;
    assert!(events.chunk().await.unwrap().is_some());

    world.applied(&with(&world.place, "policy: { email_domains: [elsewhere.example] }")).await;
    let ends = async { while let Ok(Some(_)) = events.chunk().await {} };
    tokio::time::timeout(Duration::from_secs(1), ends).await.expect("the open stream ends");
    let answer = world.place.get("/mcp", &tokens.access).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert!(!answer.headers().contains_key("www-authenticate"), "a challenge would make clients loop");
    assert_eq!(json_of(answer).await["error"], "access_denied");

    world.applied(&with(&world.place, "policy: { email_domains: [example.com] }")).await;
    assert_eq!(world.place.get("/mcp", &tokens.access).await.status(), StatusCode::OK, "nothing was lost by a mistake");

    world.applied(&with(&world.place, "policy: { emails: [bob@example.com] }")).await;
    let refused = client.refresh(tokens.refresh_token()).await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    assert_eq!(json_of(refused).await["error"], "invalid_grant");
    world.applied(&with(&world.place, "")).await;
    assert_eq!(world.place.get("/mcp", &tokens.access).await.status(), StatusCode::UNAUTHORIZED, "the grant has ended");
}
