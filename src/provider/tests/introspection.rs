//! Asking the provider about tokens.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::fixture::{Answer, START, World};
use crate::{
    config::plan::{AccessTokenPlan, AudienceClaim, ClientAuthMethod, IntrospectionPlan},
    metrics::outcome::Verification,
    provider::{AccessTokenError, ProviderAccess},
    secret::Secret,
};

const AUDIENCE: &str = "https://mcp.example.com/mcp";
const PLACE: &str = "/introspect";

async fn world() -> World {
    let world = World::new().await;
    let endpoint = format!("{}{PLACE}", world.idp.origin);
    world.idp.change_metadata(&json!({ "introspection_endpoint": endpoint }));
    world
}

fn plan() -> AccessTokenPlan {
    AccessTokenPlan {
        audience_claim: AudienceClaim::Aud,
        audiences: vec![AUDIENCE.to_owned()],
        scope_claims: vec!["scope".to_owned()],
        introspection: Some(IntrospectionPlan {
            endpoint: None,
            client_id: "the gate".to_owned(),
            client_secret: Secret::new("its:secret"),
            auth_method: ClientAuthMethod::Basic,
            cache_ttl: Duration::from_secs(30),
            require_audience: true,
        }),
    }
}

fn described(changes: &Value) -> Answer {
    let mut answer = json!({
        "active": true, "sub": "alice", "aud": AUDIENCE, "client_id": "c", "scope": "mcp read",
        "exp": START.0 + 600, "token_type": "Bearer",
    });
    let members = answer.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        members.insert(name.clone(), value.clone());
    }
    members.retain(|_, value| !value.is_null());
    Answer::Json(200, answer)
}

async fn check_by(world: &World, plan: &AccessTokenPlan, token: &str) -> Result<ProviderAccess, AccessTokenError> {
    world.provider.check_access_token(plan, token, &plan.audiences).await
}

async fn check(world: &World, token: &str) -> Result<ProviderAccess, AccessTokenError> {
    check_by(world, &plan(), token).await
}

fn asked(world: &World) -> usize {
    world.idp.seen(PLACE).len()
}

/// RFC 7662 section 2.1: a POST with our credentials, the token in the body and nowhere else.
#[tokio::test]
async fn a_token_is_asked_about_once_in_a_while() {
    let world = world().await;
    world.idp.answer(PLACE, described(&json!({})));
    for _ in 0..3 {
        let found = check(&world, "opaque").await.unwrap();
        assert_eq!((found.identity.subject.as_str(), found.scopes.to_string().as_str()), ("alice", "mcp read"));
        assert_eq!(found.expires_at, Some(START.plus(Duration::from_mins(10))));
    }
    assert_eq!(asked(&world), 1);
    let seen = &world.idp.seen(PLACE)[0];
    assert_eq!(seen.method, "POST");
    assert_eq!(seen.form("token").as_deref(), Some("opaque"));
    assert_eq!(seen.form("token_type_hint").as_deref(), Some("access_token"));
    assert_eq!(seen.form("client_secret"), None);
    assert_eq!(seen.headers["authorization"], "Basic dGhlK2dhdGU6aXRzJTNBc2VjcmV0");
    world.hand.advance(Duration::from_secs(30));
    world.idp.answer(PLACE, Answer::Json(200, json!({ "active": false })));
    assert_eq!(check(&world, "opaque").await.unwrap_err(), AccessTokenError::Inactive, "the delay of a revocation");
    assert_eq!(asked(&world), 2);
    let series = r#"vestibule_provider_requests_total{endpoint="introspection",provider="auth0",result="200"}"#;
    assert_eq!(world.metric(series), 2);
}

#[tokio::test]
async fn credentials_in_the_body() {
    let world = world().await;
    world.idp.answer(PLACE, described(&json!({})));
    let mut plan = plan();
    plan.introspection.as_mut().unwrap().auth_method = ClientAuthMethod::Post;
    check_by(&world, &plan, "opaque").await.unwrap();
    let seen = &world.idp.seen(PLACE)[0];
    assert_eq!(seen.form("client_id").as_deref(), Some("the gate"));
    assert_eq!(seen.form("client_secret").as_deref(), Some("its:secret"));
    assert!(!seen.headers.contains_key("authorization"));
}

/// S50, S52 for what the provider says about a token.
#[tokio::test]
async fn s50_s52_the_answer_is_checked() {
    let world = world().await;
    for (index, (changes, expected)) in [
        (json!({ "aud": "https://other.example" }), Verification::AudienceMismatch),
        (json!({ "aud": null }), Verification::AudienceMismatch),
        (json!({ "aud": ["x", AUDIENCE] }), Verification::Valid),
        (json!({ "iss": "https://evil.example" }), Verification::IssuerMismatch),
        (json!({ "iss": format!("{}/", world.idp.origin) }), Verification::Valid),
        (json!({ "exp": START.0 }), Verification::Expired),
        (json!({ "exp": 1e300 }), Verification::Malformed),
        (json!({ "exp": null }), Verification::Valid),
        (json!({ "nbf": START.0 + 3600 }), Verification::NotYetValid),
        (json!({ "sub": null }), Verification::Malformed),
        (json!({ "active": false }), Verification::Revoked),
        (json!({ "active": "true" }), Verification::IntrospectionFailed),
        (json!({ "active": null }), Verification::IntrospectionFailed),
        (json!({ "typ": "Refresh" }), Verification::Malformed),
        (json!({ "token_type": "DPoP" }), Verification::Malformed),
        (json!({ "cnf": { "x5t#S256": "x" } }), Verification::Malformed),
    ]
    .into_iter()
    .enumerate()
    {
        world.idp.answer(PLACE, described(&changes));
        let found = check(&world, &format!("token-{index}")).await;
        let outcome = found.map_or_else(|error| error.outcome(), |_| Verification::Valid);
        assert_eq!(outcome, expected, "{changes}");
        world.hand.advance(Duration::from_secs(2));
    }
}

/// Only whoever says so accepts tokens that are for nobody in particular; never those for others.
#[tokio::test]
async fn an_audience_can_be_dispensed_with() {
    let world = world().await;
    let mut plan = plan();
    plan.introspection.as_mut().unwrap().require_audience = false;
    world.idp.answer(PLACE, described(&json!({ "aud": null })));
    assert!(check_by(&world, &plan, "one").await.is_ok());
    world.idp.answer(PLACE, described(&json!({ "aud": "https://other.example" })));
    let error = check_by(&world, &plan, "two").await.unwrap_err();
    assert_eq!(error.outcome(), Verification::AudienceMismatch);
}

/// A flood of one bad token is one request in ten seconds; a token that ends sooner is not kept longer.
#[tokio::test]
async fn bad_tokens_are_remembered_briefly() {
    let world = world().await;
    world.idp.answer(PLACE, Answer::Json(200, json!({ "active": false })));
    for _ in 0..20 {
        assert_eq!(check(&world, "bad").await.unwrap_err(), AccessTokenError::Inactive);
    }
    assert_eq!(asked(&world), 1);
    world.hand.advance(Duration::from_secs(10));
    world.idp.answer(PLACE, described(&json!({ "exp": START.0 + 15 })));
    check(&world, "bad").await.unwrap();
    world.hand.advance(Duration::from_secs(5));
    assert_eq!(check(&world, "bad").await.unwrap_err(), AccessTokenError::Expired);
    assert_eq!(asked(&world), 3);
}

/// All who bring one token wait for one answer.
#[tokio::test]
async fn one_request_for_all_who_wait() {
    let world = world().await;
    world.idp.answer(PLACE, described(&json!({})));
    let all = futures_util::future::join_all((0..50).map(|_| check(&world, "opaque"))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(asked(&world), 1);
}

/// T3: a provider that fails, or that does not know us, is not the token's fault; and it is left
/// alone for a moment.
#[tokio::test]
async fn a_provider_that_fails_is_left_alone() {
    let world = world().await;
    for answer in [
        Answer::Json(500, json!({})),
        Answer::Json(401, json!({ "error": "invalid_client" })),
        Answer::Json(404, json!({})),
        Answer::Json(429, json!({})),
        Answer::Raw(200, &[], Bytes::from_static(b"<html>")),
        Answer::Hangup,
    ] {
        world.idp.answer(PLACE, answer);
        let before = asked(&world);
        for token in ["one", "two", "one"] {
            let error = check(&world, token).await.unwrap_err();
            assert!(error.is_unavailable(), "{error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        assert_eq!(asked(&world), before + 1);
        world.hand.advance(Duration::from_secs(2));
    }
    world.idp.answer(PLACE, described(&json!({})));
    check(&world, "one").await.unwrap();
}

/// Where to ask: the configuration's word counts more than the provider's; without either, the error
/// says what to write.
#[tokio::test]
async fn where_to_ask() {
    let world = World::new().await;
    let error = check(&world, "opaque").await.unwrap_err();
    assert!(error.to_string().contains("introspection.endpoint"), "{error}");
    world.hand.advance(Duration::from_secs(2));
    world.idp.answer("/elsewhere", described(&json!({})));
    let mut plan = plan();
    let elsewhere = format!("{}/elsewhere", world.idp.origin).parse().unwrap();
    plan.introspection.as_mut().unwrap().endpoint = Some(elsewhere);
    check_by(&world, &plan, "opaque").await.unwrap();
}
