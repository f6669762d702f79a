//! Keys that change what the provider receives, or how long its tokens count.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    super::{
        Hints, Wishes,
        tokens::{ProviderTokens, RenewError, TokenSource},
    },
    fixture::{Answer, START, World, callback, rsa_key},
    plain::{octocat, plain, sign_in},
};
use crate::{
    config::plan::{ProtocolPlan, ProviderPlan},
    oauth::{ResourceUri, Scopes},
};

async fn with(change: impl FnOnce(&mut ProtocolPlan)) -> World {
    World::with(|plan: &mut ProviderPlan| change(&mut plan.protocol)).await
}

async fn asked(world: &World, wishes: Wishes<'_>) -> Vec<(String, String)> {
    let (url, _) = world.provider.begin_login(&Scopes::default(), true, wishes).await.unwrap();
    url.query_pairs().into_owned().collect()
}

fn value<'p>(parameters: &'p [(String, String)], name: &str) -> Option<&'p str> {
    parameters.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
}

/// Tokens after a sign-in whose token response was changed: `null` takes a member away.
async fn tokens_with(world: &World, changes: Value) -> Result<ProviderTokens, super::super::LoginError> {
    let (_, login) = world.begin().await;
    let mut response = super::fixture::token_response(&rsa_key().sign(&world.idp.claims(&login)));
    let members = response.as_object_mut().unwrap();
    members.extend(changes.as_object().unwrap().clone());
    members.retain(|_, value| !value.is_null());
    world.idp.answer("/token", Answer::Json(200, response));
    world.provider.finish_login(&login, &callback()).await.map(|(_, tokens)| tokens)
}

#[tokio::test]
async fn pkce_is_left_out_for_a_provider_that_refuses_it() {
    for is_plain in [false, true] {
        let world = World::with(|plan| {
            if is_plain {
                plain(plan);
            }
            plan.protocol.forward_pkce = false;
        })
        .await;
        let parameters = asked(&world, Wishes::default()).await;
        assert!(parameters.iter().all(|(name, _)| !name.starts_with("code_challenge")), "{parameters:?}");
        if is_plain {
            sign_in(&world, octocat()).await.unwrap();
        } else {
            world.sign_in(|claims| rsa_key().sign(&claims)).await.unwrap();
        }
        assert_eq!(world.idp.seen("/token")[0].form("code_verifier"), None);
    }
}

#[tokio::test]
async fn t8_the_resource_goes_to_the_authorization_endpoint_if_the_operator_says_so_and_nowhere_else() {
    let resource = ResourceUri::of_route(&"https://mcp.example.com".parse().unwrap(), "/mcp");
    let wishes = Wishes { resource: Some(&resource), hints: None };
    let world = World::new().await;
    assert_eq!(value(&asked(&world, wishes).await, "resource"), None);
    let world = with(|plan| plan.forward_resource = true).await;
    assert_eq!(value(&asked(&world, wishes).await, "resource"), Some("https://mcp.example.com/mcp"));
    world.sign_in(|claims| rsa_key().sign(&claims)).await.unwrap();
    assert_eq!(world.idp.seen("/token")[0].form("resource"), None);
    let world = World::with(|plan| {
        plan.protocol.forward_resource = true;
        plan.extra_authorize_params = vec![("resource".to_owned(), "urn:other".to_owned())];
    })
    .await;
    let parameters = asked(&world, wishes).await;
    assert_eq!(value(&parameters, "resource"), Some("urn:other"), "the operator's own counts");
    assert_eq!(parameters.iter().filter(|(name, _)| name == "resource").count(), 1);
}

#[tokio::test]
async fn additional_scopes_are_asked_for_but_not_demanded() {
    let world = with(|plan| plan.additional_authorize_scopes = Scopes::parse("graph.read").unwrap()).await;
    let scope = value(&asked(&world, Wishes::default()).await, "scope").unwrap().to_owned();
    assert!(scope.split(' ').any(|scope| scope == "graph.read"), "{scope}");
    tokens_with(&world, json!({ "scope": "openid email" })).await.unwrap();
}

#[tokio::test]
async fn a_clients_wishes_are_passed_on_unless_the_operator_decided() {
    let mut hints = Hints::default();
    for (name, text) in [("prompt", "consent"), ("login_hint", "ada@example.com"), ("max_age", "60")] {
        hints.add(name, text);
    }
    let wishes = Wishes { resource: None, hints: Some(&hints) };
    let world = World::new().await;
    let parameters = asked(&world, wishes).await;
    assert_eq!(value(&parameters, "login_hint"), Some("ada@example.com"));
    assert_eq!(value(&parameters, "max_age"), Some("60"));
    let prompts: Vec<_> = parameters.iter().filter(|(name, _)| name == "prompt").map(|(_, value)| value).collect();
    assert_eq!(prompts, ["select_account"], "as the operator has it");
    let world = World::with(|plan| {
        plain(plan);
        plan.extra_authorize_params.clear();
    })
    .await;
    let parameters = asked(&world, wishes).await;
    assert_eq!(value(&parameters, "login_hint"), None, "OAuth 2.0 knows none of them");
    assert_eq!(value(&parameters, "prompt"), None);
}

#[tokio::test]
async fn what_the_provider_does_not_say_of_lifetimes_the_plan_may_say() {
    let silent = json!({ "expires_in": null });
    let world = World::new().await;
    let tokens = tokens_with(&world, silent.clone()).await.unwrap();
    assert_eq!((tokens.expires_at, tokens.refresh_expires_at, tokens.lasting), (None, None, false));
    let world = with(|plan| {
        plan.fallback_access_token_lifetime = Some(Duration::from_mins(1));
        plan.fallback_refresh_token_lifetime = Some(Duration::from_hours(1));
    })
    .await;
    let at = |seconds| Some(START.plus(Duration::from_secs(seconds)));
    let tokens = tokens_with(&world, silent).await.unwrap();
    assert_eq!((tokens.expires_at, tokens.refresh_expires_at), (at(60), at(3600)));
    assert_eq!(tokens_with(&world, json!({})).await.unwrap().expires_at, at(3600), "what it says counts");
    for (said, expected) in [
        (json!({ "refresh_expires_in": 1800 }), at(1800)),
        (json!({ "refresh_token_expires_in": "15897600" }), at(15_897_600)),
        (json!({ "refresh_expires_in": 0 }), at(3600)),
        (json!({ "refresh_expires_in": -1 }), at(3600)),
        (json!({ "refresh_expires_in": [1] }), at(3600)),
        (json!({ "refresh_token": null }), None),
    ] {
        assert_eq!(tokens_with(&world, said.clone()).await.unwrap().refresh_expires_at, expected, "{said}");
    }
}

/// A refresh token that is not replaced keeps its end; a new one has a new end.
#[tokio::test]
async fn the_end_of_a_refresh_token_stays_with_it() {
    let world = World::new().await;
    let before = ProviderTokens { refresh_expires_at: Some(START), ..super::renew::tokens() };
    let renewed = async |answer: Value| {
        world.idp.answer("/token", Answer::Json(200, answer));
        world.provider.renew(&before).await.unwrap().tokens.refresh_expires_at
    };
    let answer = json!({ "access_token": "at-2", "token_type": "Bearer" });
    assert_eq!(renewed(answer.clone()).await, Some(START));
    let with = |name: &str, value: Value| {
        let mut answer = answer.clone();
        answer[name] = value;
        answer
    };
    assert_eq!(renewed(with("refresh_token", json!("rt-1"))).await, Some(START));
    assert_eq!(renewed(with("refresh_token", json!("rt-2"))).await, None);
    assert_eq!(renewed(with("refresh_expires_in", json!(60))).await, Some(START.plus(Duration::from_mins(1))));
}

#[tokio::test]
async fn a_token_that_is_over_when_it_comes_is_refused() {
    let world = World::new().await;
    for lifetime in [json!(0), json!(-1), json!("-3600"), json!("0")] {
        let error = tokens_with(&world, json!({ "expires_in": lifetime })).await.unwrap_err();
        assert_eq!(error.outcome(), crate::metrics::outcome::Callback::ExchangeFailed, "{lifetime}: {error}");
    }
}

#[tokio::test]
async fn the_threshold_renews_early_but_not_in_the_first_half() {
    let at = |seconds| Some(START.plus(Duration::from_secs(seconds)));
    let world = with(|plan| plan.renew_ahead = Duration::from_mins(10)).await;
    assert_eq!(tokens_with(&world, json!({})).await.unwrap().renew_at, at(3000));
    assert_eq!(tokens_with(&world, json!({ "expires_in": 60 })).await.unwrap().renew_at, at(30));
    assert_eq!(tokens_with(&world, json!({ "refresh_token": null })).await.unwrap().renew_at, None);
    let world = World::new().await;
    assert_eq!(tokens_with(&world, json!({})).await.unwrap().renew_at, None);
}

/// GitHub: no end, no refresh token. The user API tells whether the token still counts.
#[tokio::test]
async fn a_token_without_an_end_counts_until_the_user_api_refuses_it() {
    let world = World::with(|plan| {
        plain(plan);
        plan.timeout = Duration::from_millis(300);
    })
    .await;
    let (_, tokens) = sign_in(&world, octocat()).await.unwrap();
    assert!(tokens.lasting && tokens.refresh_token.is_none());
    assert_eq!(world.provider.renew(&tokens).await.unwrap().tokens, tokens);
    assert_eq!(world.idp.seen("/token").len(), 1, "there is nothing to exchange");
    for answer in [Answer::Json(500, json!({})), Answer::Json(403, json!({})), Answer::Silence, Answer::Hangup] {
        world.idp.answer("/user", answer);
        let error = world.provider.renew(&tokens).await.unwrap_err();
        assert!(matches!(error, RenewError::Unavailable(_)), "{error}");
    }
    world.idp.answer("/user", Answer::Json(401, json!({ "message": "Bad credentials" })));
    let error = world.provider.renew(&tokens).await.unwrap_err();
    assert!(matches!(error, RenewError::Ended(_)), "{error}");

    // A lifetime in the configuration is an end.
    let world = World::with(|plan| {
        plain(plan);
        plan.protocol.fallback_access_token_lifetime = Some(Duration::from_hours(8));
    })
    .await;
    let (_, tokens) = sign_in(&world, octocat()).await.unwrap();
    assert!(!tokens.lasting);
    assert_eq!(tokens.expires_at, Some(START.plus(Duration::from_hours(8))));
    assert!(matches!(world.provider.renew(&tokens).await.unwrap_err(), RenewError::Ended(_)));
}
