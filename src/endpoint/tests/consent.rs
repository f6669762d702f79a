//! The consent form: who may send it, and how often.

use super::world::{Browser, TOO_LONG, World, request};
use crate::demo::identity_provider::{Endpoint as ProviderEndpoint, Fault};

const REDIRECT: &str = "https://client.example/cb";

async fn asked(world: &World) -> (Browser, super::world::Seen) {
    let client = world.client("Notes", REDIRECT).await;
    let mut browser = Browser::new();
    let page = browser.authorize(world, &request(&client, REDIRECT)).await;
    (browser, page)
}

/// AS-51, D-5: approval sends the browser on with 303, and only now is there a state.
#[tokio::test]
async fn as51_approval_goes_to_the_provider() {
    let world = World::new().await;
    let (mut browser, page) = asked(&world).await;
    assert!(browser.logins().is_empty());
    let answer = browser.decide(&world, &page, "approve").await;
    assert!(answer.location().starts_with(world.provider.issuer()));
    assert!(answer.answered("state").is_some() && answer.answered("nonce").is_some());
    assert_eq!(answer.answered("code_challenge_method").as_deref(), Some("S256"));
    assert_eq!(answer.answered("resource"), None, "T8: the client's resource stays here");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(browser.logins().len(), 1);
    world.assert_metric("vestibule_auth_consents_total{action=\"approved\",provider=\"acme\"} 1");
}

/// D-12, AS-45: a refusal ends on a page with a link for clients that nobody vouches for, and at
/// the client for those in the configuration.
#[tokio::test]
async fn d12_a_refusal_is_no_open_redirect() {
    let world = World::new().await;
    let (mut browser, page) = asked(&world).await;
    let denied = browser.decide(&world, &page, "deny").await;
    denied.assert_page(200, "Access denied");
    let link = denied.attribute("a", "href").unwrap();
    assert!(link.starts_with("https://client.example/cb?error=access_denied&"), "{link}");
    assert!(link.contains("&state=the+client%27s+state&iss=https%3A%2F%2Fmcp.example.com"), "{link}");
    assert!(denied.texts("dd").join(" ").contains("client.example"));
    // Again is no mistake; to change one's mind is one request too late.
    browser.decide(&world, &page, "deny").await.assert_page(200, "Access denied");
    browser.decide(&world, &page, "approve").await.assert_page(400, "You have already answered this");
    assert!(browser.logins().is_empty());

    let page = browser.authorize(&world, &request("listed", "https://static.example/cb")).await;
    let answer = browser.decide(&world, &page, "deny").await;
    assert_eq!(answer.answered("error").as_deref(), Some("access_denied"));
    assert_eq!(answer.answered("iss").as_deref(), Some("https://mcp.example.com"));
}

/// S02: a form of another origin does nothing.
#[tokio::test]
async fn s02_cross_origin_forms_are_refused() {
    let world = World::new().await;
    let (mut browser, page) = asked(&world).await;
    for headers in [
        vec![("origin", "https://evil.example")],
        vec![("origin", "null")],
        vec![("sec-fetch-site", "cross-site")],
        vec![("origin", "https://mcp.example.com"), ("sec-fetch-site", "same-site")],
    ] {
        browser.headers = headers.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
        browser.decide(&world, &page, "approve").await.assert_page(403, "This did not come from our page");
    }
    assert!(browser.logins().is_empty());
    browser.headers.clear();
    assert_eq!(browser.decide(&world, &page, "approve").await.status, 303);
}

/// S02, B3: another browser, or one that lost its cookie, is told so.
#[tokio::test]
async fn s02_b3_only_the_browser_that_asked_may_answer() {
    let world = World::new().await;
    let (browser, page) = asked(&world).await;
    let (other, _) = asked(&world).await;
    let mut empty = browser.clone();
    empty.cookies.clear();
    for mut stranger in [Browser::new(), other, empty] {
        let refused = stranger.decide(&world, &page, "approve").await;
        refused.assert_page(400, "This sign-in belongs to another browser");
        assert!(refused.texts("li").join(" ").contains("Allow cookies"));
        assert!(stranger.logins().is_empty());
    }
}

/// S02, S13: a changed, foreign, missing or old request is refused.
#[tokio::test]
async fn s02_s13_changed_and_old_requests_are_refused() {
    let world = World::new().await;
    let (mut browser, page) = asked(&world).await;
    let sealed = page.transaction();
    let not_ours = "This request was not made here";
    for index in (0..sealed.len()).step_by(97) {
        let mut changed = sealed.clone().into_bytes();
        changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        browser.submit(&world, &[("transaction", &changed), ("decision", "approve")]).await.assert_page(400, not_ours);
    }
    for fields in [vec![("decision", "approve")], vec![("transaction", ""), ("decision", "approve")], vec![]] {
        browser.submit(&world, &fields).await.assert_page(400, not_ours);
    }
    let twice = [("transaction", sealed.as_str()), ("transaction", &sealed), ("decision", "approve")];
    browser.submit(&world, &twice).await.assert_page(400, not_ours);
    for fields in [vec![("transaction", sealed.as_str())], vec![("transaction", &sealed), ("decision", "maybe")]] {
        browser.submit(&world, &fields).await.assert_page(400, "No answer was chosen");
    }
    world.hand.advance(TOO_LONG);
    browser.decide(&world, &page, "approve").await.assert_page(400, "This took too long");
    world.assert_metric("vestibule_auth_consents_total{action=\"expired\",provider=\"acme\"} 1");
}

/// B1: two GETs, one POST; also when both GETs came before either cookie was there.
#[tokio::test]
async fn b1_loading_the_page_twice_breaks_nothing() {
    let world = World::new().await;
    let client = world.client("Notes", REDIRECT).await;
    let request = request(&client, REDIRECT);
    let mut browser = Browser::new();
    let first = browser.authorize(&world, &request).await;
    let second = browser.authorize(&world, &request).await;
    assert_eq!(browser.decide(&world, &first, "approve").await.status, 303);
    assert_eq!(browser.decide(&world, &second, "approve").await.status, 303);

    let mut one = Browser::new();
    let mut two = Browser::new();
    let first = one.authorize(&world, &request).await;
    let second = two.authorize(&world, &request).await;
    let mut both = one.clone();
    both.cookies.extend(two.cookies.clone());
    assert_eq!(both.decide(&world, &first, "approve").await.status, 303);
    assert_eq!(both.decide(&world, &second, "approve").await.status, 303);
}

/// B2, S02: a double click gets the one answer twice; a decision after that is refused.
#[tokio::test]
async fn b2_a_double_click_is_one_approval() {
    let world = World::new().await;
    let (mut browser, page) = asked(&world).await;
    let mut again = browser.clone();
    let (one, two) = tokio::join!(browser.decide(&world, &page, "approve"), again.decide(&world, &page, "approve"));
    assert_eq!(one.location(), two.location());
    assert_eq!(browser.cookies, again.cookies);
    browser.decide(&world, &page, "deny").await.assert_page(400, "You have already answered this");
    world.mount.memory.approvals.invalidate_all();
    browser.decide(&world, &page, "approve").await.assert_page(400, "You have already answered this");
    world.assert_metric("vestibule_auth_consents_total{action=\"approved\",provider=\"acme\"} 1");
}

/// S76: with the provider down the page is there, the approval says what is wrong, and the same
/// page works once it is up.
#[tokio::test]
async fn s76_a_provider_that_is_down_is_said_so() {
    let world = World::new().await;
    world.provider.faults().set(ProviderEndpoint::Discovery, Fault::Status(503));
    let (mut browser, page) = asked(&world).await;
    let unavailable = browser.decide(&world, &page, "approve").await;
    unavailable.assert_page(503, "Sign-in is not available right now");
    assert_eq!(unavailable.header("retry-after"), "10");
    world.assert_metric("outcome=\"provider_not_ready\",provider=\"acme\"} 1");
    world.provider.faults().clear_all();
    world.hand.advance(std::time::Duration::from_secs(5));
    assert_eq!(browser.decide(&world, &page, "approve").await.status, 303);
}
