use std::time::Duration;

use super::*;
use crate::authority::tests::{Kit, scopes};

async fn kit() -> Kit {
    Kit::with(|plan| plan.consent = ConsentPlan::Remember).await
}

/// B4: what was approved is known again, and nothing that differs in anything the person was told.
#[tokio::test]
async fn b4_only_the_same_request_is_remembered() {
    let kit = kit().await;
    let client = kit.client().await;
    let approved = kit.begin(&client, &[("scope", "read")]).await.unwrap();
    let mut remembered = Remembered::default();
    kit.authority.remember(&mut remembered, &approved, "person-1");
    let again = kit.begin(&client, &[("scope", "read")]).await.unwrap();
    let who = kit.authority.approver(&remembered, &again).unwrap();
    assert!(who.is("person-1") && !who.is("person-2") && !who.is(""));

    let differs = |change: &dyn Fn(&mut Transaction)| {
        let mut other = again.clone();
        change(&mut other);
        assert_eq!(kit.authority.approver(&remembered, &other), None, "{other:?}");
    };
    differs(&|other| other.client_id = crate::oauth::ClientId::parse("somebody").unwrap());
    differs(&|other| other.client_name.push('x'));
    differs(&|other| other.client_redirect_uris.push('x'));
    differs(&|other| other.redirect_uri = RedirectUri::parse("https://evil.example/cb").unwrap());
    differs(&|other| other.resource = crate::oauth::ResourceUri::canonical("https://g.example/other").unwrap());
    differs(&|other| other.scopes = scopes("openid read write"));
    differs(&|other| other.offline = !other.offline);
}

/// On loopback the port is another one at every start; host and path are not.
#[tokio::test]
async fn b4_a_loopback_port_is_no_other_address() {
    let kit = kit().await;
    let mut transaction = kit.begin(&kit.client().await, &[]).await.unwrap();
    let at = |transaction: &mut Transaction, uri: &str| transaction.redirect_uri = RedirectUri::parse(uri).unwrap();
    let mut remembered = Remembered::default();
    at(&mut transaction, "http://127.0.0.1:1/cb");
    kit.authority.remember(&mut remembered, &transaction, "p");
    for (uri, known) in [
        ("http://127.0.0.1:2/cb", true),
        ("http://127.0.0.1/cb", true),
        ("http://localhost:1/cb", false),
        ("http://127.0.0.1:1/other", false),
        ("https://127.0.0.1:1/cb", false),
    ] {
        at(&mut transaction, uri);
        assert_eq!(kit.authority.approver(&remembered, &transaction).is_some(), known, "{uri}");
    }
}

/// S06, S72: sealed, bounded, and over at its time; with another mode nothing counts.
#[tokio::test]
async fn b4_s06_sealed_bounded_and_over() {
    let kit = kit().await;
    let transaction = kit.begin(&kit.client().await, &[]).await.unwrap();
    let mut remembered = Remembered::default();
    for number in 0..50 {
        let mut other = transaction.clone();
        other.client_name = format!("client {number}");
        kit.authority.remember(&mut remembered, &other, &format!("auth0|{number}"));
    }
    kit.authority.remember(&mut remembered, &transaction, "p");
    kit.authority.remember(&mut remembered, &transaction, "q");
    assert_eq!(remembered.0.len(), MOST);
    let sealed = kit.authority.seal_remembered(&remembered);
    assert!(sealed.len() < 3_000, "{}", sealed.len());
    assert_eq!(kit.authority.open_remembered(&sealed), remembered);
    let other = |char| if char == 'A' { 'B' } else { 'A' };
    let changed: String = sealed.char_indices().map(|(at, char)| if at == 40 { other(char) } else { char }).collect();
    for strange in [changed.as_str(), "", "x", &"A".repeat(9_000)] {
        assert_eq!(kit.authority.open_remembered(strange), Remembered::default());
    }
    assert!(kit.authority.approver(&remembered, &transaction).unwrap().is("q"));
    kit.advance(Duration::from_hours(24 * 30));
    assert_eq!(kit.authority.approver(&remembered, &transaction), None);

    let other = Kit::new().await;
    let transaction = other.begin(&other.client().await, &[]).await.unwrap();
    other.authority.remember(&mut remembered, &transaction, "p");
    assert_eq!(other.authority.approver(&remembered, &transaction), None);
}
