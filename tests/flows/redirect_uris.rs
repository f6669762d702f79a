//! Redirect URIs and `state` of real clients, the whole way round (U1 to U6).

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    browser::Browser,
    client::{Client, REDIRECT_URI},
    stage::Stage,
};

fn native(redirect_uris: &Value) -> Value {
    json!({ "client_name": "Editor", "redirect_uris": redirect_uris, "token_endpoint_auth_method": "none" })
}

/// U1: a loopback port may be chosen later, host and path may not change.
#[tokio::test]
async fn u1_loopback_ports_are_chosen_later() {
    let stage = Stage::start().await;
    let discovered = Client::discover(&stage.resource).await;
    let uris = json!(["http://127.0.0.1/", "http://localhost/callback", "http://[::1]:1/cb"]);
    let (client, _) = discovered.registered_as(&native(&uris)).await;
    for uri in ["http://127.0.0.1:49152/", "http://localhost:50000/callback", "http://[::1]:2/cb"] {
        client.tokens_by(&client.attempt().with("redirect_uri", Some(uri)), &[]).await;
    }
    for uri in ["http://localhost:49152/", "http://127.0.0.1:1/other", "https://127.0.0.1/", "http://127.0.0.2/"] {
        let attempt = client.attempt().with("redirect_uri", Some(uri));
        let page = Browser::new().open(attempt.url.as_str(), uri).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{uri}");
        assert!(page.location().is_none() && !page.links().iter().any(|link| link.starts_with(uri)), "{uri}");
    }
    stage.stop().await;
}

/// U2, U3, U4, D3: the lists that real clients register are taken as a whole, and each entry works.
#[tokio::test]
async fn u2_u3_u4_every_entry_of_a_real_list_works() {
    let stage = Stage::start().await;
    let discovered = Client::discover(&stage.resource).await;
    let lists: [(&[&str], &[&str]); 4] = [
        // An editor that asks for any port by a star.
        (
            &[
                "https://insiders.example/redirect",
                "https://edit.example/redirect",
                "http://localhost:*",
                "http://127.0.0.1:33418",
                "http://127.0.0.1:33418/",
            ],
            &[
                "https://edit.example/redirect",
                "http://localhost:61000/",
                "http://127.0.0.1:33418",
                "http://127.0.0.1:9999/",
            ],
        ),
        // An editor with a scheme of its own beside the web and loopback.
        (
            &[
                "cursor://anysphere.cursor-mcp/oauth/callback",
                "https://www.cursor.com/agents/mcp/oauth/callback",
                "http://localhost:8787/callback",
            ],
            &[
                "cursor://anysphere.cursor-mcp/oauth/callback",
                "https://www.cursor.com/agents/mcp/oauth/callback",
                "http://localhost:1/callback",
            ],
        ),
        // An assistant on the web, under both of its names.
        (
            &["https://claude.ai/api/mcp/auth_callback", "https://claude.com/api/mcp/auth_callback"],
            &["https://claude.ai/api/mcp/auth_callback", "https://claude.com/api/mcp/auth_callback"],
        ),
        // A reverse-domain scheme as RFC 8252 has it.
        (&["com.example.app:/oauth"], &["com.example.app:/oauth"]),
    ];
    for (registered, used) in lists {
        let (client, answer) = discovered.registered_as(&native(&json!(registered))).await;
        assert!(answer["redirect_uris"].as_array().unwrap().len() >= used.len().min(registered.len() - 1), "{answer}");
        for uri in used {
            client.tokens_by(&client.attempt().with("redirect_uri", Some(uri)), &[]).await;
        }
    }
    for dangerous in
        ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "vbscript:x", "http://evil.example/"]
    {
        let refused = discovered.register(&native(&json!([dangerous]))).await;
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{dangerous}");
    }
    stage.stop().await;
}

/// S12: with `allowed_client_redirect_uris` a registration elsewhere is refused; what is allowed works; a
/// static client is answered where the configuration says.
#[tokio::test]
async fn s12_only_allowed_addresses_are_answered() {
    let stage = Stage::configured(|backend| {
        format!(
            "    allowed_client_redirect_uris: ['http://127.0.0.1:*', 'https://*.example.com/cb', 'http://localhost:8123/cb']\n    \
             clients:\n      - {{ client_id: desk, redirect_uris: ['https://desk.example/cb'] }}\n    \
             routes:\n      - {{ path: /mcp, backend: {backend} }}\n"
        )
    })
    .await;
    let discovered = Client::discover(&stage.resource).await;
    for uris in [
        json!(["https://example.com/cb"]),
        json!(["https://a.example.com/cb", "https://evil.example/cb"]),
        json!(["https://a.example.com/other"]),
        json!(["https://a.example.com/cb?to=https://evil.example"]),
        json!(["cursor://anysphere.cursor-mcp/oauth/callback"]),
        json!(["http://localhost:1/other"]),
    ] {
        let refused = discovered.register(&native(&uris)).await;
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{uris}");
        assert_eq!(crate::client::json_of(refused).await["error"], "invalid_redirect_uri", "{uris}");
    }
    let uris = json!(["https://a.example.com/cb", "http://127.0.0.1/", "http://localhost/cb"]);
    let (client, _) = discovered.registered_as(&native(&uris)).await;
    for uri in ["https://a.example.com/cb", "http://127.0.0.1:49152/", "http://localhost:8123/cb"] {
        client.tokens_by(&client.attempt().with("redirect_uri", Some(uri)), &[]).await;
    }
    // The port is chosen later, and then it is not the one that is allowed.
    let attempt = client.attempt().with("redirect_uri", Some("http://localhost:8124/cb"));
    let page = Browser::new().get(attempt.url.as_str()).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(page.location().is_none() && page.links().is_empty(), "{:?}", page.links());
    assert!(page.text().contains("operator"), "{}", page.text());
    let desk = Client { client_id: "desk".to_owned(), ..discovered };
    desk.tokens_by(&desk.attempt().with("redirect_uri", Some("https://desk.example/cb")), &[]).await;
    stage.stop().await;
}

/// U5, AS-43: an address that was not registered is a page which names those that were, never a
/// redirect.
#[tokio::test]
async fn u5_a_stranger_address_is_a_page() {
    let stage = Stage::start().await;
    let client = Client::discover(&stage.resource).await;
    for uri in ["https://evil.example/cb", "http://127.0.0.1:7777/callback/", "//evil.example", ""] {
        let attempt = client.attempt().with("redirect_uri", Some(uri));
        let page = Browser::new().get(attempt.url.as_str()).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{uri}");
        assert!(page.headers["content-type"].to_str().unwrap().starts_with("text/html"));
        assert!(page.location().is_none() && page.links().is_empty(), "{uri}: {:?}", page.links());
        assert!(uri.is_empty() || page.text().contains("127.0.0.1"), "{uri}: {}", page.text());
    }
    stage.stop().await;
}

/// U6, AS-49: no `state`, one character and 4 KB of them come back exactly.
#[tokio::test]
async fn u6_states_come_back_as_they_were() {
    let stage = Stage::start().await;
    let client = Client::discover(&stage.resource).await;
    let strange = "a b&c=d?e#f/\u{e9}\"'<>%41+~";
    for state in [None, Some("x"), Some(strange), Some("s".repeat(4096).as_str())] {
        let attempt = client.attempt().with("state", state);
        client.tokens_by(&attempt, &[]).await;
    }
    // An empty one counts as absent (RFC 6749 section 3.1).
    let attempt = client.attempt().with("state", Some(""));
    let browser = Browser::new();
    let back = client.sign_in(&browser, &attempt, "ada").await;
    assert!(!back.query_pairs().any(|(name, _)| name == "state"), "{back}");
    assert!(back.as_str().starts_with(REDIRECT_URI));
    stage.stop().await;
}
