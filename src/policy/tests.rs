use serde_json::json;

use super::*;
use crate::config::plan::TenantsPlan;

fn person(claims: &Value) -> Identity {
    Identity {
        issuer: "https://idp.example".to_owned(),
        subject: "auth0|ada".to_owned(),
        email: Some("Ada@Example.com".to_owned()),
        email_verified: true,
        name: None,
        provider: None,
        claims: claims.as_object().cloned().unwrap_or_default(),
    }
}

fn with_email(email: &str, email_verified: bool) -> Identity {
    Identity { email: Some(email.to_owned()), email_verified, ..person(&json!({})) }
}

fn people(emails: &[&str], domains: &[&str], subjects: &[&str]) -> PolicyPlan {
    let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    let people = People { emails: owned(emails), email_domains: owned(domains), subjects: owned(subjects) };
    PolicyPlan { people: Some(people), ..PolicyPlan::default() }
}

fn rule(claim: &str, any: &[&str]) -> ClaimRule {
    ClaimRule { claim: claim.to_owned(), any: any.iter().map(|text| (*text).to_owned()).collect() }
}

fn kind(policy: &PolicyPlan, identity: &Identity) -> Option<RuleKind> {
    check(policy, identity).err().map(|denied| denied.kind)
}

/// What a shorter list of tenants means for people who are signed in; a person of no tenant is in none.
#[test]
fn a_tenant_that_is_not_allowed_any_more_does_not_pass() {
    let with = |more: &str| {
        let routes = "routes: [{ path: /mcp, backend: 'http://127.0.0.1:9' }]";
        let text = format!(
            "public_url: https://mcp.example.com\nproviders:\n  one: {{ preset: entra, client_id: a, {more}, {routes} }}\n"
        );
        ProviderPlan::clone(&crate::config::from_yaml(&text, &[]).unwrap().providers[0])
    };
    let mut provider = with("tenant_id: 3d1e2f9a-5c1b-4e0e-9a53-6b1c4a0d8f11");
    let ada = |tid: Value| person(&json!({ "tid": tid }));
    assert_eq!(check_all(&provider, None, &ada(json!("one"))), Ok(()), "no list, no rule");
    provider.protocol.tenants = Some(TenantsPlan {
        claim: "tid",
        placeholder: "{tenantid}",
        allowed: vec!["one".to_owned(), "two".to_owned()],
    });
    let passes = |identity: &Identity| check_all(&provider, None, identity).map_err(|denied| denied.kind);
    assert_eq!(passes(&ada(json!("one"))), Ok(()));
    for other in [json!("three"), json!("ONE"), json!(null), json!({ "one": 1 })] {
        assert_eq!(passes(&ada(other)), Err(RuleKind::Claim));
    }
    assert_eq!(passes(&person(&json!({}))), Err(RuleKind::Claim));
    // In a choice, the list is that of the provider where the person signed in.
    let mut choice = with("tenant_id: 3d1e2f9a-5c1b-4e0e-9a53-6b1c4a0d8f11");
    choice.choice = vec![std::sync::Arc::new(provider.clone())];
    let by = |tid: &str| Identity { provider: Some(provider.name.clone()), ..ada(json!(tid)) };
    assert_eq!(check_all(&choice, None, &by("two")), Ok(()));
    assert_eq!(check_all(&choice, None, &by("three")).unwrap_err().kind, RuleKind::Claim);
}

#[test]
fn an_empty_policy_lets_everybody_pass() {
    assert_eq!(check(&PolicyPlan::default(), &person(&json!({}))), Ok(()));
}

/// S30: each rule denies, and passes; S31: what is no plain, verified address of exactly this domain does not pass.
#[test]
fn s30_s31_people_by_address() {
    let domain = people(&[], &["example.com"], &[]);
    assert_eq!(kind(&domain, &person(&json!({}))), None, "case does not matter");
    for email in [
        "ada@example.org",
        "ada@evil.example.com",
        "ada@example.com.evil.org",
        "ada@evilexample.com",
        "a@evil.com@example.com",
        "a@example.com@evil.com",
        "\"ada@evil.com\"@example.com",
        "ada@example.com ",
        "ada@ex\u{430}mple.com",
        "ada@example.com\u{0}",
        "ada@example.com.",
        "@example.com",
        "ada@",
        "example.com",
        "",
    ] {
        assert_eq!(kind(&domain, &with_email(email, true)), Some(RuleKind::EmailDomain), "{email:?}");
    }
    assert_eq!(kind(&domain, &with_email("ada@example.com", false)), Some(RuleKind::EmailUnverified));
    let nobody = Identity { email: None, ..person(&json!({})) };
    assert_eq!(kind(&domain, &nobody), Some(RuleKind::EmailUnverified));
    let one = people(&["ada@example.com"], &[], &[]);
    assert_eq!(kind(&one, &person(&json!({}))), None);
    assert_eq!(kind(&one, &with_email("bob@example.com", true)), Some(RuleKind::Named));
    let both = people(&["bob@other.org"], &["example.com"], &[]);
    assert_eq!(kind(&both, &with_email("bob@other.org", true)), None);
    assert_eq!(kind(&both, &with_email("eve@other.org", true)), Some(RuleKind::EmailDomain));
}

/// S32: a subject is compared exactly, and is enough without an address.
#[test]
fn s32_people_by_subject() {
    let policy = people(&[], &[], &["auth0|ada"]);
    let nameless = Identity { email: None, ..person(&json!({})) };
    assert_eq!(kind(&policy, &nameless), None);
    for subject in ["auth0|Ada", "ada", "auth0|ada ", ""] {
        let other = Identity { subject: subject.to_owned(), ..person(&json!({})) };
        assert_eq!(kind(&policy, &other), Some(RuleKind::Named), "{subject:?}");
    }
}

/// S30, S32: groups of a wrong type deny.
#[test]
fn s30_s32_groups_and_claims() {
    let groups = PolicyPlan { groups: Some(rule("groups", &["staff", "7"])), ..PolicyPlan::default() };
    for (claims, passes) in [
        (json!({ "groups": ["x", "staff"] }), true),
        (json!({ "groups": "staff" }), true),
        (json!({ "groups": [7] }), true),
        (json!({ "groups": ["Staff"] }), false),
        (json!({ "groups": "staff,x" }), false),
        (json!({ "groups": [] }), false),
        (json!({ "groups": {} }), false),
        (json!({ "groups": { "staff": true } }), false),
        (json!({ "groups": [["staff"]] }), false),
        (json!({ "groups": null }), false),
        (json!({ "group": ["staff"] }), false),
        (json!({}), false),
    ] {
        let expected = (!passes).then_some(RuleKind::Group);
        assert_eq!(kind(&groups, &person(&claims)), expected, "{claims}");
    }
    let claims = |rules: Vec<ClaimRule>| PolicyPlan { claims: rules, ..PolicyPlan::default() };
    let two = claims(vec![rule("realm_access.roles", &["admin"]), rule("active", &["true"])]);
    assert_eq!(kind(&two, &person(&json!({ "realm_access": { "roles": ["admin"] }, "active": true }))), None);
    assert_eq!(kind(&two, &person(&json!({ "realm_access": { "roles": ["admin"] } }))), Some(RuleKind::Claim));
    assert_eq!(kind(&two, &person(&json!({ "realm_access": "admin", "active": true }))), Some(RuleKind::Claim));
    let namespaced = claims(vec![rule("https://example.com/roles", &["admin"])]);
    assert_eq!(kind(&namespaced, &person(&json!({ "https://example.com/roles": ["admin"] }))), None);
}

/// More groups than fit into a token are no groups.
#[test]
fn groups_that_were_left_out_deny_and_say_so() {
    let groups = PolicyPlan { groups: Some(rule("groups", &["staff"])), ..PolicyPlan::default() };
    let denied = check(&groups, &person(&json!({ "_claim_names": { "groups": "src1" } }))).unwrap_err();
    assert!(denied.reason.contains("too many"), "{denied}");
}

/// Whoever is refused does not read who would not be.
#[test]
fn a_refusal_does_not_tell_what_would_pass() {
    let mut policy = people(&["boss@secret.example"], &["secret.example"], &["subject-of-the-boss"]);
    policy.groups = Some(rule("groups", &["secret-group"]));
    policy.claims = vec![rule("department", &["secret-department"])];
    for verdict in explain(&policy, &person(&json!({ "groups": ["x"], "department": "x" }))) {
        let denied = verdict.result.unwrap_err();
        assert!(!denied.reason.contains("secret") && !denied.reason.contains("boss"), "{denied}");
    }
}
