use std::time::Duration;

use super::{
    plan::{BackendAuthorization, LogFormat, SigningAlgorithm, SigningPlan, StoragePlan},
    *,
};

const MINIMAL: &str = "
public_url: https://mcp.example.com
providers:
  auth0:
    config_url: https://example.eu.auth0.com/.well-known/openid-configuration
    client_id: abc
    routes:
      - path: /mcp
        backend: http://127.0.0.1:3000/mcp
";

fn plan(text: &str, env: &[(&str, &str)]) -> Result<Plan, Diagnostics> {
    let env: Vec<_> = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    from_yaml(text, &env)
}

fn from_environment(env: &[(&str, &str)]) -> Result<Loaded, Diagnostics> {
    load(&Sources { environment: env.iter().copied().collect(), ..Sources::default() })
}

#[test]
fn a_minimal_configuration_is_completed() {
    let plan = plan(MINIMAL, &[]).unwrap();
    assert_eq!(plan.public_url.as_str(), "https://mcp.example.com/");
    assert_eq!(plan.listen.to_string(), "127.0.0.1:8000");
    assert_eq!(plan.admin_listen.unwrap().to_string(), "127.0.0.1:9464");
    assert_eq!(plan.storage, StoragePlan::Embedded { path: "./vestibule-data".into() });
    assert_eq!(plan.signing, SigningPlan::made_here(SigningAlgorithm::Es256));
    assert_eq!((plan.log.filter.as_str(), plan.log.format), ("info", LogFormat::Auto));
    assert_eq!((plan.limits.connections, plan.limits.header_bytes), (4096, 65536));
    let provider = &plan.providers[0];
    assert_eq!((provider.name.as_str(), provider.mount.as_str()), ("auth0", "/"));
    assert_eq!(provider.issuer.as_str(), "https://mcp.example.com");
    assert_eq!(provider.callback_url.as_str(), "https://mcp.example.com/auth/callback");
    assert_eq!(provider.required_scopes.to_string(), "openid");
    assert_eq!(provider.valid_scopes.to_string(), "openid");
    assert!(provider.offline_access && provider.dynamic_registration && provider.enable_cimd);
    assert!(!provider.allow_insecure_http);
    assert_eq!(provider.lifetimes.access_token, Duration::from_mins(15));
    let route = &provider.routes[0];
    assert_eq!((route.id.as_str(), route.path.as_str()), ("auth0/mcp", "/mcp"));
    assert_eq!(route.resource.as_str(), "https://mcp.example.com/mcp");
    assert_eq!(route.max_body, 16 << 20);
    assert_eq!(route.backend_authorization, BackendAuthorization::None);
    assert_eq!(route.identity_headers.subject.as_ref().unwrap(), "x-vestibule-subject");
    assert_eq!(route.identity_headers.assertion, None);
}

/// The environment alone says as much as a file.
#[test]
fn variables_alone_are_enough() {
    let loaded = from_environment(&[
        ("VESTIBULE_PUBLIC_URL", "https://mcp.example.com"),
        ("VESTIBULE_PROVIDERS", "auth0"),
        ("VESTIBULE_AUTH0_CONFIG_URL", "https://example.eu.auth0.com/.well-known/openid-configuration"),
        ("VESTIBULE_AUTH0_CLIENT_ID", "abc"),
        ("VESTIBULE_AUTH0_BACKEND", "http://127.0.0.1:3000/mcp"),
    ]);
    assert_eq!(loaded.unwrap().plan, plan(MINIMAL, &[]).unwrap());
}

/// Both files are part of the plan and watched like the configuration itself.
#[test]
fn a_certificate_is_named_by_yaml_or_variables() {
    let tls = "tls: { certificate: /tls/tls.crt, key: /tls/tls.key }\n";
    let variables = [("VESTIBULE_TLS_CERTIFICATE", "/tls/tls.crt"), ("VESTIBULE_TLS_KEY", "/tls/tls.key")];
    let from_yaml = plan(&format!("{tls}{MINIMAL}"), &[]).unwrap();
    assert_eq!(from_yaml.tls.as_ref().unwrap().certificate, Path::new("/tls/tls.crt"));
    assert_eq!(from_yaml.tls.as_ref().unwrap().key, Path::new("/tls/tls.key"));
    assert_eq!(plan(MINIMAL, &variables).unwrap(), from_yaml);
    // One of the two may come from each.
    let other = plan("tls: { certificate: /tls/tls.crt }", &variables[1..]).unwrap_err();
    assert!(!other.to_string().contains("tls"), "{other}");
    assert_eq!(plan(MINIMAL, &[]).unwrap().tls, None);

    let mut minimal: Vec<_> = [
        ("VESTIBULE_PUBLIC_URL", "https://mcp.example.com"),
        ("VESTIBULE_CONFIG_URL", "https://idp.example.com/.well-known/openid-configuration"),
        ("VESTIBULE_CLIENT_ID", "abc"),
        ("VESTIBULE_BACKEND", "http://127.0.0.1:3000/mcp"),
    ]
    .to_vec();
    minimal.extend(variables);
    let files = from_environment(&minimal).unwrap().files;
    assert_eq!(files, [Path::new("/tls/tls.crt"), Path::new("/tls/tls.key")]);
}

/// A private key that was written where its path belongs is not repeated anywhere.
#[test]
fn a_key_in_place_of_its_path_is_never_shown() {
    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nTUlHSEFnRUFNQk1HQnlxR1NNNDk\n-----END PRIVATE KEY-----\n";
    let indented = KEY.replace('\n', "\n    ");
    let in_yaml = format!("tls:\n  certificate: /tls/tls.crt\n  key: |\n    {indented}\n{MINIMAL}");
    let in_variable = [("VESTIBULE_TLS_CERTIFICATE", "/tls/tls.crt"), ("VESTIBULE_TLS_KEY", KEY)];
    for found in [plan(&in_yaml, &[]).unwrap_err(), plan(MINIMAL, &in_variable).unwrap_err()] {
        for look in [Look::Plain, Look::Graphical { colour: false }] {
            let text = found.render(look);
            assert!(text.contains("is the content of a file, but has to be its path"), "{text}");
            assert!(!text.contains("TUlHSEFnRUFNQk1HQnlxR1NNNDk"), "{text}");
        }
        let files: Vec<_> = found.files().collect();
        assert!(!format!("{files:?}").contains("TUlH"), "{files:?}");
    }
}

fn routes(provider: &str, routes: &str) -> String {
    format!(
        "public_url: https://mcp.example.com\nproviders:\n  own:\n    \
         config_url: https://id.example.com/.well-known/openid-configuration\n{provider}    routes:\n{routes}"
    )
}

/// With `mode: remote` nothing of ours is at `/token`, so a route may be.
#[test]
fn in_remote_mode_the_endpoints_paths_are_free() {
    let token = "      - { path: /token, backend: 'http://127.0.0.1:3000' }\n      \
                 - { path: /auth/callback, backend: 'http://127.0.0.1:3000' }\n";
    let remote = plan(&routes("    mode: remote\n", token), &[]).unwrap();
    assert!(crate::config::facts::facts(&remote).get("providers.own.routes[/token].backend").is_some());
    let refused = plan(&routes("    client_id: abc\n", token), &[]).unwrap_err();
    assert_eq!(refused.iter().filter(|found| found.path.contains(".path")).count(), 2, "{refused}");
}

/// An exact route reaches nobody below it: neither the callback nor another provider's mount.
#[test]
fn an_exact_route_leaves_what_is_below_it_to_others() {
    let text = |matches: &str| {
        let route = format!("      - {{ path: /auth, match: {matches}, backend: 'http://127.0.0.1:3000' }}\n");
        routes("    client_id: abc\n", &route)
    };
    assert!(plan(&text("exact"), &[]).is_ok());
    assert!(plan(&text("prefix"), &[]).is_err());
    let two = |matches: &str| {
        let route = format!("      - {{ path: /, match: {matches}, backend: 'http://127.0.0.1:3000' }}\n");
        routes("    client_id: abc\n    mount: /\n", &route)
            + "  other:\n    config_url: https://other.example.com/.well-known/openid-configuration\n    \
               client_id: def\n    routes:\n      - { path: /mcp, backend: 'http://127.0.0.1:3001' }\n"
    };
    assert!(plan(&two("exact"), &[]).is_ok());
    assert!(plan(&two("prefix"), &[]).is_err());
}

/// What a header says has to be kept at sign-in.
#[test]
fn claims_of_headers_are_needed() {
    let route = "      - { path: /mcp, backend: 'http://127.0.0.1:3000', set_headers: { X-A: { claim: realm.roles }, X-B: b } }\n";
    let plan = plan(&routes("    client_id: abc\n", route), &[]).unwrap();
    assert_eq!(plan.providers[0].needed_claims, ["realm", "realm.roles"]);
}

/// For whom a token has to be: the route says it, or the provider with `mode: remote`, or the path.
#[test]
fn every_route_has_an_audience() {
    let two = "      - { path: /a, backend: 'http://127.0.0.1:3000', audience: 'urn:a' }\n      \
               - { path: /b, backend: 'http://127.0.0.1:3000' }\n";
    let of = |provider: &str| {
        let plan = plan(&routes(provider, two), &[]).unwrap();
        let audiences: Vec<_> = plan.providers[0].routes.iter().map(|route| route.audiences.join(" ")).collect();
        audiences.join(", ")
    };
    assert_eq!(of("    client_id: abc\n"), "urn:a, https://mcp.example.com/b");
    assert_eq!(of("    client_id: abc\n    audience: urn:api\n"), "urn:a, https://mcp.example.com/b");
    assert_eq!(of("    mode: remote\n"), "urn:a, https://mcp.example.com/b");
    assert_eq!(of("    mode: remote\n    audience: [urn:x, urn:y]\n"), "urn:a, urn:x urn:y");
}
