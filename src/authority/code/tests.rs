use std::{sync::atomic::Ordering, time::Duration};

use crate::{
    authority::{
        AnswerOutcome, CodeRequest, IssueError, TokenError,
        resource::TargetError,
        tests::{Kit, RESOURCE, code_request, identity, route, scopes},
    },
    oauth::Issuer,
    provider::tokens::ProviderTokens,
    store::Table,
};

/// S03, AS-52, AS-62: what is wrong is refused with its reason and burns nothing: the right
/// request still works afterwards.
#[tokio::test]
async fn s03_as52_a_refused_redemption_burns_nothing() {
    let kit = Kit::with(|plan| plan.routes.push(route("/other", ""))).await;
    let client = kit.client().await;
    let other = kit.find("desk").await;
    let code = kit.code(&client, &[], kit.provider_tokens()).await;
    let good = code_request(&code);
    let commits = kit.store.commits.load(Ordering::SeqCst);
    let wrong = |edit: fn(&mut CodeRequest)| {
        let mut request = good.clone();
        edit(&mut request);
        request
    };
    for (request, reason) in [
        (wrong(|r| r.code_verifier = Some("x".repeat(43))), "PkceMismatch"),
        (wrong(|r| r.code_verifier = Some("short".into())), "PkceMismatch"),
        (wrong(|r| r.code_verifier = None), "Missing(\"code_verifier\")"),
        (wrong(|r| r.redirect_uri = Some("https://app.example/cb/".into())), "RedirectUriMismatch"),
        (wrong(|r| r.resources = vec!["https://g.example/other".into()]), "Target(NotGranted)"),
        (wrong(|r| r.resources = vec!["https://evil.example/".into()]), "Target(Unknown)"),
        (wrong(|r| r.resources.push("https://g.example/other".into())), "Target(NotGranted)"),
        (wrong(|r| r.code.push('x')), "CodeUnknown"),
    ] {
        let error = kit.authority.exchange_code(&client, &request).await.unwrap_err();
        assert_eq!(format!("{error:?}"), reason);
    }
    let error = kit.authority.exchange_code(&other, &good).await.unwrap_err();
    assert!(matches!(error, TokenError::CodeUnknown), "another client");
    assert_eq!(kit.store.commits.load(Ordering::SeqCst), commits, "nothing was written");
    assert!(kit.authority.exchange_code(&client, &good).await.is_ok());
}

/// AS-62, R1, R5: `redirect_uri` and `resource` may be left out; the resource in any spelling.
#[tokio::test]
async fn as62_r1_r5_what_may_be_left_out() {
    let kit = Kit::new().await;
    let client = kit.client().await;
    for (at_authorize, at_token) in [
        (RESOURCE, ""),
        ("", RESOURCE),
        ("", ""),
        (RESOURCE, "https://G.example/mcp/"),
        ("https://g.example/mcp/", RESOURCE),
    ] {
        let code = kit.code(&client, &[("resource", at_authorize)], kit.provider_tokens()).await;
        let resources = Some(at_token.to_owned()).filter(|text| !text.is_empty()).into_iter().collect();
        let request = CodeRequest { redirect_uri: None, resources, ..code_request(&code) };
        let response = kit.authority.exchange_code(&client, &request).await.unwrap();
        assert_eq!(kit.claims(&response).aud, RESOURCE);
    }
}

/// S57, AS-52: a complete second use ends everything that the first one gave.
#[tokio::test]
async fn s57_a_replayed_code_revokes_the_grant() {
    let kit = Kit::new().await;
    let client = kit.client().await;
    let code = kit.code(&client, &[], kit.provider_tokens()).await;
    let response = kit.authority.exchange_code(&client, &code_request(&code)).await.unwrap();
    let state = kit.state(&response).await.unwrap();

    // Only a complete second use counts: a stranger with the code alone changes nothing.
    let stranger = CodeRequest { code_verifier: Some("x".repeat(43)), ..code_request(&code) };
    let error = kit.authority.exchange_code(&client, &stranger).await.unwrap_err();
    assert!(matches!(error, TokenError::PkceMismatch));
    assert!(!state.is_revoked());

    kit.advance(Duration::from_mins(2));
    let error = kit.authority.exchange_code(&client, &code_request(&code)).await.unwrap_err();
    assert!(matches!(error, TokenError::CodeReplayed) && error.code() == "invalid_grant");
    assert!(state.is_revoked());
    assert!(kit.refresh(&client, &response.refresh_token.unwrap()).await.is_err());
    assert_eq!(kit.revoked_at_provider().await.len(), 1);
    assert!(kit.counts("vestibule_revocations_total{initiator=\"reuse\",outcome=\"ok\",provider=\"auth0\"}", 1));
    // A third time nothing is left to end.
    assert!(matches!(kit.authority.exchange_code(&client, &code_request(&code)).await, Err(TokenError::CodeReplayed)));
    assert!(kit.counts("vestibule_revocations_total{initiator=\"reuse\",outcome=\"ok\",provider=\"auth0\"}", 1));
}

/// S57: of two at once, one is first; the other is a second use, and nothing survives it.
#[tokio::test]
async fn s57_parallel_redemptions() {
    let kit = Kit::new().await;
    let client = kit.client().await;
    let code = kit.code(&client, &[], kit.provider_tokens()).await;
    let go_on = kit.store.hold_up(Table::Code);
    let slower = tokio::spawn({
        let (authority, client, request) = (kit.authority.clone(), client.clone(), code_request(&code));
        async move { authority.exchange_code(&client, &request).await }
    });
    kit.store.is_held_up().await;
    let faster = kit.authority.exchange_code(&client, &code_request(&code)).await.unwrap();
    go_on.send(()).unwrap();
    assert!(matches!(slower.await.unwrap(), Err(TokenError::CodeReplayed)));
    assert!(kit.state(&faster).await.is_none());
}

/// AS-52: a code lives for a minute.
#[tokio::test]
async fn as52_a_code_expires() {
    let kit = Kit::new().await;
    let client = kit.client().await;
    let code = kit.code(&client, &[], kit.provider_tokens()).await;
    kit.advance(Duration::from_mins(1));
    let error = kit.authority.exchange_code(&client, &code_request(&code)).await.unwrap_err();
    assert!(matches!(error, TokenError::CodeExpired));
    kit.advance(Duration::from_mins(10));
    let error = kit.authority.exchange_code(&client, &code_request(&code)).await.unwrap_err();
    assert!(matches!(error, TokenError::CodeUnknown));
}

/// S03, S50: a code of one mount is nothing at another, even for a client that both know.
#[tokio::test]
async fn s03_a_code_of_another_issuer() {
    let kit = Kit::new().await;
    let other = kit
        .another(|plan| {
            plan.name = "google".into();
            plan.issuer = Issuer::new(&url::Url::parse("https://g.example").unwrap(), "/google");
        })
        .await;
    let client = kit.find("desk").await;
    let code = kit.code(&client, &[], kit.provider_tokens()).await;
    let error = other.exchange_code(&client, &code_request(&code)).await.unwrap_err();
    assert!(matches!(error, TokenError::CodeUnknown));
    let response = kit.authority.exchange_code(&client, &code_request(&code)).await.unwrap();
    let sid = kit.claims(&response).sid;
    assert!(other.grants.state(&sid).await.unwrap().is_none());
    let refresh = crate::authority::tests::refresh_request(&response.refresh_token.unwrap());
    assert!(matches!(other.refresh(&client, &refresh).await, Err(TokenError::RefreshUnknown)));
    other.revoke(&client, &response.access_token).await.unwrap();
    assert!(kit.authority.grants.state(&sid).await.unwrap().is_some());
}

/// A store that does not take the write changes nothing: the client may try again.
#[tokio::test]
async fn a_failing_store_leaves_no_half_written_state() {
    let kit = Kit::new().await;
    let client = kit.client().await;
    let transaction = kit.begin(&client, &[]).await.unwrap();
    kit.store.broken.store(true, Ordering::SeqCst);
    let error = kit.authority.issue_code(&transaction, identity(), kit.provider_tokens()).await.unwrap_err();
    assert!(matches!(error, IssueError::Store(_)));
    kit.store.broken.store(false, Ordering::SeqCst);
    let answer = kit.authority.issue_code(&transaction, identity(), kit.provider_tokens()).await.unwrap();
    let AnswerOutcome::Code(code) = answer.outcome else { panic!("no code") };
    kit.store.broken.store(true, Ordering::SeqCst);
    let error = kit.authority.exchange_code(&client, &code_request(&code)).await.unwrap_err();
    assert_eq!((error.code(), error.status()), ("temporarily_unavailable", 503));
    assert!(error.retry_after().is_some() && !error.to_string().contains("disk"));
    kit.store.broken.store(false, Ordering::SeqCst);
    assert!(kit.authority.exchange_code(&client, &code_request(&code)).await.is_ok());
}

/// The access token never outlives a provider's token that cannot be renewed; then there is no
/// refresh token either. A provider that does not say how long means an hour.
#[tokio::test]
async fn access_tokens_end_with_what_they_stand_for() {
    let kit = Kit::with(|plan| plan.lifetimes.access_token = Duration::from_hours(2)).await;
    let client = kit.client().await;
    let now = kit.clock.now();
    let tokens = |refresh: bool, expires_at| ProviderTokens {
        refresh_token: refresh.then(|| "r".to_owned()),
        expires_at,
        ..kit.provider_tokens()
    };
    for (tokens, expires_in) in [
        (tokens(true, Some(now.plus(Duration::from_secs(90)))), 7_200),
        (tokens(true, None), 7_200),
        (tokens(false, Some(now.plus(Duration::from_secs(90)))), 90),
        (tokens(false, None), 3_600),
        (tokens(false, Some(now.plus(Duration::from_hours(9)))), 7_200),
    ] {
        let renewable = tokens.refresh_token.is_some();
        let response = kit.sign_in_with(&client, &[], tokens).await;
        assert_eq!((response.expires_in, response.refresh_token.is_some()), (expires_in, renewable));
    }
    // A refresh token of the provider's that ends takes ours along.
    let ends = |seconds| ProviderTokens {
        refresh_expires_at: Some(now.plus(Duration::from_secs(seconds))),
        ..tokens(true, Some(now.plus(Duration::from_secs(90))))
    };
    for (seconds, expires_in) in [(1_800, 1_800), (30, 90)] {
        let response = kit.sign_in_with(&client, &[], ends(seconds)).await;
        assert_eq!((response.expires_in, response.refresh_token.is_some()), (expires_in, true));
    }
    let code = kit.code(&client, &[], tokens(false, Some(now))).await;
    let error = kit.authority.exchange_code(&client, &code_request(&code)).await.unwrap_err();
    assert!(matches!(error, TokenError::ProviderEnded));

    let short = Kit::with(|plan| plan.lifetimes.grant = Duration::from_mins(5)).await;
    assert_eq!(short.sign_in(&short.client().await).await.expires_in, 300);
}

/// What the provider did not grant is not in our token either.
#[tokio::test]
async fn scopes_that_the_provider_did_not_grant() {
    let kit = Kit::new().await;
    let tokens = ProviderTokens { scopes: Some(scopes("openid read")), ..kit.provider_tokens() };
    let response = kit.sign_in_with(&kit.client().await, &[("scope", "read write email")], tokens).await;
    assert_eq!(response.scope, scopes("openid read email"));
}

/// A route that a reload took away: no code, no token for it.
#[tokio::test]
async fn a_route_that_is_gone() {
    let kit = Kit::new().await;
    let client = kit.client().await;
    let transaction = kit.begin(&client, &[]).await.unwrap();
    let code = kit.code(&client, &[], kit.provider_tokens()).await;
    let after = kit.another(|plan| plan.routes = vec![route("/new", "")]).await;
    let error = after.issue_code(&transaction, identity(), kit.provider_tokens()).await.unwrap_err();
    assert!(matches!(error, IssueError::ResourceGone));
    let request = CodeRequest { resources: Vec::new(), ..code_request(&code) };
    assert!(matches!(after.exchange_code(&client, &request).await, Err(TokenError::ResourceGone)));
    let error = after.exchange_code(&client, &code_request(&code)).await.unwrap_err();
    assert!(matches!(error, TokenError::Target(TargetError::Unknown)));
}
