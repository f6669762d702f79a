use std::{sync::atomic::Ordering, time::Duration};

use super::ProviderTokenError;
use crate::{
    authority::tests::{Kit, Renewal},
    provider::tokens::ProviderTokens,
};

/// The provider's token for a backend: no store and no provider is asked while it is good.
#[tokio::test]
async fn a_good_token_is_at_hand() {
    let kit = Kit::new().await;
    let response = kit.sign_in(&kit.client().await).await;
    let state = kit.state(&response).await.unwrap();
    kit.advance(Duration::from_mins(58));
    assert_eq!(kit.authority.provider_access_token(&state).await.unwrap().expose(), "provider-access-0");
    assert_eq!(kit.renewals(), 0);
    kit.advance(Duration::from_mins(1));
    assert_eq!(kit.authority.provider_access_token(&state).await.unwrap().expose(), "provider-access-1");
    assert_eq!(kit.authority.provider_access_token(&state).await.unwrap().expose(), "provider-access-1");
    assert_eq!(kit.renewals(), 1);
}

/// S55: fifty requests with an expired token and a slow provider that rotates: one renewal, and
/// all succeed.
#[tokio::test(start_paused = true)]
async fn s55_fifty_requests_one_renewal() {
    let kit = Kit::new().await;
    let response = kit.sign_in(&kit.client().await).await;
    let state = kit.state(&response).await.unwrap();
    kit.advance(Duration::from_hours(2));
    *kit.provider.takes.lock().unwrap() = Duration::from_secs(5);
    let tokens = futures_util::future::join_all((0..50).map(|_| kit.authority.provider_access_token(&state))).await;
    assert!(tokens.into_iter().all(|token| token.unwrap().expose() == "provider-access-1"));
    assert_eq!(kit.renewals(), 1);
}

/// An outage is forgiven as long as the token can be used at all.
#[tokio::test]
async fn an_outage() {
    let kit = Kit::new().await;
    let response = kit.sign_in(&kit.client().await).await;
    let state = kit.state(&response).await.unwrap();
    kit.provider.will(Renewal::Unavailable);
    kit.provider.will(Renewal::Unavailable);
    kit.advance(Duration::from_secs(3_590));
    assert_eq!(kit.authority.provider_access_token(&state).await.unwrap().expose(), "provider-access-0");
    kit.advance(Duration::from_secs(10));
    let error = kit.authority.provider_access_token(&state).await.unwrap_err();
    assert!(matches!(error, ProviderTokenError::Unavailable));
    assert!(!state.is_revoked());
    assert_eq!(kit.authority.provider_access_token(&state).await.unwrap().expose(), "provider-access-3");
}

/// D-10: the provider ended it: so is the grant, for everything that hangs off it.
#[tokio::test]
async fn d10_the_end_at_the_provider() {
    let kit = Kit::new().await;
    let response = kit.sign_in(&kit.client().await).await;
    let state = kit.state(&response).await.unwrap();
    kit.advance(Duration::from_hours(1));
    kit.provider.will(Renewal::Ended);
    let error = kit.authority.provider_access_token(&state).await.unwrap_err();
    assert!(matches!(error, ProviderTokenError::Ended));
    assert!(state.is_revoked());
    let error = kit.authority.provider_access_token(&state).await.unwrap_err();
    assert!(matches!(error, ProviderTokenError::Gone));
    assert_eq!(kit.renewals(), 1);
}

/// A token that cannot be renewed is used to its end, and not a moment longer.
#[tokio::test]
async fn a_token_without_a_refresh_token() {
    let kit = Kit::new().await;
    let tokens = ProviderTokens { refresh_token: None, ..kit.provider_tokens() };
    let response = kit.sign_in_with(&kit.client().await, &[], tokens).await;
    let state = kit.state(&response).await.unwrap();
    kit.advance(Duration::from_secs(899));
    assert!(kit.authority.provider_access_token(&state).await.is_ok());
    assert_eq!(kit.renewals(), 0);
    assert!(kit.provider.revoked.lock().unwrap().is_empty());
}

/// T6: a provider that does not rotate, gives no expiry and says nothing about scopes.
#[tokio::test]
async fn t6_quiet_providers() {
    let kit = Kit::new().await;
    let tokens =
        ProviderTokens { scopes: Some(crate::authority::tests::scopes("openid read")), ..kit.provider_tokens() };
    let response = kit.sign_in_with(&kit.client().await, &[], tokens).await;
    let state = kit.state(&response).await.unwrap();
    kit.advance(Duration::from_hours(1));
    kit.provider.will(Renewal::Tokens(Box::new(ProviderTokens {
        access_token: "quiet".into(),
        refresh_token: Some("provider-refresh-0".into()),
        expires_at: None,
        scopes: None,
        ..ProviderTokens::default()
    })));
    assert_eq!(kit.authority.provider_access_token(&state).await.unwrap().expose(), "quiet");
    let record = kit.authority.grants.record(&state.id).await.unwrap().unwrap();
    assert_eq!(record.value.tokens.scopes, Some(crate::authority::tests::scopes("openid read")));
    kit.advance(Duration::from_mins(58));
    assert_eq!(kit.authority.provider_access_token(&state).await.unwrap().expose(), "quiet");
    kit.advance(Duration::from_mins(2));
    assert_eq!(kit.authority.provider_access_token(&state).await.unwrap().expose(), "provider-access-2");
}

/// A store that does not take the provider's answer is an error of ours, not of the provider.
#[tokio::test(start_paused = true)]
async fn a_failing_store() {
    let kit = Kit::new().await;
    let response = kit.sign_in(&kit.client().await).await;
    let state = kit.state(&response).await.unwrap();
    kit.advance(Duration::from_hours(1));
    kit.store.broken.store(true, Ordering::SeqCst);
    let error = kit.authority.provider_access_token(&state).await.unwrap_err();
    assert!(matches!(error, ProviderTokenError::Store(_)));
}

/// The provider's token is renewed before its end where the plan wants that.
#[tokio::test]
async fn a_token_may_be_renewed_early() {
    let kit = Kit::new().await;
    let renew_at = Some(kit.clock.now().plus(Duration::from_mins(40)));
    let tokens = ProviderTokens { renew_at, ..kit.provider_tokens() };
    let response = kit.sign_in_with(&kit.client().await, &[], tokens).await;
    let state = kit.state(&response).await.unwrap();
    kit.advance(Duration::from_mins(39));
    assert_eq!(kit.authority.provider_access_token(&state).await.unwrap().expose(), "provider-access-0");
    kit.advance(Duration::from_mins(1));
    assert_eq!(kit.authority.provider_access_token(&state).await.unwrap().expose(), "provider-access-1");
    assert_eq!(kit.renewals(), 1);
}

/// A token without an end is checked instead of renewed: the grant lives as long as our own
/// lifetimes, or until the provider says that it is over.
#[tokio::test]
async fn a_lasting_token_is_checked_now_and_then() {
    let kit = Kit::new().await;
    let lasting = ProviderTokens { refresh_token: None, expires_at: None, lasting: true, ..kit.provider_tokens() };
    let response = kit.sign_in_with(&kit.client().await, &[], lasting.clone()).await;
    let state = kit.state(&response).await.unwrap();
    assert!(response.refresh_token.is_some(), "our grant goes on");
    kit.advance(Duration::from_mins(58));
    assert!(kit.authority.provider_access_token(&state).await.is_ok());
    assert_eq!(kit.renewals(), 0);
    kit.provider.will(Renewal::Tokens(Box::new(lasting)));
    kit.advance(Duration::from_mins(1));
    assert_eq!(kit.authority.provider_access_token(&state).await.unwrap().expose(), "provider-access-0");
    assert_eq!(kit.renewals(), 1);
    kit.provider.will(Renewal::Ended);
    kit.advance(Duration::from_hours(1));
    let error = kit.authority.provider_access_token(&state).await.unwrap_err();
    assert!(matches!(error, ProviderTokenError::Ended));
    assert!(state.is_revoked());
}
