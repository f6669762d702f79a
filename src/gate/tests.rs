use std::time::Duration;

use http::{Request, StatusCode, header::WWW_AUTHENTICATE};
use serde_json::json;
use url::Url;

use super::*;
use crate::{
    config::plan::{People, ProviderPlan},
    testing::{
        self,
        world::{World, claims},
    },
};

/// Where requests come from.
const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// A mount with the routes `/mcp` and `/other`, and the gate of the first.
async fn world(change: impl Fn(&mut RoutePlan)) -> (World, Gate) {
    let public_url = Url::parse("https://g.example/").unwrap();
    let mut plan = testing::provider(&public_url, "auth0", "/", &["/mcp", "/other"]);
    let mut route = testing::route(&public_url, "auth0", "/mcp", "http://b:3000/mcp");
    change(&mut route);
    plan.routes[0] = Arc::new(route);
    let world = World::new(plan).await;
    let gate = gate(&world, 0);
    (world, gate)
}

fn gate(world: &World, route: usize) -> Gate {
    telling(world, route, world.plan.policy.clone(), &Arc::new(crate::flow::Flows::new(world.clock.clone())))
}

/// One that adds to these stories, with the policy of another configuration.
fn telling(world: &World, route: usize, policy: PolicyPlan, flows: &Arc<Flows>) -> Gate {
    Gate::new(Parts {
        plan: Arc::clone(&world.plan.routes[route]),
        provider: Arc::new(ProviderPlan { policy, ..ProviderPlan::clone(&world.plan) }),
        issuer: world.plan.issuer.clone(),
        keys: Arc::clone(&world.keys),
        issued: Issued::ByUs { grants: Arc::clone(&world.grants), authority: Arc::clone(&world.authority) },
        flows: Arc::clone(flows),
        clock: world.clock.clone(),
        metrics: world.provider_metrics.clone(),
    })
}

async fn ask(gate: &Gate, token: &str) -> Result<Admitted, (StatusCode, String)> {
    let request = Request::get("/mcp").header("authorization", format!("Bearer {token}")).body(()).unwrap();
    gate.admit(&request.into_parts().0, HERE).await.map_err(|refusal| {
        let response = refusal.into_response();
        let challenge = response.headers().get(WWW_AUTHENTICATE).map(|value| value.to_str().unwrap().to_owned());
        (response.status(), challenge.unwrap_or_default())
    })
}

fn assert_counted(world: &World, outcome: &str, times: u32) {
    let text = world.metrics.render();
    let line = text
        .lines()
        .find(|line| {
            line.starts_with("vestibule_token_verifications_total") && line.contains(&format!("outcome=\"{outcome}\""))
        })
        .unwrap();
    assert!(line.ends_with(&format!(" {times}")), "{line}");
}

fn is_invalid_token(result: Result<Admitted, (StatusCode, String)>) -> bool {
    matches!(result, Err((StatusCode::UNAUTHORIZED, challenge)) if challenge.contains("error=\"invalid_token\""))
}

#[tokio::test]
async fn a_good_token_is_admitted_and_known_the_second_time() {
    let (world, gate) = world(|_| ()).await;
    let token = world.token("/mcp", "mcp read").await;
    for _ in 0..3 {
        let admitted = ask(&gate, &token).await.unwrap();
        assert_eq!(admitted.access.identity().subject, "alice");
        assert_eq!(admitted.authorization, None);
        let identity: Vec<_> = admitted.identity.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        assert_eq!(identity[0], ("x-user-subject", "alice".parse().unwrap()));
        assert_eq!(identity[2], ("x-user-scopes", "mcp read".parse().unwrap()));
    }
    assert_counted(&world, "valid", 3);
    // Verified once.
    assert!(
        world.metrics.render().contains("verification_duration_seconds_count{credential=\"jwt\",provider=\"auth0\"} 1")
    );
}

/// RS-2, W7, RS-12: no token in the header is no token, wherever else one is.
#[tokio::test]
async fn rs12_w7_only_the_header_counts() {
    let (world, gate) = world(|_| ()).await;
    let token = world.token("/mcp", "mcp").await;
    for uri in ["/mcp".to_owned(), format!("/mcp?access_token={token}")] {
        let head = Request::post(uri).body(()).unwrap().into_parts().0;
        let response = gate.admit(&head, HERE).await.unwrap_err().into_response();
        assert_eq!(response.status(), 401);
        assert_eq!(
            response.headers()[WWW_AUTHENTICATE],
            "Bearer resource_metadata=\"https://g.example/.well-known/oauth-protected-resource/mcp\", scope=\"mcp\""
        );
    }
    assert_counted(&world, "missing", 2);
}

/// S41, RS-10: two headers are malformed, even if both are good.
#[tokio::test]
async fn s41_two_authorization_headers() {
    let (world, gate) = world(|_| ()).await;
    let token = format!("Bearer {}", world.token("/mcp", "mcp").await);
    let request =
        Request::get("/mcp").header("authorization", &token).header("authorization", &token).body(()).unwrap();
    let response = gate.admit(&request.into_parts().0, HERE).await.unwrap_err().into_response();
    assert_eq!(response.status(), 400);
    assert!(response.headers()[WWW_AUTHENTICATE].to_str().unwrap().contains("error=\"invalid_request\""));
}

/// S50, RS-20: a token is for one route.
#[tokio::test]
async fn s50_rs20_a_token_for_another_route() {
    let (world, gate) = world(|_| ()).await;
    let token = world.token("/other", "mcp").await;
    assert!(is_invalid_token(ask(&gate, &token).await));
    assert_counted(&world, "audience_mismatch", 1);
    assert!(ask(&self::gate(&world, 1), &token).await.is_ok());
}

/// S50, S51, S52: each part of a token matters, and only our access tokens count.
#[tokio::test]
async fn s50_s51_s52_forged_and_foreign_tokens() {
    let (world, gate) = world(|_| ()).await;
    let token = world.token("/mcp", "mcp").await;
    let good = claims(&token);
    let altered = |name: &str, value: serde_json::Value| {
        let mut claims = good.clone();
        claims[name] = value;
        world.keys.sign("at+jwt", &claims).unwrap()
    };
    let (head, rest) = token.split_once('.').unwrap();
    let (payload, signature) = rest.split_once('.').unwrap();
    let now = world.clock.now().0;
    for (token, outcome) in [
        (world.keys.sign("JWT", &good).unwrap(), "malformed"),
        (altered("iss", json!("https://evil.example")), "issuer_mismatch"),
        (altered("aud", json!("https://g.example/other")), "audience_mismatch"),
        (altered("exp", json!(now)), "expired"),
        (altered("nbf", json!(now + 600)), "not_yet_valid"),
        (altered("sid", json!("unknown")), "revoked"),
        (altered("sub", json!("root")), "malformed"),
        (altered("client_id", json!("other")), "malformed"),
        (format!("{head}.{payload}."), "bad_signature"),
        (format!("{}.{payload}.{signature}", head.replace('e', "f")), "malformed"),
        ("provider-access-token".to_owned(), "malformed"),
        ("a".repeat(20_000), "too_large"),
    ] {
        let before = world.metrics.render();
        assert!(is_invalid_token(ask(&gate, &token).await), "{outcome}");
        let line = format!("outcome=\"{outcome}\"");
        let count = |text: &str| {
            let line = text.lines().find(|l| l.starts_with("vestibule_token_verifications_total") && l.contains(&line));
            line.and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).unwrap()
        };
        assert_eq!(count(&world.metrics.render()), count(&before) + 1, "{outcome}");
    }
    assert!(ask(&gate, &token).await.is_ok());
}

/// Expiry and revocation hold for a token that is known, at once.
#[tokio::test]
async fn known_tokens_end_at_once() {
    let (world, gate) = world(|_| ()).await;
    let (first, second) = (world.token("/mcp", "mcp").await, world.token("/mcp", "mcp").await);
    for token in [&first, &second] {
        assert!(ask(&gate, token).await.is_ok());
    }
    world.revoke(&first).await;
    assert!(is_invalid_token(ask(&gate, &first).await));
    assert!(is_invalid_token(ask(&gate, &first).await));
    assert_counted(&world, "revoked", 2);
    assert!(ask(&gate, &second).await.is_ok());
    world.hand.advance(Duration::from_secs(3599));
    assert!(ask(&gate, &second).await.is_ok());
    world.hand.advance(Duration::from_secs(1));
    assert!(is_invalid_token(ask(&gate, &second).await));
    assert_counted(&world, "expired", 1);
}

/// RS-6, RS-7, S7: too little is 403, and names what to come back with.
#[tokio::test]
async fn rs6_rs7_too_little_scope() {
    let (world, gate) = world(|route| route.required_scopes = crate::oauth::Scopes::parse("mcp write").unwrap()).await;
    let token = world.token("/mcp", "mcp read").await;
    let refused = ask(&gate, &token).await.unwrap_err();
    assert_eq!(refused.0, StatusCode::FORBIDDEN);
    assert!(refused.1.contains("error=\"insufficient_scope\""), "{}", refused.1);
    assert!(refused.1.ends_with("scope=\"mcp read write\""), "{}", refused.1);
    assert_counted(&world, "scope_insufficient", 1);
}

/// RS-21, RS-22: the backend's credential is its own, and a new one comes before the old one ends.
#[tokio::test]
async fn rs22_an_assertion_is_for_the_backend_only() {
    let (world, gate) = world(|route| {
        route.backend_authorization = BackendAuthorization::Assertion;
        route.identity_headers.assertion = Some(HeaderName::from_static("x-user-assertion"));
    })
    .await;
    let token = world.token("/mcp", "mcp").await;
    let assertion = |admitted: &Admitted| {
        let value = admitted.authorization.as_ref().unwrap();
        assert!(value.is_sensitive());
        let text = value.to_str().unwrap().strip_prefix("Bearer ").unwrap().to_owned();
        let (name, header) = admitted.identity.last().unwrap();
        assert_eq!((name.as_str(), header.to_str().unwrap()), ("x-user-assertion", text.as_str()));
        text
    };
    let first = assertion(&ask(&gate, &token).await.unwrap());
    let facts = claims(&first);
    assert_eq!(facts["aud"], "http://b:3000/mcp");
    assert_eq!(facts["iss"], "https://g.example");
    assert_eq!(
        (&facts["sub"], &facts["client_id"], &facts["scope"]),
        (&json!("alice"), &json!("client"), &json!("mcp"))
    );
    assert_eq!(facts["email"], "alice@example.com");
    // S52: it opens nothing of ours.
    assert!(is_invalid_token(ask(&gate, &first).await));
    assert_eq!(assertion(&ask(&gate, &token).await.unwrap()), first);
    world.hand.advance(Duration::from_secs(61));
    let admitted = ask(&gate, &token).await.unwrap();
    assert_ne!(assertion(&admitted), first);
    assert_eq!(admitted.identity.len(), 5);
}

#[tokio::test]
async fn a_backend_may_get_the_providers_token() {
    let (world, gate) = world(|route| route.backend_authorization = BackendAuthorization::ProviderToken).await;
    let token = world.token("/mcp", "mcp").await;
    assert_eq!(ask(&gate, &token).await.unwrap().authorization.unwrap(), "Bearer provider-access-token");
}

/// What the gate refuses is in the story of the sign-in, with what to do; a token whose time is over is not,
/// nor what belongs to nobody.
#[tokio::test]
async fn refused_calls_are_in_the_story_of_their_sign_in() {
    let (world, _) = world(|_| ()).await;
    let flows = Arc::new(Flows::new(world.clock.clone()));
    let id = flows.begin(&crate::flow::Beginning {
        provider: "auth0",
        address: [192, 0, 2, 7].into(),
        client_id: None,
        resource: None,
        lifetime: Duration::from_mins(15),
    });
    flows.end(&id, "ok", Some("alice"));
    let token = world.token("/mcp", "mcp read").await;
    flows.link(sha256(token.as_bytes()), &id);
    let trouble = || flows.get(&id).unwrap().trouble.map(|trouble| trouble.outcome);
    let of = |route, policy| telling(&world, route, policy, &flows);
    let only_bob = People { subjects: vec!["bob".to_owned()], ..People::default() };
    let nobody = PolicyPlan { people: Some(only_bob), ..PolicyPlan::default() };

    let gate = of(0, PolicyPlan::default());
    assert!(ask(&gate, &token).await.is_ok() && trouble().is_none());
    assert!(ask(&of(1, PolicyPlan::default()), &token).await.is_err());
    assert_eq!(trouble().as_deref(), Some("audience_mismatch"));
    for _ in 0..3 {
        assert!(ask(&of(0, nobody.clone()), &token).await.is_err());
    }
    assert_eq!(trouble().as_deref(), Some("policy_denied"));
    let flow = flows.get(&id).unwrap();
    assert!(flow.what_to_do().unwrap().contains("vestibule explain"));
    assert_eq!(
        flow.steps.iter().filter(|step| step.text.contains("policy_denied")).count(),
        1,
        "once, not three times"
    );

    let (before, steps) = (trouble(), flow.steps.len());
    assert!(ask(&gate, "somebody else's").await.is_err());
    world.hand.advance(Duration::from_hours(2));
    assert!(ask(&gate, &token).await.is_err(), "expired");
    assert_eq!((trouble(), flows.get(&id).unwrap().steps.len()), (before, steps));

    let token = world.token("/mcp", "mcp").await;
    flows.link(sha256(token.as_bytes()), &id);
    assert!(ask(&gate, &token).await.is_ok());
    world.revoke(&token).await;
    assert!(ask(&gate, &token).await.is_err());
    assert_eq!(trouble().as_deref(), Some("revoked"));
    assert_eq!(flows.get(&id).unwrap().summary(), "ok, then revoked");
}
