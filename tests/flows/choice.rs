//! A choice of providers for one route: people pick where they sign in, and what they were given
//! hangs on that provider alone.

use reqwest::{StatusCode, header};
use serde_json::json;
use url::Url;
use vestibule::demo::identity_provider::{Endpoint, Lifetimes, Options, Running};

use crate::{
    browser::{Browser, Page},
    client::{Attempt, Client, REDIRECT_URI, Tokens, at_the_provider, json_of},
    stage::Stage,
};

const ENTRA: (&str, &str) = ("provider", "entra");
const GOOGLE: (&str, &str) = ("provider", "google");

async fn stage() -> Stage {
    Stage::start_choice("", Options::default()).await
}

/// Provider tokens of one second: they are due at every refresh of ours.
async fn stage_with_short_tokens_at_google() -> Stage {
    let lifetimes = Lifetimes { access_token: std::time::Duration::from_secs(1), ..Lifetimes::default() };
    Stage::start_choice("", Options { lifetimes, ..Options::default() }).await
}

/// To the sign-in page of the one that is picked.
async fn pick(browser: &Browser, attempt: &Attempt, way: (&str, &str)) -> Page {
    let chooser = browser.open(attempt.url.as_str(), REDIRECT_URI).await;
    browser.submit(&chooser.form(), Some(way), REDIRECT_URI).await
}

async fn sign_in(client: &Client, way: (&str, &str), person: &str) -> Tokens {
    let (browser, attempt) = (Browser::new(), client.attempt());
    let page = pick(&browser, &attempt, way).await;
    let back = at_the_provider(&browser, page, person).await.location().unwrap();
    let code = client.code(&attempt, &back);
    Tokens::read(client.exchange(&attempt, &code).await).await
}

async fn whoami(client: &Client, tokens: &Tokens) -> String {
    let answer = client.call(&tokens.access, "tools/call", json!({ "name": "whoami", "arguments": {} })).await;
    assert_eq!(answer.status(), StatusCode::OK);
    answer.text().await.unwrap()
}

/// The callback that the provider would send this browser to, without going there.
async fn callback(browser: &Browser, attempt: &Attempt, way: (&str, &str), stage: &Stage) -> Url {
    let page = pick(browser, attempt, way).await;
    let stop = format!("{}/auth/callback", stage.origin);
    browser.submit(&page.form(), Some(("person", "ada")), &stop).await.location().unwrap()
}

fn with_path(url: &Url, path: &str) -> Url {
    let mut url = url.clone();
    url.set_path(path);
    url
}

fn with_parameter(url: &Url, name: &str, value: &str) -> Url {
    let pairs: Vec<(String, String)> =
        url.query_pairs().filter(|(key, _)| key != name).map(|(key, value)| (key.into(), value.into())).collect();
    let mut url = url.clone();
    url.query_pairs_mut().clear().extend_pairs(pairs).append_pair(name, value);
    url
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn exchanges(provider: &Running) -> usize {
    provider.requests(Endpoint::Token).len()
}

/// One issuer, one client, one route: either way leads to it, at the picked provider with its own
/// callback, and the same person of two providers is never one.
#[tokio::test]
async fn people_sign_in_by_either_provider() {
    let stage = stage().await;
    let client = Client::discover(&stage.resource).await;
    assert_eq!(client.issuer, format!("{}/", stage.origin).trim_end_matches('/'));
    let by_entra = sign_in(&client, ENTRA, "ada").await;
    assert_eq!((exchanges(stage.provider()), exchanges(stage.second())), (1, 0));
    let by_google = sign_in(&client, GOOGLE, "ada").await;
    assert_eq!((exchanges(stage.provider()), exchanges(stage.second())), (1, 1));

    for (provider, name) in [(stage.provider(), "entra"), (stage.second(), "google")] {
        let asked = &provider.requests(Endpoint::Authorize)[0].parameters;
        let callback = ("redirect_uri".to_owned(), format!("{}/auth/callback/{name}", stage.origin));
        assert!(asked.contains(&callback), "{asked:?}");
    }
    // Both demo providers give the same `sub`.
    let (one, other) = (whoami(&client, &by_entra).await, whoami(&client, &by_google).await);
    assert!(one.contains("entra|") && !one.contains("google|"), "{one}");
    assert!(other.contains("google|") && !other.contains("entra|"), "{other}");
    let metrics = stage.metrics().await;
    for series in [
        // Both ends of the way to a provider have one label, so that a ratio of the two means something.
        "vestibule_auth_callbacks_total{fault=\"none\",outcome=\"ok\",provider=\"entra\"} 1",
        "vestibule_auth_callbacks_total{fault=\"none\",outcome=\"ok\",provider=\"google\"} 1",
        "vestibule_auth_logins_total{fault=\"none\",outcome=\"ok\",provider=\"staff\"} 2",
        "vestibule_auth_idp_redirects_total{provider=\"entra\"} 1",
        "vestibule_auth_idp_redirects_total{provider=\"google\"} 1",
    ] {
        assert!(metrics.contains(series), "{series} in\n{metrics}");
    }
    stage.stop().await;
}

/// The page needs no scripts: a form with one button for each provider, and one to say no.
#[tokio::test]
async fn every_way_is_a_button() {
    let stage = stage().await;
    let client = Client::discover(&stage.resource).await;
    let page = Browser::new().open(client.attempt().url.as_str(), REDIRECT_URI).await;
    let text = page.text().split_whitespace().collect::<Vec<_>>().join(" ");
    for part in ["Continue with Microsoft", "Continue with Google", "Deny", "Nobody has checked it"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("Allow and sign in"), "{text}");
    assert!(!page.html.contains("<script"));
    // `approve` alone picks nobody.
    let browser = Browser::new();
    let page = browser.open(client.attempt().url.as_str(), REDIRECT_URI).await;
    for button in [("decision", "approve"), ("provider", "staff"), ("provider", "okta"), ("provider", "")] {
        let refused = browser.submit(&page.form(), Some(button), REDIRECT_URI).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{button:?}");
    }
    let denied = browser.submit(&page.form(), Some(("decision", "deny")), REDIRECT_URI).await;
    assert!(denied.links().iter().any(|link| link.contains("error=access_denied")), "{}", denied.html);
    stage.stop().await;
}

/// A client that the operator vouches for: the page asks for nothing but the way, and is never skipped.
#[tokio::test]
async fn a_client_without_consent_gets_a_page_of_ways() {
    let own = format!("    clients: [{{ client_id: own, redirect_uris: [{REDIRECT_URI:?}], skip_consent: true }}]\n");
    let stage = Stage::start_choice(&own, Options::default()).await;
    let client = Client { client_id: "own".to_owned(), ..Client::discover(&stage.resource).await };
    let page = Browser::new().open(client.attempt().url.as_str(), REDIRECT_URI).await;
    let text = page.text().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("How do you want to sign in?") && text.contains("Continue with Google"), "{text}");
    sign_in(&client, GOOGLE, "ada").await;
    let (browser, attempt) = (Browser::new(), client.attempt());
    let page = browser.open(attempt.url.as_str(), REDIRECT_URI).await;
    let back = browser.submit(&page.form(), Some(("decision", "deny")), REDIRECT_URI).await.location().unwrap();
    assert_eq!(parameter(&back, "error").as_deref(), Some("access_denied"));
    stage.stop().await;
}

/// The grant remembers its provider: the other one may be down, and each is asked for its own.
#[tokio::test]
async fn renewal_and_revocation_go_to_the_provider_of_the_grant() {
    let stage = stage_with_short_tokens_at_google().await;
    let client = Client::discover(&stage.resource).await;
    let (by_entra, by_google) = (sign_in(&client, ENTRA, "ada").await, sign_in(&client, GOOGLE, "ada").await);
    stage.until_provider_tokens_are_due().await;
    stage.provider().down();
    let renewed = Tokens::read(client.refresh(by_google.refresh_token()).await).await;
    assert!(whoami(&client, &renewed).await.contains("google|"));
    assert_eq!(exchanges(stage.second()), 2, "renewed at the provider of the grant");
    // Nor is a grant of the one that is down touched by it.
    assert_eq!(client.call(&by_entra.access, "ping", json!({})).await.status(), StatusCode::OK);
    assert_eq!(client.revoke(renewed.refresh_token()).await.status(), StatusCode::OK);
    for _ in 0..100 {
        if !stage.second().requests(Endpoint::Revoke).is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(stage.second().requests(Endpoint::Revoke).len(), 1);
    assert_eq!(client.call(&renewed.access, "ping", json!({})).await.status(), StatusCode::UNAUTHORIZED);
    stage.provider().up();
    Tokens::read(client.refresh(by_entra.refresh_token()).await).await;
    stage.stop().await;
}

/// S03: the answer of one provider at the callback of the other is nobody's, and ends the sign-in.
#[tokio::test]
async fn s03_a_callback_counts_only_at_the_provider_that_was_picked() {
    let stage = stage().await;
    let client = Client::discover(&stage.resource).await;
    let browser = Browser::new();
    let good = callback(&browser, &client.attempt(), ENTRA, &stage).await;
    assert_eq!(good.path(), "/auth/callback/entra");
    for path in ["/auth/callback/google", "/auth/callback", "/auth/callback/", "/auth/callback/staff"] {
        let page = browser.get(with_path(&good, path).as_str()).await;
        assert!(page.status.is_client_error(), "{path}: {}", page.status);
    }
    assert_eq!((exchanges(stage.provider()), exchanges(stage.second())), (0, 0), "no code goes to anybody");
    // The mix-up burnt the state.
    assert_eq!(browser.get(good.as_str()).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(exchanges(stage.provider()), 0);
    stage.stop().await;
}

/// S03, RFC 9207: a code of the other provider, or its `iss`, under the state of the picked one.
#[tokio::test]
async fn s03_a_code_of_the_other_provider_is_refused() {
    let stage = stage().await;
    let client = Client::discover(&stage.resource).await;
    let browser = Browser::new();
    let first = callback(&browser, &client.attempt(), ENTRA, &stage).await;
    let theirs = callback(&browser, &client.attempt(), GOOGLE, &stage).await;
    assert_ne!(parameter(&first, "iss"), parameter(&theirs, "iss"));
    let mixed = with_parameter(&first, "iss", &parameter(&theirs, "iss").unwrap());
    let back = browser.get(mixed.as_str()).await.location().unwrap();
    assert_eq!(parameter(&back, "error").as_deref(), Some("server_error"), "{back}");
    assert_eq!(exchanges(stage.provider()), 0, "the issuer is looked at before the code is sent");

    let second = callback(&browser, &client.attempt(), ENTRA, &stage).await;
    let mixed = with_parameter(&second, "code", &parameter(&theirs, "code").unwrap());
    let back = browser.get(mixed.as_str()).await.location().unwrap();
    assert_eq!(parameter(&back, "error").as_deref(), Some("server_error"), "{back}");
    assert_eq!(exchanges(stage.second()), 0);
    stage.stop().await;
}

/// One request, one pick: a double click is the same answer, another pick is none.
#[tokio::test]
async fn the_pick_cannot_be_changed() {
    let stage = stage().await;
    let client = Client::discover(&stage.resource).await;
    let (browser, attempt) = (Browser::new(), client.attempt());
    let chooser = browser.open(attempt.url.as_str(), REDIRECT_URI).await;
    let first = browser.submit(&chooser.form(), Some(ENTRA), REDIRECT_URI).await;
    let other = browser.submit(&chooser.form(), Some(GOOGLE), REDIRECT_URI).await;
    assert_eq!(other.status, StatusCode::BAD_REQUEST);
    assert!(other.text().contains("You have already answered this"), "{}", other.html);
    assert!(stage.second().requests(Endpoint::Authorize).is_empty());
    let again = browser.submit(&chooser.form(), Some(ENTRA), REDIRECT_URI).await;
    assert_eq!(again.url, first.url, "a double click");
    let back = at_the_provider(&browser, first, "ada").await.location().unwrap();
    Tokens::read(client.exchange(&attempt, &client.code(&attempt, &back)).await).await;
    stage.stop().await;
}

/// S02: another site cannot pick for a person, nor can another browser.
#[tokio::test]
async fn s02_nobody_else_can_pick() {
    let stage = stage().await;
    let client = Client::discover(&stage.resource).await;
    let (browser, attempt) = (Browser::new(), client.attempt());
    let form = browser.open(attempt.url.as_str(), REDIRECT_URI).await.form();
    let mut fields = form.fields.clone();
    fields.push((ENTRA.0.to_owned(), ENTRA.1.to_owned()));
    let cross = crate::client::http().post(form.action.clone()).form(&fields);
    let cross = cross.header(header::ORIGIN, "https://evil.example").send().await.unwrap();
    assert_eq!(cross.status(), StatusCode::FORBIDDEN);
    let other = Browser::new().submit(&form, Some(ENTRA), REDIRECT_URI).await;
    assert_eq!(other.status, StatusCode::BAD_REQUEST);
    assert!(stage.provider().requests(Endpoint::Authorize).is_empty());
    stage.stop().await;
}

/// Two tabs of one browser go their own ways.
#[tokio::test]
async fn two_tabs_pick_differently() {
    let stage = stage().await;
    let client = Client::discover(&stage.resource).await;
    let browser = Browser::new();
    let (one, two) = (client.attempt(), client.attempt());
    let first = pick(&browser, &one, ENTRA).await;
    let second = pick(&browser, &two, GOOGLE).await;
    for (attempt, page, name) in [(&two, second, "google|"), (&one, first, "entra|")] {
        let back = at_the_provider(&browser, page, "ada").await.location().unwrap();
        let tokens = Tokens::read(client.exchange(attempt, &client.code(attempt, &back)).await).await;
        assert!(whoami(&client, &tokens).await.contains(name));
    }
    stage.stop().await;
}

/// S76: one that goes down takes nothing from the other; there is still a page with one left.
#[tokio::test]
async fn s76_a_provider_that_is_down_does_not_close_the_others() {
    let stage = Stage::start_choice_with_second_down().await;
    let client = Client::discover(&stage.resource).await;
    let page = Browser::new().open(client.attempt().url.as_str(), REDIRECT_URI).await;
    let text = page.text().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("Continue with Google Not available right now"), "{text}");
    assert!(!page.html.contains("value=\"google\""), "{}", page.html);
    sign_in(&client, ENTRA, "ada").await;
    // Picked all the same, by an old page: nothing is used up by it.
    let (browser, attempt) = (Browser::new(), client.attempt());
    let form = browser.open(attempt.url.as_str(), REDIRECT_URI).await.form();
    let refused = browser.submit(&form, Some(GOOGLE), REDIRECT_URI).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.text().contains("choose another way"), "{}", refused.html);
    let page = browser.submit(&form, Some(ENTRA), REDIRECT_URI).await;
    let back = at_the_provider(&browser, page, "ada").await.location().unwrap();
    Tokens::read(client.exchange(&attempt, &client.code(&attempt, &back)).await).await;
    assert!(stage.ready().await.contains("google: "), "the reason is told");
    stage.stop().await;
}

/// A provider that is offered may be a way in of its own, too; tokens count where they were given.
#[tokio::test]
async fn a_provider_can_be_offered_and_have_routes_of_its_own() {
    let stage = Stage::start_choice_beside_a_member().await;
    let staff = Client::discover(&stage.resource).await;
    let own = Client::discover(&format!("{}/entra/mcp", stage.origin)).await;
    assert_ne!(staff.issuer, own.issuer);
    let (chosen, direct) = (sign_in(&staff, ENTRA, "ada").await, own.tokens("ada").await);
    assert!(whoami(&staff, &chosen).await.contains("entra|"));
    assert!(!whoami(&own, &direct).await.contains("entra|"));
    assert_eq!(own.call(&chosen.access, "ping", json!({})).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(staff.call(&direct.access, "ping", json!({})).await.status(), StatusCode::UNAUTHORIZED);
    let foreign = own.refresh(chosen.refresh_token()).await;
    assert!(foreign.status().is_client_error());
    assert!(json_of(foreign).await["error"].is_string());
    stage.stop().await;
}

/// The rules of a member bind those who came by it, those of the choice bind everybody; a `sub` means
/// nothing there without its provider.
#[tokio::test]
async fn rules_of_the_choice_and_of_the_member_bind() {
    for (own, of_choice, by_entra, by_google) in [
        ("    policy: { emails: [nobody@example.com] }\n", "", false, true),
        ("", "    policy: { emails: [nobody@example.com] }\n", false, false),
        ("    policy: { subjects: [SUB] }\n", "", true, true),
        ("", "    policy: { subjects: [SUB] }\n", false, false),
        ("", "    policy: { subjects: ['google|SUB'] }\n", false, true),
    ] {
        let sub = Options::default().people.iter().find(|person| person.key == "ada").unwrap().subject.clone();
        let (own, of_choice) = (own.replace("SUB", &sub), of_choice.replace("SUB", &sub));
        let stage = Stage::start_choice_with_rules(&own, &of_choice).await;
        let client = Client::discover(&stage.resource).await;
        for (way, passes) in [(ENTRA, by_entra), (GOOGLE, by_google)] {
            let (browser, attempt) = (Browser::new(), client.attempt());
            let page = pick(&browser, &attempt, way).await;
            let back = at_the_provider(&browser, page, "ada").await;
            let code = back.location().and_then(|url| parameter(&url, "code"));
            assert_eq!(code.is_some(), passes, "{way:?} with {own}{of_choice}: {}", back.html);
            // People know where they signed in, and not what the operator calls the choice.
            let label = if way == ENTRA { "Microsoft" } else { "Google" };
            let said = back.text().contains(&format!("You signed in with {label},"));
            assert_eq!(said, !passes, "{}", back.html);
        }
        stage.stop().await;
    }
}

/// An operator sees which provider a sign-in went to, from the pick on.
#[tokio::test]
async fn the_story_of_a_sign_in_names_the_provider() {
    let stage = stage().await;
    let client = Client::discover(&stage.resource).await;
    let browser = Browser::new();
    callback(&browser, &client.attempt(), GOOGLE, &stage).await;
    let flow = stage.newest_flow().await;
    assert_eq!((&flow["provider"], &flow["identity_provider"]), (&json!("staff"), &json!("google")), "{flow}");
    let steps = |flow: &serde_json::Value| flow["steps"].to_string();
    assert!(steps(&flow).contains("the person chose Google (google)"), "{flow}");
    sign_in(&client, ENTRA, "ada").await;
    let flow = stage.newest_flow().await;
    assert_eq!(flow["identity_provider"], json!("entra"), "{flow}");
    assert!(steps(&flow).contains("the person signed in at Microsoft; the client gets a code"), "{flow}");
    assert!(flow["subject"].as_str().unwrap().starts_with("entra|"), "{flow}");
    stage.stop().await;
}
