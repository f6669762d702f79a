//! The main job: from a 401 to a tool's answer, and everything that must stop it.

use reqwest::StatusCode;
use serde_json::{Value, json};
use vestibule::demo::identity_provider::Endpoint;

use crate::{
    browser::Browser,
    client::{Client, REDIRECT_URI, Tokens, at_the_provider, json_of},
    stage::Stage,
};

#[tokio::test]
async fn a_stranger_signs_in_calls_refreshes_and_revokes() {
    let stage = Stage::start().await;
    let client = Client::discover(&stage.resource).await;
    let tokens = client.tokens("ada").await;

    let answer = client.call(&tokens.access, "tools/call", json!({ "name": "whoami", "arguments": {} })).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(answer.text().await.unwrap().contains("ada"));

    let refreshed = Tokens::read(client.refresh(tokens.refresh_token()).await).await;
    assert_ne!(refreshed.access, tokens.access);
    assert_ne!(refreshed.refresh, tokens.refresh);
    let again = client.call(&refreshed.access, "tools/call", json!({ "name": "echo", "arguments": { "text": "hi" } }));
    assert_eq!(again.await.status(), StatusCode::OK);

    assert_eq!(client.revoke(refreshed.refresh_token()).await.status(), StatusCode::OK);
    for access in [&tokens.access, &refreshed.access] {
        let refused = client.call(access, "ping", json!({})).await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
        let challenge = refused.headers()["www-authenticate"].to_str().unwrap();
        assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
    }
    let dead = client.refresh(refreshed.refresh_token()).await;
    assert_eq!(dead.status(), StatusCode::BAD_REQUEST);
    assert_eq!(json_of(dead).await["error"], "invalid_grant");
    stage.stop().await;
}

/// The `audience` of the configuration goes to the provider at authorize, exchange and refresh.
#[tokio::test]
async fn t8_the_audience_is_sent_every_time_and_the_resource_never() {
    let stage = Stage::start_with_short_provider_tokens().await;
    let client = Client::discover(&stage.resource).await;
    let tokens = client.tokens("ada").await;
    stage.until_provider_tokens_are_due().await;
    Tokens::read(client.refresh(tokens.refresh_token()).await).await;
    for (endpoint, least) in [(Endpoint::Authorize, 1), (Endpoint::Token, 2)] {
        let requests = stage.provider_requests(endpoint);
        assert!(requests.len() >= least, "{endpoint:?}");
        for parameters in requests {
            let get = |name: &str| parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
            assert_eq!(get("audience"), Some("https://api.example.com"), "{endpoint:?}: {parameters:?}");
            assert_eq!(get("resource"), None, "{endpoint:?}");
        }
    }
    stage.stop().await;
}

/// D-1, D-12: a refusal ends on a page that names the host; the link carries the RFC's answer.
#[tokio::test]
async fn d12_a_denied_consent_is_a_page_with_a_link() {
    let stage = Stage::start().await;
    let client = Client::discover(&stage.resource).await;
    let browser = Browser::new();
    let attempt = client.attempt();
    let consent = browser.open(attempt.url.as_str(), REDIRECT_URI).await;
    let denied = browser.submit(&consent.form(), Some(("decision", "deny")), REDIRECT_URI).await;
    assert!(denied.status.is_success() || denied.status == StatusCode::FORBIDDEN, "{}", denied.status);
    assert!(denied.location().is_none());
    let link = denied.links().into_iter().find(|link| link.starts_with(REDIRECT_URI)).expect("a link back");
    for part in ["error=access_denied", &format!("state={}", attempt.state), "iss="] {
        assert!(link.contains(part), "{link}");
    }
    assert!(denied.text().contains("127.0.0.1:7777"));
    assert!(stage.provider_requests(Endpoint::Authorize).is_empty());
    stage.stop().await;
}

/// B3: two sign-ins in two tabs of one browser both end well.
#[tokio::test]
async fn b3_two_tabs_at_once() {
    let stage = Stage::start().await;
    let client = Client::discover(&stage.resource).await;
    let browser = Browser::new();
    let (first, second) = (client.attempt(), client.attempt());
    let first_page = browser.open(first.url.as_str(), REDIRECT_URI).await;
    let second_page = browser.open(second.url.as_str(), REDIRECT_URI).await;
    let approve = Some(("decision", "approve"));
    let second_at = browser.submit(&second_page.form(), approve, REDIRECT_URI).await;
    let first_at = browser.submit(&first_page.form(), approve, REDIRECT_URI).await;
    let first_back = at_the_provider(&browser, first_at, "ada").await.location().unwrap();
    let second_back = at_the_provider(&browser, second_at, "grace").await.location().unwrap();
    for (attempt, back) in [(&first, first_back), (&second, second_back)] {
        let code = client.code(attempt, &back);
        Tokens::read(client.exchange(attempt, &code).await).await;
    }
    stage.stop().await;
}

/// S01, B4: the return from the provider in another browser is refused, and the provider is not
/// even asked.
#[tokio::test]
async fn s01_b4_another_browser_cannot_finish() {
    let stage = Stage::start().await;
    let client = Client::discover(&stage.resource).await;
    let (victim, attacker) = (Browser::new(), Browser::new());
    let attempt = client.attempt();
    let consent = attacker.open(attempt.url.as_str(), REDIRECT_URI).await;
    let page = attacker.submit(&consent.form(), Some(("decision", "approve")), REDIRECT_URI).await;
    let form = page.form();
    let callback = format!("{}/auth/callback", stage.origin);
    let back = attacker.submit(&form, Some(("person", "ada")), &callback).await.location().unwrap();
    let before = stage.provider_requests(Endpoint::Token).len();
    let refused = victim.get(back.as_str()).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.html);
    assert_eq!(stage.provider_requests(Endpoint::Token).len(), before, "no exchange was sent");
    stage.stop().await;
}

/// S02: the consent form of one browser is worth nothing in another, nor across origins.
#[tokio::test]
async fn s02_consent_is_bound_to_the_browser() {
    let stage = Stage::start().await;
    let client = Client::discover(&stage.resource).await;
    let (one, other) = (Browser::new(), Browser::new());
    let attempt = client.attempt();
    let form = one.open(attempt.url.as_str(), REDIRECT_URI).await.form();
    let approve = Some(("decision", "approve"));
    assert_eq!(other.submit(&form, approve, REDIRECT_URI).await.status, StatusCode::BAD_REQUEST);
    let mut tampered = form.clone();
    for (_, value) in &mut tampered.fields {
        value.push('A');
    }
    assert!(one.submit(&tampered, approve, REDIRECT_URI).await.status.is_client_error());
    stage.stop().await;
}

/// RS-20, S50: a token is for one route; RS-12, S54: not in the query; S52: nothing else is a token.
#[tokio::test]
async fn rs20_what_is_no_token_for_this_route() {
    let stage = Stage::start().await;
    let client = Client::discover(&stage.resource).await;
    let tokens = client.tokens("ada").await;
    for wrong in [tokens.refresh_token(), "x", "a.b.c"] {
        assert_eq!(client.call(wrong, "ping", json!({})).await.status(), StatusCode::UNAUTHORIZED);
    }
    let in_query = format!("{}?access_token={}", stage.resource, tokens.access);
    let refused = client.http.post(&in_query).json(&json!({})).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    stage.stop().await;
}

/// RS-11, W6: every method is challenged, with the absolute address of the metadata.
#[tokio::test]
async fn w6_every_method_is_challenged() {
    let stage = Stage::start().await;
    let http = crate::client::http();
    for method in ["GET", "POST", "DELETE", "HEAD", "PUT"] {
        let request = http.request(method.parse().unwrap(), &stage.resource);
        let refused = request.send().await.unwrap();
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{method}");
        let challenge = refused.headers()["www-authenticate"].to_str().unwrap();
        let expected = format!("resource_metadata=\"{}/.well-known/oauth-protected-resource/mcp\"", stage.origin);
        assert!(challenge.contains(&expected), "{challenge}");
    }
    stage.stop().await;
}

/// W1, W2: every place where clients look answers JSON: the document, or 404.
#[tokio::test]
async fn w1_w2_metadata_is_where_clients_look() {
    let stage = Stage::start().await;
    let http = crate::client::http();
    for path in [
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/mcp",
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/mcp",
        "/.well-known/openid-configuration",
        "/.well-known/openid-configuration/mcp",
        "/mcp/.well-known/oauth-authorization-server",
        "/mcp/.well-known/openid-configuration",
    ] {
        let response = http.get(format!("{}{path}", stage.origin)).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let document: Value = json_of(response).await;
        if path.contains("protected-resource") {
            assert_eq!(document["resource"], stage.resource.as_str(), "{path}");
            assert_eq!(document["authorization_servers"][0], stage.origin.as_str());
        } else {
            assert_eq!(document["issuer"], stage.origin.as_str(), "{path}");
            assert_eq!(document["code_challenge_methods_supported"], json!(["S256"]));
        }
    }
    for path in ["/.well-known/oauth-protected-resource/other", "/.well-known/nothing", "/favicon.ico", "/"] {
        let response = http.get(format!("{}{path}", stage.origin)).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        assert!(response.headers()["content-type"].to_str().unwrap().starts_with("application/json"), "{path}");
    }
    stage.stop().await;
}

/// The funnel is counted from the first day.
#[tokio::test]
async fn the_funnel_is_counted() {
    let stage = Stage::start().await;
    let client = Client::discover(&stage.resource).await;
    let tokens = client.tokens("ada").await;
    client.call(&tokens.access, "ping", json!({})).await;
    let text = stage.metrics().await;
    for line in [
        r#"vestibule_auth_authorize_requests_total{client_type="dynamic",fault="none",outcome="ok",provider="demo"} 1"#,
        r#"vestibule_auth_consents_total{action="shown",provider="demo"} 1"#,
        r#"vestibule_auth_consents_total{action="approved",provider="demo"} 1"#,
        r#"vestibule_auth_idp_redirects_total{provider="demo"} 1"#,
        r#"vestibule_auth_callbacks_total{fault="none",outcome="ok",provider="demo"} 1"#,
        r#"vestibule_auth_codes_issued_total{provider="demo"} 1"#,
        r#"vestibule_client_registrations_total{fault="none",method="dcr",outcome="created",provider="demo"} 1"#,
        r#"vestibule_token_requests_total{fault="none",grant_type="authorization_code",outcome="ok",provider="demo"} 1"#,
        r#"vestibule_tokens_issued_total{grant_type="authorization_code",provider="demo",token_type="access"} 1"#,
        r#"vestibule_token_verifications_total{credential="jwt",fault="none",outcome="valid",provider="demo"} 2"#,
        r#"vestibule_token_verifications_total{credential="jwt",fault="client",outcome="missing",provider="demo"} 1"#,
        r#"vestibule_backend_requests_total{outcome="ok",route="demo/mcp"} 2"#,
        r#"vestibule_provider_ready{provider="demo"} 1"#,
    ] {
        assert!(text.contains(line), "{line}\nis not in\n{text}");
    }
    stage.stop().await;
}
