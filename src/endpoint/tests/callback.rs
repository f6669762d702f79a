//! The return from the provider.

use http::{Method, Request};
use http_body_util::Full;
use url::Url;

use super::world::{Browser, TOO_LONG, VERIFIER, World, request};
use crate::{
    demo::identity_provider::{CallbackFault, Endpoint as ProviderEndpoint, Fault, IdTokenFault},
    route::Endpoint,
};

const REDIRECT: &str = "https://client.example/cb";

async fn returning(world: &World) -> (Browser, Url, String) {
    let client = world.client("Notes", REDIRECT).await;
    let mut browser = Browser::new();
    let url = world.until_callback(&mut browser, &request(&client, REDIRECT)).await;
    (browser, url, client)
}

fn with(url: &Url, change: impl Fn(Vec<(String, String)>) -> Vec<(String, String)>) -> Url {
    let mut changed = url.clone();
    let pairs = change(url.query_pairs().into_owned().collect());
    changed.query_pairs_mut().clear().extend_pairs(pairs);
    changed
}

/// The whole way: code, token, and what the client was promised.
#[tokio::test]
async fn as45_the_client_gets_its_code_and_its_state() {
    let world = World::new().await;
    let (mut browser, url, client) = returning(&world).await;
    let answer = browser.callback(&world, &url).await;
    assert!(answer.location().starts_with("https://client.example/cb?code="));
    assert_eq!(answer.answered("state").as_deref(), Some("the client's state"));
    assert_eq!(answer.answered("iss").as_deref(), Some("https://mcp.example.com"));
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    assert!(browser.logins().is_empty(), "the cookie is taken back");
    world.assert_metric("vestibule_auth_callbacks_total{fault=\"none\",outcome=\"ok\",provider=\"acme\"} 1");
    let code = answer.answered("code").unwrap();
    let fields = [
        ("grant_type", "authorization_code"),
        ("client_id", &client),
        ("code", &code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ];
    let token = world.post(Endpoint::Token, &fields).await;
    assert_eq!(token.status, 200, "{}", token.body);
}

/// S01, B4: without the cookie nothing is exchanged, and the state is burnt.
#[tokio::test]
async fn s01_b4_another_browser_gets_nothing() {
    let world = World::new().await;
    let (mut browser, url, _) = returning(&world).await;
    let (mut other, _, _) = returning(&world).await;
    other.callback(&world, &url).await.assert_page(400, "This sign-in belongs to another browser");
    Browser::new().callback(&world, &url).await.assert_page(400, "This sign-in belongs to another browser");
    browser.callback(&world, &url).await.assert_page(400, "This sign-in is already finished");
    assert_eq!(world.exchanges(), 0);
    assert_eq!(other.logins().len(), 1, "its own sign-in goes on");
}

/// S01, B2: a second load is a readable page, sends nothing, and leaves the code alone.
#[tokio::test]
async fn s01_b2_a_state_works_once() {
    let world = World::new().await;
    let (mut browser, url, client) = returning(&world).await;
    let mut copy = browser.clone();
    let code = browser.callback(&world, &url).await.answered("code").unwrap();
    assert_eq!(world.exchanges(), 1);
    let again = browser.callback(&world, &url).await;
    again.assert_page(400, "This sign-in is already finished");
    // Even with the old cookie.
    copy.callback(&world, &url).await.assert_page(400, "This sign-in is already finished");
    assert_eq!(world.exchanges(), 1);
    let fields =
        [("grant_type", "authorization_code"), ("client_id", &client), ("code", &code), ("code_verifier", VERIFIER)];
    assert_eq!(world.post(Endpoint::Token, &fields).await.status, 200, "the code was not burnt");
}

/// S01: of two loads at the same moment one wins.
#[tokio::test]
async fn s01_loads_at_the_same_moment() {
    let world = World::new().await;
    let (mut browser, url, _) = returning(&world).await;
    let mut copy = browser.clone();
    let (one, two) = tokio::join!(browser.callback(&world, &url), copy.callback(&world, &url));
    assert_eq!(world.exchanges(), 1);
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 400]);
}

/// S01, B3: two tabs, one browser, both arrive, in any order.
#[tokio::test]
async fn s01_b3_parallel_tabs_both_succeed() {
    let world = World::new().await;
    let client = world.client("Notes", REDIRECT).await;
    let mut browser = Browser::new();
    let first = world.until_callback(&mut browser, &request(&client, REDIRECT)).await;
    let second = world.until_callback(&mut browser, &request(&client, REDIRECT)).await;
    assert!(browser.callback(&world, &second).await.answered("code").is_some());
    assert!(browser.callback(&world, &first).await.answered("code").is_some());
}

/// S01: expired, missing, empty, doubled, foreign states: 4xx and no exchange.
#[tokio::test]
async fn s01_bad_states_exchange_nothing() {
    let world = World::new().await;
    let whole = "The sign-in did not come back whole";
    let other = "This sign-in belongs to another browser";
    let without =
        |pairs: Vec<(String, String)>| pairs.into_iter().filter(|(name, _)| name != "state").collect::<Vec<_>>();
    let (browser, url, _) = returning(&world).await;
    let state = |value: &str| {
        let value = value.to_owned();
        with(&url, move |pairs| {
            let mut pairs = without(pairs);
            pairs.push(("state".to_owned(), value.clone()));
            pairs
        })
    };
    browser.clone().callback(&world, &with(&url, without)).await.assert_page(400, whole);
    browser.clone().callback(&world, &state("")).await.assert_page(400, whole);
    browser.clone().callback(&world, &state("somebody's")).await.assert_page(400, other);
    browser.clone().callback(&world, &state(&"x".repeat(10_000))).await.assert_page(400, other);
    let (mut late, late_url, _) = returning(&world).await;
    world.hand.advance(TOO_LONG);
    late.callback(&world, &late_url).await.assert_page(400, "This took too long");
    let (mut browser, url, _) = returning(&world).await;
    let doubled = with(&url, |mut pairs| {
        let state = pairs.iter().find(|(name, _)| name == "state").unwrap().clone();
        pairs.push(state);
        pairs
    });
    let mut copy = browser.clone();
    browser.callback(&world, &doubled).await.assert_page(400, whole);
    assert!(browser.logins().is_empty(), "burnt");
    copy.callback(&world, &url).await.assert_page(400, "This sign-in is already finished");
    assert_eq!(world.exchanges(), 0);
}

/// S06: every byte of the sealed cookie counts, and so does its name.
#[tokio::test]
async fn s06_changed_and_swapped_cookies_are_refused() {
    let world = World::new().await;
    let other = "This sign-in belongs to another browser";
    let (browser, url, _) = returning(&world).await;
    let name = browser.logins()[0].clone();
    let length = browser.cookies[&name].len();
    for index in (0..length).step_by(length / 6) {
        let (mut browser, url, _) = returning(&world).await;
        let name = browser.logins()[0].clone();
        let mut value = browser.cookies[&name].clone().into_bytes();
        value[index] = if value[index] == b'A' { b'B' } else { b'A' };
        browser.cookies.insert(name, String::from_utf8(value).unwrap());
        browser.callback(&world, &url).await.assert_page(400, other);
    }
    // The sign-in of another tab under this one's name.
    let (foreign, _, _) = returning(&world).await;
    let mut swapped = browser.clone();
    swapped.cookies.insert(name.clone(), foreign.cookies[foreign.logins()[0]].clone());
    swapped.callback(&world, &url).await.assert_page(400, other);
    // A sealed consent request is no sign-in (S52).
    let mut confused = browser;
    let page = confused.authorize(&world, &request("listed", "https://static.example/cb")).await;
    confused.cookies.insert(name, page.transaction());
    confused.callback(&world, &url).await.assert_page(400, other);
    assert_eq!(world.exchanges(), 0);
}

/// What the provider refuses reaches the client as the RFC's error, with `state` and `iss`.
#[tokio::test]
async fn provider_errors_reach_the_client() {
    for (fault, error) in [
        ("access_denied", "access_denied"),
        ("login_required", "access_denied"),
        ("temporarily_unavailable", "temporarily_unavailable"),
        ("invalid_scope", "server_error"),
        ("unauthorized_client", "server_error"),
        ("made_up", "server_error"),
    ] {
        let world = World::new().await;
        world.provider.faults().set_callback(Some(CallbackFault::Error(fault)));
        let (mut browser, url, _) = returning(&world).await;
        let answer = browser.callback(&world, &url).await;
        assert_eq!(answer.answered("error").as_deref(), Some(error), "{fault}");
        assert_eq!(answer.answered("state").as_deref(), Some("the client's state"));
        assert_eq!(answer.answered("iss").as_deref(), Some("https://mcp.example.com"));
        assert!(browser.logins().is_empty());
    }
    let world = World::new().await;
    let client = world.client("Notes", REDIRECT).await;
    let mut browser = Browser::new();
    let page = browser.authorize(&world, &request(&client, REDIRECT)).await;
    let sent = browser.decide(&world, &page, "approve").await;
    let url = world.cancel(sent.location()).await;
    assert_eq!(browser.callback(&world, &url).await.answered("error").as_deref(), Some("access_denied"));
    world.assert_metric("outcome=\"access_denied\",provider=\"acme\"} 1");
}

/// A provider's words cannot break the client's URL or bring a new parameter.
#[tokio::test]
async fn s61_a_providers_description_is_only_text() {
    let world = World::new().await;
    let (mut browser, url, _) = returning(&world).await;
    let hostile = with(&url, |mut pairs| {
        pairs.retain(|(name, _)| name == "state");
        pairs.push(("error".to_owned(), "x\r\nSet-Cookie: a=b".to_owned()));
        pairs.push(("error_description".to_owned(), "\"<script>&code=stolen".to_owned()));
        pairs
    });
    let answer = browser.callback(&world, &hostile).await;
    assert_eq!(answer.answered("error").as_deref(), Some("server_error"));
    assert_eq!(answer.answered("code"), None);
    assert!(!answer.answered("error_description").unwrap().contains(['"', '\n', '\r']));
}

/// S03: what is wrong with the provider's answer ends the sign-in before any token is used.
#[tokio::test]
async fn s03_wrong_answers_of_the_provider_end_the_sign_in() {
    for fault in [CallbackFault::WrongIssuer, CallbackFault::NoIssuer] {
        let world = World::new().await;
        world.provider.faults().set_callback(Some(fault));
        let (mut browser, url, _) = returning(&world).await;
        let answer = browser.callback(&world, &url).await;
        assert_eq!(answer.answered("error").as_deref(), Some("server_error"), "{fault:?}");
        assert_eq!(world.exchanges(), 0, "{fault:?}: mix-up, RFC 9207");
    }
    for fault in [
        IdTokenFault::WrongNonce,
        IdTokenFault::NoNonce,
        IdTokenFault::WrongIssuer,
        IdTokenFault::WrongAudience,
        IdTokenFault::Expired,
        IdTokenFault::BadSignature,
        IdTokenFault::Unsigned,
        IdTokenFault::Missing,
    ] {
        let world = World::new().await;
        world.provider.faults().set_id_token(Some(fault));
        let (mut browser, url, _) = returning(&world).await;
        let answer = browser.callback(&world, &url).await;
        assert_eq!(answer.answered("error").as_deref(), Some("server_error"), "{fault:?}");
        assert_eq!(answer.answered("code"), None);
    }
    for fault in [CallbackFault::WrongState, CallbackFault::NoState] {
        let world = World::new().await;
        world.provider.faults().set_callback(Some(fault));
        let (mut browser, url, _) = returning(&world).await;
        assert_eq!(browser.callback(&world, &url).await.status, 400, "{fault:?}");
        assert_eq!(world.exchanges(), 0);
    }
}

/// S76: a provider that fails at the last step is told as what it is.
#[tokio::test]
async fn s76_failures_at_the_token_endpoint() {
    for (fault, error) in [
        (Fault::Status(503), "temporarily_unavailable"),
        (Fault::Disconnect, "temporarily_unavailable"),
        (Fault::InvalidGrant, "server_error"),
    ] {
        let world = World::new().await;
        let (mut browser, url, _) = returning(&world).await;
        world.provider.faults().set(ProviderEndpoint::Token, fault.clone());
        let answer = browser.callback(&world, &url).await;
        assert_eq!(answer.answered("error").as_deref(), Some(error), "{fault:?}");
        assert!(browser.logins().is_empty());
    }
}

/// Neither a code nor an error, or one of them twice.
#[tokio::test]
async fn as49_half_answers_of_the_provider() {
    let world = World::new().await;
    let (mut browser, url, _) = returning(&world).await;
    let nothing = with(&url, |pairs| pairs.into_iter().filter(|(name, _)| name == "state").collect());
    assert_eq!(browser.callback(&world, &nothing).await.answered("error").as_deref(), Some("server_error"));
    let (mut browser, url, _) = returning(&world).await;
    let twice = with(&url, |mut pairs| {
        pairs.push(("code".to_owned(), "other".to_owned()));
        pairs
    });
    browser.callback(&world, &twice).await.assert_page(400, "The sign-in did not come back whole");
    assert_eq!(world.exchanges(), 0);
}

/// A link checker that asks with HEAD uses nothing up.
#[tokio::test]
async fn b1_head_does_not_use_the_callback_up() {
    let world = World::new().await;
    let (mut browser, url, _) = returning(&world).await;
    let head = Request::builder().method(Method::HEAD).uri(url.as_str()).body(Full::default()).unwrap();
    let answer = world.send(Endpoint::Callback { provider: 0 }, "192.0.2.1", head).await;
    assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "GET"));
    assert!(browser.callback(&world, &url).await.answered("code").is_some());
}

/// U6, S07: a long request is split over several cookies, each small.
#[tokio::test]
async fn u6_s07_the_longest_request_still_fits() {
    let world = World::new().await;
    let client = world.client(&"n".repeat(200), REDIRECT).await;
    let mut browser = Browser::new();
    let state = "s".repeat(4096);
    let long = request(&client, REDIRECT).replace("the+client%27s+state", &state);
    let url = world.until_callback(&mut browser, &long).await;
    assert!(browser.cookies.iter().all(|(name, value)| name.len() + value.len() < 4000));
    assert!(browser.logins().len() > 1);
    let answer = browser.callback(&world, &url).await;
    assert_eq!(answer.answered("state"), Some(state), "U6");
    assert!(browser.logins().is_empty());
}

/// S03, S06: what one provider's mount sealed opens at no other, although both are one server
/// with one root secret.
#[tokio::test]
async fn s03_s06_mounts_do_not_take_each_others_sign_ins() {
    let world = World::new().await;
    let other = World::with(|plan| {
        plan.mount = "/other".to_owned();
        plan.issuer = crate::oauth::Issuer::new(&Url::parse("https://mcp.example.com").unwrap(), "/other");
    })
    .await;
    let (mut browser, url, _) = returning(&world).await;
    browser.clone().callback(&other, &url).await.assert_page(400, "This sign-in belongs to another browser");
    assert_eq!(other.exchanges(), 0);
    assert!(browser.callback(&world, &url).await.answered("code").is_some());
    let page = browser.authorize(&world, &request("listed", "https://static.example/cb")).await;
    browser.decide(&other, &page, "approve").await.assert_page(400, "This request was not made here");
}

/// A store that is away for a moment uses nothing up: the same page, loaded again, finishes the sign-in.
#[tokio::test]
async fn a_sign_in_waits_for_the_store() {
    let world = World::new().await;
    let (mut browser, url, _) = returning(&world).await;
    world.store.fail(true);
    for _ in 0..2 {
        let page = browser.callback(&world, &url).await;
        page.assert_page(503, "This server cannot finish the sign-in right now");
        assert_eq!(page.header("retry-after"), "5");
    }
    assert_eq!(world.exchanges(), 0);
    world.assert_metric("outcome=\"store_error\",provider=\"acme\"} 2");
    world.store.fail(false);
    assert!(browser.callback(&world, &url).await.answered("code").is_some());
    browser.callback(&world, &url).await.assert_page(400, "This sign-in is already finished");
}
