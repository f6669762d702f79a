use std::{sync::Arc, time::Duration};

use super::{GrantFilter, GrantId, short};
use crate::{
    authority::{
        AnswerOutcome,
        tests::{Kit, code_request, identity},
    },
    metrics::outcome::RevocationInitiator,
    seal::Sealer,
    secret::Secret,
    store::Table,
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
    let term = super::record::GrantRecord::subject_term("auth0", &identity().subject);
    let found = kit.records.find::<super::record::GrantRecord>(&term).await.unwrap();
    assert_eq!(found, [state.id.as_str().as_bytes()]);
    let id = state.id.clone();
    drop(state);
    kit.advance(Duration::from_hours(1));
    assert!(kit.authority.grants.state(&id).await.unwrap().is_none());
    assert!(kit.authority.grants.state(&GrantId::new("unknown")).await.unwrap().is_none());
}

/// An operator finds grants by each thing that a person knows of them, and sees no token.
#[tokio::test]
async fn grants_are_found_by_what_is_known_of_them() {
    let kit = Kit::new().await;
    let (one, other) = (kit.client().await, kit.client_named("Another").await);
    let first = kit.state(&kit.sign_in(&one).await).await.unwrap();
    kit.sign_in(&other).await;
    let (grants, plan) = (&kit.authority.grants, kit.authority.plan());
    let found = async |filter: GrantFilter| grants.list(plan, &filter, 10).await.unwrap().grants.len();
    let some = |value: &str| Some(value.to_owned());
    let id = some(first.id.as_str());
    assert_eq!(found(GrantFilter::default()).await, 2);
    assert_eq!(found(GrantFilter { id: id.clone(), ..GrantFilter::default() }).await, 1);
    assert_eq!(found(GrantFilter { id, subject: some("another"), ..GrantFilter::default() }).await, 0);
    for (subject, expected) in [("person-1", 2), ("person", 0)] {
        assert_eq!(found(GrantFilter { subject: some(subject), ..GrantFilter::default() }).await, expected);
    }
    for client in [other.id.as_str(), &short(other.id.as_str())] {
        assert_eq!(found(GrantFilter { client: some(client), ..GrantFilter::default() }).await, 1, "{client}");
    }
    for (provider, expected) in [("auth0", 2), ("other", 0)] {
        assert_eq!(found(GrantFilter { provider: some(provider), ..GrantFilter::default() }).await, expected);
    }
    let route = &plan.routes[0];
    for route in [route.id.as_str(), route.resource.as_str()] {
        assert_eq!(found(GrantFilter { route: some(route), ..GrantFilter::default() }).await, 2, "{route}");
    }
    let list = grants.list(plan, &GrantFilter::default(), 1).await.unwrap();
    assert!(list.grants.len() == 1 && list.more);
    let text = serde_json::to_string(&list).unwrap();
    assert!(!text.contains("provider-access") && !text.contains("provider-refresh"), "{text}");
}

/// In a choice an operator finds people by the name that the audit log and the backend have for them.
#[tokio::test]
async fn people_of_a_choice_are_found_by_the_name_that_is_told_of_them() {
    let kit = Kit::new().await;
    let client = kit.client().await;
    let transaction = kit.begin(&client, &[]).await.unwrap();
    let person = crate::identity::Identity { provider: Some("entra".to_owned()), ..identity() };
    let answer = kit.authority.issue_code(&transaction, person, kit.provider_tokens()).await.unwrap();
    let AnswerOutcome::Code(code) = answer.outcome else { panic!("no code") };
    let response = kit.authority.exchange_code(&client, &code_request(&code)).await.unwrap();
    let told = kit.claims(&response).sub;
    for (subject, expected) in [(told.as_str(), 1), ("person-1", 0)] {
        let filter = GrantFilter { subject: Some(subject.to_owned()), ..GrantFilter::default() };
        let found = kit.authority.grants.list(kit.authority.plan(), &filter, 10).await.unwrap().grants;
        assert_eq!(found.len(), expected, "{subject}");
        assert!(found.iter().all(|grant| grant.subject == told));
    }
}

/// Whoever looks at the store after a root secret was replaced finds grants that the new one opens.
#[tokio::test]
async fn grants_are_sealed_anew() {
    let kit = Kit::new().await;
    let client = kit.client().await;
    let response = kit.sign_in(&client).await;
    let grants = &kit.authority.grants;
    assert_eq!(grants.seals().await.unwrap().by_root, [1]);
    assert_eq!(grants.seal_anew().await.unwrap(), 0);

    let old = grants.records.sealer().root_names();
    let secret = |letter: &str| Secret::new(letter.repeat(32));
    let new = Sealer::new(&[secret("n")]).unwrap();
    let both = Sealer::new(&[secret("n"), secret("s")]).unwrap();
    grants.records.sealer().adopt(&both);
    let second = kit.sign_in(&client).await;
    let seals = grants.seals().await.unwrap();
    assert_eq!((seals.by_root.as_slice(), seals.unknown), ([1, 1].as_slice(), 0));
    assert_eq!(grants.seal_anew().await.unwrap(), 1);
    assert_eq!(grants.seals().await.unwrap().by_root, [2]);
    assert_ne!(grants.records.sealer().root_names()[0], old[0]);

    grants.records.sealer().adopt(&new);
    for response in [&response, &second] {
        assert!(grants.state(&kit.claims(response).sid).await.unwrap().is_some());
    }
    // The index is as it was: everybody is found by their name.
    let plan = kit.authority.plan.clone();
    let ada = GrantFilter { subject: Some(identity().subject), ..GrantFilter::default() };
    assert_eq!(grants.list(&plan, &ada, 10).await.unwrap().grants.len(), 2);
}

/// What an unknown root secret sealed is counted, and not touched.
#[tokio::test]
async fn grants_of_an_unknown_root_secret_are_counted() {
    let kit = Kit::new().await;
    kit.sign_in(&kit.client().await).await;
    let grants = &kit.authority.grants;
    grants.records.sealer().adopt(&Sealer::new(&[Secret::new("n".repeat(32))]).unwrap());
    let seals = grants.seals().await.unwrap();
    assert_eq!((seals.by_root.len(), seals.unknown), (0, 1));
    assert_eq!(grants.seal_anew().await.unwrap(), 0);
}
