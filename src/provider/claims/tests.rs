use serde_json::json;

use super::*;

fn from(claims: &Value) -> Result<Identity, ClaimsError> {
    identity("https://idp.example/", claims.as_object().unwrap().clone(), &[])
}

#[test]
fn what_is_about_the_token_is_not_about_the_person() {
    let identity = from(&json!({
        "iss": "x", "sub": "alice", "aud": "x", "exp": 1, "iat": 1, "nbf": 1, "nonce": "x", "azp": "x", "at_hash": "x",
        "preferred_username": " al ", "roles": ["admin"], "sid": "s",
    }))
    .unwrap();
    assert_eq!(identity.issuer, "https://idp.example/");
    assert_eq!(identity.name.as_deref(), Some("al"));
    assert_eq!(Value::Object(identity.claims), json!({ "preferred_username": " al ", "roles": ["admin"], "sid": "s" }));
}

#[test]
fn an_address_is_verified_only_if_the_provider_says_so() {
    for (claim, verified) in [
        (json!(true), true),
        (json!("true"), true),
        (json!(false), false),
        (json!("false"), false),
        (json!("yes"), false),
        (json!(1), false),
        (Value::Null, false),
    ] {
        let identity = from(&json!({ "sub": "a", "email": "a@example.com", "email_verified": claim })).unwrap();
        assert_eq!(identity.email_verified, verified, "{claim}");
    }
    let identity = from(&json!({ "sub": "a", "email_verified": true })).unwrap();
    assert!(!identity.email_verified, "no address, nothing verified");
    let mut identity = from(&json!({ "sub": "a", "email": "a@example.com" })).unwrap();
    complete(&mut identity, json!({ "email": "b@example.com", "email_verified": true }).as_object().unwrap());
    assert_eq!(identity.email.as_deref(), Some("a@example.com"));
    assert!(!identity.email_verified, "the word is about another address");
}

#[test]
fn hostile_texts_are_nobodys() {
    for text in ["", "  ", "a\nb", "a\u{7}b", &"x".repeat(321)] {
        let identity = from(&json!({ "sub": "a", "email": text, "name": text })).unwrap();
        assert_eq!((identity.email, identity.name), (None, None), "{text:?}");
    }
    let identity = from(&json!({ "sub": "a", "email": 7, "name": ["x"] })).unwrap();
    assert_eq!((identity.email, identity.name), (None, None));
}

#[test]
fn a_subject_is_1_to_255_bytes() {
    assert!(from(&json!({ "sub": "x".repeat(255) })).is_ok());
    for claims in [json!({}), json!({ "sub": "" }), json!({ "sub": 7 }), json!({ "sub": "x".repeat(256) })] {
        assert_eq!(from(&claims).unwrap_err(), ClaimsError::Subject);
    }
}

#[test]
fn the_largest_claims_are_left_out_first() {
    let groups: Vec<String> = (0..2000).map(|number| format!("group-{number}")).collect();
    let identity = from(&json!({ "sub": "a", "groups": groups, "role": "admin", "department": "x" })).unwrap();
    assert_eq!(Value::Object(identity.claims), json!({ "role": "admin", "department": "x" }));
}

#[test]
fn a_payload_that_is_no_object_is_an_error() {
    for jwt in ["", "a", "a.!.c", "a.e30", "a.W10.c"] {
        assert_eq!(payload(jwt).is_ok(), jwt == "a.e30", "{jwt}");
    }
}
