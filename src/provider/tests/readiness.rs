use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use serde_json::{Value, json};

use super::super::{Provider, Wishes, backoff};
use super::fixture::{Answer, START, World, ec_key, rsa_key};
use crate::{metrics::outcome::Callback, oauth::Scopes, provider::tokens::TokenSource, time::Timestamp};

const DISCOVERY: &str = "/.well-known/openid-configuration";

async fn fails_with(world: &World, expected: &str) {
    let error = world.provider.begin_login(&Scopes::default(), false, Wishes::default()).await.unwrap_err();
    assert_eq!(error.outcome(), Callback::ProviderUnavailable);
    assert!(error.to_string().contains(expected), "`{expected}` in: {error}");
    let readiness = world.provider.readiness();
    assert!(!readiness.ready);
    assert!(readiness.reason.unwrap().contains(expected));
    world.hand.advance(Duration::from_secs(1));
}

#[tokio::test]
async fn metadata_that_cannot_be_trusted_are_refused() {
    let world = World::new().await;
    let origin = world.idp.origin.clone();
    let other = format!("{origin}/tenant");
    let cases = [
        (json!({ "issuer": "https://evil.example" }), "names the issuer `https://evil.example`"),
        (json!({ "issuer": other }), "names the issuer"),
        (
            json!({ "issuer": "https://evil.example/\n2026 ERROR \u{1b}[31m" }),
            "`https://evil.example/ 2026 ERROR  [31m`",
        ),
        (json!({ "issuer": null }), "missing field `issuer`"),
        (json!({ "token_endpoint": null }), "has no `token_endpoint`"),
        (json!({ "authorization_endpoint": null }), "missing field `authorization_endpoint`"),
        (json!({ "jwks_uri": null }), "missing field `jwks_uri`"),
        (json!({ "jwks_uri": "file:///etc/passwd" }), "`jwks_uri` is `file:///etc/passwd`"),
        (json!({ "authorization_endpoint": "javascript:alert(1)" }), "`authorization_endpoint`"),
        (json!({ "token_endpoint": "https://user:pass@idp.example/" }), "`token_endpoint`"),
        (json!({ "revocation_endpoint": "ftp://idp.example/" }), "`revocation_endpoint`"),
        (json!({ "userinfo_endpoint": "https://idp.example/#x" }), "`userinfo_endpoint`"),
        (json!({ "id_token_signing_alg_values_supported": ["HS256", "none", "XY9"] }), "no algorithm"),
    ];
    for (changes, expected) in cases {
        world.idp.change_metadata(&changes);
        fails_with(&world, expected).await;
    }
    for (answer, expected) in [
        (Answer::Json(200, json!([])), "is not OpenID Provider metadata"),
        (Answer::Json(404, json!({})), "status 404"),
        (Answer::Raw(302, &[("location", "https://evil.example/")], Bytes::new()), "status 302"),
        (Answer::Raw(200, &[], Bytes::from(vec![b' '; crate::egress::PROVIDER_BODY + 1])), "larger than"),
        (Answer::Hangup, "broke off"),
    ] {
        world.idp.answer(DISCOVERY, answer);
        fails_with(&world, expected).await;
    }
    let series = r#"vestibule_provider_discovery_refreshes_total{outcome="issuer_mismatch",provider="auth0"}"#;
    assert_eq!(world.metric(series), 3);

    for issuer in [origin.clone(), format!("{origin}/")] {
        world.idp.change_metadata(&json!({ "issuer": issuer }));
        let fresh = World::with(|plan| plan.config_url = format!("{origin}{DISCOVERY}").parse().ok()).await;
        fresh.provider.begin_login(&Scopes::default(), false, Wishes::default()).await.unwrap();
    }
}

/// Without `allow_insecure_http` plain http is not spoken, wherever the provider is.
#[tokio::test]
async fn s63_plain_http_needs_the_plans_permission() {
    let world = World::with(|plan| plan.allow_insecure_http = false).await;
    fails_with(&world, "only https is allowed").await;
    assert!(world.idp.seen(DISCOVERY).is_empty());
}

#[tokio::test]
async fn keys_that_cannot_be_used_are_refused() {
    let world = World::new().await;
    for (answer, expected) in [
        (Answer::Json(200, json!({ "keys": [] })), "no key"),
        (Answer::Json(200, json!({ "keys": [{ "kty": "strange" }] })), "no key"),
        (Answer::Json(200, json!({})), "not a JSON Web Key Set"),
        (Answer::Json(500, Value::Null), "status 500"),
    ] {
        world.idp.answer("/jwks", answer);
        fails_with(&world, expected).await;
    }
}

/// S76: the provider is down at the start; whoever signs in when it is back is the first to
/// notice. All who wait share one attempt, and there is at most one in a second.
#[tokio::test]
async fn s76_down_then_up() {
    let mut world = World::new().await;
    world.idp.stop().await;
    fails_with(&world, "cannot connect").await;
    assert_eq!(world.metric(r#"vestibule_provider_ready{provider="auth0"}"#), 0);
    world.idp.answer(DISCOVERY, Answer::Json(503, json!({})));
    world.idp.listen().await;
    let scopes = Scopes::default();
    let many = || {
        futures_util::future::join_all((0..20).map(|_| world.provider.begin_login(&scopes, false, Wishes::default())))
    };
    assert!(many().await.iter().all(Result::is_err));
    assert!(many().await.iter().all(Result::is_err));
    assert_eq!(world.idp.seen(DISCOVERY).len(), 1);
    world.idp.change_metadata(&json!({}));
    assert!(many().await.iter().all(Result::is_err), "still the same second");
    world.hand.advance(Duration::from_secs(1));
    assert!(many().await.iter().all(Result::is_ok));
    assert_eq!(world.idp.seen(DISCOVERY).len(), 2);
    assert_eq!(world.idp.seen("/jwks").len(), 1);
    assert_eq!(world.metric(r#"vestibule_provider_ready{provider="auth0"}"#), 1);
    let readiness = world.provider.readiness();
    assert!(readiness.ready);
    assert_eq!(readiness.reason, None);
    assert_eq!(readiness.discovery_at, Some(Timestamp(START.0 + 2)));
    assert_eq!(readiness.jwks_at, Some(Timestamp(START.0 + 2)));
}

#[tokio::test]
async fn s76_a_slow_provider_is_given_up() {
    let world = World::with(|plan| plan.timeout = Duration::from_millis(200)).await;
    world.idp.answer(DISCOVERY, Answer::Silence);
    fails_with(&world, "no complete answer within 200ms").await;
}

/// S76: what was once learnt stays in use when the provider goes down.
#[tokio::test]
async fn s76_old_metadata_and_keys_stay_in_use() {
    let world = World::new().await;
    world.sign_in(|claims| rsa_key().sign(&claims)).await.unwrap();
    world.idp.answer("/jwks", Answer::Json(500, Value::Null));
    world.idp.change_metadata(&json!({ "issuer": "https://evil.example" }));
    world.provider.refresh().await.unwrap_err();
    world.idp.change_metadata(&json!({}));
    world.provider.refresh().await.unwrap_err();
    let stranger = ec_key("unknown");
    world.sign_in(|claims| stranger.sign(&claims)).await.unwrap_err();
    world.sign_in(|claims| rsa_key().sign(&claims)).await.unwrap();
    let readiness = world.provider.readiness();
    assert!(readiness.ready);
    assert!(readiness.reason.unwrap().contains("status 500"), "ready, and it says what is wrong");
    assert_eq!(world.metric(r#"vestibule_provider_ready{provider="auth0"}"#), 1);
}

#[tokio::test]
async fn a_refresh_takes_over_what_changed() {
    let world = World::new().await;
    world.begin().await;
    let next = ec_key("ec-2");
    world.idp.answer("/new-jwks", Answer::Json(200, json!({ "keys": [] })));
    world.idp.publish(&[&next]);
    world.idp.change_metadata(&json!({ "token_endpoint": format!("{}/new-token", world.idp.origin) }));
    world.hand.advance(Duration::from_hours(1));
    world.provider.refresh().await.unwrap();
    world.provider.refresh().await.unwrap();
    let (_, login) = world.begin().await;
    let mut claims = world.idp.claims(&login);
    claims["exp"] = json!(START.0 + 7200);
    world.idp.answer("/new-token", Answer::Json(200, super::fixture::token_response(&next.sign(&claims))));
    world.provider.finish_login(&login, &super::fixture::callback()).await.unwrap();
    for (trigger, outcome, count) in [("startup", "ok", 1), ("interval", "ok", 1), ("interval", "unchanged", 1)] {
        let series = format!(
            r#"vestibule_provider_jwks_refreshes_total{{outcome="{outcome}",provider="auth0",trigger="{trigger}"}}"#
        );
        assert_eq!(world.metric(&series), count, "{series}");
    }
    let series = r#"vestibule_provider_discovery_refreshes_total{outcome="unchanged",provider="auth0"}"#;
    assert_eq!(world.metric(series), 1);
}

/// Starts degraded, becomes ready by itself, and ends with the provider.
#[tokio::test]
async fn the_background_task_finds_the_provider_and_ends_with_it() {
    let world = World::new().await;
    world.idp.answer(DISCOVERY, Answer::Json(503, json!({})));
    let task = world.provider.start();
    let until = async |done: &dyn Fn(&Provider) -> bool| {
        tokio::time::timeout(Duration::from_secs(20), async {
            while !done(&world.provider) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await
        .unwrap();
    };
    until(&|provider| provider.readiness().reason.is_some()).await;
    world.idp.change_metadata(&json!({}));
    until(&|provider| provider.readiness().ready).await;
    assert_eq!(Arc::strong_count(&world.provider), 1, "the task does not keep the provider alive");
    task.abort();
}

#[test]
fn backoff_doubles_to_a_minute_with_jitter() {
    let seconds: Vec<f64> = (1..10).map(|failures| backoff(failures, 0.0).as_secs_f64()).collect();
    assert_eq!(seconds, [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]);
    assert_eq!(backoff(1, 1.0), Duration::from_millis(500));
    assert_eq!(backoff(u32::MAX, 1.0), Duration::from_secs(30));
}

#[tokio::test]
async fn a_provider_that_was_never_reached_revokes_nothing_and_renews_later() {
    let mut world = World::new().await;
    world.idp.stop().await;
    let tokens = super::renew::tokens();
    world.provider.revoke(&tokens).await;
    let error = world.provider.renew(&tokens).await.unwrap_err();
    assert!(matches!(error, crate::provider::tokens::RenewError::Unavailable(_)), "{error}");
}
