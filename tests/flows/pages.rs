//! What a person's browser does in real life (B1, B2, B5), and what our pages say to it (AS-50, AS-51).

use reqwest::StatusCode;
use vestibule::demo::identity_provider::Endpoint;

use crate::{
    browser::Browser,
    client::{Client, REDIRECT_URI, Tokens, at_the_provider},
    stage::Stage,
};

const APPROVE: Option<(&str, &str)> = Some(("decision", "approve"));

/// B1, B2: the consent page is fetched twice (a prefetch), sent twice (a double click), and the way
/// back is loaded twice: one sign-in, one code that works, and a page to read.
#[tokio::test]
async fn b1_b2_everything_twice() {
    let stage = Stage::start().await;
    let client = Client::discover(&stage.resource).await;
    let browser = Browser::new();
    let attempt = client.attempt();
    browser.get(attempt.url.as_str()).await;
    let consent = browser.get(attempt.url.as_str()).await;
    let form = consent.form();
    let first = browser.submit(&form, APPROVE, REDIRECT_URI).await;
    let second = browser.submit(&form, APPROVE, REDIRECT_URI).await;
    assert_eq!(first.url, second.url, "a double click goes to the same place");
    let callback = format!("{}/auth/callback", stage.origin);
    let back = browser.submit(&second.form(), Some(("person", "ada")), &callback).await.location().unwrap();
    let redirect = browser.get(back.as_str()).await;
    assert_eq!(redirect.status, StatusCode::SEE_OTHER);
    let asked = stage.provider_requests(Endpoint::Token).len();
    let reloaded = browser.get(back.as_str()).await;
    assert_eq!(reloaded.status, StatusCode::BAD_REQUEST);
    assert!(reloaded.text().contains("already"), "{}", reloaded.text());
    assert_eq!(stage.provider_requests(Endpoint::Token).len(), asked, "S01: nothing is exchanged again");
    let code = client.code(&attempt, &redirect.location().unwrap());
    Tokens::read(client.exchange(&attempt, &code).await).await;
    stage.stop().await;
}

/// B3, D-5: before the approval there is no cookie of the sign-in; without the cookie a page says
/// what to do; the cookies are marked.
#[tokio::test]
async fn b3_d5_s07_cookies() {
    let stage = Stage::start().await;
    let client = Client::discover(&stage.resource).await;
    let browser = Browser::new();
    let attempt = client.attempt();
    let consent = browser.get(attempt.url.as_str()).await;
    let set = |headers: &reqwest::header::HeaderMap| -> Vec<String> {
        headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    };
    let before = set(&consent.headers);
    assert_eq!(before.len(), 1, "only the browser's own: {before:?}");
    let form = consent.form();
    let approved = client
        .http
        .post(form.action.clone())
        .header("origin", &stage.origin)
        .header("cookie", before[0].split(';').next().unwrap())
        .form(&[form.fields.as_slice(), &[("decision".to_owned(), "approve".to_owned())]].concat())
        .send()
        .await
        .unwrap();
    assert_eq!(approved.status(), StatusCode::SEE_OTHER, "AS-51");
    for cookie in before.iter().chain(&set(approved.headers())) {
        for part in ["HttpOnly", "SameSite=Lax", "Path=/"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        assert!(!cookie.contains("Domain") && cookie.len() < 4096, "{cookie}");
    }
    let without =
        client.http.post(form.action.clone()).header("origin", &stage.origin).form(&form.fields).send().await.unwrap();
    assert_eq!(without.status(), StatusCode::BAD_REQUEST);
    assert!(without.text().await.unwrap().contains("cookies"));
    stage.stop().await;
}

/// B5, AS-50, S02: every page a person can meet is never framed, stored, sniffed or scripted.
#[tokio::test]
async fn b5_as50_headers_of_pages() {
    let stage = Stage::start().await;
    let client = Client::discover(&stage.resource).await;
    let browser = Browser::new();
    let attempt = client.attempt();
    let consent = browser.get(attempt.url.as_str()).await;
    let denied = browser.submit(&consent.form(), Some(("decision", "deny")), REDIRECT_URI).await;
    let unknown = browser.get(client.attempt().with("client_id", Some("x")).url.as_str()).await;
    let refused = browser.get(client.attempt().with("code_challenge", None).url.as_str()).await;
    let callback = browser.get(&format!("{}/auth/callback?state=x&code=y", stage.origin)).await;
    for page in [&consent, &denied, &unknown, &refused, &callback] {
        let header = |name: &str| page.headers[name].to_str().unwrap();
        let policy = header("content-security-policy");
        for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action"] {
            assert!(policy.contains(part), "{}: {policy}", page.url);
        }
        assert!(!policy.contains("script-src"), "{policy}");
        assert_eq!(header("x-frame-options"), "DENY");
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert!(header("content-type").starts_with("text/html"));
        assert!(!page.html.contains("<script"), "{}", page.url);
    }
    stage.stop().await;
}

/// AS-40, AS-45, AS-49, AS-44: what is wrong is said in the standard's words, with `iss` and
/// `state`, on a link and never by a silent redirect.
#[tokio::test]
async fn as45_as49_errors_name_the_issuer() {
    let stage = Stage::start().await;
    let client = Client::discover(&stage.resource).await;
    for (attempt, error) in [
        (client.attempt().with("code_challenge", None), "invalid_request"),
        (client.attempt().with("code_challenge_method", Some("plain")), "invalid_request"),
        (client.attempt().with("code_challenge_method", None), "invalid_request"),
        (client.attempt().with("response_type", Some("token")), "unsupported_response_type"),
        (client.attempt().and("code_challenge", "x"), "invalid_request"),
        (client.attempt().and("scope", "a").and("scope", "b"), "invalid_request"),
    ] {
        let page = Browser::new().get(attempt.url.as_str()).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{}", attempt.url);
        let link = page.links().into_iter().find(|link| link.starts_with(REDIRECT_URI)).expect("a link back");
        let link = url::Url::parse(&link).unwrap();
        let get = |name: &str| link.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        assert_eq!(get("error").as_deref(), Some(error), "{}", attempt.url);
        assert_eq!(get("iss").as_deref(), Some(client.issuer.as_str()));
        assert_eq!(get("state").as_deref(), Some(attempt.state.as_str()));
        assert_eq!(get("code"), None);
    }
    // Twice the same client, address or state: there is nobody to answer to.
    for name in ["client_id", "redirect_uri", "state"] {
        let attempt = client.attempt().and(name, "x");
        let page = Browser::new().get(attempt.url.as_str()).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST);
        assert!(page.links().is_empty() && page.location().is_none(), "{name}: {:?}", page.links());
    }
    // Unknown and empty parameters change nothing.
    let attempt = client.attempt().and("unknown", "x").and("unknown", "y").with("scope", Some(""));
    let consent = Browser::new().open(attempt.url.as_str(), REDIRECT_URI).await;
    assert_eq!(consent.status, StatusCode::OK);
    stage.stop().await;
}

/// S61, D-3: a script in a client's name is text on the consent page; the page says where it goes.
#[tokio::test]
async fn s61_d3_names_are_text() {
    let stage = Stage::start().await;
    let metadata = serde_json::json!({ "client_name": "<script>alert(1)</script>\"'&\u{202e}x", "redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": "none" });
    let (client, _) = Client::discover(&stage.resource).await.registered_as(&metadata).await;
    let browser = Browser::new();
    let consent = browser.get(client.attempt().url.as_str()).await;
    assert!(!consent.html.contains("<script"), "{}", consent.html);
    let text = consent.text();
    assert!(text.contains("<script>alert(1)</script>") && !text.contains('\u{202e}'), "{text}");
    assert!(text.contains("127.0.0.1:7777"), "{text}");
    let page = browser.submit(&consent.form(), APPROVE, REDIRECT_URI).await;
    assert!(at_the_provider(&browser, page, "ada").await.location().is_some());
    stage.stop().await;
}
