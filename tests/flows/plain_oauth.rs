//! Whole sign-ins at providers that speak OAuth 2.0 without OpenID Connect.

use reqwest::StatusCode;
use serde_json::json;
use vestibule::demo::identity_provider::{Dialect, Endpoint, Fault, Options, RefreshTokens};

use crate::{
    browser::Browser,
    client::{Client, Tokens, json_of},
    stage::Stage,
};

const GITHUB: &str =
    "    required_scopes: [read:user]\n    identity: { subject: id, name: login, email_verified: false }\n";
const DISCORD: &str = "    required_scopes: [identify]\n    \
                       identity: { subject: user.id, name: user.global_name, client_id: application.id }\n";

fn github() -> Options {
    Options { dialect: Dialect::GitHub, scopes: vec!["read:user".to_owned()], ..Options::default() }
}

async fn whoami(client: &Client, tokens: &Tokens) -> String {
    let answer = client.call(&tokens.access, "tools/call", json!({ "name": "whoami", "arguments": {} })).await;
    assert_eq!(answer.status(), StatusCode::OK);
    answer.text().await.unwrap()
}

/// No end and no refresh token at the provider: ours go on, until the provider refuses its token.
#[tokio::test]
async fn a_sign_in_at_a_provider_like_github() {
    let stage = Stage::start_without_openid(github(), GITHUB).await;
    assert!(stage.ready().await.contains(r#""name":"demo","ready":true"#), "{}", stage.ready().await);
    let client = Client::discover(&stage.resource).await;
    let tokens = client.tokens("ada").await;
    let subject = tokens.claims()["sub"].as_str().unwrap().to_owned();
    assert!(subject.bytes().all(|byte| byte.is_ascii_digit()), "the number, not the login name: {subject}");
    let told = whoami(&client, &tokens).await;
    assert!(told.contains(&subject) && !told.contains("@example.com"), "{told}");
    let asked = stage.provider_requests(Endpoint::Authorize).remove(0);
    let get = |name: &str| asked.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    assert_eq!((get("scope"), get("code_challenge_method"), get("nonce")), (Some("read:user"), Some("S256"), None));

    let refreshed = Tokens::read(client.refresh(tokens.refresh_token()).await).await;
    assert_eq!(whoami(&client, &refreshed).await, told);
    assert_eq!(stage.provider_renewals(), 0, "there is nothing to renew");
    assert_eq!(client.revoke(refreshed.refresh_token()).await.status(), StatusCode::OK);
    assert_eq!(client.call(&refreshed.access, "ping", json!({})).await.status(), StatusCode::UNAUTHORIZED);

    let again = client.tokens("ada").await;
    assert_eq!(again.claims()["sub"], subject.as_str(), "the same person");
    assert_ne!(client.tokens("grace").await.claims()["sub"], subject.as_str());
    stage.stop().await;
}

#[tokio::test]
async fn a_sign_in_at_a_provider_like_discord() {
    let options = Options {
        dialect: Dialect::Discord,
        scopes: vec!["identify".to_owned()],
        refresh_tokens: RefreshTokens::Always,
        ..Options::default()
    };
    let stage = Stage::start_without_openid(options, DISCORD).await;
    let client = Client::discover(&stage.resource).await;
    let tokens = client.tokens("ada").await;
    whoami(&client, &tokens).await;
    Tokens::read(client.refresh(tokens.refresh_token()).await).await;
    stage.stop().await;
}

/// What goes wrong behind the user API is told to the client in the standard's words, without a
/// detail of it; nobody is signed in.
#[tokio::test]
async fn a_user_api_that_does_not_say_who_it_was() {
    let stage = Stage::start_without_openid(github(), GITHUB).await;
    let client = Client::discover(&stage.resource).await;
    let body = |body: &'static str| Fault::Body { content_type: "application/json", body: body.into() };
    let large = Fault::Body { content_type: "application/json", body: vec![b' '; 1024 * 1024 + 1].into() };
    for (fault, error) in [
        (Fault::Status(500), "temporarily_unavailable"),
        (Fault::Disconnect, "temporarily_unavailable"),
        (Fault::Status(403), "server_error"),
        (body("<p>hello"), "server_error"),
        (body(r#"{"login":"ada"}"#), "server_error"),
        (body(r#"{"id":["1"]}"#), "server_error"),
        (large, "server_error"),
    ] {
        let shown = format!("{fault:?}").chars().take(60).collect::<String>();
        stage.provider_does(Endpoint::UserInfo, Some(fault));
        let redirect = client.sign_in(&Browser::new(), &client.attempt(), "ada").await;
        let get = |name: &str| redirect.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        assert_eq!(get("error").as_deref(), Some(error), "{shown}: {redirect}");
        assert_eq!(get("code"), None, "{shown}");
        assert!(!redirect.as_str().contains("userinfo"), "{shown}: {redirect}");
    }
    stage.provider_does(Endpoint::UserInfo, None);
    client.tokens("ada").await;
    let metrics = stage.metrics().await;
    let failed = r#"vestibule_auth_callbacks_total{fault="idp",outcome="userinfo_failed",provider="demo"} 5"#;
    assert!(metrics.contains(failed), "{metrics}");
    stage.stop().await;
}

/// An error with status 200, as GitHub has it, is an error.
#[tokio::test]
async fn an_error_with_status_200_is_no_sign_in() {
    let stage = Stage::start_without_openid(github(), GITHUB).await;
    let client = Client::discover(&stage.resource).await;
    stage.provider_does(Endpoint::Token, Some(Fault::OAuthError { status: 200, error: "bad_verification_code" }));
    let redirect = client.sign_in(&Browser::new(), &client.attempt(), "ada").await;
    assert!(redirect.as_str().contains("error=server_error"), "{redirect}");
    stage.provider_does(Endpoint::Token, None);
    let tokens = client.tokens("ada").await;
    assert_eq!(json_of(client.refresh("vrt_nonsense").await).await["error"], "invalid_grant");
    Tokens::read(client.refresh(tokens.refresh_token()).await).await;
    stage.stop().await;
}
