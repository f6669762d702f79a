//! The four modes of `require_authorization_consent`, each as whole sign-ins (B4, D-2).

use reqwest::StatusCode;

use crate::{
    browser::{Browser, Page},
    client::{Attempt, Client, REDIRECT_URI, Tokens, at_the_provider},
    stage::Stage,
};

const APPROVE: Option<(&str, &str)> = Some(("decision", "approve"));

async fn stage(mode: &str, lines: &str) -> Stage {
    Stage::configured(|backend| {
        format!(
            "    require_authorization_consent: {mode}\n    valid_scopes: [openid, profile, email, read]\n{lines}    \
             routes:\n      - {{ path: /mcp, backend: {backend} }}\n"
        )
    })
    .await
}

/// The person opens the client's URL, nobody led there.
async fn opened(browser: &Browser, attempt: &Attempt) -> Page {
    browser.led_by("none", attempt.url.as_str(), REDIRECT_URI).await
}

fn is_at_the_provider(stage: &Stage, page: &Page) -> bool {
    page.url.as_str().starts_with(stage.provider().issuer())
}

fn is_consent_page(page: &Page) -> bool {
    page.status == StatusCode::OK && page.url.path() == "/authorize" && page.text().contains("Who is asking")
}

/// From the provider's page to tokens.
async fn finished(client: &Client, browser: &Browser, attempt: &Attempt, page: Page, person: &str) -> Tokens {
    let back = at_the_provider(browser, page, person).await;
    let back = back.location().unwrap_or_else(|| panic!("{} {}", back.status, back.html));
    let code = client.code(attempt, &back);
    Tokens::read(client.exchange(attempt, &code).await).await
}

/// As `person`, with a click on our page.
async fn approved(client: &Client, browser: &Browser, person: &str) -> Tokens {
    let attempt = client.attempt();
    let consent = opened(browser, &attempt).await;
    assert!(is_consent_page(&consent), "{} {}", consent.url, consent.html);
    let page = browser.submit(&consent.form(), APPROVE, REDIRECT_URI).await;
    finished(client, browser, &attempt, page, person).await
}

#[tokio::test]
async fn d2_true_asks_every_time() {
    let stage = stage("true", "").await;
    let client = Client::discover(&stage.resource).await;
    let browser = Browser::new();
    for _ in 0..2 {
        approved(&client, &browser, "ada").await;
    }
    stage.stop().await;
}

/// B4: the same browser, opened by its person, asking for the same: no page; everything else: the page.
#[tokio::test]
async fn b4_remember_asks_once_for_the_same() {
    let stage = stage("remember", "").await;
    let client = Client::discover(&stage.resource).await;
    let browser = Browser::new();
    let first = opened(&browser, &client.attempt()).await;
    assert!(first.text().contains("remembers your answer for 30 days"), "{}", first.text());
    approved(&client, &browser, "ada").await;

    let attempt = client.attempt();
    let page = opened(&browser, &attempt).await;
    assert!(is_at_the_provider(&stage, &page), "{}", page.url);
    let tokens = finished(&client, &browser, &attempt, page, "ada").await;
    Tokens::read(client.refresh(tokens.refresh_token()).await).await;
    // Another port on loopback is no other address.
    let attempt = client.attempt().with("redirect_uri", Some("http://127.0.0.1:49152/callback"));
    assert!(is_at_the_provider(&stage, &opened(&browser, &attempt).await));
    let metrics = stage.metrics().await;
    assert!(metrics.contains("vestibule_auth_consents_total{action=\"remembered\",provider=\"demo\"} 2"), "{metrics}");

    let wider = client.attempt().with("scope", Some("openid profile email read"));
    let asked = client.attempt().with("prompt", Some("login consent"));
    let name = serde_json::json!({ "client_name": "Another", "redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": "none" });
    let (other, _) = client.registered_as(&name).await;
    for attempt in [wider, asked, other.attempt()] {
        let page = opened(&browser, &attempt).await;
        assert!(is_consent_page(&page), "{}", attempt.url);
    }
    // Led by somebody, or by nobody knows whom; in another browser.
    for site in ["cross-site", "same-site"] {
        assert!(is_consent_page(&browser.led_by(site, client.attempt().url.as_str(), REDIRECT_URI).await), "{site}");
    }
    assert!(is_consent_page(&browser.open(client.attempt().url.as_str(), REDIRECT_URI).await));
    assert!(is_consent_page(&opened(&Browser::new(), &client.attempt()).await));
    stage.stop().await;
}

/// B4: an approval is one person's. Somebody else who signs in is asked, and can go on from there.
#[tokio::test]
async fn b4_somebody_else_is_asked() {
    let stage = stage("remember", "").await;
    let client = Client::discover(&stage.resource).await;
    let browser = Browser::new();
    approved(&client, &browser, "ada").await;
    let attempt = client.attempt();
    let page = opened(&browser, &attempt).await;
    assert!(is_at_the_provider(&stage, &page));
    let asked = at_the_provider(&browser, page, "grace").await;
    assert!(asked.location().is_none() && asked.text().contains("Who is asking"), "{} {}", asked.status, asked.html);
    let page = browser.submit(&asked.form(), APPROVE, REDIRECT_URI).await;
    let tokens = finished(&client, &browser, &attempt, page, "grace").await;
    assert!(tokens.claims()["sub"].as_str().unwrap().contains("grace"), "{}", tokens.claims());
    // Now it is hers.
    let attempt = client.attempt();
    let page = opened(&browser, &attempt).await;
    finished(&client, &browser, &attempt, page, "grace").await;
    stage.stop().await;
}

/// A refusal is not remembered, and an approval not for ever.
#[tokio::test]
async fn b4_what_is_not_remembered() {
    let stage = stage("remember", "    lifetimes: { consent: 6s }\n").await;
    let client = Client::discover(&stage.resource).await;
    let browser = Browser::new();
    let page = opened(&browser, &client.attempt()).await;
    browser.submit(&page.form(), Some(("decision", "deny")), REDIRECT_URI).await;
    approved(&client, &browser, "ada").await;
    assert!(is_at_the_provider(&stage, &opened(&browser, &client.attempt()).await));
    tokio::time::sleep(std::time::Duration::from_millis(6500)).await;
    assert!(is_consent_page(&opened(&browser, &client.attempt()).await));
    stage.stop().await;
}

/// Without our page a sign-in is still one browser's (S01), and errors before it are still pages.
#[tokio::test]
async fn d2_false_and_external_ask_nobody() {
    for mode in ["false", "external"] {
        let stage = stage(mode, "").await;
        let client = Client::discover(&stage.resource).await;
        let browser = Browser::new();
        let attempt = client.attempt();
        let page = browser.open(attempt.url.as_str(), REDIRECT_URI).await;
        assert!(is_at_the_provider(&stage, &page), "{mode}: {}", page.url);
        let stranger = at_the_provider(&Browser::new(), page, "ada").await;
        assert!(stranger.status.is_client_error() && stranger.location().is_none(), "{mode}");
        let page = browser.open(attempt.url.as_str(), REDIRECT_URI).await;
        finished(&client, &browser, &attempt, page, "ada").await;
        let wrong = client.attempt().with("response_type", Some("token"));
        let page = Browser::new().get(wrong.url.as_str()).await;
        assert!(page.location().is_none() && page.status == StatusCode::BAD_REQUEST, "{mode}");
        stage.stop().await;
    }
}
