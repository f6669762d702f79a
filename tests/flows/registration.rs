//! What real clients send to the registration endpoint, and what they do with the answer (D1 to D10).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    browser::Browser,
    client::{Client, REDIRECT_URI, Tokens, json_of},
    stage::Stage,
};

/// No null and no empty text, list or object anywhere.
fn assert_full(value: &Value, at: &str) {
    match value {
        Value::Null => panic!("{at} is null"),
        Value::String(text) => assert!(!text.is_empty(), "{at} is empty"),
        Value::Array(list) => {
            assert!(!list.is_empty(), "{at} is empty");
            for value in list {
                assert_full(value, at);
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                assert_full(value, name);
            }
        }
        _ => {}
    }
}

/// D1, D2, D3, S6: the shapes that real clients register with; each answer is complete and full.
#[tokio::test]
async fn d1_d2_d3_registrations_of_real_clients() {
    let stage = Stage::start().await;
    let client = Client::discover(&stage.resource).await;
    for metadata in [
        // A desktop chat: the least there is.
        json!({ "redirect_uris": ["http://127.0.0.1:33389/mcp/oauth/callback"], "client_name": "LM Studio", "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"], "token_endpoint_auth_method": "none" }),
        // An editor: empty texts, links, a scope that nobody knows.
        json!({ "redirect_uris": ["cursor://anysphere.cursor-mcp/oauth/callback"], "client_name": "Cursor", "client_uri": "", "logo_uri": "", "tos_uri": "", "policy_uri": "", "jwks_uri": "", "contacts": [], "scope": "mcp:read mcp:write", "token_endpoint_auth_method": "none" }),
        // A list with a star, and a type.
        json!({ "redirect_uris": ["http://localhost:*", "http://127.0.0.1:33418/"], "client_name": "Visual Studio Code", "client_uri": "https://code.visualstudio.com", "application_type": "native", "grant_types": ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"], "response_types": ["code"], "token_endpoint_auth_method": "none" }),
        // A web assistant that wants a secret.
        json!({ "redirect_uris": ["https://claude.ai/api/mcp/auth_callback"], "client_name": "Claude", "scope": "openid profile", "token_endpoint_auth_method": "client_secret_post" }),
        // Nothing but addresses; nulls; software statements' fields.
        json!({ "redirect_uris": [REDIRECT_URI], "client_name": null, "scope": null, "software_id": "x", "software_version": "1.0", "jwks": null, "default_max_age": 1, "id_token_signed_response_alg": "RS256" }),
    ] {
        let response = client.register(&metadata).await;
        assert_eq!(response.status(), StatusCode::CREATED, "{metadata}");
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(response.headers()["cache-control"], "no-store");
        let answer = json_of(response).await;
        assert_full(&answer, "the answer");
        assert!(answer["client_id"].is_string() && answer["redirect_uris"].is_array(), "{answer}");
        assert_eq!(answer["client_secret"].is_string(), answer["client_secret_expires_at"].is_u64(), "D2: {answer}");
        let public = metadata["token_endpoint_auth_method"] == "none";
        assert_eq!(answer["client_secret"].is_string(), !public, "{answer}");
    }
    stage.stop().await;
}

/// D5: the same registration a hundred times is one client; different ones differ.
#[tokio::test]
async fn d5_the_same_registration_is_the_same_client() {
    let stage = Stage::start().await;
    let client = Client::discover(&stage.resource).await;
    let metadata =
        json!({ "client_name": "Again", "redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": "none" });
    let (first, _) = client.registered_as(&metadata).await;
    for _ in 0..99 {
        assert_eq!(client.registered_as(&metadata).await.0.client_id, first.client_id);
    }
    assert_ne!(first.client_id, client.client_id);
    assert!(!first.client_id.starts_with("https://"), "AS-33");
    stage.stop().await;
}

/// D4, AS-61, T5: one confidential client, `basic` (form-encoded) and `post`; a public one with an
/// empty secret; a wrong secret is 401 with the scheme that was tried.
#[tokio::test]
async fn d4_as61_ways_to_authenticate() {
    let stage = Stage::start().await;
    let public = Client::discover(&stage.resource).await;
    let metadata = json!({ "client_name": "Web", "redirect_uris": [REDIRECT_URI] });
    let (client, answer) = public.registered_as(&metadata).await;
    let secret = answer["client_secret"].as_str().unwrap();
    let attempt = client.attempt();
    let mut refresh = String::new();
    let tokens = client.tokens_by(&attempt, &[("client_secret", secret)]).await;
    refresh.push_str(tokens.refresh_token());
    let encoded: String =
        url::form_urlencoded::byte_serialize(client.client_id.replace('_', "%5F").as_bytes()).collect();
    // Both the plain and a needlessly encoded identifier mean the same client.
    let encoded = encoded.replace("%255F", "%5F");
    for id in [client.client_id.clone(), encoded] {
        let form = [("grant_type", "refresh_token"), ("refresh_token", &refresh)];
        let basic = format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
        let request = client.http.post(client.endpoint("token_endpoint")).header("authorization", basic).form(&form);
        refresh = Tokens::read(request.send().await.unwrap()).await.refresh.unwrap();
    }
    for (credentials, expected) in [
        (format!("{}:wrong", client.client_id), 401),
        (format!("{}:", client.client_id), 401),
        ("nobody:x".to_owned(), 401),
    ] {
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
        let basic = format!("Basic {}", STANDARD.encode(credentials));
        let request = client.http.post(client.endpoint("token_endpoint")).header("authorization", basic).form(&form);
        let refused = request.send().await.unwrap();
        assert_eq!(refused.status().as_u16(), expected);
        assert!(refused.headers()["www-authenticate"].to_str().unwrap().starts_with("Basic"), "AS-60");
        assert_eq!(refused.headers()["cache-control"], "no-store");
        assert_eq!(json_of(refused).await["error"], "invalid_client");
    }
    let tokens = public.tokens_by(&public.attempt(), &[("client_secret", "")]).await;
    let basic = format!("Basic {}", STANDARD.encode(format!("{}:", public.client_id)));
    let form = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh_token())];
    let request = public.http.post(public.endpoint("token_endpoint")).header("authorization", basic).form(&form);
    Tokens::read(request.send().await.unwrap()).await;
    stage.stop().await;
}

/// D7, D10, AS-37: who is not known here reads what to do; programs get `invalid_client`; clients of
/// the configuration need no registration.
#[tokio::test]
async fn d7_d10_unknown_and_configured_clients() {
    let stage = Stage::configured(|backend| {
        format!("    clients:\n      - {{ client_id: desktop, name: Desktop, redirect_uris: ['{REDIRECT_URI}'] }}\n    routes:\n      - {{ path: /mcp, backend: {backend} }}\n")
    })
    .await;
    let mut client = Client::discover(&stage.resource).await;
    let forged = format!("{}x", client.client_id);
    for unknown in ["nobody", forged.as_str()] {
        let attempt = client.attempt().with("client_id", Some(unknown));
        let page = Browser::new().get(attempt.url.as_str()).await;
        assert!(page.status.is_client_error(), "{}", page.status);
        assert!(page.location().is_none() && page.links().is_empty());
        assert!(page.text().contains("add it again"), "{}", page.text());
        let form = [("grant_type", "refresh_token"), ("refresh_token", "vrt_x"), ("client_id", unknown)];
        let refused = client.token_request(&form).await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(json_of(refused).await["error"], "invalid_client");
    }
    "desktop".clone_into(&mut client.client_id);
    client.tokens_by(&client.attempt(), &[]).await;
    stage.stop().await;
}
