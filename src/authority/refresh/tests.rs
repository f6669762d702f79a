use std::{collections::HashSet, sync::atomic::Ordering, time::Duration};

use super::{Position, RefreshToken};
use crate::{
    authority::{
        RefreshRequest, TokenError, TokenResponse,
        tests::{Kit, Renewal, refresh_request, route, scopes},
    },
    oauth::ClientId,
};

fn refresh_token(response: &TokenResponse) -> &str {
    response.refresh_token.as_deref().unwrap()
}

/// T1, S56: twenty refreshes with one token at once: all succeed, there is one successor, and it
/// works.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t1_parallel_refreshes() {
    let kit = Kit::new().await;
    let client = kit.client().await;
    let first = kit.sign_in(&client).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (authority, client, request) =
            (kit.authority.clone(), client.clone(), refresh_request(refresh_token(&first)));
        tasks.spawn(async move { authority.refresh(&client, &request).await });
    }
    let responses: Vec<TokenResponse> = tasks.join_all().await.into_iter().map(Result::unwrap).collect();
    let successors: HashSet<&str> = responses.iter().map(refresh_token).collect();
    let access: HashSet<&str> = responses.iter().map(|response| response.access_token.as_str()).collect();
    assert_eq!((successors.len(), access.len()), (1, 20));
    assert!(kit.counts("vestibule_refresh_reuse_total{action=\"grace\",provider=\"auth0\"}", 19));
    assert!(kit.refresh(&client, successors.into_iter().next().unwrap()).await.is_ok());
}

/// T1, S56: within the grace the same token gets the same successor; T2: after it the family ends,
/// once, and everything with it.
#[tokio::test]
async fn t1_t2_s56_grace_and_reuse() {
    let kit = Kit::new().await;
    let client = kit.client().await;
    let first = kit.sign_in(&client).await;
    let second = kit.refresh(&client, refresh_token(&first)).await.unwrap();
    assert_ne!(refresh_token(&second), refresh_token(&first));
    kit.advance(Duration::from_secs(59));
    let again = kit.refresh(&client, refresh_token(&first)).await.unwrap();
    assert_eq!(refresh_token(&again), refresh_token(&second));
    let state = kit.state(&second).await.unwrap();

    kit.advance(Duration::from_secs(1));
    let error = kit.refresh(&client, refresh_token(&first)).await.unwrap_err();
    assert!(matches!(error, TokenError::RefreshReused));
    assert_eq!((error.code(), error.status()), ("invalid_grant", 400));
    assert!(state.is_revoked());
    assert!(matches!(kit.refresh(&client, refresh_token(&second)).await, Err(TokenError::RefreshUnknown)));
    assert!(matches!(kit.refresh(&client, refresh_token(&first)).await, Err(TokenError::RefreshUnknown)));
    assert_eq!(kit.revoked_at_provider().await.len(), 1);
    assert!(kit.counts("vestibule_refresh_reuse_total{action=\"family_revoked\",provider=\"auth0\"}", 1));
    assert!(kit.counts("vestibule_revocations_total{initiator=\"reuse\",outcome=\"ok\",provider=\"auth0\"}", 1));
}

/// T1: a late retry gets the token that is good by now, though its own successor was used already.
#[tokio::test]
async fn t1_a_late_retry_of_an_older_token() {
    let kit = Kit::new().await;
    let client = kit.client().await;
    let first = kit.sign_in(&client).await;
    let second = kit.refresh(&client, refresh_token(&first)).await.unwrap();
    let third = kit.refresh(&client, refresh_token(&second)).await.unwrap();
    let late = kit.refresh(&client, refresh_token(&first)).await.unwrap();
    assert_eq!(refresh_token(&late), refresh_token(&third));
    // The first leaves its grace before the second does.
    kit.advance(Duration::from_secs(30));
    let fourth = kit.refresh(&client, refresh_token(&third)).await.unwrap();
    kit.advance(Duration::from_secs(40));
    assert_eq!(refresh_token(&kit.refresh(&client, refresh_token(&third)).await.unwrap()), refresh_token(&fourth));
    assert!(matches!(kit.refresh(&client, refresh_token(&first)).await, Err(TokenError::RefreshReused)));
}

/// T2, S56: a token that is generations old is a reuse too, long after its name was forgotten.
#[tokio::test]
async fn t2_generation_gaps() {
    let kit = Kit::new().await;
    let client = kit.client().await;
    let first = kit.sign_in(&client).await;
    let mut current = first.clone();
    for _ in 0..5 {
        kit.advance(Duration::from_mins(10));
        current = kit.refresh(&client, refresh_token(&current)).await.unwrap();
    }
    assert!(matches!(kit.refresh(&client, refresh_token(&first)).await, Err(TokenError::RefreshReused)));
    assert!(matches!(kit.refresh(&client, refresh_token(&current)).await, Err(TokenError::RefreshUnknown)));
}

/// More rotations in one grace than any accident makes: the oldest counts as a reuse.
#[tokio::test]
async fn the_grace_is_bounded() {
    let kit = Kit::new().await;
    let client = kit.client().await;
    let first = kit.sign_in(&client).await;
    let mut current = first.clone();
    for _ in 0..17 {
        current = kit.refresh(&client, refresh_token(&current)).await.unwrap();
    }
    assert!(matches!(kit.refresh(&client, refresh_token(&first)).await, Err(TokenError::RefreshReused)));
}

/// A token of a later generation than the store knows (a store that was set back) is refused and
/// harms nothing.
#[tokio::test]
async fn a_store_that_was_set_back() {
    let kit = Kit::new().await;
    let client = kit.client().await;
    let first = kit.sign_in(&client).await;
    let sid = kit.claims(&first).sid;
    for generation in [1, 2, 99] {
        let issuer = &kit.authority.plan.issuer;
        let text = RefreshToken { grant: sid.clone(), generation }.seal(&kit.authority.sealer, issuer);
        assert!(matches!(kit.refresh(&client, &text).await, Err(TokenError::RefreshUnknown)), "{generation}");
    }
    assert!(kit.refresh(&client, refresh_token(&first)).await.is_ok());
}

/// T3, S06: what is not ours is `invalid_grant`, whatever it looks like.
#[tokio::test]
async fn t3_unknown_tokens() {
    let kit = Kit::new().await;
    let client = kit.client().await;
    let response = kit.sign_in(&client).await;
    let good = refresh_token(&response);
    let mut flipped = good.to_owned();
    let other = if flipped.remove(40) == 'A' { 'B' } else { 'A' };
    flipped.insert(40, other);
    let long = format!("vrt_{}", "A".repeat(100_000));
    for text in
        ["", "vrt_", "x", &flipped, good.trim_start_matches("vrt_"), &format!("{good}A"), &response.access_token, &long]
    {
        let error = kit.refresh(&client, text).await.unwrap_err();
        assert!(matches!(error, TokenError::RefreshUnknown) && error.code() == "invalid_grant");
    }
    assert!(kit.refresh(&client, good).await.is_ok());
}

/// AS-65: a refresh token is bound to its client; a stranger's try burns nothing.
#[tokio::test]
async fn as65_another_client() {
    let kit = Kit::new().await;
    let client = kit.client().await;
    let response = kit.sign_in(&client).await;
    let stranger = kit.find("desk").await;
    let error = kit.refresh(&stranger, refresh_token(&response)).await.unwrap_err();
    assert!(matches!(error, TokenError::RefreshUnknown));
    let second = kit.refresh(&client, refresh_token(&response)).await.unwrap();
    kit.advance(Duration::from_hours(1));
    assert!(kit.refresh(&stranger, refresh_token(&response)).await.is_err());
    assert!(kit.refresh(&client, refresh_token(&second)).await.is_ok(), "a stranger's reuse ends nothing");
}

/// S5, R5: scopes may shrink for one token, the grant keeps them; a wider scope or another
/// resource is refused and burns nothing.
#[tokio::test]
async fn s5_r5_narrowing_and_resources() {
    let kit = Kit::with(|plan| plan.routes.push(route("/other", ""))).await;
    let client = kit.client().await;
    let tokens = kit.provider_tokens();
    let mut current = kit.sign_in_with(&client, &[("scope", "read write")], tokens).await;
    let commits = kit.store.commits.load(Ordering::SeqCst);
    for (scope, resource, code) in [
        (Some("read email"), None, "invalid_scope"),
        (Some("unknown"), None, "invalid_scope"),
        (None, Some("https://g.example/other"), "invalid_target"),
        (None, Some("https://evil.example/"), "invalid_target"),
    ] {
        let request = RefreshRequest {
            scope: scope.map(str::to_owned),
            resources: resource.map(str::to_owned).into_iter().collect(),
            ..refresh_request(refresh_token(&current))
        };
        assert_eq!(kit.authority.refresh(&client, &request).await.unwrap_err().code(), code);
    }
    assert_eq!(kit.store.commits.load(Ordering::SeqCst), commits);
    for (scope, granted) in
        [(Some("read"), "openid read"), (None, "openid read write"), (Some("offline_access write"), "openid write")]
    {
        let request = RefreshRequest {
            scope: scope.map(str::to_owned),
            resources: vec!["https://G.example/mcp/".into()],
            ..refresh_request(refresh_token(&current))
        };
        current = kit.authority.refresh(&client, &request).await.unwrap();
        assert_eq!(current.scope, scopes(granted));
        assert_eq!(kit.claims(&current).aud, "https://g.example/mcp");
    }
}

/// AS-65: an unused refresh token ends; each use starts its time anew, but not beyond the grant.
#[tokio::test]
async fn as65_idle_expiry_and_the_end_of_the_grant() {
    let kit = Kit::with(|plan| {
        plan.lifetimes.refresh_token = Duration::from_hours(10);
        plan.lifetimes.grant = Duration::from_hours(24);
    })
    .await;
    let client = kit.client().await;
    let idle = kit.sign_in(&client).await;
    let mut used = kit.sign_in(&client).await;
    for _ in 0..3 {
        kit.advance(Duration::from_mins(7 * 60 + 50));
        used = kit.refresh(&client, refresh_token(&used)).await.unwrap();
    }
    assert!(matches!(kit.refresh(&client, refresh_token(&idle)).await, Err(TokenError::RefreshUnknown)));
    kit.advance(Duration::from_mins(30));
    assert!(matches!(kit.refresh(&client, refresh_token(&used)).await, Err(TokenError::RefreshUnknown)));
}

/// A store that fails during a rotation leaves the old token good.
#[tokio::test]
async fn a_failing_store_burns_nothing() {
    let kit = Kit::new().await;
    let client = kit.client().await;
    let first = kit.sign_in(&client).await;
    kit.store.broken.store(true, Ordering::SeqCst);
    let error = kit.refresh(&client, refresh_token(&first)).await.unwrap_err();
    assert_eq!((error.code(), error.status()), ("temporarily_unavailable", 503));
    kit.store.broken.store(false, Ordering::SeqCst);
    kit.advance(Duration::from_mins(5));
    assert!(kit.refresh(&client, refresh_token(&first)).await.is_ok());
}

/// T3, T6: the provider's tokens are renewed first when they are due, and kept.
#[tokio::test]
async fn t6_the_provider_is_asked_first() {
    let kit = Kit::new().await;
    let client = kit.client().await;
    let first = kit.sign_in(&client).await;
    kit.advance(Duration::from_mins(29));
    let second = kit.refresh(&client, refresh_token(&first)).await.unwrap();
    assert_eq!(kit.renewals(), 0, "half of the provider's hour is left");
    kit.advance(Duration::from_mins(1));
    let third = kit.refresh(&client, refresh_token(&second)).await.unwrap();
    assert_eq!(kit.renewals(), 1);
    let record = kit.authority.grants.record(&kit.claims(&third).sid).await.unwrap().unwrap();
    assert_eq!(record.value.tokens.refresh_token.as_deref(), Some("provider-refresh-1"));
    assert!(kit.counts("vestibule_provider_refreshes_total{outcome=\"ok\",provider=\"auth0\"}", 1));
}

/// T3: the provider says that it is over: `invalid_grant`, and the grant is gone.
#[tokio::test]
async fn t3_the_provider_ended_the_sign_in() {
    let kit = Kit::new().await;
    let client = kit.client().await;
    let first = kit.sign_in(&client).await;
    let state = kit.state(&first).await.unwrap();
    kit.advance(Duration::from_mins(59));
    kit.provider.will(Renewal::Ended);
    let error = kit.refresh(&client, refresh_token(&first)).await.unwrap_err();
    assert!(matches!(error, TokenError::ProviderEnded));
    assert_eq!((error.code(), error.status()), ("invalid_grant", 400));
    assert!(state.is_revoked());
    assert!(matches!(kit.refresh(&client, refresh_token(&first)).await, Err(TokenError::RefreshUnknown)));
    assert!(kit.counts("vestibule_provider_refreshes_total{outcome=\"invalid_grant\",provider=\"auth0\"}", 1));
}

/// T3: the provider does not answer: 503 with Retry-After, and the same refresh token works later.
#[tokio::test]
async fn t3_the_provider_does_not_answer() {
    let kit = Kit::new().await;
    let client = kit.client().await;
    let first = kit.sign_in(&client).await;
    kit.advance(Duration::from_hours(2));
    for _ in 0..3 {
        kit.provider.will(Renewal::Unavailable);
        let error = kit.refresh(&client, refresh_token(&first)).await.unwrap_err();
        assert!(matches!(error, TokenError::ProviderUnavailable));
        assert_eq!((error.code(), error.status()), ("temporarily_unavailable", 503));
        assert!(error.retry_after().is_some());
        kit.advance(Duration::from_mins(10));
    }
    let second = kit.refresh(&client, refresh_token(&first)).await.unwrap();
    assert_eq!(second.expires_in, 900);
    assert!(kit.counts("vestibule_provider_refreshes_total{outcome=\"transient\",provider=\"auth0\"}", 3));
}

/// An outage of the provider while its token is still good: the client goes on, with a token that
/// ends when the provider's does.
#[tokio::test]
async fn t3_an_outage_while_the_providers_token_is_good() {
    let kit = Kit::with(|plan| plan.lifetimes.access_token = Duration::from_hours(1)).await;
    let client = kit.client().await;
    let first = kit.sign_in(&client).await;
    kit.advance(Duration::from_mins(40));
    kit.provider.will(Renewal::Unavailable);
    let second = kit.refresh(&client, refresh_token(&first)).await.unwrap();
    assert_eq!(second.expires_in, 20 * 60);
    kit.advance(Duration::from_secs(19 * 60 + 1));
    kit.provider.will(Renewal::Unavailable);
    let error = kit.refresh(&client, refresh_token(&second)).await.unwrap_err();
    assert!(matches!(error, TokenError::ProviderUnavailable), "less than a minute is no use");
}

/// T1, S55: parallel refreshes with a provider that is slow and rotates: one request there.
#[tokio::test(start_paused = true)]
async fn s55_one_request_at_the_provider() {
    let kit = Kit::new().await;
    let client = kit.client().await;
    let first = kit.sign_in(&client).await;
    kit.advance(Duration::from_hours(2));
    *kit.provider.takes.lock().unwrap() = Duration::from_secs(5);
    let refreshes = (0..50).map(|_| kit.refresh(&client, refresh_token(&first)));
    let responses = futures_util::future::join_all(refreshes).await;
    let successors: HashSet<String> = responses.into_iter().map(|r| r.unwrap().refresh_token.unwrap()).collect();
    assert_eq!((successors.len(), kit.renewals()), (1, 1));
    assert!(kit.counts("vestibule_provider_refreshes_total{outcome=\"coalesced\",provider=\"auth0\"}", 49));
}

/// S55: when the slow provider fails, whoever waited fails with it instead of asking in turn.
#[tokio::test(start_paused = true)]
async fn s55_one_failure_for_all_who_waited() {
    let kit = Kit::new().await;
    let client = kit.client().await;
    let first = kit.sign_in(&client).await;
    kit.advance(Duration::from_hours(2));
    *kit.provider.takes.lock().unwrap() = Duration::from_secs(10);
    kit.provider.will(Renewal::Unavailable);
    let refreshes = (0..20).map(|_| kit.refresh(&client, refresh_token(&first)));
    let responses = futures_util::future::join_all(refreshes).await;
    assert!(responses.iter().all(|response| matches!(response, Err(TokenError::ProviderUnavailable))));
    assert_eq!(kit.renewals(), 1);
    assert!(kit.refresh(&client, refresh_token(&first)).await.is_ok());
}

/// S55: a client that hangs up while the provider answers loses nothing: the provider's new tokens
/// are kept.
#[tokio::test(start_paused = true)]
async fn s55_a_client_that_hangs_up() {
    let kit = Kit::new().await;
    let client = kit.client().await;
    let first = kit.sign_in(&client).await;
    let sid = kit.claims(&first).sid;
    kit.advance(Duration::from_hours(2));
    *kit.provider.takes.lock().unwrap() = Duration::from_secs(5);
    let hung_up = tokio::time::timeout(Duration::from_secs(1), kit.refresh(&client, refresh_token(&first))).await;
    assert!(hung_up.is_err());
    tokio::time::sleep(Duration::from_secs(10)).await;
    let record = kit.authority.grants.record(&sid).await.unwrap().unwrap();
    assert_eq!(record.value.tokens.refresh_token.as_deref(), Some("provider-refresh-1"));
    assert!(kit.refresh(&client, refresh_token(&first)).await.is_ok());
    assert_eq!(kit.renewals(), 1);
}

/// A revocation while the provider is asked wins; what the provider then gives is revoked there.
#[tokio::test(start_paused = true)]
async fn a_revocation_during_a_refresh() {
    let kit = Kit::new().await;
    let client = kit.client().await;
    let first = kit.sign_in(&client).await;
    kit.advance(Duration::from_mins(40));
    *kit.provider.takes.lock().unwrap() = Duration::from_secs(5);
    let refresh = kit.refresh(&client, refresh_token(&first));
    let revoke = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        kit.authority.revoke(&client, refresh_token(&first)).await.unwrap();
    };
    let (refreshed, ()) = tokio::join!(refresh, revoke);
    assert!(matches!(refreshed, Err(TokenError::RefreshUnknown)), "{refreshed:?}");
    let revoked: HashSet<String> =
        kit.revoked_at_provider().await.into_iter().filter_map(|tokens| tokens.refresh_token).collect();
    assert_eq!(revoked, HashSet::from(["provider-refresh-0".into(), "provider-refresh-1".into()]));
}

/// A restart (another authority on the same store) costs a client nothing.
#[tokio::test]
async fn a_restart() {
    let kit = Kit::new().await;
    let client = kit.client().await;
    let first = kit.sign_in(&client).await;
    let restarted = kit.another(|_| {}).await;
    let second = restarted.refresh(&client, &refresh_request(refresh_token(&first))).await.unwrap();
    let retry = kit.refresh(&client, refresh_token(&first)).await.unwrap();
    assert_eq!(retry.refresh_token, second.refresh_token);
    assert_eq!(restarted.client(&ClientId::parse(client.id.as_str()).unwrap()).await.unwrap().id, client.id);
}

#[tokio::test]
async fn positions_in_a_family() {
    let kit = Kit::new().await;
    let grant = crate::authority::GrantId::new("g");
    let (first, mut family) = kit.authority.first_refresh_token(&grant, None);
    let now = kit.clock.now();
    let grace = Duration::from_mins(1);
    let token = |generation| RefreshToken { grant: grant.clone(), generation };
    assert_eq!(family.position(&token(1), &first, now, grace), Position::Current);
    family.rotate(2, "second".into(), now, now, grace);
    assert_eq!(family.position(&token(1), &first, now, grace), Position::Retired("second".into()));
    assert_eq!(family.position(&token(1), &first, now.plus(grace), grace), Position::Reused);
    assert_eq!(family.position(&token(1), &first, now, Duration::ZERO), Position::Reused);
    assert_eq!(family.position(&token(1), "other", now, grace), Position::Reused);
    assert_eq!(family.position(&token(2), "other", now, grace), Position::Foreign);
    assert!(!format!("{family:?}").contains("second"));
}
