use super::{Granted, ScopesError, effective, narrowed, requested};
use crate::authority::tests::{Kit, plan, route, scopes};

fn ask(text: Option<&str>) -> Result<Granted, ScopesError> {
    requested(&plan(), &route("/mcp", "read"), text)
}

fn granted(text: &str, offline: bool) -> Granted {
    Granted { scopes: scopes(text), offline }
}

/// S1, S2, S3, S4: what clients ask for, and what they get.
#[test]
fn s1_s2_s3_s4_requested_scopes() {
    assert_eq!(ask(None), Ok(granted("openid read", false)));
    assert_eq!(ask(Some("")), Ok(granted("openid read", false)));
    assert_eq!(ask(Some("  write   email ")), Ok(granted("openid write email", false)));
    assert_eq!(ask(Some("write profile unknown")), Ok(granted("openid write", false)));
    assert_eq!(ask(Some("openid email read write offline_access")), Ok(granted("openid email read write", true)));
    assert_eq!(ask(Some("offline_access")), Ok(granted("openid read", true)));
    assert_eq!(ask(Some("offline_access unknown")), Ok(granted("openid", true)));
    assert_eq!(ask(Some("unknown profile")), Err(ScopesError::Unknown));
    assert!(matches!(ask(Some("re\"ad")), Err(ScopesError::Malformed(_))));
}

/// S5: a refresh asks for the same, or for less, never for more.
#[test]
fn s5_narrowing() {
    let own = scopes("openid read write");
    let ask = |text| narrowed(&plan(), &own, text);
    assert_eq!(ask(None), Ok(own.clone()));
    assert_eq!(ask(Some("offline_access")), Ok(own.clone()));
    assert_eq!(ask(Some("read")), Ok(scopes("openid read")));
    assert_eq!(ask(Some("read unknown offline_access")), Ok(scopes("openid read")));
    assert_eq!(ask(Some("read email")), Err(ScopesError::Exceeds));
    assert_eq!(ask(Some("unknown")), Err(ScopesError::Unknown));
}

/// S33: what the provider did not grant, or the configuration does not know any more, is not held.
#[test]
fn s33_effective_scopes() {
    let own = scopes("openid email read write");
    assert_eq!(effective(&plan(), &own, None), own);
    assert_eq!(effective(&plan(), &own, Some(&scopes("openid read"))), scopes("openid email read"));
    assert_eq!(effective(&plan(), &own, Some(&scopes(""))), scopes("openid email"));
    let mut less = plan();
    less.valid_scopes = scopes("openid read");
    assert_eq!(effective(&less, &own, None), scopes("openid read"));
}

/// S1, S4, AS-66: the response lists what was granted; `offline_access` only if it was asked for
/// and a refresh token is there.
#[tokio::test]
async fn s4_the_response_lists_the_scopes() {
    let kit = Kit::new().await;
    let client = kit.client().await;
    let plain = kit.sign_in(&client).await;
    assert_eq!(plain.scope, scopes("openid read"));
    assert!(plain.refresh_token.is_some());
    let tokens = kit.provider_tokens();
    let offline = kit.sign_in_with(&client, &[("scope", "write offline_access")], tokens.clone()).await;
    assert_eq!(offline.scope, scopes("openid write offline_access"));
    assert_eq!(kit.claims(&offline).scope, scopes("openid write"));
    let none = crate::provider::tokens::ProviderTokens { refresh_token: None, ..tokens };
    let without = kit.sign_in_with(&client, &[("scope", "write offline_access")], none).await;
    assert_eq!(without.scope, scopes("openid write"));
}
