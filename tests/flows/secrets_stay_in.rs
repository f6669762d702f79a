//! D-11: nothing of the provider's ever reaches a client; S62: nothing secret reaches a log.

use serde_json::json;

use crate::{
    browser::Browser,
    client::{Client, Tokens},
    stage::{ProcessStage, Stage},
};

#[tokio::test]
async fn d11_provider_tokens_never_leave() {
    let stage = Stage::start_with_short_provider_tokens().await;
    let client = Client::discover(&stage.resource).await;
    let tokens = client.tokens("ada").await;
    stage.until_provider_tokens_are_due().await;
    client.refresh(tokens.refresh_token()).await;
    let seen = client.call(&tokens.access, "tools/call", json!({ "name": "whoami", "arguments": {} })).await;
    let told = format!("{}{}{}", tokens.response, seen.text().await.unwrap(), stage.metrics().await);
    let secrets = stage.provider_secrets();
    assert!(secrets.len() >= 4, "client secret, code, verifier, refresh token");
    for secret in secrets {
        assert!(!told.contains(&secret), "a provider secret was told to somebody");
    }
    assert!(tokens.response.get("id_token").is_none());
    stage.stop().await;
}

/// S62: a whole day of a client with everything logged that there is to log: no code, token, secret,
/// cookie, verifier or `state`, and no line that a client made.
#[tokio::test]
async fn s62_a_whole_run_at_every_level() {
    let mut stage = ProcessStage::start().await;
    let path = stage.restart_logging("trace").await;
    let client = Client::discover(&stage.resource).await;
    let metadata = json!({ "client_name": "two\nlines \u{1b}[31m", "redirect_uris": [crate::client::REDIRECT_URI] });
    let (confidential, registered) = client.registered_as(&metadata).await;
    let attempt = client.attempt();
    let back = client.sign_in(&Browser::new(), &attempt, "ada").await;
    let code = client.code(&attempt, &back);
    let tokens = Tokens::read(client.exchange(&attempt, &code).await).await;
    client.call(&tokens.access, "tools/call", json!({ "name": "whoami", "arguments": {} })).await;
    let refreshed = Tokens::read(client.refresh(tokens.refresh_token()).await).await;
    let secret = registered["client_secret"].as_str().unwrap();
    let wrong = [
        ("grant_type", "refresh_token"),
        ("refresh_token", "vrt_wrong"),
        ("client_secret", secret),
        ("client_id", &confidential.client_id),
    ];
    client.token_request(&wrong).await;
    client.exchange(&attempt, &code).await;
    client.call("wrong-token-in-a-header", "ping", json!({})).await;
    client.http.get(format!("{}?access_token=token-in-a-query", stage.resource)).send().await.unwrap();
    client.revoke(refreshed.refresh_token()).await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let log = std::fs::read_to_string(path).unwrap();
    assert!(log.contains("/token") && log.contains("TRACE"), "nothing was logged: {log}");
    let mut secrets = stage.provider_secrets();
    secrets.extend([code, attempt.state.clone(), attempt.verifier.clone(), secret.to_owned()]);
    secrets.extend(
        [&tokens, &refreshed].into_iter().flat_map(|tokens| [tokens.access.clone(), tokens.refresh_token().to_owned()]),
    );
    secrets.extend(["vrt_wrong", "wrong-token-in-a-header", "token-in-a-query"].map(str::to_owned));
    for secret in secrets {
        let line = log.lines().find(|line| line.contains(&secret));
        assert!(line.is_none(), "{secret} is in the log: {line:?}");
    }
    for mark in ["vestibule-login-", "\u{1b}[31m"] {
        assert!(!log.contains(mark), "{mark:?} is in the log");
    }
    stage.stop();
}
