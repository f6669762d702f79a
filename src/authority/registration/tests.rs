use std::sync::atomic::Ordering;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{RegistrationError, RegistrationRequest};
use crate::{
    authority::{ClientKind, TokenError, tests::Kit},
    oauth::{ClientId, Issuer},
};

fn client(other: &Value) -> Value {
    let mut json = json!({ "client_name": "Test", "redirect_uris": ["https://app.example/cb"] });
    for (name, value) in other.as_object().unwrap() {
        json[name] = value.clone();
    }
    json
}

fn no_nulls_and_empties(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty() && list.iter().all(no_nulls_and_empties),
        Value::Object(fields) => fields.values().all(no_nulls_and_empties),
        _ => true,
    }
}

/// D1, D3: odd fields are ignored, the answer has neither nulls nor empty texts.
#[tokio::test]
async fn d1_d3_odd_fields() {
    let kit = Kit::new().await;
    for odd in [
        json!({}),
        json!({ "client_name": "" }),
        json!({ "client_name": null, "client_uri": "", "logo_uri": null, "contacts": [], "scope": "" }),
        json!({ "client_name": 7, "software_id": "x", "jwks_uri": "https://a.example/k", "response_types": [] }),
        json!({ "token_endpoint_auth_method": null, "grant_types": null, "unknown": { "a": [null] } }),
        json!({ "application_type": "other", "tos_uri": "javascript:x" }),
    ] {
        let registered = kit.register(&client(&odd)).unwrap_or_else(|error| panic!("{odd}: {error}"));
        assert!(no_nulls_and_empties(&registered), "{registered}");
        assert!(registered.get("logo_uri").is_none() && registered.get("tos_uri").is_none());
        assert_eq!(registered["response_types"], json!(["code"]));
        assert_eq!(registered["grant_types"], json!(["authorization_code", "refresh_token"]));
    }
}

/// D2: a secret comes with its expiry, and without a secret there is none.
#[tokio::test]
async fn d2_secrets() {
    let kit = Kit::new().await;
    for (asked, given) in [
        (json!("client_secret_basic"), "client_secret_basic"),
        (json!("client_secret_post"), "client_secret_post"),
        (Value::Null, "client_secret_basic"),
        (json!("private_key_jwt"), "client_secret_basic"),
    ] {
        let registered = kit.register(&client(&json!({ "token_endpoint_auth_method": asked }))).unwrap();
        assert_eq!(registered["token_endpoint_auth_method"], given);
        assert_eq!(registered["client_secret_expires_at"], 0);
        assert!(registered["client_secret"].as_str().unwrap().len() >= 43);
    }
    let public = kit.register(&client(&json!({ "token_endpoint_auth_method": "none" }))).unwrap();
    assert!(public.get("client_secret").is_none() && public.get("client_secret_expires_at").is_none());
}

/// D5: a hundred identical registrations are one client, and none is stored.
#[tokio::test]
async fn d5_registrations_need_no_room() {
    let kit = Kit::new().await;
    let before = kit.store.commits.load(Ordering::SeqCst);
    let public = |name: &str| client(&json!({ "client_name": name, "token_endpoint_auth_method": "none" }));
    let first = kit.register(&public("Test")).unwrap();
    for _ in 0..99 {
        assert_eq!(kit.register(&public("Test")).unwrap()["client_id"], first["client_id"]);
    }
    assert_eq!(kit.store.commits.load(Ordering::SeqCst), before);
    let other = kit.register(&public("Other")).unwrap();
    assert_ne!(other["client_id"], first["client_id"]);
    let series =
        "vestibule_client_registrations_total{fault=\"none\",method=\"dcr\",outcome=\"created\",provider=\"auth0\"}";
    assert!(kit.counts(series, 101));
}

/// D7: an identifier survives a restart, but not a change, another issuer, or the switch.
#[tokio::test]
async fn d7_identifiers() {
    let kit = Kit::new().await;
    let registered = kit.register(&client(&json!({}))).unwrap();
    let text = registered["client_id"].as_str().unwrap();
    assert!(!text.starts_with("https://"), "AS-33");
    let id = ClientId::parse(text).unwrap();
    let restarted = kit.another(|_| {}).await;
    assert_eq!(restarted.client(&id).await.unwrap().kind, ClientKind::Dynamic);
    let switched_off = kit.another(|plan| plan.dynamic_registration = false).await;
    assert!(switched_off.client(&id).await.is_err());
    let elsewhere =
        kit.another(|plan| plan.issuer = Issuer::new(&url::Url::parse("https://g.example").unwrap(), "/b")).await;
    assert!(elsewhere.client(&id).await.is_err());
    for index in 0..text.len() {
        let mut changed = text.as_bytes().to_vec();
        changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
        let changed = ClientId::parse(String::from_utf8(changed).unwrap()).unwrap();
        assert!(changed == id || kit.authority.client(&changed).await.is_err(), "byte {index}");
    }
    let unknown = kit.authority.authenticate_client(&crate::authority::ClientCredentials::default()).await;
    assert!(matches!(unknown, Err(TokenError::ClientMissing)));
}

/// U2, U3, U4: the lists that VS Code, Cursor and Claude register.
#[tokio::test]
async fn u2_u3_u4_real_redirect_lists() {
    let kit = Kit::new().await;
    for list in [
        json!([
            "http://127.0.0.1:33418",
            "http://127.0.0.1:33418/",
            "https://vscode.dev/redirect",
            "http://localhost:*"
        ]),
        json!(["cursor://anysphere.cursor-mcp/oauth/callback", "https://a.example/cb", "http://localhost:8787/cb"]),
        json!(["https://claude.ai/api/mcp/auth_callback", "https://claude.com/api/mcp/auth_callback"]),
        json!(["http://localhost:*/callback", "http://[::1]:*/callback"]),
    ] {
        let registered = kit.register(&json!({ "redirect_uris": list })).unwrap();
        for uri in registered["redirect_uris"].as_array().unwrap() {
            assert!(url::Url::parse(uri.as_str().unwrap()).is_ok(), "{uri}");
        }
        let found = kit.find(registered["client_id"].as_str().unwrap()).await;
        assert_eq!(found.redirect_uris.len(), registered["redirect_uris"].as_array().unwrap().len());
    }
}

/// S12, D-15, U3: what no client may register.
#[tokio::test]
async fn s12_refused_redirect_uris() {
    let kit = Kit::new().await;
    for uri in [
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///x",
        "vbscript:x",
        "http://app.example/cb",
        "https://a.example/cb#x",
        "https://u:p@a.example/cb",
        "http://*.example/cb",
        "https://a.example:*/cb",
        "http://localhost:*evil.example/",
        "/cb",
        "",
    ] {
        let error = kit.register(&json!({ "redirect_uris": ["https://a.example/cb", uri] }));
        let code = error.as_ref().err().map(|error| error.code());
        assert_eq!(code, Some("invalid_redirect_uri"), "{uri}: {error:?}");
    }
    for list in [json!(null), json!([]), json!("https://a.example/cb"), json!([1, 2])] {
        let error = kit.register(&json!({ "redirect_uris": list })).unwrap_err();
        assert_eq!(error, RegistrationError::RedirectUrisMissing);
    }
    let many: Vec<String> = (0..21).map(|n| format!("https://a.example/{n}")).collect();
    assert_eq!(kit.register(&json!({ "redirect_uris": many })), Err(RegistrationError::TooManyRedirectUris));
    let strict = Kit::with(|plan| plan.private_use_schemes = Some(vec!["cursor".into()])).await;
    assert!(strict.register(&json!({ "redirect_uris": ["Cursor://x/cb"] })).is_ok());
    assert_eq!(
        strict.register(&json!({ "redirect_uris": ["other://x/cb"] })),
        Err(RegistrationError::SchemeNotAllowed)
    );
}

/// AS-35, U3: the application type is taken at its word, echoed, and inferred when absent.
#[tokio::test]
async fn as35_application_types() {
    let kit = Kit::new().await;
    for (asked, uri, given) in [
        (json!("native"), "http://localhost/cb", Ok("native")),
        (json!("native"), "https://a.example/cb", Ok("native")),
        (json!("web"), "https://a.example/cb", Ok("web")),
        (json!("web"), "http://localhost/cb", Err(RegistrationError::NotForWeb)),
        (json!("web"), "cursor://x/cb", Err(RegistrationError::NotForWeb)),
        (Value::Null, "http://localhost/cb", Ok("native")),
        (Value::Null, "cursor://x/cb", Ok("native")),
        (Value::Null, "https://a.example/cb", Ok("web")),
    ] {
        let result = kit.register(&json!({ "redirect_uris": [uri], "application_type": asked }));
        let found = result.as_ref().map(|registered| registered["application_type"].as_str().unwrap());
        assert_eq!(found, given.as_ref().map(|text| *text), "{asked} {uri}");
    }
}

/// S4, AS-66: no refresh token for a client that did not register for one.
#[tokio::test]
async fn s4_grant_types() {
    let kit = Kit::new().await;
    for (asked, refresh) in [
        (Value::Null, true),
        (json!(["authorization_code", "refresh_token"]), true),
        (json!(["refresh_token"]), true),
        (json!(["authorization_code", "implicit"]), false),
    ] {
        let public = json!({ "grant_types": asked, "token_endpoint_auth_method": "none" });
        let registered = kit.register(&client(&public)).unwrap();
        let found = kit.find(registered["client_id"].as_str().unwrap()).await;
        assert_eq!(found.refresh, refresh, "{asked}");
        let response = kit.sign_in(&found).await;
        assert_eq!(response.refresh_token.is_some(), refresh, "{asked}");
        if !refresh {
            let other = kit.sign_in(&kit.client().await).await.refresh_token.unwrap();
            assert!(matches!(kit.refresh(&found, &other).await, Err(TokenError::UnauthorizedClient)));
        }
    }
    let error = kit.register(&client(&json!({ "grant_types": ["client_credentials"] }))).unwrap_err();
    assert_eq!((error, error.code()), (RegistrationError::GrantTypes, "invalid_client_metadata"));
    let error = kit.register(&client(&json!({ "response_types": ["token"] }))).unwrap_err();
    assert_eq!(error.code(), "invalid_client_metadata");
}

/// S6: a registration without scopes, or with unknown ones, does not bind later requests.
#[tokio::test]
async fn s6_scopes_of_a_registration() {
    let kit = Kit::new().await;
    for (asked, given) in [
        (json!("read unknown offline_access"), json!("read offline_access")),
        (json!("unknown"), Value::Null),
        (json!("b\"d"), Value::Null),
    ] {
        let registered =
            kit.register(&client(&json!({ "scope": asked, "token_endpoint_auth_method": "none" }))).unwrap();
        assert_eq!(registered.get("scope").cloned().unwrap_or_default(), given);
        let found = kit.find(registered["client_id"].as_str().unwrap()).await;
        assert!(kit.begin(&found, &[("scope", "write")]).await.is_ok());
    }
}

/// B5, D-15: a name is bounded, of one line, and cannot turn the writing direction.
#[tokio::test]
async fn b5_names() {
    let kit = Kit::new().await;
    let registered =
        kit.register(&client(&json!({ "client_name": format!("a\n\u{202e}b{}", "x".repeat(500)) }))).unwrap();
    let name = registered["client_name"].as_str().unwrap();
    assert!(name.starts_with("abx") && name.chars().count() == 200, "{name}");
    let nameless = kit.register(&json!({ "redirect_uris": ["https://app.example/cb"] })).unwrap();
    assert_eq!(kit.find(nameless["client_id"].as_str().unwrap()).await.name, "app.example");
}

#[tokio::test]
async fn what_cannot_be_registered() {
    let kit = Kit::new().await;
    for body in ["", "[]", "null", "{", "\"x\""] {
        assert_eq!(RegistrationRequest::parse(body.as_bytes()).unwrap_err(), RegistrationError::NotAnObject);
    }
    let uris: Vec<String> = (0..20).map(|n| format!("https://a.example/{n}/{}", "x".repeat(200))).collect();
    assert_eq!(kit.register(&json!({ "redirect_uris": uris })), Err(RegistrationError::TooLong));
    let closed = Kit::with(|plan| plan.dynamic_registration = false).await;
    let error = closed.register(&client(&json!({}))).unwrap_err();
    assert_eq!((error, error.status()), (RegistrationError::SwitchedOff, 403));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// S71: no registration, however odd, is anything but an answer or an OAuth error; what is
    /// registered is found again as it was told.
    #[test]
    fn s71_any_metadata(name in "\\PC{0,300}", paths in proptest::collection::vec("[a-z0-9%?&=./-]{0,40}", 0..25), method in "[a-z_]{0,20}") {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let kit = Kit::new().await;
            let uris: Vec<String> = paths.iter().map(|path| format!("https://a.example/{path}")).collect();
            let request = json!({ "client_name": name, "redirect_uris": uris, "token_endpoint_auth_method": method });
            match kit.register(&request) {
                Ok(registered) => {
                    assert!(no_nulls_and_empties(&registered));
                    let found = kit.find(registered["client_id"].as_str().unwrap()).await;
                    assert_eq!(json!(found.redirect_uris), registered["redirect_uris"]);
                }
                Err(error) => assert!(error.code().starts_with("invalid_")),
            }
        });
    }
}

/// Two confidential clients with the same metadata have nothing in common: the metadata are public,
/// and whoever repeats them must not learn the other's secret.
#[tokio::test]
async fn d2_a_secret_cannot_be_had_by_repeating_the_metadata() {
    let kit = Kit::new().await;
    let metadata = client(&json!({ "token_endpoint_auth_method": "client_secret_post" }));
    let (one, other) = (kit.register(&metadata).unwrap(), kit.register(&metadata).unwrap());
    assert_ne!(one["client_id"], other["client_id"]);
    assert_ne!(one["client_secret"], other["client_secret"]);
}
