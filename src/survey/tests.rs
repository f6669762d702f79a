//! Against the demo identity provider and its faults.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::{
    config::{
        from_yaml,
        preset::{ALL, Setting},
    },
    demo::identity_provider::{DemoIdentityProvider, Endpoint, Fault, Options, Running},
    time::Timestamp,
};

async fn provider() -> Running {
    DemoIdentityProvider::start(Options::default()).await.unwrap()
}

/// A plan for the provider; `more` are further keys of it.
fn plan(provider: &Running, more: &str) -> Plan {
    let (url, secret) = (provider.config_url(), provider.client_secret().unwrap().expose().to_owned());
    let text = format!(
        "public_url: https://mcp.example.com\nproviders:\n  demo:\n    config_url: {url}\n    client_id: vestibule-demo\n    \
         client_secret: {secret}\n    allow_insecure_http: true\n    timeout_seconds: 1\n    {more}\n    routes: [{{ path: /mcp, \
         backend: 'http://127.0.0.1:9/mcp' }}]\n"
    );
    from_yaml(&text, &[]).unwrap()
}

async fn seen(plan: &Plan) -> Survey {
    survey(plan, &Clock::system()).await.unwrap()
}

/// What is found about the only provider that is not as it should be.
async fn trouble(plan: &Plan) -> Vec<(Verdict, &'static str, String)> {
    let survey = seen(plan).await;
    let findings = survey.providers.into_iter().flat_map(|subject| subject.findings);
    let bad = findings.filter(|finding| finding.verdict != Verdict::Ok);
    bad.map(|finding| {
        assert!(finding.help.is_some_and(|help| !help.is_empty()), "{}: no help", finding.about);
        (finding.verdict, finding.about, finding.found)
    })
    .collect()
}

#[tokio::test]
async fn a_good_provider_is_all_right() {
    let provider = provider().await;
    let survey = seen(&plan(&provider, "required_scopes: [openid, email]")).await;
    assert_eq!((survey.count(Verdict::Error), survey.count(Verdict::Warning)), (0, 1), "{survey:#?}");
    let subject = &survey.providers[0];
    let about: Vec<_> = subject.findings.iter().map(|finding| finding.about).collect();
    let all = [
        "reachable",
        "clock",
        "issuer",
        "endpoints",
        "code flow",
        "pkce",
        "client authentication",
        "signatures",
        "scopes",
        "refresh tokens",
        "keys",
        "sign-in",
    ];
    assert_eq!(about, all);
    let entered = |label: &str| subject.enter.iter().find(|entry| entry.label == label).unwrap().value.as_str();
    assert_eq!(entered("callback URL"), "https://mcp.example.com/auth/callback");
    assert_eq!(entered("grant types"), "authorization_code, refresh_token");
    assert!(provider.requests(Endpoint::Authorize).is_empty() && provider.requests(Endpoint::Token).is_empty());
}

#[tokio::test]
async fn a_backend_that_is_not_there_is_a_warning() {
    let provider = provider().await;
    let survey = seen(&plan(&provider, "")).await;
    let [backend] = &survey.backends[..] else { panic!("{survey:?}") };
    assert_eq!((backend.name.as_str(), backend.findings[0].verdict), ("/mcp", Verdict::Warning));
    assert!(backend.findings[0].found.starts_with("cannot connect: "), "{backend:?}");
}

#[tokio::test]
async fn a_provider_that_is_down_is_an_error() {
    let provider = provider().await;
    let plan = plan(&provider, "");
    provider.down();
    let found = trouble(&plan).await;
    assert!(matches!(&found[..], [(Verdict::Error, "reachable", _)]), "{found:?}");
}

#[tokio::test]
async fn an_answer_that_is_no_metadata_is_an_error() {
    for (fault, about) in [
        (Fault::Status(404), "discovery"),
        (Fault::Hang, "reachable"),
        (Fault::Body { content_type: "text/html", body: "<h1>Sign in</h1>".into() }, "discovery"),
        (Fault::Body { content_type: "application/json", body: "[1]".into() }, "discovery"),
    ] {
        let provider = provider().await;
        provider.faults().set(Endpoint::Discovery, fault);
        let found = trouble(&plan(&provider, "")).await;
        assert!(matches!(&found[..], [(Verdict::Error, found, _)] if *found == about), "{found:?}");
    }
}

#[tokio::test]
async fn metadata_that_do_not_fit_are_told_one_by_one() {
    for (member, value, verdict, about) in [
        ("issuer", json!("https://other.example.com"), Verdict::Error, "issuer"),
        ("issuer", json!(null), Verdict::Error, "issuer"),
        ("authorization_endpoint", json!(null), Verdict::Error, "endpoints"),
        ("token_endpoint", json!("ftp://127.0.0.1"), Verdict::Error, "endpoints"),
        ("jwks_uri", json!("http://127.0.0.1:9/jwks"), Verdict::Error, "keys"),
        ("response_types_supported", json!(["id_token"]), Verdict::Error, "code flow"),
        ("code_challenge_methods_supported", json!(["plain"]), Verdict::Error, "pkce"),
        ("code_challenge_methods_supported", json!(null), Verdict::Warning, "pkce"),
        ("token_endpoint_auth_methods_supported", json!(["private_key_jwt"]), Verdict::Error, "client authentication"),
        ("id_token_signing_alg_values_supported", json!(["HS256", "none"]), Verdict::Error, "signatures"),
        ("scopes_supported", json!(["openid", "offline_access"]), Verdict::Warning, "scopes"),
        ("grant_types_supported", json!(["authorization_code"]), Verdict::Warning, "refresh tokens"),
        ("scopes_supported", json!(["openid", "email"]), Verdict::Warning, "refresh tokens"),
        ("revocation_endpoint", json!(null), Verdict::Warning, "revocation"),
    ] {
        let provider = provider().await;
        provider.change_metadata(member, value.clone());
        let found = trouble(&plan(&provider, "required_scopes: [openid, email]")).await;
        assert!(
            matches!(&found[..], [(one, found, _)] if *one == verdict && *found == about),
            "{member} = {value}: {found:?}"
        );
    }
}

#[tokio::test]
async fn a_key_set_without_keys_is_an_error() {
    let provider = provider().await;
    let keys = br#"{"keys":[{"kty":"oct","k":"x"},{"kty":"RSA","use":"enc"}]}"#;
    provider.faults().set(Endpoint::Jwks, Fault::Body { content_type: "application/json", body: keys[..].into() });
    let found = trouble(&plan(&provider, "")).await;
    assert_eq!(found, [(Verdict::Error, "keys", "none of its 2 keys verifies signatures".to_owned())]);
}

/// A method that the metadata do not name is refused before anybody meets it.
#[tokio::test]
async fn the_way_that_we_authenticate_is_compared() {
    let provider = provider().await;
    provider.change_metadata("token_endpoint_auth_methods_supported", json!(["client_secret_post"]));
    assert_eq!(trouble(&plan(&provider, "")).await, []);
    let found = trouble(&plan(&provider, "token_endpoint_auth_method: client_secret_basic")).await;
    assert!(matches!(&found[..], [(Verdict::Error, "client authentication", _)]), "{found:?}");
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_told() {
    let provider = provider().await;
    let plan = plan(&provider, "");
    for (behind, verdict) in [(60, Verdict::Warning), (3600, Verdict::Error)] {
        let now = Clock::system().now().minus(Duration::from_secs(behind));
        let survey = survey(&plan, &Clock::manual(Timestamp(now.0)).0).await.unwrap();
        let clock = survey.providers[0].findings.iter().find(|finding| finding.about == "clock").unwrap();
        assert_eq!(clock.verdict, verdict, "{clock:?}");
        assert!(clock.found.contains(" behind the provider's"), "{clock:?}");
    }
}

/// What a provider writes cannot speak to the terminal (S62), nor fill it.
#[tokio::test]
async fn what_a_provider_writes_is_shown_harmless() {
    let provider = provider().await;
    provider.change_metadata("issuer", json!(format!("https://x\u{1b}[2J\n{}", "y".repeat(10_000))));
    let found = trouble(&plan(&provider, "")).await;
    let shown = format!("{found:?}");
    assert!(!found[0].2.contains(char::is_control) && shown.len() < 2_000, "{shown}");
}

/// Endpoints from the configuration: asked one by one, and nothing is expected to be advertised.
#[tokio::test]
async fn a_provider_without_a_document_is_asked_at_its_endpoints() {
    let provider = provider().await;
    let origin = format!("http://127.0.0.1:{}", provider.port());
    let text = |token: &str| {
        format!(
            "public_url: https://mcp.example.com\nproviders:\n  plain:\n    authorization_endpoint: {origin}/authorize\n    \
             token_endpoint: {origin}{token}\n    userinfo_endpoint: {origin}/userinfo\n    identity: {{ subject: id }}\n    \
             client_id: abc\n    client_secret: hunter2\n    allow_insecure_http: true\n    routes: [{{ path: /mcp, backend: \
             'http://127.0.0.1:9/mcp' }}]\n"
        )
    };
    let plan = from_yaml(&text("/token"), &[]).unwrap();
    let found = trouble(&plan).await;
    assert!(matches!(&found[..], [(Verdict::Warning, "revocation", _)]), "{found:?}");
    let survey = seen(&plan).await;
    assert_eq!(
        survey.providers[0].findings.last().map(|last| (last.about, last.verdict)),
        Some(("sign-in", Verdict::Ok))
    );
    let plan = from_yaml(&text("/elsewhere"), &[]).unwrap();
    let found = trouble(&plan).await;
    assert!(found.iter().any(|(_, about, found)| *about == "endpoints" && found.contains("404")), "{found:?}");
    provider.down();
    assert!(matches!(&trouble(&plan).await[..], [(Verdict::Error, "reachable", _)]));
}

#[tokio::test]
async fn an_algorithm_that_the_provider_does_not_have_is_an_error() {
    let provider = provider().await;
    let found = trouble(&plan(&provider, "algorithm: RS256")).await;
    assert!(matches!(&found[..], [(Verdict::Error, "signatures", _)]), "{found:?}");
}

/// What does not fit says where it is set, in the words of the console that the person has open; what
/// fits does not.
#[tokio::test]
async fn what_does_not_fit_says_where_it_is_set_there() {
    let provider = provider().await;
    provider.change_metadata("grant_types_supported", json!(["authorization_code"]));
    provider.change_metadata("token_endpoint_auth_methods_supported", json!(["private_key_jwt"]));
    for preset in ALL.into_iter().filter(|preset| preset.default_of("config_url").is_some()) {
        // The parameters say what the address says.
        let mut plan = plan(&provider, "required_scopes: [openid]");
        let mut provider = (*plan.providers[0]).clone();
        provider.protocol.preset = preset.name;
        plan.providers = vec![provider.into()];
        let survey = seen(&plan).await;
        let [subject] = &survey.providers[..] else { panic!("{survey:?}") };
        for (about, setting) in [("refresh tokens", Setting::Grants), ("client authentication", Setting::Secret)] {
            let finding = subject.findings.iter().find(|finding| finding.about == about).unwrap();
            assert_ne!(finding.verdict, Verdict::Ok);
            assert_eq!(finding.place, preset.place_of(setting), "{}: {about}", preset.name);
        }
        let good = subject.findings.iter().filter(|finding| finding.verdict == Verdict::Ok);
        assert!(good.into_iter().all(|finding| finding.place.is_none()));
        let callback = subject.enter.iter().find(|entry| entry.label == "callback URL").unwrap();
        assert_eq!(callback.place, preset.place_of(Setting::CallbackUrl));
    }
}

/// Whatever the survey looks at and somebody sets at the provider has a setting.
#[test]
fn every_setting_is_looked_at() {
    let words = [
        "reachable",
        "discovery",
        "issuer",
        "application type",
        "callback URL",
        "code flow",
        "grant types",
        "refresh tokens",
        "client authentication",
        "scopes",
        "audience",
        "resource",
        "keys",
        "signatures",
        "registration",
    ];
    assert!(words.iter().all(|word| Setting::about(word).is_some()));
    for none in ["clock", "pkce", "endpoints", "revocation", "introspection", "sign-in"] {
        assert_eq!(Setting::about(none), None, "{none} is set nowhere, or not in one place");
    }
}
