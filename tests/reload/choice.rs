//! The identity providers of a choice come, go and change.

use std::time::Duration;

use reqwest::StatusCode;
use vestibule::demo::identity_provider::{DemoIdentityProvider, Endpoint, Options, Running};

use crate::{
    browser::{Browser, Page},
    client::{Attempt, Client, REDIRECT_URI, Tokens, at_the_provider},
    world::{NEVER, Place, World},
};

const SECRET: &str = "another-secret-of-the-application";

/// An identity provider that is offered, and has no routes.
fn member(name: &str, provider: &Running, secret: &str) -> String {
    format!(
        "  {name}:\n    config_url: {}\n    client_id: {}\n    client_secret: {secret}\n    required_scopes: [openid, email]\n",
        provider.config_url(),
        provider.client_id(),
    )
}

fn secret(provider: &Running) -> String {
    provider.client_secret().unwrap().expose().to_owned()
}

/// The choice `staff` at `/`.
fn text(place: &Place, members: &[(&str, &Running)]) -> String {
    let blocks: String = members.iter().map(|(name, provider)| member(name, provider, &secret(provider))).collect();
    format!("{}{blocks}{}", place.head(), choice(place, &members.iter().map(|(name, _)| *name).collect::<Vec<_>>()))
}

fn choice(place: &Place, names: &[&str]) -> String {
    let backend = place.backend.port;
    format!(
        "  staff:\n    choice: [{}]\n    mount: /\n    routes: [{{ path: /mcp, backend: \"http://127.0.0.1:{backend}\" }}]\n",
        names.join(", ")
    )
}

async fn other() -> Running {
    DemoIdentityProvider::start(Options::default()).await.unwrap()
}

async fn following(place: Place, text: &str, names: &[&str]) -> World {
    std::fs::write(place.config(), text).unwrap();
    let world = World::follow(place, NEVER).await;
    until_ready(&world, names).await;
    world
}

async fn until_ready(world: &World, names: &[&str]) {
    for name in names {
        world.place.until_metric(&format!("vestibule_provider_ready{{provider=\"{name}\"}}"), "1").await;
    }
}

async fn pick(browser: &Browser, attempt: &Attempt, name: &str) -> Page {
    let chooser = browser.open(attempt.url.as_str(), REDIRECT_URI).await;
    browser.submit(&chooser.form(), Some(("provider", name)), REDIRECT_URI).await
}

async fn finish(client: &Client, browser: &Browser, attempt: &Attempt, page: Page) -> Tokens {
    let back = at_the_provider(browser, page, "ada").await.location().unwrap();
    Tokens::read(client.exchange(attempt, &client.code(attempt, &back)).await).await
}

async fn sign_in(client: &Client, name: &str) -> Tokens {
    let (browser, attempt) = (Browser::new(), client.attempt());
    let page = pick(&browser, &attempt, name).await;
    finish(client, &browser, &attempt, page).await
}

/// The grants of the one that is not offered any more end at once, also on open streams; those of the
/// others go on, and so does whoever was on the way to them. When it is offered again, people sign in
/// anew.
#[tokio::test]
async fn a_removed_member_takes_its_grants_along() {
    let (place, second, third) = (Place::new().await, other().await, other().await);
    let first = ("one", &place.provider);
    let all = text(&place, &[first, ("two", &second), ("three", &third)]);
    let fewer = text(&place, &[first, ("three", &third)]);
    let world = following(place, &all, &["one", "two", "three"]).await;
    let client = Client::discover(&world.place.url("/mcp")).await;
    let (kept, gone) = (sign_in(&client, "one").await, sign_in(&client, "two").await);
    let mut events = world.place.get("/mcp/events", &gone.access).await;
    let mut kept_events = world.place.get("/mcp/events", &kept.access).await;
    assert!(events.chunk().await.unwrap().is_some());
    assert!(kept_events.chunk().await.unwrap().is_some());
    let (browser, attempt) = (Browser::new(), client.attempt());
    let under_way = pick(&browser, &attempt, "three").await;
    let (lost_browser, lost) = (Browser::new(), client.attempt());
    let lost_page = pick(&lost_browser, &lost, "two").await;

    let report = world.applied(&fewer).await;
    assert!(report.changes.contains("two"), "{report:?}");
    let ends = async { while let Ok(Some(_)) = events.chunk().await {} };
    tokio::time::timeout(Duration::from_secs(1), ends).await.expect("the open stream ends");
    assert_eq!(world.place.get("/mcp", &gone.access).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(client.refresh(gone.refresh_token()).await.status(), StatusCode::BAD_REQUEST);
    assert!(kept_events.chunk().await.unwrap().is_some(), "the other one's stream goes on");
    assert_eq!(world.place.get("/mcp", &kept.access).await.status(), StatusCode::OK);
    Tokens::read(client.refresh(kept.refresh_token()).await).await;
    finish(&client, &browser, &attempt, under_way).await;
    let back = at_the_provider(&lost_browser, lost_page, "ada").await;
    assert_eq!(back.status, StatusCode::NOT_FOUND, "its callback is gone: {}", back.html);
    assert!(!world.place.metrics().await.contains("provider=\"two\""));

    world.applied(&all).await;
    until_ready(&world, &["two"]).await;
    assert_eq!(world.place.get("/mcp", &gone.access).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(client.refresh(gone.refresh_token()).await.status(), StatusCode::BAD_REQUEST);
    let again = sign_in(&client, "two").await;
    assert_eq!(world.place.get("/mcp", &again.access).await.status(), StatusCode::OK);
    world.stop().await;
}

/// One more way in: nobody who came by another one notices.
#[tokio::test]
async fn an_added_member_can_be_picked_at_once() {
    let (place, second, third) = (Place::new().await, other().await, other().await);
    let first = ("one", &place.provider);
    let before = text(&place, &[first, ("two", &second)]);
    let after = text(&place, &[first, ("two", &second), ("three", &third)]);
    let world = following(place, &before, &["one", "two"]).await;
    let client = Client::discover(&world.place.url("/mcp")).await;
    let tokens = sign_in(&client, "one").await;
    second.clear_requests();
    world.applied(&after).await;
    assert_eq!(second.requests(Endpoint::Discovery).len(), 0, "what is known is not fetched again");
    until_ready(&world, &["three"]).await;
    assert_eq!(world.place.get("/mcp", &tokens.access).await.status(), StatusCode::OK);
    Tokens::read(client.refresh(tokens.refresh_token()).await).await;
    sign_in(&client, "three").await;
    world.stop().await;
}

/// Another application under the same name is another provider: who signed in at the old one has
/// nothing at the new one.
#[tokio::test]
async fn a_member_with_another_document_is_another_one() {
    let (place, second, third) = (Place::new().await, other().await, other().await);
    let first = ("one", &place.provider);
    let before = text(&place, &[first, ("two", &second)]);
    let after = text(&place, &[first, ("two", &third)]);
    let world = following(place, &before, &["one", "two"]).await;
    let client = Client::discover(&world.place.url("/mcp")).await;
    let (kept, gone) = (sign_in(&client, "one").await, sign_in(&client, "two").await);
    let browser = Browser::new();
    let pending = pick(&browser, &client.attempt(), "two").await;
    world.applied(&after).await;
    until_ready(&world, &["two"]).await;
    assert_eq!(world.place.get("/mcp", &kept.access).await.status(), StatusCode::OK);
    assert_eq!(world.place.get("/mcp", &gone.access).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(client.refresh(gone.refresh_token()).await.status(), StatusCode::BAD_REQUEST);
    // A code of the old one is not shown to the new one.
    let stop = world.place.url("/auth/callback");
    let callback = browser.submit(&pending.form(), Some(("person", "ada")), &stop).await.location().unwrap();
    assert_eq!(browser.get(callback.as_str()).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(third.requests(Endpoint::Token).len(), 0);
    let again = sign_in(&client, "two").await;
    assert_eq!(third.requests(Endpoint::Token).len(), 1);
    world.applied(&before).await;
    until_ready(&world, &["two"]).await;
    assert_eq!(world.place.get("/mcp", &again.access).await.status(), StatusCode::UNAUTHORIZED);
    world.stop().await;
}

/// A sign-in that was begun goes on over the rotation of a member's secret.
#[tokio::test]
async fn a_pending_sign_in_survives_the_rotation_of_a_secret() {
    let (place, second) = (Place::new().await, other().await);
    let good = text(&place, &[("one", &place.provider), ("two", &second)]);
    let old = [
        place.head(),
        member("one", &place.provider, &secret(&place.provider)),
        member("two", &second, SECRET),
        choice(&place, &["one", "two"]),
    ];
    let world = following(place, &old.concat(), &["one", "two"]).await;
    let client = Client::discover(&world.place.url("/mcp")).await;
    let (browser, attempt) = (Browser::new(), client.attempt());
    let page = pick(&browser, &attempt, "two").await;
    world.applied(&good).await;
    let tokens = finish(&client, &browser, &attempt, page).await;
    assert_eq!(world.place.get("/mcp", &tokens.access).await.status(), StatusCode::OK);
    world.stop().await;
}

/// A provider that loses its own routes and stays offered: its grants there end, what is counted of it
/// goes on.
#[tokio::test]
async fn a_member_that_loses_its_own_routes_is_still_counted() {
    let (place, second) = (Place::new().await, other().await);
    let members = [("one", &place.provider), ("two", &second)];
    let after = text(&place, &members);
    let routes =
        format!("    routes: [{{ path: /mcp, backend: \"http://127.0.0.1:{}\" }}]\n  two:\n", place.backend.port);
    let before = after.replacen("  two:\n", &routes, 1);
    let world = following(place, &before, &["one", "two", "staff"]).await;
    let (own, client) =
        (Client::discover(&world.place.url("/one/mcp")).await, Client::discover(&world.place.url("/mcp")).await);
    let (gone, kept) = (own.tokens("ada").await, sign_in(&client, "one").await);
    world.applied(&after).await;
    assert_eq!(own.refresh(gone.refresh_token()).await.status(), StatusCode::NOT_FOUND, "its mount is gone");
    assert_eq!(world.place.get("/mcp", &kept.access).await.status(), StatusCode::OK);
    let metrics = world.place.metrics().await;
    for series in
        ["vestibule_provider_ready{provider=\"one\"} 1", "vestibule_auth_idp_redirects_total{provider=\"one\"} 2"]
    {
        assert!(metrics.contains(series), "{series} in\n{metrics}");
    }
    sign_in(&client, "one").await;
    assert!(world.place.metrics().await.contains("vestibule_auth_idp_redirects_total{provider=\"one\"} 3"));
    world.stop().await;
}
