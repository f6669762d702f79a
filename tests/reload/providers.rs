//! Providers and routes come, go, change and stay.

use std::time::Duration;

use reqwest::StatusCode;
use vestibule::{demo::identity_provider::Endpoint, reload::ReloadOutcome};

use crate::{
    client::{Client, Tokens},
    world::{NEVER, Place, World},
};

async fn two() -> World {
    let place = Place::new().await;
    let text = both(&place);
    std::fs::write(place.config(), text).unwrap();
    let world = World::follow(place, NEVER).await;
    world.place.until_metric("vestibule_provider_ready{provider=\"stays\"}", "1").await;
    world.place.until_metric("vestibule_provider_ready{provider=\"goes\"}", "1").await;
    world
}

fn both(place: &Place) -> String {
    one(place) + &place.block("goes", "mount: /goes", &["/mcp"])
}

fn one(place: &Place) -> String {
    place.head() + &place.block("stays", "mount: /stays", &["/mcp"])
}

/// Contract 7: the tokens of a removed provider end at once, its open streams within a second, its
/// refresh tokens for good; its series go. When it comes back, clients keep their identifiers, and
/// people sign in again.
#[tokio::test]
async fn a_removed_provider_takes_its_grants_along() {
    let world = two().await;
    let goes = Client::discover(&world.place.url("/goes/mcp")).await;
    let stays = Client::discover(&world.place.url("/stays/mcp")).await;
    let (gone, kept) = (goes.tokens("ada").await, stays.tokens("ada").await);
    let mut events = world.place.get("/goes/mcp/events", &gone.access).await;
    let mut kept_events = world.place.get("/stays/mcp/events", &kept.access).await;
    assert!(events.chunk().await.unwrap().is_some());
    assert!(kept_events.chunk().await.unwrap().is_some());

    let report = world.applied(&one(&world.place)).await;
    assert!(report.changes.contains("goes"), "{report:?}");
    let ends = async { while let Ok(Some(_)) = events.chunk().await {} };
    tokio::time::timeout(Duration::from_secs(1), ends).await.expect("the open stream ends");
    assert_eq!(world.place.get("/goes/mcp", &gone.access).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(goes.refresh(gone.refresh_token()).await.status(), StatusCode::NOT_FOUND);
    let metrics = world.place.metrics().await;
    for trace in ["provider=\"goes\"", "route=\"goes"] {
        assert!(!metrics.contains(trace), "{trace} in\n{metrics}");
    }
    assert!(kept_events.chunk().await.unwrap().is_some(), "the other provider's stream goes on");
    assert_eq!(world.place.get("/stays/mcp", &kept.access).await.status(), StatusCode::OK);

    world.applied(&both(&world.place)).await;
    assert_eq!(world.place.get("/goes/mcp", &gone.access).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(goes.refresh(gone.refresh_token()).await.status(), StatusCode::BAD_REQUEST);
    // The same client identifier as before.
    let again = goes.tokens("ada").await;
    assert_eq!(world.place.get("/goes/mcp", &again.access).await.status(), StatusCode::OK);
    world.stop().await;
}

/// Nothing is fetched again, nothing is forgotten and no counter starts anew for a provider that
/// did not change; a change of limits alone is no change of a provider.
#[tokio::test]
async fn an_unchanged_provider_is_left_alone() {
    let world = two().await;
    let client = Client::discover(&world.place.url("/stays/mcp")).await;
    let tokens = client.tokens("ada").await;
    assert_eq!(world.place.get("/stays/mcp", &tokens.access).await.status(), StatusCode::OK);
    let counted = "vestibule_token_verification_duration_seconds_count{credential=\"jwt\",provider=\"stays\"}";
    let verified = world.place.metric(counted).await;
    world.place.provider.clear_requests();
    for text in
        [one(&world.place), one(&world.place).replace("registrations_per_hour: 1000000", "registrations_per_hour: 500")]
    {
        world.applied(&text).await;
    }
    assert_eq!(world.place.get("/stays/mcp", &tokens.access).await.status(), StatusCode::OK);
    assert_eq!(world.place.metric(counted).await, verified, "the token was known");
    tokio::time::sleep(Duration::from_millis(300)).await;
    for endpoint in [Endpoint::Discovery, Endpoint::Jwks] {
        assert_eq!(world.place.provider.requests(endpoint).len(), 0, "{endpoint:?} was asked again");
    }
    assert_eq!(world.place.metric("vestibule_provider_ready{provider=\"stays\"}").await.as_deref(), Some("1"));
    world.stop().await;
}

/// A route more, or another policy, does not touch what was learnt of the provider, and binds the
/// tokens that are out there from the next request on (contract 6).
#[tokio::test]
async fn a_policy_binds_those_who_are_signed_in() {
    let world = two().await;
    let client = Client::discover(&world.place.url("/stays/mcp")).await;
    let tokens = client.tokens("ada").await;
    assert_eq!(world.place.get("/stays/mcp", &tokens.access).await.status(), StatusCode::OK);
    world.place.provider.clear_requests();
    let backend = format!("backend: \"http://127.0.0.1:{}\"", world.place.backend.port);
    let strict = "valid_scopes: [admin]\n    mount: /stays";
    let text =
        one(&world.place).replace("mount: /stays", strict).replace(&backend, &format!("{backend}, scopes: [admin]"));
    world.applied(&text).await;
    assert_eq!(world.place.get("/stays/mcp", &tokens.access).await.status(), StatusCode::FORBIDDEN);
    world.applied(&one(&world.place)).await;
    assert_eq!(world.place.get("/stays/mcp", &tokens.access).await.status(), StatusCode::OK);
    world.stop().await;
}

/// The provider is down when its secret is rotated: what was learnt of it stays in use.
#[tokio::test]
async fn a_changed_provider_that_is_down_stays_usable() {
    let world = two().await;
    world.place.provider.down();
    let text = world.place.head()
        + &world.place.block_with_secret("stays", "another-secret-than-before", "mount: /stays", &["/mcp"]);
    world.applied(&text).await;
    assert_eq!(world.place.metric("vestibule_provider_ready{provider=\"stays\"}").await.as_deref(), Some("1"));
    world.place.provider.up();
    world.stop().await;
}

/// A renamed or remounted provider answers at its new place, and the old place is gone.
#[tokio::test]
async fn a_remounted_provider_moves() {
    let world = two().await;
    let text = one(&world.place).replace("mount: /stays", "mount: /moved");
    assert_eq!(world.applied(&text).await.outcome, ReloadOutcome::Applied);
    assert_eq!(world.place.status("/stays/mcp").await, StatusCode::NOT_FOUND);
    let client = Client::discover(&world.place.url("/moved/mcp")).await;
    let tokens = client.tokens("ada").await;
    let refreshed = Tokens::read(client.refresh(tokens.refresh_token()).await).await;
    assert_eq!(world.place.get("/moved/mcp", &refreshed.access).await.status(), StatusCode::OK);
    world.stop().await;
}

/// Another `mode` is another way in: grants of the one end, tokens of the provider open the other.
#[tokio::test]
async fn another_mode_is_another_provider() {
    let place = Place::new().await;
    let proxy = place.head() + &place.block("demo", "", &["/mcp"]);
    let remote = place.head()
        + &format!(
            "  demo:\n    mode: remote\n    config_url: {}\n    routes: [{{ path: /mcp, backend: \"http://127.0.0.1:{}\" }}]\n",
            place.provider.config_url(),
            place.backend.port
        );
    std::fs::write(place.config(), &proxy).unwrap();
    let world = World::follow(place, NEVER).await;
    world.place.until_metric("vestibule_provider_ready{provider=\"demo\"}", "1").await;
    let client = Client::discover(&world.place.url("/mcp")).await;
    let ours = client.tokens("ada").await;
    let theirs = world.place.provider.access_token("ada", Some(&world.place.url("/mcp")), "").unwrap();
    let mut events = world.place.get("/mcp/events", &ours.access).await;
    assert!(events.chunk().await.unwrap().is_some());
    assert_eq!(world.place.get("/mcp", &theirs).await.status(), StatusCode::UNAUTHORIZED);

    world.applied(&remote).await;
    world.place.until_metric("vestibule_provider_ready{provider=\"demo\"}", "1").await;
    let ends = async { while let Ok(Some(_)) = events.chunk().await {} };
    tokio::time::timeout(Duration::from_secs(1), ends).await.expect("the open stream ends");
    assert_eq!(world.place.get("/mcp", &ours.access).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(world.place.get("/mcp", &theirs).await.status(), StatusCode::OK);
    assert_eq!(client.refresh(ours.refresh_token()).await.status(), StatusCode::NOT_FOUND);
    let mut events = world.place.get("/mcp/events", &theirs).await;
    assert!(events.chunk().await.unwrap().is_some());

    world.applied(&proxy).await;
    let ends = async { while let Ok(Some(_)) = events.chunk().await {} };
    tokio::time::timeout(Duration::from_secs(1), ends).await.expect("the stream of the provider's token ends");
    assert_eq!(world.place.get("/mcp", &theirs).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(world.place.get("/mcp", &ours.access).await.status(), StatusCode::UNAUTHORIZED, "the grant is gone");
}
