//! The provider's access tokens as JWTs: every part of one matters.

use std::time::Duration;

use serde_json::{Value, json};

use super::fixture::{Answer, Key, START, World, callback, ec_key, jwt, rsa_key, token_response};
use crate::{
    config::plan::{AccessTokenPlan, AudienceClaim},
    metrics::outcome::{Callback, Verification},
    oauth::JwsAlgorithm,
    provider::{
        AccessTokenError, ProviderAccess,
        tokens::{RenewError, TokenSource},
    },
};

const AUDIENCE: &str = "https://mcp.example.com/mcp";
const HEADER: &str = r#"{"alg":"RS256","typ":"at+jwt","kid":"rsa-1"}"#;

fn plan() -> AccessTokenPlan {
    let scope_claims = ["scope", "scp"].map(str::to_owned).to_vec();
    AccessTokenPlan {
        audiences: vec![AUDIENCE.to_owned()],
        audience_claim: AudienceClaim::Aud,
        scope_claims,
        introspection: None,
    }
}

/// Claims of a good token, some replaced; `null` removes one.
fn claims(world: &World, changes: &Value) -> String {
    let mut claims = json!({
        "iss": format!("{}/", world.idp.origin),
        "sub": "auth0|alice",
        "aud": AUDIENCE,
        "client_id": "a-client",
        "scope": "mcp read",
        "iat": START.0,
        "exp": START.0 + 600,
        "email": "alice@example.com",
        "email_verified": true,
    });
    let members = claims.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        members.insert(name.clone(), value.clone());
    }
    members.retain(|_, value| !value.is_null());
    claims.to_string()
}

/// Cognito's access tokens have no `aud`: they are for the application that they were given to. A
/// token that has one is for what that says, whoever holds it.
#[tokio::test]
async fn s50_a_token_without_aud_is_for_its_client_where_the_plan_says_so() {
    let world = World::new().await;
    let by_client = AccessTokenPlan { audience_claim: AudienceClaim::ClientId, ..plan() };
    let accepted = ["a-client".to_owned()];
    for (changes, good) in [
        (json!({ "aud": null }), true),
        (json!({ "aud": null, "client_id": "another" }), false),
        (json!({ "aud": null, "client_id": null }), false),
        (json!({ "aud": null, "client_id": null, "azp": "a-client" }), false),
        (json!({ "aud": null, "client_id": ["a-client"] }), true),
        (json!({}), false),
        (json!({ "aud": [] }), false),
        (json!({ "aud": "a-client" }), true),
        (json!({ "aud": null, "token_use": "id" }), false),
    ] {
        let token = rsa_key().sign_text(HEADER, &claims(&world, &changes));
        let found = world.provider.check_access_token(&by_client, &token, &accepted).await;
        assert_eq!(found.is_ok(), good, "{changes}: {found:?}");
        let plain = world.provider.check_access_token(&plan(), &token, &accepted).await;
        assert_eq!(plain.is_ok(), changes["aud"] == "a-client", "{changes}");
    }
}

async fn check(world: &World, token: &str) -> Result<ProviderAccess, AccessTokenError> {
    let plan = plan();
    world.provider.check_access_token(&plan, token, &plan.audiences).await
}

async fn outcome(world: &World, token: &str) -> Verification {
    check(world, token).await.map_or_else(|error| error.outcome(), |_| Verification::Valid)
}

#[tokio::test]
async fn a_good_token_says_who_calls() {
    let world = World::new().await;
    let found = check(&world, &rsa_key().sign_text(HEADER, &claims(&world, &json!({})))).await.unwrap();
    assert_eq!(found.identity.subject, "auth0|alice");
    assert_eq!(found.identity.email.as_deref(), Some("alice@example.com"));
    assert!(found.identity.email_verified);
    assert_eq!(found.identity.issuer, format!("{}/", world.idp.origin));
    assert_eq!(found.client_id.unwrap().as_str(), "a-client");
    assert_eq!(found.scopes.to_string(), "mcp read");
    assert_eq!(found.expires_at, Some(START.plus(Duration::from_mins(10))));
}

/// What real providers write: audiences in a list, no `typ` or `JWT`, scopes in `scp`, the client
/// under another name, dates with fractions.
#[tokio::test]
async fn the_ways_of_real_providers() {
    let world = World::new().await;
    let okta = json!({ "scope": null, "scp": ["mcp", "read"], "client_id": null, "cid": "okta-client" });
    let entra = json!({ "scope": null, "scp": "mcp read", "client_id": null, "azp": "entra-client" });
    let keycloak = json!({ "aud": ["account", AUDIENCE], "typ": "Bearer", "nonce": "n", "azp": "keycloak-client" });
    let odd = json!({ "exp": 1_800_000_060.75, "iat": 1_799_999_999.5, "client_id": null });
    for (header, changes, client) in [
        (r#"{"alg":"RS256","kid":"rsa-1"}"#, okta, Some("okta-client")),
        (r#"{"alg":"RS256","typ":"JWT","kid":"rsa-1","x5t":"abc"}"#, entra, Some("entra-client")),
        (r#"{"alg":"RS256","typ":"jwt","kid":"rsa-1"}"#, keycloak, Some("a-client")),
        (r#"{"alg":"RS256","typ":"application/at+jwt"}"#, odd, None),
    ] {
        let found = check(&world, &rsa_key().sign_text(header, &claims(&world, &changes))).await.unwrap();
        assert_eq!(found.client_id.as_ref().map(crate::oauth::ClientId::as_str), client, "{changes}");
        assert_eq!(found.scopes.to_string(), "mcp read", "{changes}");
    }
}

/// S50: issuer, audience, times; what is missing is wrong.
#[tokio::test]
async fn s50_every_claim_matters() {
    let world = World::new().await;
    for (changes, expected) in [
        (json!({ "aud": null }), Verification::AudienceMismatch),
        (json!({ "aud": "https://other.example/mcp" }), Verification::AudienceMismatch),
        (json!({ "aud": ["a", "b"] }), Verification::AudienceMismatch),
        (json!({ "aud": "https://mcp.example.com/mcp/" }), Verification::AudienceMismatch),
        (json!({ "aud": [] }), Verification::AudienceMismatch),
        (json!({ "aud": { "a": 1 } }), Verification::Malformed),
        (json!({ "iss": null }), Verification::Malformed),
        (json!({ "iss": "https://evil.example/" }), Verification::IssuerMismatch),
        (json!({ "iss": [world.idp.origin] }), Verification::IssuerMismatch),
        (json!({ "iss": world.idp.origin }), Verification::IssuerMismatch),
        (json!({ "exp": null }), Verification::Malformed),
        (json!({ "exp": START.0 }), Verification::Expired),
        (json!({ "exp": "1800000600" }), Verification::Malformed),
        (json!({ "exp": -1 }), Verification::Malformed),
        (json!({ "nbf": START.0 + 61 }), Verification::NotYetValid),
        (json!({ "nbf": START.0 + 60 }), Verification::Valid),
        (json!({ "iat": START.0 + 61 }), Verification::NotYetValid),
        (json!({ "sub": null }), Verification::Malformed),
        (json!({ "sub": "" }), Verification::Malformed),
        (json!({ "scope": 7 }), Verification::Malformed),
    ] {
        let token = rsa_key().sign_text(HEADER, &claims(&world, &changes));
        assert_eq!(outcome(&world, &token).await, expected, "{changes}");
    }
}

/// S51: algorithms, keys that a token brings along, `crit`, doubled members, absurd numbers and sizes.
#[tokio::test]
async fn s51_tricks_with_the_token_itself() {
    let world = World::new().await;
    let good = claims(&world, &json!({}));
    let doubled = good.replacen('{', r#"{"aud":"https://evil.example","#, 1);
    let endless = good.replace(&format!("\"exp\":{}", START.0 + 600), "\"exp\":1e300");
    assert_ne!(good, endless);
    let value: Value = serde_json::from_str(&good).unwrap();
    let unsigned = jwt(&json!({ "alg": "none", "typ": "at+jwt" }), &value, |_| Vec::new());
    let signed = |header: &str, payload: &str| rsa_key().sign_text(header, payload);
    let whole = signed(HEADER, &good);
    let (message, _) = whole.rsplit_once('.').unwrap();
    let stranger = ec_key("rsa-1");
    let with = |more: &str| HEADER.replacen('{', &format!("{{{more},"), 1);
    let own_key =
        with(r#""jku":"https://evil.example/jwks","x5u":"https://evil.example/x5u","jwk":{"kty":"oct","k":"AA"}"#);
    for (name, token, expected) in [
        ("alg none", unsigned, Verification::AlgNotAllowed),
        ("no signature", format!("{message}."), Verification::BadSignature),
        ("HS256 with the public key", rsa_key().sign_hs256_with_public_half(&value), Verification::AlgNotAllowed),
        (
            "another key's algorithm",
            stranger.sign_text(&HEADER.replace("RS256", "ES256"), &good),
            Verification::AlgNotAllowed,
        ),
        ("a name in small letters", signed(&HEADER.replace("RS256", "rs256"), &good), Verification::AlgNotAllowed),
        ("no alg", signed(r#"{"kid":"rsa-1"}"#, &good), Verification::AlgNotAllowed),
        ("brings its own key, signed with ours", signed(&own_key, &good), Verification::Valid),
        ("brings its own key", stranger.sign_text(&own_key, &good), Verification::BadSignature),
        ("crit", signed(&with(r#""crit":["exp"]"#), &good), Verification::Malformed),
        ("doubled header member", signed(&with(r#""alg":"none""#), &good), Verification::Malformed),
        ("doubled claim", signed(HEADER, &doubled), Verification::Malformed),
        ("exp 1e300", signed(HEADER, &endless), Verification::Malformed),
        ("huge", signed(HEADER, &claims(&world, &json!({ "x": "x".repeat(16 * 1024) }))), Verification::TooLarge),
        ("encrypted", "a.b.c.d.e".to_owned(), Verification::Malformed),
        ("opaque", "0123456789abcdef".to_owned(), Verification::Malformed),
        ("not base64", format!("!{whole}"), Verification::Malformed),
        ("no object", signed(HEADER, "[]"), Verification::Malformed),
        ("changed", whole.replacen("eyJ", "eyK", 1), Verification::Malformed),
    ] {
        assert_eq!(outcome(&world, &token).await, expected, "{name}");
    }
    assert_eq!(world.idp.seen("/jwks").len(), 1, "nothing of this fetched keys");
}

/// S52: what the provider signs for another use opens nothing, even with the right audience.
#[tokio::test]
async fn s52_only_access_tokens() {
    let world = World::new().await;
    for (header, changes) in [
        (HEADER.replace("at+jwt", "logout+jwt"), json!({})),
        (HEADER.replace("at+jwt", "secevent+jwt"), json!({})),
        (HEADER.replace("at+jwt", "dpop+jwt"), json!({})),
        (HEADER.replace("at+jwt", "JWT"), json!({ "nonce": "n" })),
        (HEADER.replace("at+jwt", "JWT"), json!({ "at_hash": "h" })),
        (HEADER.to_owned(), json!({ "at_hash": "h" })),
        (HEADER.replace("at+jwt", "JWT"), json!({ "typ": "ID" })),
        (HEADER.replace("at+jwt", "JWT"), json!({ "typ": "Refresh" })),
        (HEADER.replace("at+jwt", "JWT"), json!({ "token_use": "id" })),
        (HEADER.to_owned(), json!({ "events": {} })),
        // Bound to a key that whoever stole it does not have.
        (HEADER.to_owned(), json!({ "cnf": { "jkt": "k" } })),
    ] {
        let error = check(&world, &rsa_key().sign_text(&header, &claims(&world, &changes))).await.unwrap_err();
        assert!(matches!(error, AccessTokenError::WrongKind(_)), "{changes}: {error}");
    }
}

/// `algorithm` narrows what access tokens may be signed with, too.
#[tokio::test]
async fn only_configured_algorithms_count() {
    let world = World::with(|plan| plan.protocol.algorithms = vec![JwsAlgorithm::Es256]).await;
    let ec = ec_key("ec-1");
    world.idp.publish(&[rsa_key(), &ec]);
    let good = claims(&world, &json!({}));
    assert_eq!(outcome(&world, &rsa_key().sign_text(HEADER, &good)).await, Verification::AlgNotAllowed);
    assert_eq!(outcome(&world, &ec.sign_text(r#"{"alg":"ES256","kid":"ec-1"}"#, &good)).await, Verification::Valid);
}

/// S53, T3: an unknown key is looked for once in an interval; if the keys cannot be had, that is not
/// the token's fault.
#[tokio::test]
async fn s53_unknown_keys() {
    let world = World::new().await;
    let good = claims(&world, &json!({}));
    let new = ec_key("new");
    let token = new.sign_text(r#"{"alg":"ES256","typ":"at+jwt","kid":"new"}"#, &good);
    for _ in 0..5 {
        assert_eq!(outcome(&world, &token).await, Verification::UnknownKid);
    }
    assert_eq!(world.idp.seen("/jwks").len(), 2, "one at the start, one for all five");
    world.hand.advance(Duration::from_secs(31));
    world.idp.answer("/jwks", Answer::Json(500, json!({})));
    for _ in 0..3 {
        assert_eq!(outcome(&world, &token).await, Verification::KeysUnavailable);
    }
    assert_eq!(world.idp.seen("/jwks").len(), 3);
    assert_eq!(outcome(&world, &rsa_key().sign_text(HEADER, &good)).await, Verification::Valid, "known ones work");
    world.hand.advance(Duration::from_secs(31));
    world.idp.publish(&[rsa_key(), &new]);
    let known = check(&world, &rsa_key().sign_text(HEADER, &good)).await.unwrap();
    assert!(world.provider.still_knows(&known, START));
    assert_eq!(outcome(&world, &token).await, Verification::Valid);
    assert!(!world.provider.still_knows(&known, START), "the keys have changed");
}

/// A key that is no signing key, or of a kind that nobody understands, hides no other.
#[tokio::test]
async fn strange_keys_hide_no_other() {
    let world = World::new().await;
    world.idp.publish(&[rsa_key()]);
    let good = claims(&world, &json!({}));
    assert_eq!(outcome(&world, &rsa_key().sign_text(HEADER, &good)).await, Verification::Valid);
    let mut keys = published(&world);
    for strange in [
        json!({ "kty": "OKP", "crv": "X448", "x": "AA", "kid": "strange" }),
        json!({ "kty": "RSA", "use": "enc", "n": "AQAB", "e": "AQAB", "kid": "enc" }),
        json!({ "kty": "oct", "k": "AAAA", "kid": "oct" }),
        json!({ "kty": "EC", "crv": "P-521", "x": "AA", "y": "AA", "alg": "ES512", "kid": "large" }),
    ] {
        keys.insert(0, strange);
    }
    world.idp.answer("/jwks", Answer::Json(200, json!({ "keys": keys })));
    let again = World::with(|_| ()).await;
    again.idp.answer("/jwks", Answer::Json(200, json!({ "keys": keys })));
    let good = claims(&again, &json!({}));
    assert_eq!(outcome(&again, &rsa_key().sign_text(HEADER, &good)).await, Verification::Valid);
}

fn published(world: &World) -> Vec<Value> {
    let keys = world.provider.keys.current().unwrap();
    serde_json::to_value(&keys.keys).unwrap()["keys"].as_array().unwrap().clone()
}

/// A sign-in with this access token.
async fn sign_in(world: &World, access_token: &str) -> Result<(), crate::provider::LoginError> {
    let (_, login) = world.begin().await;
    let mut response = token_response(&rsa_key().sign(&world.idp.claims(&login)));
    response["access_token"] = json!(access_token);
    world.idp.answer("/token", Answer::Json(200, response));
    world.provider.finish_login(&login, &callback()).await.map(|_| ())
}

/// With an audience, a sign-in needs an access token that is for it; the mistake says what to do.
#[tokio::test]
async fn a_sign_in_checks_the_access_token() {
    let world = World::with(|provider| provider.access_tokens = Some(plan())).await;
    let token = |changes: &Value, key: &Key| key.sign_text(HEADER, &claims(&world, changes));
    sign_in(&world, &token(&json!({}), rsa_key())).await.unwrap();
    let refused = async |token: &str| {
        let error = sign_in(&world, token).await.unwrap_err();
        assert_eq!(error.outcome(), Callback::AccessTokenInvalid, "{error}");
        error.to_string()
    };
    let text = refused(&token(&json!({ "aud": "https://other.example" }), rsa_key())).await;
    assert!(text.contains("its audience is `https://other.example`, not `https://mcp.example.com/mcp`"), "{text}");
    assert!(text.contains("register an API"), "{text}");
    let text = refused("opaque-token").await;
    assert!(text.contains("opaque or encrypted") && text.contains("verify_id_token: true"), "{text}");
    refused(&token(&json!({}), &ec_key("rsa-1"))).await;
    // Without a plan for them, access tokens are the provider's own business.
    let world = World::new().await;
    sign_in(&world, "opaque-token").await.unwrap();
}

/// At a refresh too: a token for somebody else ends the grant.
#[tokio::test]
async fn a_refresh_checks_the_access_token() {
    let world = World::with(|provider| provider.access_tokens = Some(plan())).await;
    let (_, login) = world.begin().await;
    let mut response = token_response(&rsa_key().sign(&world.idp.claims(&login)));
    response["access_token"] = json!(rsa_key().sign_text(HEADER, &claims(&world, &json!({}))));
    world.idp.answer("/token", Answer::Json(200, response.clone()));
    let (_, tokens) = world.provider.finish_login(&login, &callback()).await.unwrap();
    world.provider.renew(&tokens).await.unwrap();
    response["access_token"] = json!(rsa_key().sign_text(HEADER, &claims(&world, &json!({ "aud": "other" }))));
    world.idp.answer("/token", Answer::Json(200, response));
    let error = world.provider.renew(&tokens).await.unwrap_err();
    assert!(matches!(&error, RenewError::Ended(text) if text.contains("its audience is `other`")), "{error}");
}
