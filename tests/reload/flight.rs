//! What is under way finishes as it began (contract 1).

use reqwest::StatusCode;

use crate::{
    backend::SLOW,
    browser::Browser,
    client::{Client, REDIRECT_URI, Tokens, at_the_provider},
    world::{NEVER, Place, World},
};

/// An open stream and a slow request go on over reloads, also when their own route is gone.
#[tokio::test]
async fn streams_and_slow_requests_outlive_a_reload() {
    let world = World::start().await;
    let client = Client::discover(&world.place.url("/mcp")).await;
    let tokens = client.tokens("ada").await;
    let mut events = world.place.get("/mcp/events", &tokens.access).await;
    assert!(events.chunk().await.unwrap().is_some());
    let begun = std::time::Instant::now();
    let url = world.place.url("/mcp/slow");
    let token = tokens.access.clone();
    let slow = tokio::spawn(async move { crate::client::http().get(url).bearer_auth(token).send().await });
    tokio::time::sleep(SLOW / 5).await;
    for routes in [&["/mcp", "/other"][..], &["/other"][..]] {
        world.applied(&world.place.text(routes)).await;
    }
    assert_eq!(world.place.status("/mcp").await, StatusCode::NOT_FOUND);
    let answer = slow.await.unwrap().unwrap();
    assert!(begun.elapsed() >= SLOW);
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.text().await.unwrap(), "hello");
    for _ in 0..10 {
        assert!(events.chunk().await.unwrap().is_some());
    }
    world.stop().await;
}

/// Contract 7: a sign-in that was begun before the secret was rotated completes after it. The
/// secret of before is one that the provider would refuse.
#[tokio::test]
async fn a_sign_in_outlives_the_rotation_of_the_secret() {
    let place = Place::new().await;
    let old = place.head() + &place.block_with_secret("demo", "the-secret-of-yesterday", "", &["/mcp"]);
    std::fs::write(place.config(), old).unwrap();
    let world = World::follow(place, NEVER).await;
    let client = Client::discover(&world.place.url("/mcp")).await;
    // One is at our consent page, one at the provider, when the secret changes.
    let (first, second) = (client.attempt(), client.attempt());
    let (early, late) = (Browser::new(), Browser::new());
    let consent = early.open(first.url.as_str(), REDIRECT_URI).await;
    let page = late.open(second.url.as_str(), REDIRECT_URI).await;
    let at_provider = late.submit(&page.form(), Some(("decision", "approve")), REDIRECT_URI).await;

    world.applied(&world.place.text(&["/mcp"])).await;

    let page = early.submit(&consent.form(), Some(("decision", "approve")), REDIRECT_URI).await;
    for (browser, page, attempt) in [(early, page, first), (late, at_provider, second)] {
        let back = at_the_provider(&browser, page, "ada").await;
        let redirect = back.location().unwrap_or_else(|| panic!("{} {}", back.status, back.html));
        let code = client.code(&attempt, &redirect);
        let tokens = Tokens::read(client.exchange(&attempt, &code).await).await;
        assert_eq!(world.place.get("/mcp", &tokens.access).await.status(), StatusCode::OK);
    }
    world.stop().await;
}

/// S12: a client that registered before the list was narrowed, and a sign-in that was under way, end with
/// a page; nobody is redirected.
#[tokio::test]
async fn s12_a_narrower_list_holds_for_clients_of_before() {
    let world = World::start().await;
    let client = Client::discover(&world.place.url("/mcp")).await;
    let (first, second, third) = (client.attempt(), client.attempt(), client.attempt());
    let (early, late, denying) = (Browser::new(), Browser::new(), Browser::new());
    let consent = early.open(first.url.as_str(), REDIRECT_URI).await;
    let denial = denying.open(third.url.as_str(), REDIRECT_URI).await;
    let page = late.open(second.url.as_str(), REDIRECT_URI).await;
    let at_provider = late.submit(&page.form(), Some(("decision", "approve")), REDIRECT_URI).await;

    let place = &world.place;
    let narrow = "allowed_client_redirect_uris: ['https://claude.ai', 'http://127.0.0.1:1']";
    let report = world.applied(&(place.head() + &place.block("demo", narrow, &["/mcp"]))).await;
    assert!(report.changes.contains("allowed_client_redirect_uris"), "{report:?}");

    let pages = [
        early.submit(&consent.form(), Some(("decision", "approve")), REDIRECT_URI).await,
        denying.submit(&denial.form(), Some(("decision", "deny")), REDIRECT_URI).await,
        at_the_provider(&late, at_provider, "ada").await,
        Browser::new().get(client.attempt().url.as_str()).await,
    ];
    for page in pages {
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{}", page.html);
        assert!(page.location().is_none() && page.links().is_empty(), "{:?}", page.links());
        assert!(page.text().contains("may not be answered"), "{}", page.text());
    }
    world.applied(&place.text(&["/mcp"])).await;
    client.tokens("ada").await;
    world.stop().await;
}

/// B4: a remembered approval ends when the client may be answered elsewhere too.
#[tokio::test]
async fn b4_a_remembered_approval_ends_when_the_clients_addresses_change() {
    let place = Place::new().await;
    let with = |place: &Place, more: &str| {
        let uris = format!("'{REDIRECT_URI}'{more}");
        let lines = format!(
            "require_authorization_consent: remember\n    clients: [{{ client_id: desk, redirect_uris: [{uris}] }}]"
        );
        place.head() + &place.block("demo", &lines, &["/mcp"])
    };
    std::fs::write(place.config(), with(&place, "")).unwrap();
    let world = World::follow(place, NEVER).await;
    let client = Client { client_id: "desk".to_owned(), ..Client::discover(&world.place.url("/mcp")).await };
    let browser = Browser::new();
    let asked = async || {
        let page = browser.led_by("none", client.attempt().url.as_str(), REDIRECT_URI).await;
        page.url.path() == "/authorize" && page.text().contains("Who is asking")
    };
    let attempt = client.attempt();
    let consent = browser.led_by("none", attempt.url.as_str(), REDIRECT_URI).await;
    let page = browser.submit(&consent.form(), Some(("decision", "approve")), REDIRECT_URI).await;
    assert!(at_the_provider(&browser, page, "ada").await.location().is_some());
    assert!(!asked().await);
    world.applied(&with(&world.place, ", 'https://elsewhere.example/cb'")).await;
    assert!(asked().await);
    world.applied(&with(&world.place, "")).await;
    assert!(!asked().await);
    world.stop().await;
}

/// A code that was issued before a reload is exchanged after it, and so is a refresh token; new
/// root secrets open what the old one sealed as long as it is among them.
#[tokio::test]
async fn codes_and_tokens_outlive_new_root_secrets() {
    let place = Place::new().await;
    let text = |secrets: &str| format!("secret: [{secrets}]\n{}", place.text(&["/mcp"]));
    let (first, second) = ("first-root-secret-of-32-characters", "second-root-secret-of-32-characters");
    let texts = [text(first), text(&format!("{second}, {first}"))];
    std::fs::write(place.config(), &texts[0]).unwrap();
    let world = World::follow(place, NEVER).await;
    let client = Client::discover(&world.place.url("/mcp")).await;
    let tokens = client.tokens("ada").await;
    let attempt = client.attempt();
    let redirect = client.sign_in(&Browser::new(), &attempt, "ada").await;
    let code = client.code(&attempt, &redirect);

    let report = world.applied(&texts[1]).await;
    assert!(!report.changes.contains("root-secret"), "{report:?}");
    let exchanged = Tokens::read(client.exchange(&attempt, &code).await).await;
    let refreshed = Tokens::read(client.refresh(tokens.refresh_token()).await).await;
    for token in [&exchanged.access, &refreshed.access, &tokens.access] {
        assert_eq!(world.place.get("/mcp", token).await.status(), StatusCode::OK);
    }
    world.stop().await;
}
