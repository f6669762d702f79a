use serde_json::json;

use super::*;

fn plan(subject: &str) -> IdentityPlan {
    IdentityPlan { subject: subject.parse().unwrap(), ..IdentityPlan::default() }
}

fn read(plan: &IdentityPlan, answer: &Value) -> Result<Identity, Useless> {
    identity("https://forge.example", plan, "the application", answer.as_object().unwrap().clone(), &[])
}

#[test]
fn a_github_user_is_known_by_the_number_never_by_the_login() {
    let plan =
        IdentityPlan { email_verified: EmailVerified::Always(false), name: "login".parse().unwrap(), ..plan("id") };
    let user = json!({ "id": 583_231, "login": "octocat", "email": null, "name": "The Octocat", "site_admin": false });
    let identity = read(&plan, &user).unwrap();
    assert_eq!((identity.issuer.as_str(), identity.subject.as_str()), ("https://forge.example", "583231"));
    assert_eq!((identity.email.as_deref(), identity.email_verified), (None, false));
    assert_eq!(identity.name.as_deref(), Some("octocat"));
    assert_eq!(Value::Object(identity.claims), json!({ "id": 583_231, "login": "octocat", "site_admin": false }));
}

#[test]
fn a_discord_token_has_to_be_for_this_application() {
    let plan = IdentityPlan { client_id: Some("application.id".parse().unwrap()), ..plan("user.id") };
    let about = |application: Value| json!({ "application": application, "user": { "id": "80351110224678912" } });
    assert_eq!(read(&plan, &about(json!({ "id": "the application" }))).unwrap().subject, "80351110224678912");
    let other = read(&plan, &about(json!({ "id": "another" }))).unwrap_err();
    assert_eq!(other, Useless::Application("application.id".to_owned()));
    for application in [json!({}), json!(null), json!("the application")] {
        assert_eq!(read(&plan, &about(application)).unwrap_err(), Useless::Missing("application.id".to_owned()));
    }
    assert!(matches!(read(&plan, &about(json!({ "id": ["the application"] }))).unwrap_err(), Useless::Application(_)));
}

#[test]
fn a_subject_is_a_text_or_a_whole_number_that_can_be_written_in_one_way() {
    let plan = plan("id");
    let read = |subject: Value| read(&plan, &json!({ "id": subject })).map(|identity| identity.subject);
    for (subject, expected) in [
        (json!("a"), "a"),
        (json!(0), "0"),
        (json!(-7), "-7"),
        (json!(u64::MAX), "18446744073709551615"),
        (json!("x".repeat(255)), &"x".repeat(255)),
    ] {
        assert_eq!(read(subject).unwrap(), expected);
    }
    for subject in [
        json!(""),
        json!("  "),
        json!("x".repeat(256)),
        json!("a\nb"),
        json!(1.5),
        json!(1e20),
        json!(true),
        json!([1]),
        json!({ "id": 1 }),
    ] {
        assert_eq!(read(subject.clone()).unwrap_err(), Useless::Subject("id".to_owned()), "{subject}");
    }
    assert_eq!(read(Value::Null).unwrap_err(), Useless::Missing("id".to_owned()));
    assert_eq!(super::identity("i", &plan, "c", Map::new(), &[]).unwrap_err(), Useless::Missing("id".to_owned()));
}

#[test]
fn an_address_is_verified_only_if_it_is_there_and_somebody_says_so() {
    let says = |verified: EmailVerified, answer: Value| {
        let identity = read(&IdentityPlan { email_verified: verified, ..plan("id") }, &answer).unwrap();
        (identity.email.is_some(), identity.email_verified)
    };
    let member = || EmailVerified::Member("verified".parse().unwrap());
    let mail = |verified: Value| json!({ "id": 1, "email": "a@example.com", "verified": verified });
    assert_eq!(says(member(), mail(json!(true))), (true, true));
    assert_eq!(says(member(), mail(json!(1))), (true, false));
    assert_eq!(says(member(), json!({ "id": 1, "email": "a@example.com" })), (true, false));
    assert_eq!(says(member(), json!({ "id": 1, "email": null, "verified": true })), (false, false));
    assert_eq!(says(EmailVerified::Always(true), mail(json!(false))), (true, true));
    assert_eq!(says(EmailVerified::Always(true), json!({ "id": 1, "email": ["a@example.com"] })), (false, false));
    assert_eq!(says(EmailVerified::Always(false), mail(json!(true))), (true, false));
}

#[test]
fn what_is_kept_besides_is_bounded() {
    let answer = json!({ "id": 1, "small": "x", "iss": "https://other.example", "large": "x".repeat(100_000) });
    let identity = read(&plan("id"), &answer).unwrap();
    assert_eq!(Value::Object(identity.claims), json!({ "id": 1, "small": "x" }));
}
