//! Several processes with one store: each is an authority of its own, with grants of its own.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::future::{join, join_all};

use crate::{
    authority::{
        Authority, GrantState, TokenResponse,
        client::Client,
        error::TokenError,
        renewal::ProviderTokenError,
        tests::{Kit, Renewal, refresh_request},
    },
    metrics::outcome::RevocationInitiator,
};

/// Two replicas, and a grant that both have seen.
struct Pair {
    kit: Kit,
    other: Arc<Authority>,
    client: Client,
    response: TokenResponse,
    states: [Arc<GrantState>; 2],
}

impl Pair {
    async fn new() -> Self {
        let kit = Kit::new().await;
        kit.store.shared.store(true, Ordering::SeqCst);
        let other = kit.another(|_| {}).await;
        let client = kit.client().await;
        let response = kit.sign_in(&client).await;
        let one = kit.state(&response).await.unwrap();
        let two = other.grants.state(&one.id).await.unwrap().unwrap();
        assert!(!Arc::ptr_eq(&one, &two));
        Self { kit, other, client, response, states: [one, two] }
    }

    async fn token_of(&self, replica: usize) -> Result<String, ProviderTokenError> {
        let authority = if replica == 0 { &self.kit.authority } else { &self.other };
        authority.provider_access_token(&self.states[replica]).await.map(|token| token.expose().to_owned())
    }
}

/// S55: fifty requests over two replicas with an expired token, and a slow provider that rotates: one
/// renewal, and all succeed.
#[tokio::test(start_paused = true)]
async fn s55_two_replicas_one_renewal() {
    let pair = Pair::new().await;
    pair.kit.advance(Duration::from_hours(2));
    *pair.kit.provider.takes.lock().unwrap() = Duration::from_secs(5);
    let tokens = join_all((0..50).map(|request| pair.token_of(request % 2))).await;
    assert!(tokens.into_iter().all(|token| token.unwrap() == "provider-access-1"));
    assert_eq!(pair.kit.renewals(), 1);
    // Both know it from now on, and ask nobody.
    let commits = pair.kit.store.commits.load(Ordering::SeqCst);
    assert_eq!(pair.token_of(1).await.unwrap(), "provider-access-1");
    assert_eq!(pair.token_of(0).await.unwrap(), "provider-access-1");
    assert_eq!(pair.kit.store.commits.load(Ordering::SeqCst), commits);
}

/// S56, T1: fifty refreshes of one token over two replicas: one successor for all of them, and it works.
#[tokio::test(start_paused = true)]
async fn s56_t1_two_replicas_one_successor() {
    let pair = Pair::new().await;
    let token = pair.response.refresh_token.clone().unwrap();
    pair.kit.advance(Duration::from_mins(45));
    // The other replica looks when the first one has rotated already.
    *pair.kit.provider.takes.lock().unwrap() = Duration::from_millis(1010);
    let (client, request) = (&pair.client, refresh_request(&token));
    let refresh = |number: usize| {
        let authority = if number.is_multiple_of(2) { &pair.kit.authority } else { &pair.other };
        authority.refresh(client, &request)
    };
    let answers = join_all((0..50).map(refresh)).await;
    let successors: Vec<String> = answers.into_iter().map(|answer| answer.unwrap().refresh_token.unwrap()).collect();
    assert!(successors.iter().all(|successor| *successor == successors[0]));
    assert_ne!(successors[0], token);
    assert_eq!(pair.kit.renewals(), 1);
    pair.other.refresh(&pair.client, &refresh_request(&successors[0])).await.unwrap();
}

/// Whoever had the lease is gone: nobody waits for longer than it lasts.
#[tokio::test(start_paused = true)]
async fn a_lease_of_the_dead_ends() {
    let pair = Pair::new().await;
    pair.kit.advance(Duration::from_hours(2));
    let lasts = pair.other.renewer.lease;
    let lease = pair.other.grants.lease(&pair.states[1].id, lasts).await.unwrap().unwrap();
    assert!(pair.kit.authority.grants.lease(&pair.states[0].id, lasts).await.unwrap().is_none());
    let clock_goes_on = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(pair.kit.renewals(), 0);
        pair.kit.advance(lasts);
    };
    let (token, ()) = join(pair.token_of(0), clock_goes_on).await;
    assert_eq!(token.unwrap(), "provider-access-1");
    // It was not dead, only slow: what it gives back is not its own any more.
    let next = pair.kit.authority.grants.lease(&pair.states[0].id, lasts).await.unwrap().unwrap();
    lease.give_back().await;
    assert!(pair.kit.authority.grants.lease(&pair.states[0].id, lasts).await.unwrap().is_none());
    next.give_back().await;
    assert!(pair.kit.authority.grants.lease(&pair.states[0].id, lasts).await.unwrap().is_some());
}

/// An outage that one replica met costs the grant nothing: the next one asks again.
#[tokio::test(start_paused = true)]
async fn a_transient_failure_gives_the_lease_back() {
    let pair = Pair::new().await;
    pair.kit.advance(Duration::from_hours(2));
    pair.kit.provider.will(Renewal::Unavailable);
    assert!(matches!(pair.token_of(0).await, Err(ProviderTokenError::Unavailable)));
    assert_eq!(pair.token_of(1).await.unwrap(), "provider-access-2");
    assert_eq!(pair.token_of(0).await.unwrap(), "provider-access-2");
}

/// An answer that comes after another replica's is fenced off, and a refusal of a refresh token that
/// another replica has used meanwhile ends nothing.
#[tokio::test(start_paused = true)]
async fn a_late_answer_changes_nothing() {
    let pair = Pair::new().await;
    let old = pair.kit.authority.grants.record(&pair.states[0].id).await.unwrap().unwrap();
    pair.kit.advance(Duration::from_hours(2));
    assert_eq!(pair.token_of(1).await.unwrap(), "provider-access-1");
    let late = pair.kit.authority.renewer.ask(&pair.states[0], old.clone()).await.unwrap();
    assert_eq!(pair.kit.renewals(), 2);
    assert_eq!(late.value.tokens.access_token, "provider-access-1");
    pair.kit.provider.will(Renewal::Ended);
    let refused = pair.kit.authority.renewer.ask(&pair.states[0], old).await.unwrap();
    assert_eq!(refused.value.tokens.access_token, "provider-access-1");
    assert!(!pair.states[0].is_revoked());
    assert_eq!(pair.token_of(0).await.unwrap(), "provider-access-1");
}

/// The store goes while the provider answers, and comes back: the new tokens are not lost.
#[tokio::test(start_paused = true)]
async fn new_tokens_wait_for_the_store() {
    let pair = Pair::new().await;
    pair.kit.advance(Duration::from_hours(2));
    *pair.kit.provider.takes.lock().unwrap() = Duration::from_secs(2);
    let outage = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        pair.kit.store.broken.store(true, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(5)).await;
        pair.kit.store.broken.store(false, Ordering::SeqCst);
    };
    let (token, ()) = join(pair.token_of(0), outage).await;
    assert_eq!(token.unwrap(), "provider-access-1");
    assert_eq!(pair.kit.renewals(), 1);
    let kept = pair.other.grants.record(&pair.states[1].id).await.unwrap().unwrap();
    assert_eq!(kept.value.tokens.refresh_token.as_deref(), Some("provider-refresh-1"));
}

/// What one replica ended, another one hears of, and whoever missed it looks it up.
#[tokio::test]
async fn a_grant_that_another_replica_ended() {
    for missed in [false, true] {
        let pair = Pair::new().await;
        let [one, two] = &pair.states;
        pair.kit.authority.grants.revoke(&one.id, RevocationInitiator::Client).await.unwrap();
        assert!(one.is_revoked() && !two.is_revoked());
        pair.other.grants.deleted(&[b"another".to_vec(), vec![0xff]]);
        assert!(!two.is_revoked());
        if missed {
            pair.other.grants.look_up().await.unwrap();
        } else {
            pair.other.grants.deleted(&[one.id.as_str().as_bytes().to_vec()]);
        }
        assert!(two.is_revoked());
        let refused = pair.other.refresh(&pair.client, &refresh_request(&pair.response.refresh_token.unwrap())).await;
        assert!(matches!(refused, Err(TokenError::RefreshUnknown)));
    }
}
