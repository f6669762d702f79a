//! The keys of a route change under way: what is in force for the next request, with the tokens that are
//! there.

use std::time::Duration;

use reqwest::StatusCode;

use crate::{
    client::Client,
    world::{NEVER, Place, World, replace},
};

/// One route with these further keys.
fn with(place: &Place, keys: &str) -> String {
    place.head() + &place.block("demo", "", &[&format!("/mcp{keys}")])
}

async fn heard(world: &World, token: &str) -> String {
    let answer = world.place.get("/mcp/headers", token).await;
    assert_eq!(answer.status(), StatusCode::OK);
    answer.text().await.unwrap()
}

/// `set_headers` are in force at once, a secret's file is watched, and what a route no longer sets is said
/// no more; a new `match` or `audience` binds the next request.
#[tokio::test]
async fn the_keys_of_a_route_change_at_once() {
    let place = Place::new().await;
    let secret = place.path("key");
    replace(&secret, "first-key\n");
    let set = format!(", set_headers: {{ X-Key: {{ file: {} }}, X-Who: {{ claim: email }} }}", secret.display());
    std::fs::write(place.config(), with(&place, &set)).unwrap();
    let world = World::follow(place, NEVER).await;
    world.place.until_metric("vestibule_provider_ready{provider=\"demo\"}", "1").await;
    let client = Client::discover(&world.place.url("/mcp")).await;
    let tokens = client.tokens("ada").await;
    let first = heard(&world, &tokens.access).await;
    assert!(first.contains("x-key: first-key\n") && first.contains("x-who: ada@example.com\n"), "{first}");

    replace(&secret, "second-key\n");
    let mut left = 400;
    while !heard(&world, &tokens.access).await.contains("x-key: second-key\n") {
        left -= 1;
        assert!(left > 0, "the secret's file is not watched: {:?}", world.last());
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert!(!format!("{:?}", world.last()).contains("second-key"));

    world.applied(&with(&world.place, ", set_headers: { X-Who: { claim: sub } }")).await;
    let last = heard(&world, &tokens.access).await;
    assert!(!last.contains("x-key") && last.contains("x-who: ") && !last.contains("x-who: ada@"), "{last}");

    let report = world.applied(&with(&world.place, ", match: exact")).await;
    assert!(report.changes.contains("match"), "{report:?}");
    assert_eq!(world.place.get("/mcp/headers", &tokens.access).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(world.place.get("/mcp", &tokens.access).await.status(), StatusCode::OK);

    // Tokens for the old audience open nothing; a refresh brings those for the new one.
    world.applied(&with(&world.place, ", audience: 'api://tools'")).await;
    assert_eq!(world.place.get("/mcp", &tokens.access).await.status(), StatusCode::UNAUTHORIZED);
    let fresh = crate::client::Tokens::read(client.refresh(tokens.refresh_token()).await).await;
    assert_eq!(fresh.claims()["aud"], "api://tools");
    assert_eq!(world.place.get("/mcp", &fresh.access).await.status(), StatusCode::OK);
}
