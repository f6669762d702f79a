use std::{sync::atomic::Ordering, time::Duration};

use crate::authority::{
    AuthorizeError, ClientKind, IssueError, PageError, Parameters,
    consent::RedirectTarget,
    tests::{CHALLENGE, Kit, identity, route, scopes},
};

/// AS-40, S03: PKCE S256 is required of everybody, static confidential clients included.
#[tokio::test]
async fn as40_pkce_is_required() {
    let kit = Kit::new().await;
    for client in ["desk", "server", kit.client().await.id.as_str()] {
        assert_eq!(kit.refusal(client, &[]).await, "accepted");
        assert_eq!(kit.refusal(client, &[("code_challenge", "")]).await, "invalid_request");
        assert_eq!(kit.refusal(client, &[("code_challenge_method", "")]).await, "invalid_request");
        assert_eq!(kit.refusal(client, &[("code_challenge_method", "plain")]).await, "invalid_request");
        assert_eq!(kit.refusal(client, &[("code_challenge_method", "s256")]).await, "invalid_request");
        assert_eq!(kit.refusal(client, &[("code_challenge", "short")]).await, "invalid_request");
    }
}

/// AS-43, U5: without a known client and a registered redirect URI nobody is redirected.
#[tokio::test]
async fn as43_u5_no_redirect_to_strangers() {
    let kit = Kit::new().await;
    assert_eq!(kit.refusal("", &[]).await, "page:invalid_request");
    assert_eq!(kit.refusal("nobody", &[]).await, "page:invalid_client");
    assert_eq!(kit.refusal("dyn_eyJ1IjpbXX0.AAAAAAAAAAAAAAAAAAAAAA", &[]).await, "page:invalid_client");
    for redirect in
        ["", "https://app.example/cb/", "https://app.example/CB", "https://evil.example/cb", "/cb", "javascript:x"]
    {
        assert_eq!(kit.refusal("desk", &[("redirect_uri", redirect)]).await, "page:invalid_request", "{redirect}");
    }
    let client = kit.find("desk").await;
    let error = kit.begin(&client, &[("redirect_uri", "https://evil.example/")]).await.unwrap_err();
    let AuthorizeError::Page { reason: PageError::RedirectUriMismatch { registered }, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(registered, ["app.example"]);
}

/// S12: the redirect URI corpus: whatever is not exactly the registered text is refused.
#[tokio::test]
async fn s12_redirect_uris_are_exact() {
    let kit = Kit::new().await;
    for redirect in [
        "https://app.example/cb#",
        "https://app.example/cb?",
        "https://app.example:443/cb",
        "https://APP.example/cb",
        "https://app.example//cb",
        "https://app.example/./cb",
        "https://app.example/x/../cb",
        "https://app.example/%63b",
        "https://u@app.example/cb",
        "https://app.example\\@evil.example/cb",
        "https://app.example.evil.example/cb",
        "https://app.example@evil.example/cb",
        "http://app.example/cb",
        " https://app.example/cb",
        "//app.example/cb",
        "https://app.example/cb\n",
        "https://app.example/cb\0",
    ] {
        assert_eq!(kit.refusal("desk", &[("redirect_uri", redirect)]).await, "page:invalid_request", "{redirect:?}");
    }
}

/// AS-49, S54: repeated parameters: a page before the redirect URI is known, an answer after.
#[tokio::test]
async fn as49_repeated_parameters() {
    let kit = Kit::new().await;
    for (name, expected) in [
        ("client_id", "page:invalid_request"),
        ("redirect_uri", "page:invalid_request"),
        ("state", "page:invalid_request"),
        ("response_type", "invalid_request"),
        ("code_challenge", "invalid_request"),
        ("code_challenge_method", "invalid_request"),
        ("scope", "invalid_request"),
        ("unknown", "accepted"),
    ] {
        let text = format!(
            "client_id=desk&redirect_uri={}&response_type=code&code_challenge={CHALLENGE}\
             &code_challenge_method=S256&state=x&scope=read&unknown=1&{name}=again",
            "https%3A%2F%2Fapp.example%2Fcb"
        );
        let result = kit.authority.begin(&Parameters::parse(text.as_bytes()), &kit.browser).await;
        let found = match &result {
            Ok(_) => "accepted".to_owned(),
            Err(AuthorizeError::Page { reason, .. }) => format!("page:{}", reason.code()),
            Err(AuthorizeError::Answer(refused)) => refused.reason.code().as_str().to_owned(),
        };
        assert_eq!(found, expected, "{name}");
    }
}

#[tokio::test]
async fn what_is_not_supported_is_said_in_the_words_of_the_standard() {
    let kit = Kit::new().await;
    for (name, value, error) in [
        ("response_type", "token", "unsupported_response_type"),
        ("response_type", "code id_token", "unsupported_response_type"),
        ("response_type", "", "invalid_request"),
        ("response_mode", "fragment", "invalid_request"),
        ("response_mode", "query", "accepted"),
        ("request", "eyJ", "request_not_supported"),
        ("request_uri", "https://a.example/", "request_uri_not_supported"),
        ("prompt", "none", "interaction_required"),
        ("prompt", "consent", "accepted"),
        ("resource", "https://g.example/other", "invalid_target"),
        ("resource", "nothing", "invalid_target"),
        ("scope", "unknown", "invalid_scope"),
        ("scope", "b\u{e4}d", "invalid_scope"),
    ] {
        assert_eq!(kit.refusal("desk", &[(name, value)]).await, error, "{name}={value}");
    }
}

/// AS-44: only for a static client may the browser be sent back at once.
#[tokio::test]
async fn as44_errors_redirect_at_once_for_static_clients_only() {
    let kit = Kit::new().await;
    let dynamic = kit.client().await;
    for (client, at_once) in [(kit.find("desk").await, true), (dynamic, false)] {
        let error = kit.begin(&client, &[("scope", "unknown")]).await.unwrap_err();
        let AuthorizeError::Answer(refused) = error else { panic!("{error}") };
        assert_eq!(refused.redirects_at_once(), at_once);
        let url = refused.answer.to_url();
        assert!(url.starts_with("https://app.example/cb?error=invalid_scope&"), "{url}");
        assert!(url.contains("&state=the-state&iss=https%3A%2F%2Fg.example"), "{url}");
    }
}

/// U6: `state` of any length up to 4 KB comes back, none stays none.
#[tokio::test]
async fn u6_states() {
    let kit = Kit::new().await;
    let client = kit.client().await;
    for state in ["x".to_owned(), "s".repeat(4_096), "ä%20+&=\"\\".to_owned()] {
        let transaction = kit.begin(&client, &[("state", &state)]).await.unwrap();
        assert_eq!(transaction.state.as_deref(), Some(state.as_str()));
    }
    assert_eq!(kit.begin(&client, &[("state", "")]).await.unwrap().state, None);
    assert_eq!(kit.refusal(client.id.as_str(), &[("state", &"s".repeat(4_097))]).await, "page:invalid_request");
}

/// A transaction has to fit into cookies: what does not is refused before anybody signs in.
#[tokio::test]
async fn a_request_too_long_for_cookies_is_refused() {
    let kit = Kit::new().await;
    let uris: Vec<String> = (0..4).map(|n| format!("https://{n}.example/{}", "x".repeat(600))).collect();
    let registered =
        kit.register(&serde_json::json!({ "redirect_uris": uris, "token_endpoint_auth_method": "none" })).unwrap();
    let id = registered["client_id"].as_str().unwrap();
    assert_eq!(kit.refusal(id, &[("redirect_uri", &uris[0])]).await, "accepted");
    let long = "s".repeat(4_096);
    assert_eq!(kit.refusal(id, &[("redirect_uri", &uris[0]), ("state", &long)]).await, "page:invalid_request");
}

/// U1, U2: the port of a loopback redirect URI is free; AS-42: nothing else is.
#[tokio::test]
async fn u1_u2_loopback_ports() {
    let kit = Kit::new().await;
    let registered = kit
        .register(&serde_json::json!({
            "redirect_uris": ["http://127.0.0.1:33418", "http://localhost:*/cb", "https://vscode.dev/redirect"],
            "token_endpoint_auth_method": "none",
        }))
        .unwrap();
    let id = registered["client_id"].as_str().unwrap();
    for (redirect, found) in [
        ("http://127.0.0.1:33418", "accepted"),
        ("http://127.0.0.1:33418/", "accepted"),
        ("http://127.0.0.1:1", "accepted"),
        ("http://localhost:4711/cb", "accepted"),
        ("http://localhost/cb", "accepted"),
        ("https://vscode.dev/redirect", "accepted"),
        ("https://vscode.dev:8443/redirect", "page:invalid_request"),
        ("http://localhost:4711/other", "page:invalid_request"),
        ("http://[::1]:4711/cb", "page:invalid_request"),
        ("https://localhost:4711/cb", "page:invalid_request"),
    ] {
        assert_eq!(kit.refusal(id, &[("redirect_uri", redirect)]).await, found, "{redirect}");
    }
}

/// D-1, D-3, D-7: what the consent page is told.
#[tokio::test]
async fn d3_d7_consent_facts() {
    let kit = Kit::new().await;
    let registered = kit
        .register(&serde_json::json!({
            "client_name": "Tool", "redirect_uris": ["http://localhost/cb"], "token_endpoint_auth_method": "none",
        }))
        .unwrap();
    let client = kit.find(registered["client_id"].as_str().unwrap()).await;
    let transaction = kit
        .begin(&client, &[("redirect_uri", "http://localhost:99/cb"), ("scope", "read offline_access")])
        .await
        .unwrap();
    assert!(transaction.needs_consent());
    let facts = transaction.consent_facts();
    assert_eq!((facts.client_name, facts.client_host.clone()), ("Tool", None));
    assert_eq!((facts.redirect_host.as_str(), facts.target), ("localhost:99", RedirectTarget::Loopback));
    assert!(facts.is_local_only && facts.offline && !facts.is_configured);
    assert_eq!((facts.scopes, facts.resource.as_str()), (&scopes("openid read"), "https://g.example/mcp"));

    let trusted = kit.begin(&kit.find("trusted").await, &[]).await.unwrap();
    assert!(!trusted.needs_consent());
    assert_eq!(trusted.client_kind, ClientKind::Static);
    assert_eq!(trusted.consent_facts().target, RedirectTarget::Web);
}

/// R5, AS-47: without `resource` the only route is meant; with several there is no guessing.
#[tokio::test]
async fn r5_a_missing_resource() {
    let kit = Kit::new().await;
    let client = kit.client().await;
    let transaction = kit.begin(&client, &[("resource", "")]).await.unwrap();
    assert_eq!(transaction.resource.as_str(), "https://g.example/mcp");
    let several = Kit::with(|plan| plan.routes.push(route("/other", ""))).await;
    assert_eq!(several.refusal("desk", &[("resource", "")]).await, "invalid_target");
}

/// Nobody who has not signed in writes to the store.
#[tokio::test]
async fn nothing_is_stored_before_the_sign_in() {
    let kit = Kit::new().await;
    let before = kit.store.commits.load(Ordering::SeqCst);
    let client = kit.client().await;
    for _ in 0..50 {
        let transaction = kit.begin(&client, &[]).await.unwrap();
        kit.authority.seal_transaction(&transaction);
    }
    assert_eq!(kit.store.commits.load(Ordering::SeqCst), before);
}

/// A client that was taken out of the configuration, or whose redirect URI was, gets no code.
#[tokio::test]
async fn d6_the_redirect_uri_is_checked_again_at_the_end() {
    let kit = Kit::new().await;
    let transaction = kit.begin(&kit.find("desk").await, &[]).await.unwrap();
    let after = kit.another(|plan| plan.clients.clear()).await;
    let result = after.issue_code(&transaction, identity(), kit.provider_tokens()).await;
    assert!(matches!(result, Err(IssueError::ClientGone)));
    kit.advance(Duration::from_mins(15));
    let result = kit.authority.issue_code(&transaction, identity(), kit.provider_tokens()).await;
    assert!(matches!(result, Err(IssueError::Expired)));
}

/// What the client would like of the sign-in goes along, bounded; it changes nothing else.
#[tokio::test]
async fn openid_parameters_are_kept_as_wishes() {
    let kit = Kit::new().await;
    let client = kit.client().await;
    let hints = async |more: &[(&str, &str)]| kit.begin(&client, more).await.unwrap().hints;
    let mut expected = crate::provider::Hints::default();
    expected.add("prompt", "login");
    expected.add("login_hint", "ada@example.com");
    let wished = [("login_hint", "ada@example.com"), ("prompt", "login"), ("max_age", "never"), ("claims", "{}")];
    assert_eq!(hints(&wished).await, expected);
    assert!(hints(&[]).await.is_empty());
    let long = "x".repeat(4_000);
    assert!(hints(&[("acr_values", &long), ("ui_locales", &long), ("login_hint", &long)]).await.is_empty());
}
