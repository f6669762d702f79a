//! A provider that serves several organisations from one place (Entra): each token names its own issuer,
//! and only those that are configured may say who signs in.

use serde_json::{Value, json};

use super::{
    super::{CallbackParameters, LoginError, tokens::TokenSource},
    fixture::{Answer, World, callback, rsa_key, token_response},
};
use crate::{
    config::plan::TenantsPlan, identity::Identity, metrics::outcome::Callback, provider::tokens::ProviderTokens,
};

const ONE: &str = "3d1e2f9a-5c1b-4e0e-9a53-6b1c4a0d8f11";
const TWO: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";
/// Anybody can have one.
const FOREIGN: &str = "00000000-5c1b-4e0e-9a53-6b1c4a0d8f11";
const DOCUMENT: &str = "/organizations/v2.0/.well-known/openid-configuration";

async fn world() -> World {
    world_with(|issuer| issuer).await
}

/// The issuer of the shared document, changed.
async fn world_with(change: impl FnOnce(String) -> String) -> World {
    let world = World::with(|plan| {
        let url = plan.config_url.take().unwrap();
        plan.config_url = Some(url.join(DOCUMENT).unwrap());
        plan.needed_claims = vec!["tid".to_owned()];
        plan.protocol.tenants = Some(TenantsPlan {
            claim: "tid",
            placeholder: "{tenantid}",
            allowed: vec![ONE.to_owned(), TWO.to_owned()],
        });
    })
    .await;
    let mut metadata = world.idp.metadata();
    metadata["issuer"] = change(issuer(&world, "{tenantid}")).into();
    world.idp.answer(DOCUMENT, Answer::Json(200, metadata));
    world
}

fn issuer(world: &World, tenant: &str) -> String {
    format!("{}/{tenant}/v2.0", world.idp.origin)
}

async fn sign_in(world: &World, iss: &str, tid: &Value) -> Result<Identity, LoginError> {
    let signed = world.sign_in(|mut claims| {
        claims["iss"] = iss.into();
        claims["tid"] = tid.clone();
        rsa_key().sign(&claims)
    });
    signed.await.map(|(identity, _)| identity)
}

#[tokio::test]
async fn people_of_every_allowed_tenant_sign_in_and_have_its_issuer() {
    let world = world().await;
    for tenant in [ONE, TWO] {
        let identity = sign_in(&world, &issuer(&world, tenant), &tenant.into()).await.unwrap();
        assert_eq!(identity.issuer, issuer(&world, tenant));
        assert_eq!(identity.claims["tid"], tenant);
    }
}

/// Signed by the very provider, and in order but for the tenant.
#[tokio::test]
async fn s03_nobody_elses_tenant_says_who_signs_in() {
    let world = world().await;
    for tenant in [FOREIGN, "organizations", "common"] {
        let error = sign_in(&world, &issuer(&world, tenant), &tenant.into()).await.unwrap_err();
        assert!(matches!(&error, LoginError::ForeignTenant(text) if text.contains(tenant)), "{error}");
        assert_eq!(error.outcome(), Callback::PolicyDenied);
    }
}

/// `iss` is the shared issuer with the token's own `tid` in it, and nothing else.
#[tokio::test]
async fn s50_issuer_and_tenant_of_a_token_belong_together() {
    let world = world().await;
    let of = |tenant: &str| issuer(&world, tenant);
    for (iss, tid) in [
        (of(TWO), json!(ONE)),
        (of(ONE), json!(FOREIGN)),
        (of(FOREIGN), json!(ONE)),
        (of("{tenantid}"), json!(ONE)),
        (of("{tenantid}"), json!("{tenantid}")),
        (of(ONE), json!(ONE.to_uppercase())),
        (of(ONE), json!(format!("{ONE} "))),
        (of(ONE), json!([ONE])),
        (of(ONE), json!(null)),
        (of(ONE), json!("")),
        (of(&format!("x/../{ONE}")), json!(format!("x/../{ONE}"))),
        (format!("{}/", of(ONE)), json!(ONE)),
        (world.idp.origin.clone(), json!(ONE)),
        (format!("https://evil.example/{ONE}/v2.0"), json!(ONE)),
    ] {
        let error = sign_in(&world, &iss, &tid).await.unwrap_err();
        assert!(matches!(error, LoginError::IdTokenInvalid(_)), "{iss} with {tid}: {error}");
    }
}

/// RFC 9207, where the provider names an issuer in the answer.
#[tokio::test]
async fn s03_iss_of_the_answer_is_one_of_the_tenants() {
    let world = world().await;
    for (tenant, good) in [(ONE, true), (FOREIGN, false), ("{tenantid}", false)] {
        let (_, login) = world.begin().await;
        let mut claims = world.idp.claims(&login);
        claims["iss"] = issuer(&world, ONE).into();
        claims["tid"] = ONE.into();
        world.idp.will_issue(&rsa_key().sign(&claims));
        let answer = CallbackParameters { iss: Some(issuer(&world, tenant)), ..callback() };
        let result = world.provider.finish_login(&login, &answer).await;
        assert_eq!(result.is_ok(), good, "{tenant}");
        assert_eq!(result.err(), (!good).then_some(LoginError::IssMismatch), "{tenant}");
    }
}

/// The shared document names no single issuer, and is at its own place.
#[tokio::test]
async fn the_document_has_to_be_the_shared_one() {
    for (issuer, expected) in [
        ("https://elsewhere.example/{tenantid}/v2.0".to_owned(), "config_url must be that"),
        (format!("https://elsewhere.example/{ONE}/v2.0"), "`allowed_tenants` needs the place that tenants share"),
    ] {
        let world = world_with(|_| issuer).await;
        world.provider.try_once().await;
        let reason = world.provider.readiness().reason.unwrap();
        assert!(reason.contains(expected), "{reason}");
    }
    let world = world_with(|issuer| issuer.replace("/v2.0", "/v3.0")).await;
    world.provider.try_once().await;
    assert!(!world.provider.readiness().ready);
}

/// At a renewal, too; what was known stays. An address that `xms_edov` verifies stays verified.
#[tokio::test]
async fn a_renewal_is_held_to_the_same() {
    let world = world().await;
    world.provider.try_once().await;
    let tokens = ProviderTokens { refresh_token: Some("rt-1".to_owned()), ..ProviderTokens::default() };
    for (tenant, told) in [(ONE, true), (FOREIGN, false)] {
        let (_, login) = world.begin().await;
        let mut claims = world.idp.claims(&login);
        claims["iss"] = issuer(&world, tenant).into();
        claims["tid"] = tenant.into();
        world.idp.answer("/token", Answer::Json(200, token_response(&rsa_key().sign(&claims))));
        let renewal = world.provider.renew(&tokens).await.unwrap();
        assert_eq!(renewal.identity.map(|identity| identity.issuer), told.then(|| issuer(&world, ONE)));
    }
}
