use std::time::Duration;

use super::{BrowserBinding, TransactionError};
use crate::{
    authority::{AnswerError, tests::Kit},
    oauth::Issuer,
};

/// S02, S06: a transaction opens for its own browser and issuer only, unchanged, and in time.
#[tokio::test]
async fn s02_s06_a_transaction_is_bound() {
    let kit = Kit::new().await;
    let transaction = kit.begin(&kit.client().await, &[]).await.unwrap();
    let sealed = kit.authority.seal_transaction(&transaction);
    assert_eq!(kit.authority.open_transaction(&sealed, &kit.browser), Ok(transaction.clone()));

    let stranger = BrowserBinding::random();
    assert_eq!(kit.authority.open_transaction(&sealed, &stranger), Err(TransactionError::OtherBrowser));
    let other =
        kit.another(|plan| plan.issuer = Issuer::new(&url::Url::parse("https://g.example").unwrap(), "/other")).await;
    assert_eq!(other.open_transaction(&sealed, &kit.browser), Err(TransactionError::Invalid));
    let mut flipped = sealed.clone();
    let other = if flipped.remove(80) == 'A' { 'B' } else { 'A' };
    flipped.insert(80, other);
    for text in ["", "x", sealed.trim_start_matches('A'), &flipped] {
        assert_eq!(kit.authority.open_transaction(text, &kit.browser), Err(TransactionError::Invalid));
    }

    kit.advance(Duration::from_secs(899));
    assert!(kit.authority.open_transaction(&sealed, &kit.browser).is_ok());
    kit.advance(Duration::from_secs(1));
    assert_eq!(kit.authority.open_transaction(&sealed, &kit.browser), Err(TransactionError::Expired));
}

/// B2: opening twice is no harm; what is single use is the code.
#[tokio::test]
async fn b1_a_transaction_opens_again() {
    let kit = Kit::new().await;
    let sealed = kit.authority.seal_transaction(&kit.begin(&kit.client().await, &[]).await.unwrap());
    assert!(kit.authority.open_transaction(&sealed, &kit.browser).is_ok());
    assert!(kit.authority.open_transaction(&sealed, &kit.browser).is_ok());
}

#[test]
fn a_browser_binding_survives_its_cookie() {
    let browser = BrowserBinding::random();
    assert_eq!(BrowserBinding::from_cookie(browser.expose()), Some(browser.clone()));
    assert_ne!(BrowserBinding::random(), browser);
    for text in ["", "short", &"x".repeat(44), &"é".repeat(43), &format!(" {}", browser.expose().split_at(1).1)] {
        assert_eq!(BrowserBinding::from_cookie(text), None);
    }
    assert!(!format!("{browser:?}").contains(browser.expose()));
}

/// AS-45: a refusal carries `state` and `iss` too.
#[tokio::test]
async fn as45_a_declined_transaction() {
    let kit = Kit::new().await;
    let transaction = kit.begin(&kit.client().await, &[]).await.unwrap();
    let url = kit.authority.decline(&transaction, AnswerError::AccessDenied, "the person declined").to_url();
    assert_eq!(
        url,
        "https://app.example/cb?error=access_denied&error_description=the+person+declined&state=the-state\
         &iss=https%3A%2F%2Fg.example"
    );
    assert!(!format!("{transaction:?}").contains("the-state"));
}
