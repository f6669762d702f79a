use bytes::Bytes;
use serde_json::{Value, json};

use super::super::{CallbackParameters, LoginError, Wishes};
use super::fixture::{
    Answer, CLIENT_ID, START, SUBJECT, World, callback, challenge_of, ec_key, jwt, rsa_key, token_response,
};
use crate::{config::plan::ClientAuthMethod, metrics::outcome::Callback, oauth::Scopes, time::Timestamp};

/// What a test makes of good claims.
type Break<'t> = Box<dyn Fn(Value) -> String + 't>;

#[tokio::test]
async fn the_authorization_request_has_its_own_pkce_state_and_nonce() {
    let world = World::new().await;
    let (first, login) = world.begin().await;
    assert_eq!(first["response_type"], "code");
    assert_eq!(first["client_id"], CLIENT_ID);
    assert_eq!(first["redirect_uri"], "https://mcp.example.com/auth/callback");
    assert_eq!(first["scope"], "openid email api:read offline_access");
    assert_eq!(first["state"], login.state);
    assert_eq!(first["nonce"], login.nonce);
    assert_eq!(first["code_challenge_method"], "S256");
    assert_eq!(first["code_challenge"], challenge_of(login.pkce_verifier.as_ref().unwrap()));
    assert_eq!(first["audience"], "https://api.example.com");
    assert_eq!(first["prompt"], "select_account");
    assert!(!first.contains_key("resource"), "T8: the client's resource never goes to the provider");
    assert!(login.state.len() >= 43 && login.nonce.len() >= 43 && login.pkce_verifier.as_ref().unwrap().len() >= 43);

    let (second, _) = world.begin().await;
    for secret in ["state", "nonce", "code_challenge"] {
        assert_ne!(first[secret], second[secret]);
    }
    assert_eq!(format!("{login:?}"), "Login([redacted])");
}

#[tokio::test]
async fn offline_access_is_asked_for_only_when_wanted_and_known() {
    let scopes = Scopes::parse("offline_access").unwrap();
    let asked = async |world: &World, offline| {
        let (url, _) = world.provider.begin_login(&scopes, offline, Wishes::default()).await.unwrap();
        url.query_pairs().any(|(name, value)| name == "scope" && value.contains("offline_access"))
    };
    let world = World::new().await;
    assert!(asked(&world, true).await);
    assert!(!asked(&world, false).await);
    let world = World::with(|plan| plan.offline_access = false).await;
    assert!(!asked(&world, true).await);
    let world = World::new().await;
    world.idp.change_metadata(&json!({ "scopes_supported": ["openid"] }));
    assert!(!asked(&world, true).await);
    let world = World::with(|plan| plan.required_scopes = Scopes::parse("openid offline_access").unwrap()).await;
    assert!(asked(&world, false).await, "what the operator demands is asked for");
}

#[tokio::test]
async fn a_good_sign_in_gives_identity_and_tokens() {
    let world = World::new().await;
    let (_, login) = world.begin().await;
    world.idp.will_issue(&rsa_key().sign(&world.idp.claims(&login)));
    let (identity, tokens) = world.provider.finish_login(&login, &callback()).await.unwrap();

    assert_eq!(identity.issuer, format!("{}/", world.idp.origin), "the provider's own text, with Auth0's slash");
    assert_eq!(identity.subject, SUBJECT);
    assert_eq!(identity.email.as_deref(), Some("alice@example.com"));
    assert!(identity.email_verified);
    assert_eq!(identity.name.as_deref(), Some("Alice"));
    assert_eq!(
        Value::Object(identity.claims),
        json!({ "groups": ["staff"], "updated_at": "2026-01-01T00:00:00.000Z" })
    );

    assert_eq!(tokens.access_token, "at-1");
    assert_eq!(tokens.refresh_token.as_deref(), Some("rt-1"));
    assert_eq!(tokens.expires_at, Some(Timestamp(START.0 + 3600)));
    assert_eq!(tokens.scopes.unwrap().to_string(), "openid email api:read offline_access");

    let request = &world.idp.seen("/token")[0];
    assert_eq!(request.form("grant_type").as_deref(), Some("authorization_code"));
    assert_eq!(request.form("code").as_deref(), Some("the-code"));
    assert_eq!(request.form("redirect_uri").as_deref(), Some("https://mcp.example.com/auth/callback"));
    assert_eq!(request.form("code_verifier"), login.pkce_verifier);
    assert_eq!(request.form("audience").as_deref(), Some("https://api.example.com"));
    assert_eq!(request.form("tenant").as_deref(), Some("one"));
    assert_eq!(request.form("client_secret"), None);
    assert!(request.headers["user-agent"].to_str().unwrap().starts_with("vestibule/"));
    assert_eq!(world.metric(r#"vestibule_provider_requests_total{endpoint="token",provider="auth0",result="200"}"#), 1);
}

/// RFC 6749 section 2.3.1, as it is on the wire: form-encoded, then Base64.
#[tokio::test]
async fn the_client_authenticates_as_the_plan_or_the_metadata_say() {
    const BASIC: &str = "Basic dGhlK2FwcGxpY2F0aW9uJTNBMTpzM2NyJTI2dCUzQSUyRislQzMlQkM=";
    let methods = |names: &[&str]| json!({ "token_endpoint_auth_methods_supported": names });
    let cases = [
        (None, json!({}), "basic"),
        (None, methods(&["client_secret_post", "client_secret_basic"]), "basic"),
        (None, methods(&["client_secret_post", "private_key_jwt"]), "post"),
        (Some(ClientAuthMethod::Post), json!({}), "post"),
        (Some(ClientAuthMethod::Basic), methods(&["client_secret_post"]), "basic"),
        (Some(ClientAuthMethod::None), json!({}), "none"),
    ];
    for (chosen, metadata, expected) in cases {
        let world = World::with(|plan| plan.token_endpoint_auth_method = chosen).await;
        world.idp.change_metadata(&metadata);
        world.sign_in(|claims| rsa_key().sign(&claims)).await.unwrap();
        let request = &world.idp.seen("/token")[0];
        let authorization = request.headers.get("authorization").map(|value| value.to_str().unwrap());
        let sent = (authorization, request.form("client_id"), request.form("client_secret"));
        let id = Some(CLIENT_ID.to_owned());
        match expected {
            "basic" => assert_eq!(sent, (Some(BASIC), None, None), "{chosen:?} {metadata}"),
            "post" => {
                assert_eq!(sent, (None, id, Some(super::fixture::CLIENT_SECRET.to_owned())), "{chosen:?} {metadata}");
            }
            _ => assert_eq!(sent, (None, id, None), "{chosen:?} {metadata}"),
        }
    }
    let world = World::with(|plan| plan.client_secret = None).await;
    world.sign_in(|claims| rsa_key().sign(&claims)).await.unwrap();
    assert!(world.idp.seen("/token")[0].headers.get("authorization").is_none());
    assert_eq!(world.idp.seen("/token")[0].form("client_id").as_deref(), Some(CLIENT_ID));
}

/// S03, S51: each broken ID token, and what is said about it.
#[tokio::test]
async fn s03_s51_every_broken_id_token_is_refused() {
    let stranger = ec_key("rsa-1");
    let change = |mut claims: Value, name: &str, value: Value| {
        claims[name] = value;
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        claims
    };
    let with = |name: &'static str, value: Value| -> Break<'_> {
        Box::new(move |claims| rsa_key().sign(&change(claims, name, value.clone())))
    };
    let header = |header: Value| -> Break<'_> { Box::new(move |claims| jwt(&header, &claims, |_| vec![1; 256])) };
    let invalid = Callback::IdTokenInvalid;
    let cases: Vec<(&str, Break<'_>, Callback)> = vec![
        ("wrong nonce", with("nonce", json!("another")), Callback::NonceMismatch),
        ("missing nonce", with("nonce", Value::Null), Callback::NonceMismatch),
        ("wrong audience", with("aud", json!("another")), invalid),
        ("no audience", with("aud", Value::Null), invalid),
        ("several audiences without azp", with("aud", json!([CLIENT_ID, "another"])), invalid),
        ("azp of another", with("azp", json!("another")), invalid),
        ("wrong issuer", with("iss", json!("https://evil.example/")), invalid),
        ("expired", with("exp", json!(START.0)), invalid),
        ("no expiry", with("exp", Value::Null), Callback::ExchangeFailed),
        ("absurd expiry", with("exp", json!(1e300)), Callback::ExchangeFailed),
        ("no subject", with("sub", Value::Null), Callback::ExchangeFailed),
        ("empty subject", with("sub", json!("")), invalid),
        ("long subject", with("sub", json!("x".repeat(256))), invalid),
        ("alg none", Box::new(|claims| jwt(&json!({ "alg": "none" }), &claims, |_| Vec::new())), invalid),
        ("HS256 with the public key", Box::new(|claims| rsa_key().sign_hs256_with_public_half(&claims)), invalid),
        ("another key under this kid", Box::new(|claims| stranger.sign(&claims)), invalid),
        ("bad signature", header(json!({ "alg": "RS256", "kid": "rsa-1" })), invalid),
        ("algorithm that is not offered", header(json!({ "alg": "PS256", "kid": "rsa-1" })), invalid),
        ("crit", header(json!({ "alg": "RS256", "kid": "rsa-1", "crit": ["x"], "x": 1 })), invalid),
        ("access token", header(json!({ "alg": "RS256", "kid": "rsa-1", "typ": "at+jwt" })), invalid),
        ("no JWT", Box::new(|_| "abc".to_owned()), Callback::ExchangeFailed),
    ];
    let world = World::new().await;
    for (name, broken, expected) in cases {
        let error = world.sign_in(broken).await.unwrap_err();
        assert_eq!(error.outcome(), expected, "{name}: {error}");
        assert!(!error.to_string().contains("eyJ"), "no token in {error}");
    }
    world.sign_in(|claims| rsa_key().sign(&claims)).await.unwrap();
    let azp = |claims| change(change(claims, "aud", json!([CLIENT_ID, "another"])), "azp", json!(CLIENT_ID));
    world.sign_in(|claims| rsa_key().sign(&azp(claims))).await.unwrap();
}

#[tokio::test]
async fn an_answer_without_id_token_is_refused() {
    let world = World::new().await;
    let (_, login) = world.begin().await;
    let mut response = token_response("");
    response.as_object_mut().unwrap().remove("id_token");
    world.idp.answer("/token", Answer::Json(200, response));
    let error = world.provider.finish_login(&login, &callback()).await.unwrap_err();
    assert_eq!(error.outcome(), Callback::IdTokenInvalid);
}

/// S03: mix-up (RFC 9207). A wrong `iss` ends the sign-in before the code is sent anywhere.
#[tokio::test]
async fn s03_an_answer_from_another_issuer_is_refused() {
    let world = World::new().await;
    let right = format!("{}/", world.idp.origin);
    let with = |iss: Option<&str>| CallbackParameters { iss: iss.map(str::to_owned), ..callback() };
    let (_, login) = world.begin().await;
    for wrong in ["https://evil.example", right.trim_end_matches('/'), ""] {
        let error = world.provider.finish_login(&login, &with(Some(wrong))).await.unwrap_err();
        assert_eq!(error, LoginError::IssMismatch, "{wrong}");
    }
    assert!(world.idp.seen("/token").is_empty());
    world.idp.will_issue(&rsa_key().sign(&world.idp.claims(&login)));
    world.provider.finish_login(&login, &with(Some(&right))).await.unwrap();

    let world = World::new().await;
    world.idp.change_metadata(&json!({ "authorization_response_iss_parameter_supported": true }));
    let (_, login) = world.begin().await;
    assert_eq!(world.provider.finish_login(&login, &with(None)).await.unwrap_err(), LoginError::IssMismatch);
    assert!(world.idp.seen("/token").is_empty());
}

/// S03: the code of provider A at the callback of provider B: B's token endpoint refuses it, and
/// A's ID token is not accepted for B either.
#[tokio::test]
async fn s03_a_code_from_another_provider_is_refused() {
    let (a, b) = (World::new().await, World::new().await);
    let (_, login) = b.begin().await;
    b.idp.answer(
        "/token",
        Answer::Json(400, json!({ "error": "invalid_grant", "error_description": "unknown\r\n\u{1b}[31mcode" })),
    );
    let error = b.provider.finish_login(&login, &callback()).await.unwrap_err();
    assert_eq!(error, LoginError::ExchangeFailed("invalid_grant: unknown   [31mcode".to_owned()));
    b.idp.will_issue(&rsa_key().sign(&a.idp.claims(&login)));
    let error = b.provider.finish_login(&login, &callback()).await.unwrap_err();
    assert_eq!(error.outcome(), Callback::IdTokenInvalid);
}

#[tokio::test]
async fn keys_rotate_with_one_fetch() {
    let world = World::new().await;
    world.sign_in(|claims| rsa_key().sign(&claims)).await.unwrap();
    assert_eq!(world.idp.seen("/jwks").len(), 1);
    let next = ec_key("ec-2");
    world.idp.publish(&[rsa_key(), &next]);
    for _ in 0..3 {
        world.sign_in(|claims| next.sign(&claims)).await.unwrap();
    }
    assert_eq!(world.idp.seen("/jwks").len(), 2);
    let series = r#"vestibule_provider_jwks_refreshes_total{outcome="ok",provider="auth0",trigger="unknown_kid"}"#;
    assert_eq!(world.metric(series), 1);
    assert_eq!(world.metric(r#"vestibule_provider_jwks_keys{provider="auth0"}"#), 2);
}

/// S53: a flood of unknown key ids fetches the keys at most once in 30 seconds, and the known
/// keys keep working all along.
#[tokio::test]
async fn s53_unknown_kids_fetch_at_most_once_in_30_seconds() {
    let world = World::new().await;
    let stranger = ec_key("nobody-knows");
    let forged = async || {
        let (_, login) = world.begin().await;
        world.idp.will_issue(&stranger.sign(&world.idp.claims(&login)));
        let callback = callback();
        let flood = (0..20).map(|_| world.provider.finish_login(&login, &callback));
        for result in futures_util::future::join_all(flood).await {
            assert_eq!(result.unwrap_err().outcome(), Callback::IdTokenInvalid);
        }
    };
    forged().await;
    forged().await;
    assert_eq!(world.idp.seen("/jwks").len(), 2, "one at the start, one for the flood");
    world.hand.advance(std::time::Duration::from_secs(29));
    forged().await;
    assert_eq!(world.idp.seen("/jwks").len(), 2);
    world.hand.advance(std::time::Duration::from_secs(1));
    forged().await;
    assert_eq!(world.idp.seen("/jwks").len(), 3);
    world.sign_in(|claims| rsa_key().sign(&claims)).await.unwrap();
    let series =
        r#"vestibule_provider_jwks_refreshes_total{outcome="throttled",provider="auth0",trigger="unknown_kid"}"#;
    assert!(world.metric(series) >= 40, "the second and the third flood, one by one");
}

#[tokio::test]
async fn required_scopes_must_be_granted() {
    let world = World::with(|plan| {
        plan.required_scopes = Scopes::parse("openid profile email offline_access api:read api:write").unwrap();
    })
    .await;
    let sign_in = async |scope: Value| {
        let (_, login) = world.begin().await;
        let mut response = token_response(&rsa_key().sign(&world.idp.claims(&login)));
        response["scope"] = scope;
        response.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        world.idp.answer("/token", Answer::Json(200, response));
        world.provider.finish_login(&login, &callback()).await
    };
    let error = sign_in(json!("api:read")).await.unwrap_err();
    assert_eq!(error.to_string(), "the identity provider did not grant: api:write");
    assert_eq!(error.outcome(), Callback::PolicyDenied);
    let google = "https://www.googleapis.com/auth/userinfo.email api:write api:read";
    assert!(sign_in(json!(google)).await.unwrap().1.scopes.unwrap().contains("api:write"));
    assert_eq!(sign_in(Value::Null).await.unwrap().1.scopes, None, "not said: as asked for");
    assert_eq!(sign_in(json!("")).await.unwrap().1.scopes, None);
}

#[tokio::test]
async fn user_info_fills_gaps_but_only_about_the_same_person() {
    let world = World::new().await;
    let user_info = format!("{}/userinfo", world.idp.origin);
    world.idp.change_metadata(&json!({ "userinfo_endpoint": user_info }));
    let sign_in = async || {
        world
            .sign_in(|mut claims| {
                claims["email"] = Value::Null;
                claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
                rsa_key().sign(&claims)
            })
            .await
    };
    world.idp.answer(
        "/userinfo",
        Answer::Json(200, json!({ "sub": SUBJECT, "email": "a@example.com", "email_verified": "true", "name": "Eve" })),
    );
    let (identity, _) = sign_in().await.unwrap();
    assert_eq!(identity.email.as_deref(), Some("a@example.com"));
    assert!(identity.email_verified);
    assert_eq!(identity.name.as_deref(), Some("Alice"), "the ID token comes first");
    assert_eq!(world.idp.seen("/userinfo")[0].headers["authorization"], "Bearer at-1");

    world.idp.answer("/userinfo", Answer::Json(200, json!({ "sub": "mallory", "email": "m@example.com" })));
    assert_eq!(sign_in().await.unwrap_err(), LoginError::UserinfoFailed);
    for answer in [Answer::Json(401, json!({})), Answer::Hangup, Answer::Raw(200, &[], Bytes::from("eyJ.e.x"))] {
        world.idp.answer("/userinfo", answer);
        assert_eq!(sign_in().await.unwrap().0.email, None, "signed in without it");
    }
    let before = world.idp.seen("/userinfo").len();
    world.sign_in(|claims| rsa_key().sign(&claims)).await.unwrap();
    assert_eq!(world.idp.seen("/userinfo").len(), before, "not asked when nothing is missing");
}

/// S76: no answer of the token endpoint takes longer than the deadline, and no answer is a panic.
#[tokio::test]
async fn s76_useless_answers_of_the_token_endpoint() {
    let world = World::with(|plan| plan.timeout = std::time::Duration::from_millis(300)).await;
    let (_, login) = world.begin().await;
    let (unavailable, failed) = (Callback::ProviderUnavailable, Callback::ExchangeFailed);
    let good = token_response("x");
    let changed = |name: &str, value: Value| {
        let mut response = good.clone();
        response[name] = value;
        Answer::Json(200, response)
    };
    let error = |status| Answer::Json(status, json!({ "error": "invalid_grant" }));
    let large = Bytes::from(vec![b' '; crate::egress::PROVIDER_BODY + 1]);
    let cases = [
        ("silence", Answer::Silence, unavailable),
        ("hang-up", Answer::Hangup, unavailable),
        ("500", error(500), unavailable),
        ("503", error(503), unavailable),
        ("429", error(429), unavailable),
        ("redirect", Answer::Raw(302, &[("location", "/token2")], Bytes::new()), unavailable),
        ("too large", Answer::Raw(200, &[], large), unavailable),
        ("HTML", Answer::Raw(403, &[("content-type", "text/html")], Bytes::from("<p>no")), failed),
        ("HTML 200", Answer::Raw(200, &[("content-type", "text/html")], Bytes::from("<p>no")), failed),
        ("empty", Answer::Raw(200, &[], Bytes::new()), failed),
        ("no JSON", Answer::Raw(200, &[], Bytes::from("access_token=abc")), failed),
        ("error", error(400), failed),
        ("invalid client", Answer::Json(401, json!({ "error": "invalid_client" })), failed),
        ("error that is none", Answer::Json(400, json!({ "error": 7 })), failed),
        ("numeric token", changed("access_token", json!(1)), failed),
    ];
    for (name, answer, expected) in cases {
        world.idp.answer("/token", answer);
        let error = world.provider.finish_login(&login, &callback()).await.unwrap_err();
        assert_eq!(error.outcome(), expected, "{name}: {error}");
    }
    assert!(world.idp.seen("/token2").is_empty());
    for result in ["timeout", "too_large", "302", "503", "429"] {
        let series =
            format!(r#"vestibule_provider_requests_total{{endpoint="token",provider="auth0",result="{result}"}}"#);
        assert_eq!(world.metric(&series), 1, "{result}");
    }
    let valid = rsa_key().sign(&world.idp.claims(&login));
    for (name, value) in [("token_type", json!("DPoP")), ("access_token", json!("a".repeat(20_000)))] {
        let mut response = token_response(&valid);
        response[name] = value;
        world.idp.answer("/token", Answer::Json(200, response));
        let error = world.provider.finish_login(&login, &callback()).await.unwrap_err();
        assert_eq!(error.outcome(), failed, "{name}: {error}");
    }
}
