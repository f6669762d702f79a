//! Providers that name scopes in their own way, want them again at the token endpoint, or say by another
//! claim whether an address is verified: sign-ins with what the presets know of them.

use serde_json::{Value, json};

use super::{
    super::{Wishes, tokens::TokenSource},
    fixture::{Answer, World, callback, rsa_key, token_response},
};
use crate::{
    config::{self, plan::ProviderPlan},
    identity::Identity,
    oauth::{ResourceUri, Scopes},
    provider::tokens::ProviderTokens,
};

/// What a preset knows, at the place and for the application of the test.
fn known_of(preset: &str, entry: &str, plan: &mut ProviderPlan) {
    let text = format!(
        "public_url: https://mcp.example.com\nproviders:\n  one:\n    preset: {preset}\n    client_id: app\n{entry}    \
         routes: [{{ path: /mcp, backend: \"http://127.0.0.1:3000/mcp\" }}]\n"
    );
    let compiled = config::from_yaml(&text, &[]).unwrap_or_else(|found| panic!("{found}"));
    let compiled = compiled.providers.first().unwrap();
    plan.protocol = compiled.protocol.clone();
    plan.extra_authorize_params = compiled.extra_authorize_params.clone();
    plan.extra_token_params = Vec::new();
    plan.audience = None;
    plan.required_scopes = compiled.required_scopes.clone();
    plan.valid_scopes = compiled.valid_scopes.clone();
}

const ENTRA: &str = "    tenant_id: 3d1e2f9a-5c1b-4e0e-9a53-6b1c4a0d8f11
    identifier_uri: api://tools
    required_scopes: [openid, email, read]
    valid_scopes: [write, 'https://graph.example/x']
    additional_authorize_scopes: [User.Read, 'https://graph.microsoft.com/Mail.Read']
";

async fn entra() -> World {
    World::with(|plan| known_of("entra", ENTRA, plan)).await
}

/// The answer of the token endpoint: with this `scope`, and these members of the ID token changed.
fn will_answer(world: &World, login: &crate::provider::Login, scope: &Value, changes: &Value) {
    let mut claims = world.idp.claims(login);
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    let claims = claims.as_object().unwrap().iter().filter(|(_, value)| !value.is_null());
    let claims: Value =
        claims.map(|(name, value)| (name.clone(), value.clone())).collect::<serde_json::Map<_, _>>().into();
    let mut answer = token_response(&rsa_key().sign(&claims));
    answer["scope"] = scope.clone();
    answer.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    world.idp.answer("/token", Answer::Json(200, answer));
}

async fn sign_in(
    world: &World,
    wanted: &str,
    scope: Value,
    changes: Value,
) -> Result<(Identity, ProviderTokens), super::super::LoginError> {
    let wanted = Scopes::parse(wanted).unwrap();
    let (_, login) = world.provider.begin_login(&wanted, true, Wishes::default()).await.unwrap();
    will_answer(world, &login, &scope, &changes);
    world.provider.finish_login(&login, &callback()).await
}

fn sorted(text: &str) -> Vec<&str> {
    let mut scopes: Vec<&str> = text.split(' ').collect();
    scopes.sort_unstable();
    scopes
}

#[tokio::test]
async fn entra_is_asked_for_scopes_with_the_prefix_and_for_graph_by_its_own_names() {
    let world = entra().await;
    let wanted = Scopes::parse("write").unwrap();
    let resource = ResourceUri::canonical("https://mcp.example.com/mcp").unwrap();
    let wishes = Wishes { resource: Some(&resource), ..Wishes::default() };
    let (url, _) = world.provider.begin_login(&wanted, true, wishes).await.unwrap();
    let of = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    let expected = [
        "User.Read",
        "api://tools/read",
        "api://tools/write",
        "email",
        "https://graph.microsoft.com/Mail.Read",
        "offline_access",
        "openid",
    ];
    assert_eq!(sorted(&of("scope").unwrap()), expected);
    assert_eq!(of("resource"), None, "Entra refuses it together with scopes");
    assert_eq!(of("prompt").as_deref(), Some("select_account"));
}

#[tokio::test]
async fn entra_hears_the_scopes_of_one_resource_at_exchange_and_refresh() {
    let world = entra().await;
    let (_, tokens) = sign_in(&world, "write", json!("api://tools/read api://tools/write"), json!({})).await.unwrap();
    let at_exchange = world.idp.seen("/token").last().unwrap().form("scope").unwrap();
    let own = ["api://tools/read", "api://tools/write", "email", "offline_access", "openid"];
    assert_eq!(sorted(&at_exchange), own, "nothing of Graph");
    assert_eq!(world.idp.seen("/token").last().unwrap().form("resource"), None);
    world.provider.renew(&tokens).await.unwrap();
    let at_refresh = world.idp.seen("/token").last().unwrap().form("scope").unwrap();
    assert_eq!(sorted(&at_refresh), own);
}

#[tokio::test]
async fn what_entra_grants_counts_by_its_short_name() {
    let world = entra().await;
    let (_, tokens) = sign_in(&world, "", json!("api://tools/read"), json!({})).await.unwrap();
    let granted = tokens.scopes.unwrap();
    assert!(granted.contains("read") && granted.contains("api://tools/read"), "{granted}");
    let refused = sign_in(&world, "", json!("api://tools/write"), json!({})).await.unwrap_err();
    assert!(matches!(refused, super::super::LoginError::PolicyDenied { .. }), "{refused}");
    let foreign = sign_in(&world, "", json!("api://others/read"), json!({})).await.unwrap_err();
    assert!(matches!(foreign, super::super::LoginError::PolicyDenied { .. }), "{foreign}");
    // A provider that answers without `scope` granted what was asked for (RFC 6749 section 5.1).
    let (_, tokens) = sign_in(&world, "", Value::Null, json!({})).await.unwrap();
    assert_eq!(tokens.scopes, None);
}

#[tokio::test]
async fn an_address_from_entra_is_verified_only_if_the_domain_is() {
    let world = entra().await;
    let verified = async |changes: Value| {
        let (identity, _) = sign_in(&world, "", Value::Null, changes).await.unwrap();
        assert_eq!(identity.email.as_deref(), Some("alice@example.com"));
        identity.email_verified
    };
    for yes in [json!(true), json!("true"), json!(1), json!("1")] {
        assert!(verified(json!({ "email_verified": null, "xms_edov": yes })).await, "{yes}");
    }
    for no in [json!(null), json!(false), json!("false"), json!(0), json!("0"), json!([true])] {
        assert!(!verified(json!({ "email_verified": null, "xms_edov": no })).await, "{no}");
    }
    assert!(!verified(json!({ "email_verified": false, "xms_edov": true })).await, "the standard's claim counts");
}

#[tokio::test]
async fn the_claim_of_one_provider_verifies_nothing_at_another() {
    let world = World::new().await;
    let (identity, _) =
        sign_in(&world, "", Value::Null, json!({ "email_verified": null, "xms_edov": true })).await.unwrap();
    assert!(!identity.email_verified);
}

#[tokio::test]
async fn google_grants_under_long_names_and_is_asked_for_a_refresh_token_by_parameters() {
    let entry = "    required_scopes: [openid, email, 'https://www.googleapis.com/auth/userinfo.profile']\n";
    let world = World::with(|plan| known_of("google", entry, plan)).await;
    world.idp.change_metadata(&json!({ "scopes_supported": ["openid", "email", "profile"] }));
    let (parameters, _) = world.begin().await;
    assert_eq!(parameters.get("access_type").map(String::as_str), Some("offline"));
    assert_eq!(parameters.get("prompt").map(String::as_str), Some("consent"));
    assert!(!parameters.get("scope").unwrap().contains("offline_access"));
    let long = "https://www.googleapis.com/auth/userinfo.email profile openid";
    let (_, tokens) = sign_in(&world, "", json!(long), json!({})).await.unwrap();
    let granted = tokens.scopes.unwrap();
    for name in ["email", "profile", "https://www.googleapis.com/auth/userinfo.profile"] {
        assert!(granted.contains(name), "{name} in {granted}");
    }
    assert_eq!(world.idp.seen("/token").last().unwrap().form("scope"), None, "only where it is wanted");
}
