//! The provider over real sockets, with `openidconnect` (which knows nothing of it) as the client.

use std::{net::TcpListener, time::Duration};

use openidconnect::{
    AuthorizationCode, ClientId, ClientSecret, CsrfToken, HttpRequest, HttpResponse, IssuerUrl, Nonce,
    OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RefreshToken, Scope, TokenResponse,
    core::{CoreAuthenticationFlow, CoreClient, CoreProviderMetadata, CoreUserInfoClaims},
};
use serde_json::json;
use url::Url;

use crate::{secret::Secret, time::Timestamp};

use super::*;

const REDIRECT: &str = "http://127.0.0.1:9/auth/callback?keep=1";

async fn send(request: HttpRequest) -> Result<HttpResponse, reqwest::Error> {
    let request = reqwest::Request::try_from(request)?;
    let response = http_client().execute(request).await?;
    let mut builder = http::Response::builder().status(response.status());
    builder.headers_mut().unwrap().extend(response.headers().clone());
    Ok(builder.body(response.bytes().await?.to_vec()).unwrap())
}

fn http_client() -> reqwest::Client {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

/// The client's type carries what is configured; a macro spares writing it down.
macro_rules! client {
    ($provider:expr) => {{
        let issuer = IssuerUrl::new($provider.issuer().to_owned()).unwrap();
        let metadata = CoreProviderMetadata::discover_async(issuer, &send).await.unwrap();
        let secret = $provider.client_secret().map(|secret| ClientSecret::new(secret.expose().to_owned()));
        CoreClient::from_provider_metadata(metadata, ClientId::new($provider.client_id().to_owned()), secret)
            .set_redirect_uri(RedirectUrl::new(REDIRECT.to_owned()).unwrap())
    }};
}

/// One sign-in up to the browser's way back.
struct Visit {
    callback: Url,
    state: String,
    nonce: Nonce,
    verifier: PkceCodeVerifier,
}

impl Visit {
    async fn new(provider: &Running, scopes: &[&str], extra: &[(&'static str, &str)]) -> Self {
        let client = client!(provider);
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let mut request = client
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
            .set_pkce_challenge(challenge);
        for scope in scopes {
            request = request.add_scope(Scope::new((*scope).to_owned()));
        }
        for (name, value) in extra {
            request = request.add_extra_param(*name, *value);
        }
        let (url, state, nonce) = request.url();
        let page = http_client().get(url.as_str()).send().await.unwrap();
        assert_eq!(page.status(), 200);
        let callback = submit(&provider.sign_in_form(&url, "ada")).await;
        Self { callback, state: state.secret().clone(), nonce, verifier }
    }

    fn parameter(&self, name: &str) -> Option<String> {
        self.callback.query_pairs().find(|(own, _)| own == name).map(|(_, value)| value.into_owned())
    }

    fn code(&self) -> String {
        self.parameter("code").unwrap()
    }
}

async fn submit(form: &SignInForm) -> Url {
    let response = http_client().post(&form.action).form(&form.fields).send().await.unwrap();
    assert_eq!(response.status(), 303);
    Url::parse(response.headers()["location"].to_str().unwrap()).unwrap()
}

async fn start(options: Options) -> Running {
    DemoIdentityProvider::start(options).await.unwrap()
}

/// A raw token request by `client_secret_post`; status and body.
async fn token(provider: &Running, fields: &[(&str, &str)]) -> (u16, Value) {
    let secret = provider.client_secret().map_or("", Secret::expose);
    let mut form = vec![("client_id", provider.client_id()), ("client_secret", secret)];
    form.extend_from_slice(fields);
    let url = format!("http://127.0.0.1:{}/token", provider.port());
    let response = http_client().post(url).form(&form).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

async fn exchange(provider: &Running, visit: &Visit) -> (u16, Value) {
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &visit.code()),
        ("redirect_uri", REDIRECT),
        ("code_verifier", visit.verifier.secret()),
    ];
    token(provider, &fields).await
}

async fn refresh(provider: &Running, refresh_token: &str) -> (u16, Value) {
    token(provider, &[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]).await
}

async fn user_info(provider: &Running, access_token: &str) -> u16 {
    let url = format!("http://127.0.0.1:{}/userinfo", provider.port());
    http_client().get(url).bearer_auth(access_token).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_whole_sign_in_with_a_client_nobody_here_wrote() {
    let provider = start(Options::default()).await;
    let visit = Visit::new(&provider, &["email", "profile", "offline_access"], &[("audience", "urn:api")]).await;
    assert_eq!(visit.parameter("state").as_ref(), Some(&visit.state));
    assert_eq!(visit.parameter("iss").as_deref(), Some(provider.issuer()));
    assert_eq!(visit.parameter("keep").as_deref(), Some("1"));

    let client = client!(provider);
    let code = AuthorizationCode::new(visit.code());
    let tokens = client
        .exchange_code(code)
        .unwrap()
        .set_pkce_verifier(visit.verifier)
        .add_extra_param("audience", "urn:api")
        .request_async(&send)
        .await
        .unwrap();
    let claims = tokens.id_token().unwrap().claims(&client.id_token_verifier(), &visit.nonce).unwrap().clone();
    assert_eq!(claims.subject().as_str(), "demo|ada");
    assert_eq!(claims.email().unwrap().as_str(), "ada@example.com");
    assert_eq!(claims.email_verified(), Some(true));
    assert!(claims.access_token_hash().is_some());

    let info: CoreUserInfoClaims =
        client.user_info(tokens.access_token().clone(), None).unwrap().request_async(&send).await.unwrap();
    assert_eq!(info.subject().as_str(), "demo|ada");

    let first = tokens.refresh_token().unwrap().secret().clone();
    let renewed = client
        .exchange_refresh_token(&RefreshToken::new(first.clone()))
        .unwrap()
        .add_extra_param("audience", "urn:api")
        .request_async(&send)
        .await
        .unwrap();
    assert_ne!(renewed.refresh_token().unwrap().secret(), &first);
    assert_eq!(
        renewed
            .id_token()
            .unwrap()
            .claims(&client.id_token_verifier(), |_: Option<&Nonce>| Ok(()))
            .unwrap()
            .subject()
            .as_str(),
        "demo|ada"
    );

    for endpoint in [Endpoint::Authorize, Endpoint::Token] {
        for request in provider.requests(endpoint) {
            assert_eq!(request.parameter("audience"), Some("urn:api"), "{request:?}");
        }
    }
    let seen = provider.requests(Endpoint::Token);
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].authorization_scheme.as_deref(), Some("Basic"));
    assert!(!format!("{seen:?}").contains(&first));
}

#[tokio::test]
async fn a_code_needs_its_verifier_and_redirect_uri_and_is_used_once() {
    let provider = start(Options::default()).await;
    let visit = Visit::new(&provider, &[], &[]).await;
    let code = visit.code();
    let verifier = visit.verifier.secret().clone();
    for (code, uri, verifier) in [
        (code.as_str(), REDIRECT, "x".repeat(43)),
        (&code, "http://127.0.0.1:9/other", verifier.clone()),
        ("unknown", REDIRECT, verifier.clone()),
    ] {
        let fields =
            [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", uri), ("code_verifier", &verifier)];
        let (status, body) = token(&provider, &fields).await;
        assert_eq!((status, &body["error"]), (400, &json!("invalid_grant")));
    }
    let (status, tokens) = exchange(&provider, &visit).await;
    assert_eq!(status, 200);
    assert!(tokens.get("refresh_token").is_none(), "offline_access was not asked for");
    let access_token = tokens["access_token"].as_str().unwrap();
    assert_eq!(user_info(&provider, access_token).await, 200);

    let (status, body) = exchange(&provider, &visit).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_grant")));
    assert_eq!(user_info(&provider, access_token).await, 401, "a replay ends what the code gave");
}

#[tokio::test]
async fn codes_and_tokens_expire() {
    let (clock, hand) = Clock::manual(Timestamp(1_700_000_000));
    let provider = start(Options { clock, refresh_tokens: RefreshTokens::Always, ..Options::default() }).await;
    let visit = Visit::new(&provider, &["openid"], &[]).await;
    let late = Visit::new(&provider, &["openid"], &[]).await;
    let (_, tokens) = exchange(&provider, &visit).await;
    hand.advance(Duration::from_secs(61));
    assert_eq!(exchange(&provider, &late).await.0, 400);
    hand.advance(Duration::from_hours(1));
    assert_eq!(user_info(&provider, tokens["access_token"].as_str().unwrap()).await, 401);
    hand.advance(Duration::from_hours(30 * 24));
    assert_eq!(refresh(&provider, tokens["refresh_token"].as_str().unwrap()).await.0, 400);
}

#[tokio::test]
async fn a_refresh_token_used_twice_ends_the_grant() {
    let provider = start(Options::default()).await;
    let (_, tokens) = exchange(&provider, &Visit::new(&provider, &["offline_access"], &[]).await).await;
    let first = tokens["refresh_token"].as_str().unwrap();
    let (status, second) = refresh(&provider, first).await;
    assert_eq!(status, 200);
    assert_eq!(refresh(&provider, first).await.0, 400);
    let (status, body) = refresh(&provider, second["refresh_token"].as_str().unwrap()).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_grant")));
    assert_eq!(user_info(&provider, second["access_token"].as_str().unwrap()).await, 401);
    assert_eq!(provider.grants(), 0);
}

#[tokio::test]
async fn without_rotation_a_refresh_token_stays() {
    let options = Options { rotate_refresh_tokens: false, ..Options::default() };
    let provider = start(options).await;
    let (_, tokens) = exchange(&provider, &Visit::new(&provider, &["offline_access"], &[]).await).await;
    let token = tokens["refresh_token"].as_str().unwrap();
    for _ in 0..2 {
        let (status, body) = refresh(&provider, token).await;
        assert_eq!(status, 200);
        assert!(body.get("refresh_token").is_none());
    }
    provider.end_all_grants();
    assert_eq!(refresh(&provider, token).await.1["error"], "invalid_grant");
}

#[tokio::test]
async fn revocation_of_a_refresh_token_ends_the_grant() {
    let provider = start(Options::default()).await;
    let (_, tokens) = exchange(&provider, &Visit::new(&provider, &["offline_access"], &[]).await).await;
    let url = format!("http://127.0.0.1:{}/revoke", provider.port());
    let secret = provider.client_secret().unwrap().expose();
    let refresh_token = tokens["refresh_token"].as_str().unwrap();
    for (password, token, status) in
        [("wrong", refresh_token, 401), (secret, "unknown", 200), (secret, refresh_token, 200)]
    {
        let request = http_client().post(&url).basic_auth(provider.client_id(), Some(password));
        let response = request.form(&[("token", token)]).send().await.unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(response.headers().contains_key("www-authenticate"), status == 401);
    }
    assert_eq!(provider.grants(), 0);
    assert_eq!(user_info(&provider, tokens["access_token"].as_str().unwrap()).await, 401);
}

#[tokio::test]
async fn the_application_proves_itself_in_an_enabled_way() {
    let special = Options { client_secret: Some(Secret::new("a:b+c%d e/é")), ..Options::default() };
    let provider = start(special).await;
    let visit = Visit::new(&provider, &[], &[]).await;
    let client = client!(provider);
    let tokens = client.exchange_code(AuthorizationCode::new(visit.code())).unwrap();
    // Basic, form-encoded on the inside.
    tokens.set_pkce_verifier(visit.verifier).request_async(&send).await.unwrap();

    let public = start(Options::default().public_client()).await;
    let visit = Visit::new(&public, &[], &[]).await;
    let client = client!(public);
    let tokens = client.exchange_code(AuthorizationCode::new(visit.code())).unwrap();
    tokens.set_pkce_verifier(visit.verifier).request_async(&send).await.unwrap();

    let basic_only = Options { token_endpoint_auth_methods: vec!["client_secret_basic"], ..Options::default() };
    let provider = start(basic_only).await;
    assert_eq!(refresh(&provider, "x").await.1["error"], "invalid_client");
}

#[tokio::test]
async fn bad_authorization_requests() {
    let options = Options { redirect_uris: vec![REDIRECT.to_owned()], ..Options::default() };
    let provider = start(options).await;
    let good = [
        ("client_id", provider.client_id()),
        ("redirect_uri", REDIRECT),
        ("response_type", "code"),
        ("state", "s"),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
        ("scope", "openid"),
    ];
    let url = |changes: &[(&'static str, &str)]| {
        let mut pairs: Vec<(&str, &str)> = good.to_vec();
        for (name, value) in changes {
            pairs.retain(|(own, _)| own != name);
            pairs.push((name, value));
        }
        let base = format!("http://127.0.0.1:{}/authorize", provider.port());
        Url::parse_with_params(&base, pairs).unwrap()
    };
    let get = async |url: Url| http_client().get(url).send().await.unwrap();
    for page in
        [url(&[("client_id", "other")]), url(&[("redirect_uri", "http://127.0.0.1:9/")]), url(&[("redirect_uri", "")])]
    {
        let response = get(page).await;
        assert_eq!(response.status(), 400);
        assert_eq!(response.headers()["x-frame-options"], "DENY");
        assert!(response.headers().get("location").is_none());
    }
    for (change, error) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("response_type", ""), "invalid_request"),
        (("code_challenge", ""), "invalid_request"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("response_mode", "form_post"), "invalid_request"),
        (("request", "x"), "request_not_supported"),
        (("prompt", "none"), "login_required"),
    ] {
        let response = get(url(&[change])).await;
        assert_eq!(response.status(), 303, "{change:?}");
        let location = response.headers()["location"].to_str().unwrap();
        assert!(location.contains(&format!("error={error}&")), "{change:?}: {location}");
        assert!(location.contains("state=s&iss=http"), "{location}");
    }
    let twice = format!("{}&nonce=1&nonce=2", url(&[]));
    assert!(get(Url::parse(&twice).unwrap()).await.headers()["location"].to_str().unwrap().contains("invalid_request"));
    let cancelled = submit(&provider.cancel_form(&url(&[]))).await;
    assert!(cancelled.as_str().contains("error=access_denied"));
    let unknown = provider.sign_in_form(&url(&[]), "nobody");
    let response = http_client().post(unknown.action).form(&unknown.fields).send().await.unwrap();
    assert_eq!(response.status(), 400);
}

#[tokio::test]
async fn the_page_offers_people_and_says_demo() {
    let provider = start(Options::default()).await;
    let url = Url::parse_with_params(
        &format!("http://127.0.0.1:{}/authorize", provider.port()),
        [
            ("client_id", provider.client_id()),
            ("redirect_uri", "http://localhost:1/\"><script>alert(1)</script>"),
            ("response_type", "code"),
            ("state", "\"><script>alert(1)</script>"),
            ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
            ("code_challenge_method", "S256"),
            ("login_hint", "\"><script>"),
        ],
    )
    .unwrap();
    let response = http_client().get(url.clone()).send().await.unwrap();
    let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    let text = response.text().await.unwrap();
    assert!(text.contains("Demo identity provider") && text.contains("Ada Lovelace"));
    assert!(!text.contains("<script"), "{text}");

    let page = scraper::Html::parse_document(&text);
    let field = scraper::Selector::parse("input[name=request]").unwrap();
    let carried = page.select(&field).next().unwrap().value().attr("value").unwrap().to_owned();
    assert_eq!(Some(carried.as_str()), url.query().map(|query| query.replace("%20", "+")).as_deref());
    let typed = SignInForm {
        action: format!("http://127.0.0.1:{}{SIGN_IN_PATH}", provider.port()),
        fields: vec![("request", carried), ("name", "  Mary   Shelley ".to_owned())],
    };
    assert!(submit(&typed).await.as_str().contains("code="));
}

#[tokio::test]
async fn faults_come_and_go() {
    let provider = start(Options::default()).await;
    let get = async || http_client().get(provider.config_url()).timeout(Duration::from_millis(300)).send().await;
    let faults = provider.faults();
    faults.set_times(Endpoint::Discovery, Fault::Status(503), 1);
    assert_eq!(get().await.unwrap().status(), 503);
    assert_eq!(get().await.unwrap().status(), 200);
    faults.set(Endpoint::Discovery, Fault::Hang);
    assert!(get().await.unwrap_err().is_timeout());
    faults.set(Endpoint::Discovery, Fault::Disconnect);
    assert!(get().await.is_err());
    faults.set(Endpoint::Discovery, Fault::RateLimited { retry_after: Duration::from_secs(7) });
    assert_eq!(get().await.unwrap().headers()["retry-after"], "7");
    let body = Fault::Body { content_type: "application/json", body: "{".into() };
    faults.set(Endpoint::Discovery, body);
    assert_eq!(get().await.unwrap().text().await.unwrap(), "{");
    faults.clear_all();
    provider.change_metadata("revocation_endpoint", Value::Null);
    provider.change_metadata("issuer", json!("https://else.invalid"));
    let document: Value = get().await.unwrap().json().await.unwrap();
    assert!(document.get("revocation_endpoint").is_none());
    assert_eq!(document["issuer"], "https://else.invalid");
    assert_eq!(provider.requests(Endpoint::Discovery).len(), 7);

    faults.set(Endpoint::Token, Fault::InvalidGrant);
    assert_eq!(refresh(&provider, "x").await.1["error"], "invalid_grant");
    faults.set(Endpoint::Token, Fault::OAuthError { status: 503, error: "temporarily_unavailable" });
    assert_eq!(
        refresh(&provider, "x").await,
        (503, json!({"error": "temporarily_unavailable", "error_description": "on purpose"}))
    );
}

#[tokio::test]
async fn a_lost_answer_has_spent_the_refresh_token() {
    let provider = start(Options::default()).await;
    let (_, tokens) = exchange(&provider, &Visit::new(&provider, &["offline_access"], &[]).await).await;
    let token = tokens["refresh_token"].as_str().unwrap();
    provider.faults().set_times(Endpoint::Token, Fault::LoseAnswer, 1);
    let url = format!("http://127.0.0.1:{}/token", provider.port());
    let secret = provider.client_secret().unwrap().expose();
    let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
    let lost = http_client().post(url).basic_auth(provider.client_id(), Some(secret)).form(&form).send().await;
    assert!(lost.is_err());
    assert_eq!(refresh(&provider, token).await.1["error"], "invalid_grant");
}

#[tokio::test]
async fn down_resets_connections_and_up_answers_again() {
    let provider = start(Options { issuer_path: "/".to_owned(), ..Options::default() }).await;
    assert!(provider.issuer().ends_with('/') && !provider.config_url().contains("//.well"));
    let client = http_client();
    let get = async || client.get(provider.config_url()).send().await;
    assert_eq!(get().await.unwrap().status(), 200);
    provider.down();
    assert!(get().await.is_err());
    assert!(get().await.is_err());
    provider.up();
    assert_eq!(get().await.unwrap().status(), 200);
}

/// A verifier nobody here wrote refuses every wrong ID token, and takes the right one again.
#[tokio::test]
async fn wrong_id_tokens_are_really_wrong() {
    let provider = start(Options::default()).await;
    for fault in [
        IdTokenFault::WrongNonce,
        IdTokenFault::NoNonce,
        IdTokenFault::WrongIssuer,
        IdTokenFault::WrongAudience,
        IdTokenFault::SecondAudience,
        IdTokenFault::Expired,
        IdTokenFault::UnknownKey,
        IdTokenFault::BadSignature,
        IdTokenFault::Unsigned,
        IdTokenFault::SharedSecret,
    ] {
        provider.faults().set_id_token(Some(fault));
        let visit = Visit::new(&provider, &[], &[]).await;
        let client = client!(provider);
        let request = client.exchange_code(AuthorizationCode::new(visit.code())).unwrap();
        let tokens = request.set_pkce_verifier(visit.verifier).request_async(&send).await.unwrap();
        let verifier = client.id_token_verifier();
        assert!(tokens.id_token().unwrap().claims(&verifier, &visit.nonce).is_err(), "{fault:?}");
    }
    for (fault, claim, value) in [
        (IdTokenFault::NoSubject, "sub", None),
        (IdTokenFault::OtherSubject, "sub", Some("demo|somebody-else")),
        (IdTokenFault::WrongAccessTokenHash, "at_hash", Some("SLwr3BHfMPRJ7YEUXcbzUg")),
    ] {
        provider.faults().set_id_token(Some(fault));
        let (_, tokens) = exchange(&provider, &Visit::new(&provider, &[], &[]).await).await;
        let claims = payload(&tokens);
        let found = claims.get(claim).and_then(Value::as_str);
        assert_eq!(found.is_some(), value.is_some(), "{fault:?}");
        if claim == "sub" {
            assert_eq!(found, value);
        }
    }
    provider.faults().set_id_token(Some(IdTokenFault::Missing));
    let (_, tokens) = exchange(&provider, &Visit::new(&provider, &[], &[]).await).await;
    assert!(tokens.get("id_token").is_none());
}

#[tokio::test]
async fn rotated_keys_are_published_or_forgotten() {
    let provider = start(Options::default()).await;
    let count = async || {
        let url = format!("http://127.0.0.1:{}/jwks", provider.port());
        let keys: Value = http_client().get(url).send().await.unwrap().json().await.unwrap();
        assert!(keys["keys"][0].get("d").is_none(), "a private key was published");
        keys["keys"].as_array().unwrap().len()
    };
    provider.rotate_key(Rotation::KeepOld).unwrap();
    assert_eq!(count().await, 2);
    provider.rotate_key(Rotation::ForgetOld).unwrap();
    assert_eq!(count().await, 1);
}

#[tokio::test]
async fn callbacks_can_be_wrong() {
    let provider = start(Options::default()).await;
    for (fault, name, value) in [
        (CallbackFault::NoIssuer, "iss", None),
        (CallbackFault::WrongIssuer, "iss", Some("https://issuer.invalid")),
        (CallbackFault::NoState, "state", None),
        (CallbackFault::Error("server_error"), "error", Some("server_error")),
    ] {
        provider.faults().set_callback(Some(fault));
        let visit = Visit::new(&provider, &[], &[]).await;
        assert_eq!(visit.parameter(name).as_deref(), value, "{fault:?}");
    }
    provider.faults().set_callback(Some(CallbackFault::WrongState));
    let visit = Visit::new(&provider, &[], &[]).await;
    assert_ne!(visit.parameter("state"), Some(visit.state));
    provider.faults().set_callback(Some(CallbackFault::UnknownCode));
    assert_eq!(exchange(&provider, &Visit::new(&provider, &[], &[]).await).await.0, 400);
}

#[tokio::test]
async fn other_hosts_and_taken_ports_are_refused() {
    let provider = start(Options::default()).await;
    let response = http_client().get(provider.config_url()).header("host", "evil.example").send().await.unwrap();
    assert_eq!(response.status(), 421);
    let taken = TcpListener::bind((super::super::ADDRESS, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = DemoIdentityProvider::start(Options { port, ..Options::default() }).await.err().unwrap();
    assert!(matches!(error, StartError::Listen { .. }));
}

#[test]
fn the_same_typed_name_is_the_same_person() {
    let first = Person::named(" Mary  Shelley").unwrap();
    assert_eq!(first.subject, Person::named("mary shelley ").unwrap().subject);
    assert_eq!(first.email, None);
    for nothing in ["", "   ", "a\u{7}b"] {
        assert_eq!(Person::named(nothing), None);
    }
}

fn payload(tokens: &Value) -> Value {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let text = tokens["id_token"].as_str().unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text.split('.').nth(1).unwrap()).unwrap()).unwrap()
}
