use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::SeenAssertions;
use crate::{
    authority::{
        Client, ClientCredentials, Parameters, TokenError,
        tests::{DOCUMENT, Kit, START, response},
    },
    config::plan::{SigningAlgorithm, SigningPlan},
    keys::KeyRing,
    metrics::Metrics,
    seal::Sealer,
    secret::Secret,
    store::{memory::MemoryStore, record::Records},
    time::Clock,
};

/// Somebody else's keys.
async fn keys(algorithm: SigningAlgorithm) -> KeyRing {
    let (clock, _) = Clock::manual(START);
    let sealer = Arc::new(Sealer::new(&[Secret::new("c".repeat(32))]).unwrap());
    let store = Arc::new(MemoryStore::new(clock.clone()));
    let records = Records::new(store, sealer, Metrics::new().unwrap(), clock.clone());
    KeyRing::load(&records, &SigningPlan::made_here(algorithm), clock).await.unwrap()
}

fn document(keys: &Value) -> Value {
    json!({
        "client_id": DOCUMENT, "client_name": "Confidential", "redirect_uris": ["https://app.example/cb"],
        "token_endpoint_auth_method": "private_key_jwt", "jwks": keys,
    })
}

fn claims(jti: &str) -> Value {
    json!({ "iss": DOCUMENT, "sub": DOCUMENT, "aud": "https://g.example", "exp": START.0 + 60, "jti": jti })
}

async fn authenticate(kit: &Kit, assertion: &str, client_id: Option<&str>) -> Result<Client, TokenError> {
    let mut pairs = vec![
        ("client_assertion", assertion),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
    ];
    pairs.extend(client_id.map(|id| ("client_id", id)));
    let parameters: Parameters = pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    kit.authority.authenticate_client(&ClientCredentials::read(None, &parameters)?).await
}

/// AS-31, AX-3, D8: an assertion for us, in each spelling of us, once.
#[tokio::test]
async fn as31_assertions() {
    let kit = Kit::new().await;
    let client = keys(SigningAlgorithm::Es256).await;
    kit.web.serves(&document(&client.jwks()));
    for (number, audience) in [
        json!("https://g.example"),
        json!("https://g.example/"),
        json!("https://g.example/token"),
        json!(["https://other.example", "https://g.example"]),
    ]
    .into_iter()
    .enumerate()
    {
        let mut claims = claims(&number.to_string());
        claims["aud"] = audience;
        let assertion = client.sign("JWT", &claims).unwrap();
        let client_id = Some(DOCUMENT).filter(|_| number % 2 == 0);
        assert_eq!(authenticate(&kit, &assertion, client_id).await.unwrap().id.as_str(), DOCUMENT);
        let replayed = authenticate(&kit, &assertion, client_id).await.unwrap_err();
        assert_eq!((replayed.code(), replayed.status()), ("invalid_client", 401), "an assertion is used once");
    }
    let no_proof = authenticate(&kit, "", Some(DOCUMENT)).await.unwrap_err();
    assert!(matches!(no_proof, TokenError::ClientAuthentication));
}

/// AS-31, S51: what proves nothing.
#[tokio::test]
async fn as31_refused_assertions() {
    let kit = Kit::new().await;
    let client = keys(SigningAlgorithm::Es256).await;
    let stranger = keys(SigningAlgorithm::Es256).await;
    kit.web.serves(&document(&client.jwks()));
    for (field, value) in [
        ("iss", json!("https://other.example/x")),
        ("sub", json!("https://other.example/x")),
        ("aud", json!("https://other.example")),
        ("aud", json!([])),
        ("aud", Value::Null),
        ("exp", json!(START.0 - 31)),
        ("exp", json!(START.0 + 331)),
        ("exp", json!(1e300)),
        ("exp", json!("soon")),
        ("exp", Value::Null),
        ("nbf", json!(START.0 + 31)),
        ("jti", json!("")),
        ("jti", Value::Null),
    ] {
        let mut claims = claims("x");
        claims[field] = value.clone();
        let assertion = client.sign("JWT", &claims).unwrap();
        let error = authenticate(&kit, &assertion, Some(DOCUMENT)).await.unwrap_err();
        assert_eq!(error.code(), "invalid_client", "{field} {value}");
    }
    let foreign = stranger.sign("JWT", &claims("x")).unwrap();
    let good = client.sign("JWT", &claims("x")).unwrap();
    let (message, _) = good.rsplit_once('.').unwrap();
    let none = format!("eyJhbGciOiJub25lIn0.{}.", message.split_once('.').unwrap().1);
    let hmac = {
        let key = jsonwebtoken::EncodingKey::from_secret(client.jwks().to_string().as_bytes());
        jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims("x"), &key).unwrap()
    };
    for assertion in [foreign.as_str(), &none, &hmac, &format!("{message}."), "a.b.c", "x", &"x".repeat(100_000)] {
        assert!(authenticate(&kit, assertion, Some(DOCUMENT)).await.is_err(), "{assertion}");
    }
    assert!(authenticate(&kit, &good, Some(DOCUMENT)).await.is_ok(), "nothing of that used up the name");
}

/// D8: keys elsewhere, of another kind, and a client that must prove itself at every request.
#[tokio::test]
async fn d8_remote_keys() {
    let kit = Kit::new().await;
    let client = keys(SigningAlgorithm::EdDsa).await;
    let mut document = document(&Value::Null);
    document["jwks_uri"] = json!("https://client.example/keys");
    kit.web.serves(&document);
    kit.find(DOCUMENT).await;
    let assertion = client.sign("JWT", &claims("1")).unwrap();
    kit.web.is_down();
    let error = authenticate(&kit, &assertion, None).await.unwrap_err();
    assert!(matches!(error, TokenError::ClientUnavailable));
    kit.web.answers(response(client.jwks().to_string()));
    assert!(authenticate(&kit, &assertion, None).await.is_ok());
    assert_eq!(kit.web.asked.lock().unwrap().last().unwrap().url.as_str(), "https://client.example/keys");
    kit.advance(Duration::from_secs(30));
    assert!(authenticate(&kit, &client.sign("JWT", &claims("2")).unwrap(), None).await.is_ok());
    assert_eq!(kit.web.count(), 3);
}

/// D8, the reverse: a public client that sends an assertion all the same is a public client.
#[tokio::test]
async fn d8_a_public_client_with_an_assertion() {
    let kit = Kit::new().await;
    let client = keys(SigningAlgorithm::Es256).await;
    let mut document = document(&client.jwks());
    document["token_endpoint_auth_method"] = json!("none");
    kit.web.serves(&document);
    assert!(authenticate(&kit, &client.sign("JWT", &claims("1")).unwrap(), None).await.is_ok());
}

/// S58: another configuration forgets no assertion that was used.
#[tokio::test]
async fn s58_a_replay_after_a_reload_is_seen() {
    let mut kit = Kit::new().await;
    let client = keys(SigningAlgorithm::Es256).await;
    kit.web.serves(&document(&client.jwks()));
    let assertion = client.sign("JWT", &claims("1")).unwrap();
    assert!(authenticate(&kit, &assertion, None).await.is_ok());
    kit.authority = kit.another(|plan| plan.display_name = "Another".to_owned()).await;
    assert!(authenticate(&kit, &assertion, None).await.is_err(), "the replay");
    assert!(authenticate(&kit, &client.sign("JWT", &claims("2")).unwrap(), None).await.is_ok());
}

/// S58: whoever fills the memory of used assertions does not make room for replays.
#[tokio::test]
async fn s58_a_full_memory_still_sees_replays() {
    let keys = keys(SigningAlgorithm::Es256).await;
    let set = serde_json::from_value(keys.jwks()).unwrap();
    let id = crate::oauth::ClientId::parse(DOCUMENT).unwrap();
    let issuer = crate::oauth::Issuer::new(&"https://g.example".parse().unwrap(), "/");
    let seen = SeenAssertions::of(5);
    for number in 0..40 {
        let assertion = keys.sign("JWT", &claims(&number.to_string())).unwrap();
        assert!(seen.prove(&assertion, &id, &set, &issuer, START).is_some(), "{number}");
        seen.0.run_pending_tasks();
        assert!(seen.prove(&assertion, &id, &set, &issuer, START).is_none(), "{number} again");
    }
}
