use std::time::Duration;

use crate::authority::tests::Kit;

/// T7: either token ends the grant, here and at the provider, with the provider's own tokens.
#[tokio::test]
async fn t7_either_token_ends_the_grant() {
    let kit = Kit::new().await;
    let client = kit.client().await;
    for which in ["access", "refresh", "old refresh"] {
        let first = kit.sign_in(&client).await;
        let second = kit.refresh(&client, first.refresh_token.as_ref().unwrap()).await.unwrap();
        let state = kit.state(&first).await.unwrap();
        let token = match which {
            "access" => second.access_token.clone(),
            "refresh" => second.refresh_token.clone().unwrap(),
            _ => first.refresh_token.clone().unwrap(),
        };
        kit.provider.revoked.lock().unwrap().clear();
        kit.authority.revoke(&client, &token).await.unwrap();
        assert!(state.is_revoked(), "{which}");
        assert!(kit.state(&first).await.is_none() && kit.state(&second).await.is_none());
        assert!(kit.refresh(&client, second.refresh_token.as_ref().unwrap()).await.is_err());
        let revoked = kit.revoked_at_provider().await;
        assert_eq!(revoked[0].refresh_token.as_deref(), Some("provider-refresh-0"));
        kit.authority.revoke(&client, &token).await.unwrap();
    }
}

/// T7: unknown tokens are fine, another client's token lives on.
#[tokio::test]
async fn t7_unknown_and_foreign_tokens() {
    let kit = Kit::new().await;
    let client = kit.client().await;
    let stranger = kit.find("desk").await;
    let response = kit.sign_in(&client).await;
    let state = kit.state(&response).await.unwrap();
    let forged = {
        let (head, signature) = response.access_token.rsplit_once('.').unwrap();
        format!("{head}.{}", signature.chars().rev().collect::<String>())
    };
    for token in ["", "x", "a.b.c", "vrt_x", &forged, &"x".repeat(100_000)] {
        kit.authority.revoke(&client, token).await.unwrap();
    }
    kit.authority.revoke(&stranger, &response.access_token).await.unwrap();
    kit.authority.revoke(&stranger, response.refresh_token.as_ref().unwrap()).await.unwrap();
    assert!(!state.is_revoked());
    kit.advance(Duration::from_mins(15));
    kit.authority.revoke(&client, &response.access_token).await.unwrap();
    assert!(!state.is_revoked(), "an expired access token names nothing any more");
    kit.authority.revoke(&client, response.refresh_token.as_ref().unwrap()).await.unwrap();
    assert!(state.is_revoked());
}
