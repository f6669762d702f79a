//! What is left of a sign-in for whoever has to say why it failed: the flow, and the counts.

use url::Url;

use super::world::{Browser, Seen, VERIFIER, World, request};
use crate::{
    demo::identity_provider::{Endpoint as ProviderEndpoint, Fault},
    flow::{Flow, StepKind},
    route::Endpoint,
};

const REDIRECT: &str = "https://client.example/cb";

async fn asked(world: &World) -> (Browser, Seen, String) {
    let client = world.client("Notes", REDIRECT).await;
    let mut browser = Browser::new();
    let page = browser.authorize(world, &request(&client, REDIRECT)).await;
    (browser, page, client)
}

async fn returning(world: &World) -> (Browser, Url, String) {
    let (mut browser, page, client) = asked(world).await;
    let sent = browser.decide(world, &page, "approve").await;
    let url = world.sign_in(sent.location()).await;
    (browser, url, client)
}

/// The newest one.
fn flow(world: &World) -> Flow {
    let newest = world.mount.flows.newest(1);
    world.mount.flows.get(&newest[0].id).unwrap()
}

/// All ended sign-ins, and those that ended like that.
fn logins(world: &World, outcome: &str) -> (u64, u64) {
    let text = world.metrics.render();
    let lines = text.lines().filter(|line| line.starts_with("vestibule_auth_logins_total{"));
    let count = |line: &str| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap();
    let of = format!("outcome=\"{outcome}\"");
    lines.fold((0, 0), |(all, some), line| (all + count(line), some + if line.contains(&of) { count(line) } else { 0 }))
}

/// B2: whoever loads the page again changes neither the story's end nor the count.
#[tokio::test]
async fn b2_a_page_that_is_loaded_again_ends_nothing() {
    let world = World::new().await;
    let (mut browser, url, _) = returning(&world).await;
    let mut copy = browser.clone();
    browser.callback(&world, &url).await.location();
    for browser in [&mut browser, &mut copy] {
        browser.callback(&world, &url).await.assert_page(400, "This sign-in is already finished");
        Browser::new().callback(&world, &url).await.assert_page(400, "This sign-in is already finished");
    }
    let flow = flow(&world);
    assert_eq!((flow.outcome.as_deref(), flow.subject.as_deref()), (Some("ok"), Some("demo|ada")));
    assert!(flow.steps.last().unwrap().text.contains("changed nothing (state_replayed)"), "{flow:?}");
    assert_eq!(logins(&world, "ok"), (1, 1));
    world
        .assert_metric("vestibule_auth_callbacks_total{fault=\"user\",outcome=\"state_replayed\",provider=\"acme\"} 4");
}

/// A return that belongs to no sign-in is one of the callbacks, and the end of nothing.
#[tokio::test]
async fn a_made_up_return_is_no_sign_in() {
    let world = World::new().await;
    let url = Url::parse("https://mcp.example.com/auth/callback?code=x&state=made-up").unwrap();
    Browser::new().callback(&world, &url).await.assert_page(400, "This sign-in belongs to another browser");
    assert_eq!(logins(&world, "state_unknown"), (0, 0));
    world.assert_metric("vestibule_auth_callbacks_total{fault=\"user\",outcome=\"state_unknown\",provider=\"acme\"} 1");
}

/// The first return at another browser ends the sign-in, once.
#[tokio::test]
async fn a_return_to_another_browser_ends_the_sign_in_once() {
    let world = World::new().await;
    let (mut browser, url, _) = returning(&world).await;
    Browser::new().callback(&world, &url).await.assert_page(400, "This sign-in belongs to another browser");
    browser.callback(&world, &url).await.assert_page(400, "This sign-in is already finished");
    assert_eq!(flow(&world).outcome.as_deref(), Some("state_unknown"));
    assert_eq!(logins(&world, "state_unknown"), (1, 1));
}

/// Who says no on our page has ended the sign-in, however often they say it.
#[tokio::test]
async fn a_denial_on_our_page_is_counted_once() {
    let world = World::new().await;
    let (mut browser, page, _) = asked(&world).await;
    for _ in 0..2 {
        browser.decide(&world, &page, "deny").await.assert_page(200, "Access denied");
    }
    assert_eq!(flow(&world).outcome.as_deref(), Some("denied"));
    assert_eq!(logins(&world, "denied"), (1, 1));
}

/// A provider that was away is the end of one attempt; the same page can begin another.
#[tokio::test]
async fn a_sign_in_goes_on_when_the_provider_is_back() {
    let world = World::new().await;
    world.provider.faults().set(ProviderEndpoint::Discovery, Fault::Status(503));
    let (mut browser, page, _) = asked(&world).await;
    browser.decide(&world, &page, "approve").await.assert_page(503, "Sign-in is not available right now");
    assert_eq!(flow(&world).outcome.as_deref(), Some("provider_not_ready"));
    assert_eq!(logins(&world, "provider_unavailable"), (1, 1));
    world.provider.faults().clear_all();
    world.hand.advance(std::time::Duration::from_secs(5));
    let sent = browser.decide(&world, &page, "approve").await;
    assert_eq!(flow(&world).outcome, None);
    let url = world.sign_in(sent.location()).await;
    browser.callback(&world, &url).await.location();
    assert_eq!(flow(&world).outcome.as_deref(), Some("ok"));
    assert_eq!(logins(&world, "ok"), (2, 1));
}

/// What is refused after the code is in the story, with what to do about it.
#[tokio::test]
async fn a_refused_token_request_is_in_the_story() {
    let world = World::new().await;
    let (mut browser, url, client) = returning(&world).await;
    let code = browser.callback(&world, &url).await.answered("code").unwrap();
    let wrong = VERIFIER.replace('d', "x");
    let exchange = async |verifier: &str| {
        let fields = [
            ("grant_type", "authorization_code"),
            ("client_id", client.as_str()),
            ("code", code.as_str()),
            ("redirect_uri", REDIRECT),
            ("code_verifier", verifier),
        ];
        world.post(Endpoint::Token, &fields).await.status.as_u16()
    };
    let assert_told = |outcome: &str| {
        let flow = flow(&world);
        assert_eq!(flow.outcome.as_deref(), Some("ok"), "the sign-in itself was good");
        let trouble = flow.trouble.as_ref().unwrap();
        assert_eq!(trouble.outcome, outcome);
        assert!(flow.what_to_do().is_some() && flow.what_to_do() == trouble.advice.as_deref());
        assert_eq!(flow.steps.last().unwrap().kind, StepKind::Refused);
    };
    assert_eq!(exchange(&wrong).await, 400);
    assert_told("pkce_mismatch");
    assert_eq!((exchange(VERIFIER).await, exchange(VERIFIER).await), (200, 400));
    assert_told("code_replayed");
}

/// Anybody can make up a cookie; the alert `VestibuleUnreadableSecrets` is about our keys.
#[tokio::test]
async fn made_up_cookies_say_nothing_about_our_keys() {
    let world = World::new().await;
    let (mut browser, url, _) = returning(&world).await;
    browser.cookies.values_mut().for_each(|value| *value = "made-up".to_owned());
    assert_eq!(browser.callback(&world, &url).await.status, 400);
    world.assert_metric(
        "vestibule_auth_callbacks_total{fault=\"user\",outcome=\"cookie_mismatch\",provider=\"acme\"} 1",
    );
    for kind in ["grant", "code", "key", "meta"] {
        world.assert_metric(&format!("vestibule_store_decrypt_failures_total{{kind=\"{kind}\"}} 0"));
    }
}

/// The reference on a page leads somewhere: to the flow, or to the lines of the request in the log.
#[tokio::test]
async fn a_page_without_a_flow_names_the_request() {
    let world = World::new().await;
    let mut browser = Browser::new();
    browser.headers = vec![("x-request-id", "0123abcd".to_owned())];
    let path = "/auth/callback?code=x&state=made-up";
    let page = browser.get(&world, Endpoint::Callback { provider: 0 }, path).await;
    assert!(page.body.contains("Reference <code>0123abcd</code>"), "{}", page.body);
    browser.headers.push(("accept", "application/json".to_owned()));
    let answer = browser.get(&world, Endpoint::Callback { provider: 0 }, path).await;
    assert!(answer.json()["error_description"].as_str().unwrap().ends_with(" (request 0123abcd)"), "{}", answer.body);
    assert!(world.mount.flows.newest(1).is_empty());

    let refused = browser.authorize(&world, "client_id=nobody").await;
    let flow = flow(&world);
    assert!(refused.body.contains(&format!("(flow {})", flow.id)), "{}", refused.body);
}
