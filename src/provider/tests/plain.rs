//! Providers that speak OAuth 2.0 without OpenID Connect, and such whose document is corrected.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use url::Url;

use super::{
    super::{LoginError, Provider, Wishes},
    fixture::{Answer, Idp, START, World, callback, challenge_of, rsa_key, token_response},
};
use crate::{
    config::plan::{EmailVerified, ProviderPlan},
    metrics::outcome::Callback,
    oauth::{JwsAlgorithm, Scopes},
    provider::{CallbackParameters, tokens::TokenSource},
};

/// No document: OAuth 2.0 alone, like GitHub.
pub(super) fn plain(plan: &mut ProviderPlan) {
    let origin = plan.config_url.take().unwrap().origin().ascii_serialization();
    let at = |path: &str| Some(Url::parse(&format!("{origin}{path}")).unwrap());
    let endpoints = &mut plan.protocol.endpoints;
    endpoints.authorization_endpoint = at("/login/oauth/authorize?brand=x");
    endpoints.token_endpoint = at("/token");
    endpoints.userinfo_endpoint = at("/user");
    endpoints.revocation_endpoint = at("/revoke");
    plan.protocol.identity.subject = "id".parse().unwrap();
    plan.protocol.identity.email_verified = EmailVerified::Always(false);
    plan.required_scopes = Scopes::parse("read:user user:email").unwrap();
    plan.audience = None;
}

fn github_token() -> Answer {
    github_token_for("read:user,user:email,api:read")
}

fn github_token_for(scope: &str) -> Answer {
    Answer::Json(200, json!({ "access_token": "gho_1", "token_type": "bearer", "scope": scope }))
}

/// A whole sign-in against what the token endpoint and the user API answer.
pub(super) async fn sign_in(
    world: &World,
    user: Answer,
) -> Result<(crate::identity::Identity, super::super::tokens::ProviderTokens), LoginError> {
    world.idp.answer("/token", github_token());
    world.idp.answer("/user", user);
    let (_, login) = world.begin().await;
    world.provider.finish_login(&login, &callback()).await
}

pub(super) fn octocat() -> Answer {
    Answer::Json(200, json!({ "id": 583_231, "login": "octocat", "email": "octocat@example.com" }))
}

#[tokio::test]
async fn without_openid_a_sign_in_asks_for_no_id_token_and_the_user_api_says_who_it_was() {
    let world = World::with(plain).await;
    let (asked, login) = world.begin().await;
    assert_eq!(asked["response_type"], "code");
    assert_eq!(asked["brand"], "x", "the query of the endpoint stays");
    assert_eq!(asked["scope"], "read:user user:email api:read");
    assert_eq!(asked["state"], login.state);
    assert_eq!(asked["code_challenge"], challenge_of(login.pkce_verifier.as_ref().unwrap()));
    assert_eq!(asked["code_challenge_method"], "S256");
    assert_eq!(asked["prompt"], "select_account");
    assert!(!asked.contains_key("nonce") && !asked.contains_key("audience"));

    let (identity, tokens) = sign_in(&world, octocat()).await.unwrap();
    assert_eq!(identity.issuer, world.idp.origin, "the origin of the authorization endpoint");
    assert_eq!(identity.subject, "583231");
    assert_eq!(identity.email.as_deref(), Some("octocat@example.com"));
    assert!(!identity.email_verified);
    assert_eq!(identity.claims["login"], "octocat");
    assert_eq!(tokens.access_token, "gho_1");
    assert_eq!((tokens.refresh_token, tokens.expires_at), (None, None));
    assert_eq!(tokens.scopes.unwrap().to_string(), "read:user user:email api:read");
    let request = &world.idp.seen("/user")[0];
    assert_eq!(request.headers["authorization"], "Bearer gho_1");
    assert_eq!(request.headers["accept"], "application/json");
    assert!(request.headers["user-agent"].to_str().unwrap().starts_with("vestibule/"), "GitHub demands one");
    assert_eq!(world.idp.seen("/token")[0].headers["accept"], "application/json");
}

/// There is nothing to fetch: it is ready at once, stays ready, and its background task ends.
#[tokio::test]
async fn without_openid_there_is_nothing_to_fetch() {
    let mut world = World::with(plain).await;
    world.idp.stop().await;
    let readiness = world.provider.readiness();
    assert!(readiness.ready && readiness.reason.is_none());
    assert_eq!((readiness.discovery_at, readiness.jwks_at), (None, None));
    tokio::time::timeout(Duration::from_secs(5), world.provider.start()).await.unwrap().unwrap();
    assert_eq!(world.metric(r#"vestibule_provider_ready{provider="auth0"}"#), 1);
    world.provider.begin_login(&Scopes::default(), true, Wishes::default()).await.unwrap();
    assert!(
        !world
            .metrics
            .render()
            .contains(r#"vestibule_provider_discovery_refreshes_total{outcome="ok",provider="auth0"} 1"#)
    );
}

#[tokio::test]
async fn every_useless_answer_of_the_user_api_ends_the_sign_in() {
    let world = World::with(|plan| {
        plain(plan);
        plan.timeout = Duration::from_millis(300);
    })
    .await;
    let large = Bytes::from(vec![b' '; crate::egress::PROVIDER_BODY + 1]);
    let deep = Bytes::from("[".repeat(100_000));
    let (failed, unavailable) = (Callback::UserinfoFailed, Callback::ProviderUnavailable);
    let cases = [
        (Answer::Json(401, json!({})), failed, "status 401"),
        (Answer::Json(404, json!({ "id": 1 })), failed, "status 404"),
        (Answer::Raw(200, &[], Bytes::from("<p>hello")), failed, "no JSON object"),
        (Answer::Json(200, json!([{ "id": 1 }])), failed, "no JSON object"),
        (Answer::Raw(200, &[], deep), failed, "no JSON object"),
        (Answer::Raw(200, &[], large), failed, "too large"),
        (Answer::Json(200, json!({ "login": "octocat" })), failed, "`id` is missing"),
        (Answer::Json(200, json!({ "id": [1] })), failed, "`id` in its answer is neither"),
        (Answer::Json(500, json!({ "id": 1 })), unavailable, "status 500"),
        (Answer::Json(429, json!({ "id": 1 })), unavailable, "status 429"),
        (Answer::Raw(302, &[("location", "/elsewhere")], Bytes::new()), unavailable, "status 302"),
        (Answer::Silence, unavailable, "no complete answer"),
        (Answer::Hangup, unavailable, "broke off"),
    ];
    for (answer, outcome, expected) in cases {
        let error = sign_in(&world, answer).await.unwrap_err();
        assert_eq!(error.outcome(), outcome, "{error}");
        assert!(error.to_string().contains(expected), "`{expected}` in: {error}");
        assert!(!error.to_string().contains("gho_1"), "{error}");
    }
    assert!(world.idp.seen("/elsewhere").is_empty());
    sign_in(&world, octocat()).await.unwrap();
}

/// GitHub: a list of addresses of its own; only the main one that was verified counts.
#[tokio::test]
async fn a_verified_address_comes_from_the_list_of_addresses() {
    let world = World::with(|plan| {
        plain(plan);
        let emails = plan.protocol.endpoints.token_endpoint.as_ref().unwrap().join("/user/emails").unwrap();
        plan.protocol.identity.email_endpoint = Some(emails);
    })
    .await;
    let signed_in = async |emails: Answer| {
        world.idp.answer("/user/emails", emails);
        let (identity, _) = sign_in(&world, octocat()).await.unwrap();
        assert_eq!(identity.email.is_some(), identity.email_verified);
        identity.email
    };
    let entry = |email: &str, primary: bool, verified: bool| json!({ "email": email, "primary": primary, "verified": verified });
    let list = json!([entry("b@example.com", false, true), entry("a@example.com", true, true)]);
    assert_eq!(signed_in(Answer::Json(200, list)).await.as_deref(), Some("a@example.com"));
    assert_eq!(world.idp.seen("/user/emails")[0].headers["authorization"], "Bearer gho_1");
    let unverified = json!([entry("b@example.com", false, true), entry("a@example.com", true, false)]);
    for answer in [
        Answer::Json(200, unverified),
        Answer::Json(200, json!([])),
        Answer::Json(200, json!([1, null, { "email": 7, "primary": true, "verified": true }])),
        Answer::Json(200, json!({ "email": "a@example.com", "primary": true, "verified": true })),
        Answer::Json(404, json!({ "message": "Not Found" })),
        Answer::Hangup,
    ] {
        assert_eq!(signed_in(answer).await, None, "nobody's word for the address of /user either");
    }
}

/// GitHub answers with status 200 and `error`, or as a form if that is what it likes.
#[tokio::test]
async fn a_token_endpoint_may_be_older_than_the_standard() {
    let world = World::with(plain).await;
    world.idp.answer("/user", octocat());
    let (_, login) = world.begin().await;
    let error = json!({ "error": "bad_verification_code", "error_description": "The code is incorrect or expired." });
    world.idp.answer("/token", Answer::Json(200, error));
    let error = world.provider.finish_login(&login, &callback()).await.unwrap_err();
    let expected = "bad_verification_code: The code is incorrect or expired.";
    assert_eq!(error, LoginError::ExchangeFailed(expected.to_owned()));
    let form = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
    let form = Box::leak(Box::new(form));
    let body = Bytes::from("access_token=gho_2&scope=read%3Auser%2Cuser%3Aemail&token_type=bearer&expires_in=28800");
    world.idp.answer("/token", Answer::Raw(200, form, body));
    let (_, tokens) = world.provider.finish_login(&login, &callback()).await.unwrap();
    assert_eq!(tokens.access_token, "gho_2");
    assert_eq!(tokens.expires_at, Some(START.plus(Duration::from_hours(8))));
    let error = Bytes::from("error=bad_refresh_token&error_description=expired");
    world.idp.answer("/token", Answer::Raw(200, form, error));
    let error = world.provider.renew(&super::renew::tokens()).await.unwrap_err();
    assert!(matches!(error, super::super::tokens::RenewError::Ended(_)), "{error}");
}

/// Without a written issuer nobody knows which `iss` would be right (RFC 9207 is not spoken then);
/// with one it is compared.
#[tokio::test]
async fn s03_iss_is_compared_where_the_issuer_is_known() {
    let with = |iss: &str| CallbackParameters { iss: Some(iss.to_owned()), ..callback() };
    let world = World::with(plain).await;
    world.idp.answer("/token", github_token());
    world.idp.answer("/user", octocat());
    let (_, login) = world.begin().await;
    world.provider.finish_login(&login, &with("https://forge.example/login")).await.unwrap();

    let world = World::with(|plan| {
        plain(plan);
        plan.protocol.endpoints.issuer = Some("https://forge.example/login".to_owned());
    })
    .await;
    world.idp.answer("/token", github_token());
    world.idp.answer("/user", octocat());
    let (_, login) = world.begin().await;
    let error = world.provider.finish_login(&login, &with("https://evil.example")).await.unwrap_err();
    assert_eq!(error, LoginError::IssMismatch);
    let (identity, _) = world.provider.finish_login(&login, &with("https://forge.example/login")).await.unwrap();
    assert_eq!(identity.issuer, "https://forge.example/login");
}

/// Endpoints, issuer and keys are written: an OpenID provider without a document. Its ID tokens are
/// checked like any other's.
#[tokio::test]
async fn with_issuer_and_keys_the_id_token_counts() {
    let world = World::with(|plan| {
        plain(plan);
        let origin = plan.protocol.endpoints.token_endpoint.as_ref().unwrap().join("/").unwrap();
        plan.protocol.endpoints.issuer = Some(origin.to_string());
        plan.protocol.endpoints.jwks_uri = Some(origin.join("/jwks").unwrap());
        plan.required_scopes = Scopes::parse("openid").unwrap();
    })
    .await;
    assert!(!world.provider.readiness().ready, "there are keys to fetch");
    let (asked, login) = world.begin().await;
    assert_eq!(asked["nonce"], login.nonce);
    let (identity, _) = world.sign_in(|claims| rsa_key().sign(&claims)).await.unwrap();
    assert_eq!(identity.subject, super::fixture::SUBJECT);
    assert!(world.idp.seen("/user").is_empty());
    let wrong = world.sign_in(|mut claims| {
        claims["iss"] = json!("https://evil.example/");
        rsa_key().sign(&claims)
    });
    assert_eq!(wrong.await.unwrap_err().outcome(), Callback::IdTokenInvalid);
    let readiness = world.provider.readiness();
    assert!(readiness.ready && readiness.discovery_at.is_none() && readiness.jwks_at.is_some());
    assert!(world.idp.seen("/.well-known/openid-configuration").is_empty());
}

#[tokio::test]
async fn what_is_written_counts_instead_of_the_document() {
    let world = World::with(|plan| {
        let origin = plan.config_url.as_ref().unwrap().join("/").unwrap();
        plan.protocol.endpoints.token_endpoint = Some(origin.join("/token2").unwrap());
        plan.protocol.endpoints.issuer = Some("https://tenant.example/v2".to_owned());
    })
    .await;
    // A wrong issuer in the document is what is corrected here.
    world.idp.change_metadata(&json!({ "issuer": "https://{tenant}.example/v2", "token_endpoint": Value::Null }));
    let (_, login) = world.begin().await;
    let mut claims = world.idp.claims(&login);
    claims["iss"] = json!("https://tenant.example/v2");
    world.idp.answer("/token2", Answer::Json(200, token_response(&rsa_key().sign(&claims))));
    let (identity, _) = world.provider.finish_login(&login, &callback()).await.unwrap();
    assert_eq!(identity.issuer, "https://tenant.example/v2");
}

#[tokio::test]
async fn a_document_may_be_incomplete_if_the_plan_says_so() {
    let missing = json!({
        "response_types_supported": Value::Null, "subject_types_supported": Value::Null,
        "id_token_signing_alg_values_supported": Value::Null,
    });
    let strict = World::new().await;
    strict.idp.change_metadata(&missing);
    let error = strict.provider.begin_login(&Scopes::default(), true, Wishes::default()).await.unwrap_err();
    assert!(error.to_string().contains("missing field"), "{error}");

    let world = World::with(|plan| plan.protocol.strict = false).await;
    world.idp.change_metadata(&missing);
    world.sign_in(|claims| rsa_key().sign(&claims)).await.unwrap();

    // Without keys it is no OpenID provider: then the user API says who signed in, if there is one.
    let nobody = |idp: &Idp, userinfo: Value| {
        let mut changes = missing.clone();
        changes["jwks_uri"] = Value::Null;
        changes["userinfo_endpoint"] = userinfo;
        idp.change_metadata(&changes);
    };
    let world = World::with(|plan| plan.protocol.strict = false).await;
    nobody(&world.idp, Value::Null);
    let error = world.provider.begin_login(&Scopes::default(), true, Wishes::default()).await.unwrap_err();
    assert!(error.to_string().contains("neither `jwks_uri` nor `userinfo_endpoint`"), "{error}");
    world.hand.advance(Duration::from_secs(1));
    nobody(&world.idp, json!(format!("{}/user", world.idp.origin)));
    world.idp.answer("/user", Answer::Json(200, json!({ "sub": "alice" })));
    let (_, login) = world.begin().await;
    world.idp.answer("/token", github_token_for("openid email"));
    let (identity, _) = world.provider.finish_login(&login, &callback()).await.unwrap();
    assert_eq!(identity.subject, "alice");

    let world = World::with(|plan| plan.protocol.strict = false).await;
    world.idp.change_metadata(&json!({ "authorization_endpoint": Value::Null }));
    let error = world.provider.begin_login(&Scopes::default(), true, Wishes::default()).await.unwrap_err();
    assert!(error.to_string().contains("has no `authorization_endpoint`"), "{error}");
}

#[tokio::test]
async fn an_algorithm_that_is_not_allowed_is_refused() {
    let world = World::with(|plan| plan.protocol.algorithms = vec![JwsAlgorithm::Es256]).await;
    let error = world.sign_in(|claims| rsa_key().sign(&claims)).await.unwrap_err();
    assert_eq!(error.outcome(), Callback::IdTokenInvalid);
    let world = World::with(|plan| plan.protocol.algorithms = vec![JwsAlgorithm::Rs256]).await;
    world.idp.change_metadata(&json!({ "id_token_signing_alg_values_supported": ["none"] }));
    world.sign_in(|claims| rsa_key().sign(&claims)).await.unwrap();
}

/// A change of the plan keeps what fits: the keys only from the same place.
#[tokio::test]
async fn a_new_plan_takes_over_what_was_learnt() {
    let world = World::new().await;
    world.begin().await;
    let follow = |change: &dyn Fn(&mut ProviderPlan)| {
        let mut plan = super::fixture::plan(&world.idp.origin);
        change(&mut plan);
        let egress = crate::egress::Egress::for_provider(plan.timeout, true).unwrap();
        let handles = world.metrics.provider("auth0");
        Provider::following(&world.provider, plan.into(), egress, crate::time::Clock::system(), handles)
    };
    assert!(follow(&|_| {}).readiness().ready);
    assert!(follow(&|plan| plan.client_id = "other".to_owned()).readiness().ready);
    assert!(follow(&plain).readiness().ready);
    let elsewhere = |plan: &mut ProviderPlan| {
        plan.protocol.endpoints.jwks_uri = Some("http://127.0.0.1:9/jwks".parse().unwrap());
    };
    assert!(!follow(&elsewhere).readiness().ready, "the old keys are not those of the new place");
}
