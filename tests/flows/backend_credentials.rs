//! What a backend may get instead of the client's token: the provider's, or an assertion of ours.

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    backend::{Backend, response},
    client::{Client, json_of},
    stage::Stage,
};

fn bearer(head: &str) -> String {
    head.lines().find_map(|line| line.strip_prefix("authorization: Bearer ")).expect("a credential").to_owned()
}

/// RS-22: an assertion is verified as a backend would do it: by the published keys, for itself only;
/// the gate refuses it (S52).
#[tokio::test]
async fn rs22_an_assertion_verifies_with_the_published_keys() {
    let backend = Backend::start(|_| response("200 OK", &[], "ok")).await;
    let url = backend.url.clone();
    let stage = Stage::configured(|_| {
        format!("    routes:\n      - {{ path: /mcp, backend: '{url}', backend_authorization: assertion, identity_headers: {{ assertion: x-user-jwt }} }}\n")
    })
    .await;
    let client = Client::discover(&stage.resource).await;
    let tokens = client.tokens("ada").await;
    let call = |token: String| client.http.post(&stage.resource).bearer_auth(token).body("{}").send();
    assert_eq!(call(tokens.access.clone()).await.unwrap().status(), StatusCode::OK);
    let seen = backend.last();
    let assertion = bearer(&seen);
    assert!(seen.contains(&format!("x-user-jwt: {assertion}")), "{seen}");
    assert_ne!(assertion, tokens.access);

    let keys: JwkSet =
        serde_json::from_value(json_of(client.http.get(client.endpoint("jwks_uri")).send().await.unwrap()).await)
            .unwrap();
    let header = decode_header(&assertion).unwrap();
    let key = DecodingKey::from_jwk(keys.find(header.kid.as_deref().unwrap()).expect("a published key")).unwrap();
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_audience(&[&backend.url]);
    validation.set_issuer(&[&client.issuer]);
    let claims = decode::<Value>(&assertion, &key, &validation).unwrap().claims;
    assert_eq!(claims["sub"], tokens.claims()["sub"]);
    assert_eq!(claims["client_id"], client.client_id.as_str());
    assert_eq!(claims["scope"], tokens.claims()["scope"]);
    let life = claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
    assert!(life <= 300, "{life}");
    let mut elsewhere = validation.clone();
    elsewhere.set_audience(&["https://other.example"]);
    assert!(decode::<Value>(&assertion, &key, &elsewhere).is_err());
    assert_eq!(call(assertion).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    stage.stop().await;
}

/// RS-21, RS-22: the provider's token goes to a backend that is configured for it, never to the
/// client, and opens nothing here.
#[tokio::test]
async fn rs21_the_providers_token_is_for_the_backend() {
    let backend = Backend::start(|_| response("200 OK", &[], "ok")).await;
    let url = backend.url.clone();
    let stage = Stage::configured(|_| {
        format!("    routes:\n      - {{ path: /mcp, backend: '{url}', backend_authorization: provider_token }}\n")
    })
    .await;
    let client = Client::discover(&stage.resource).await;
    let tokens = client.tokens("ada").await;
    let answer = client.http.post(&stage.resource).bearer_auth(&tokens.access).body("{}").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let provider_token = bearer(&backend.last());
    assert_ne!(provider_token, tokens.access);
    assert!(!tokens.response.to_string().contains(&provider_token), "D-11");
    assert_eq!(client.call(&provider_token, "ping", json!({})).await.status(), StatusCode::UNAUTHORIZED);
    stage.stop().await;
}
