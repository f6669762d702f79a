use std::{sync::Arc, time::Duration};

use super::GrantId;
use crate::{
    authority::tests::{Kit, identity},
    metrics::outcome::RevocationInitiator,
    store::{Table, Term},
};

/// All who ask share one state, and a revocation reaches each of them at once.
#[tokio::test]
async fn a_revocation_reaches_everybody() {
    let kit = Kit::new().await;
    let response = kit.sign_in(&kit.client().await).await;
    let one = kit.state(&response).await.unwrap();
    let two = kit.state(&response).await.unwrap();
    assert!(Arc::ptr_eq(&one, &two));
    let waiting = tokio::spawn({
        let one = one.clone();
        async move { one.revoked().await }
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    let tokens = kit.authority.grants.revoke(&one.id, RevocationInitiator::Policy).await.unwrap();
    assert_eq!(tokens.unwrap().access_token, "provider-access-0");
    assert!(one.is_revoked() && two.is_revoked());
    waiting.await.unwrap();
    two.revoked().await;
    assert!(kit.authority.grants.state(&one.id).await.unwrap().is_none());
    assert_eq!(kit.authority.grants.revoke(&one.id, RevocationInitiator::Policy).await.unwrap(), None);
    assert!(kit.counts("vestibule_revocations_total{initiator=\"policy\",outcome=\"ok\",provider=\"auth0\"}", 1));
}

/// A state lives as long as somebody holds it: the registry does not grow with every grant.
#[tokio::test]
async fn the_registry_holds_nothing_by_itself() {
    let kit = Kit::new().await;
    let client = kit.client().await;
    let mut states = Vec::new();
    for _ in 0..10 {
        states.push(kit.state(&kit.sign_in(&client).await).await.unwrap());
    }
    assert_eq!(kit.authority.grants.held.len(), 10);
    let id = states[0].id.clone();
    drop(states);
    assert_eq!(kit.authority.grants.held.len(), 0);
    assert!(kit.authority.grants.state(&id).await.unwrap().is_some());
}

/// Between a look at the store and the registry a revocation may come: nobody gets a live state
/// of a dead grant.
#[tokio::test]
async fn a_revocation_during_the_first_use() {
    let kit = Kit::new().await;
    let response = kit.sign_in(&kit.client().await).await;
    let sid = kit.claims(&response).sid;
    let go_on = kit.store.hold_up(Table::Grant);
    let asked = tokio::spawn({
        let (grants, sid) = (kit.authority.grants.clone(), sid.clone());
        async move { grants.state(&sid).await.unwrap() }
    });
    kit.store.is_held_up().await;
    assert!(kit.authority.grants.revoke(&sid, RevocationInitiator::Client).await.unwrap().is_some());
    go_on.send(()).unwrap();
    assert!(asked.await.unwrap().is_none());
}

/// A store that does not take the revocation: it is reported, and nothing was done by halves.
#[tokio::test]
async fn a_failed_revocation() {
    let kit = Kit::new().await;
    let client = kit.client().await;
    let response = kit.sign_in(&client).await;
    let state = kit.state(&response).await.unwrap();
    kit.store.broken.store(true, std::sync::atomic::Ordering::SeqCst);
    let error = kit.authority.revoke(&client, &response.access_token).await.unwrap_err();
    assert_eq!((error.code(), error.status()), ("temporarily_unavailable", 503));
    assert!(!state.is_revoked() && kit.provider.revoked.lock().unwrap().is_empty());
    kit.store.broken.store(false, std::sync::atomic::Ordering::SeqCst);
    kit.authority.revoke(&client, &response.access_token).await.unwrap();
    assert!(state.is_revoked());
}

/// Grants are found by their person, and end with their time.
#[tokio::test]
async fn grants_of_a_person() {
    let kit = Kit::with(|plan| plan.lifetimes.grant = Duration::from_hours(1)).await;
    let response = kit.sign_in(&kit.client().await).await;
    let state = kit.state(&response).await.unwrap();
    let subject = format!("auth0\n{}\n{}", identity().issuer, identity().subject);
    let term = Term { kind: "subject", value: crate::seal::sha256(subject.as_bytes()).to_vec() };
    let found = kit.records.find::<super::record::GrantRecord>(&term).await.unwrap();
    assert_eq!(found, [state.id.as_str().as_bytes()]);
    let id = state.id.clone();
    drop(state);
    kit.advance(Duration::from_hours(1));
    assert!(kit.authority.grants.state(&id).await.unwrap().is_none());
    assert!(kit.authority.grants.state(&GrantId::new("unknown")).await.unwrap().is_none());
}
