//! Whoever takes the store, the file or the files of Redis, has no secret of a whole day in it.

use serde_json::json;

use crate::{
    browser::Browser,
    client::{Client, Tokens},
    servers::{Kind, Servers},
    stage::ProcessStage,
};

const ROOT_SECRET: &str = "the-root-secret-of-the-configuration-0123456789";

#[tokio::test]
async fn the_file_has_no_secret_of_a_whole_day() {
    let stage = ProcessStage::start().await;
    let secrets = a_whole_day(&stage, ProcessStage::store_bytes).await;
    assert_clean(&secrets);
    stage.stop();
}

/// The dump (RDB), and the log of every write that there ever was (AOF).
#[tokio::test]
async fn redis_has_no_secret_of_a_whole_day() {
    let Some(servers) = Servers::start(Kind::Plain) else { return };
    let storage = format!("{{ backend: redis, url: 'redis://127.0.0.1:{}' }}", servers.port());
    let stage = ProcessStage::start_on(&storage, &format!("secret: {ROOT_SECRET}\n")).await;
    let found = a_whole_day(&stage, |_| servers.files()).await;
    assert_clean(&found);
    stage.stop();
}

struct Found {
    store: Vec<u8>,
    /// What must not be in there, and what is there in any case: the names of grants.
    secrets: Vec<(&'static str, String)>,
    grant: String,
}

fn assert_clean(found: &Found) {
    let holds = |text: &str| found.store.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds(&found.grant), "this is not where grants are stored");
    for (what, secret) in &found.secrets {
        assert!(secret.len() > 7, "{what}");
        assert!(!holds(secret), "{what} is in the store");
    }
}

/// A sign-in whose every token is still good, one with a refresh, and one that is half done; `store` is read while all of
/// them are there.
async fn a_whole_day(stage: &ProcessStage, store: impl FnOnce(&ProcessStage) -> Vec<u8>) -> Found {
    let client = Client::discover(&stage.resource).await;
    let metadata = json!({ "client_name": "A server", "redirect_uris": [crate::client::REDIRECT_URI], "token_endpoint_auth_method": "client_secret_basic" });
    let (_, registered) = client.registered_as(&metadata).await;
    let first = client.tokens("ada").await;
    let refreshed = Tokens::read(client.refresh(first.refresh_token()).await).await;
    let second = client.tokens("grace").await;
    let attempt = client.attempt();
    let back = client.sign_in(&Browser::new(), &attempt, "linus").await;
    let code = client.code(&attempt, &back);

    let store = store(stage);
    let mut secrets = vec![
        ("the root secret", ROOT_SECRET.to_owned()),
        ("the code that was not redeemed", code),
        ("its verifier", attempt.verifier.clone()),
        ("its state", attempt.state.clone()),
        ("the secret of a client", registered["client_secret"].as_str().unwrap().to_owned()),
    ];
    for tokens in [&first, &refreshed, &second] {
        secrets.push(("an access token", tokens.access.clone()));
        secrets.push(("a refresh token", tokens.refresh_token().to_owned()));
    }
    // The provider hears its own refresh tokens again.
    for tokens in [&refreshed, &second] {
        client.revoke(tokens.refresh_token()).await;
    }
    // Client secret; codes and verifiers; refresh tokens. The provider hears of a revocation after the client.
    let expected = 1 + 3 * 2 + 2;
    let mut of_provider = stage.provider_secrets();
    for _ in 0..400 {
        if of_provider.len() >= expected {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        of_provider = stage.provider_secrets();
    }
    assert!(of_provider.len() >= expected, "{}", of_provider.len());
    secrets.extend(of_provider.into_iter().map(|secret| ("a secret of the provider's", secret)));
    secrets.extend(["ada", "grace"].map(|person| ("a person's address", format!("{person}@example.com"))));
    let grant = second.claims()["sid"].as_str().unwrap().to_owned();
    Found { store, secrets, grant }
}
