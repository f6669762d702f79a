use std::collections::BTreeSet;

use super::*;
use crate::config::document::{List, Scalar, SecretList, SecretSource, keys};

fn read(env: &[(&str, &str)]) -> (Document, Origins, Diagnostics) {
    over(Document::default(), env)
}

fn over(mut document: Document, env: &[(&str, &str)]) -> (Document, Origins, Diagnostics) {
    let (mut origins, mut found) = (Origins::default(), Diagnostics::default());
    overlay(&mut document, &mut origins, &env.iter().copied().collect(), &mut found);
    (document, origins, found)
}

fn file(yaml: &str) -> Document {
    serde_yaml::from_str(yaml).unwrap()
}

/// Each key has the variable that the documentation says, and no variable is without a key.
#[test]
fn variables_and_keys_are_the_same() {
    let from_keys: BTreeSet<String> = keys::all().iter().filter_map(|key| keys::variable(key)).collect();
    let known: Vec<String> = Naming::new().all().collect();
    assert_eq!(known.len(), known.iter().collect::<BTreeSet<_>>().len(), "a name twice");
    let known: BTreeSet<String> = known.into_iter().collect();
    let missing: Vec<_> = from_keys.symmetric_difference(&known).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn named_providers_are_read_in_their_order() {
    let (document, origins, found) = read(&[
        ("VESTIBULE_PROVIDERS", "google, Auth0"),
        ("VESTIBULE_AUTH0_CLIENT_ID", "a,b"),
        ("VESTIBULE_AUTH0_REQUIRED_SCOPES", "openid, email"),
        ("VESTIBULE_AUTH0_CLIENT_SECRET_FILE", "/run/secret"),
        ("VESTIBULE_GOOGLE_BACKEND", "http://x"),
        ("VESTIBULE_LIMITS_CONNECTIONS", "5"),
        ("UNRELATED", "x"),
    ]);
    assert!(found.is_empty(), "{found}");
    assert_eq!(document.providers.keys().collect::<Vec<_>>(), ["google", "auth0"]);
    let auth0 = &document.providers["auth0"];
    assert_eq!(auth0.client_id.as_deref(), Some("a,b"));
    assert_eq!(auth0.required_scopes, Some(List::Text("openid, email".to_owned())));
    assert_eq!(auth0.client_secret, Some(SecretSource::File("/run/secret".to_owned())));
    let route = &document.providers["google"].routes[0];
    assert_eq!((route.path.as_deref(), route.backend.as_deref()), (Some("/mcp"), Some("http://x")));
    assert_eq!(document.limits.connections, Some(Scalar("5".to_owned())));
    assert_eq!(origins.of("providers.auth0.client_secret").to_string(), "VESTIBULE_AUTH0_CLIENT_SECRET_FILE");
    assert_eq!(origins.of("limits.connections").to_string(), "VESTIBULE_LIMITS_CONNECTIONS");
    assert_eq!(origins.of("providers.google.client_id").to_string(), "VESTIBULE_PROVIDERS");
}

#[test]
fn one_provider_needs_no_name() {
    let (document, _, found) = read(&[("VESTIBULE_CONFIG_URL", "u"), ("VESTIBULE_BACKEND", "b")]);
    assert!(found.is_empty(), "{found}");
    assert_eq!(document.providers.keys().collect::<Vec<_>>(), [ONLY_PROVIDER]);
    let (document, _, found) =
        read(&[("VESTIBULE_ENTRA_TEST_CONFIG_URL", "u"), ("VESTIBULE_ENTRA_TEST_CLIENT_ID", "c")]);
    assert!(found.is_empty(), "{found}");
    assert_eq!(document.providers["entra_test"].client_id.as_deref(), Some("c"));
    let (document, _, found) = over(file("providers: {entra-test: {client_id: a}}"), &[("VESTIBULE_CLIENT_ID", "b")]);
    assert!(found.is_empty(), "{found}");
    assert_eq!(document.providers["entra-test"].client_id.as_deref(), Some("b"));
}

#[test]
fn the_environment_wins_over_the_file() {
    let text = "listen: a\nstorage: {path: p}\nlog: debug\nproviders: {entra-test: {client_id: a, audience: x, routes: [{path: /a, backend: b}]}}";
    let (document, origins, found) = over(
        file(text),
        &[
            ("VESTIBULE_LISTEN", "z"),
            ("VESTIBULE_STORAGE", "memory"),
            ("VESTIBULE_LOG_FORMAT", "json"),
            ("VESTIBULE_ENTRA_TEST_CLIENT_ID", "z"),
            ("VESTIBULE_ENTRA_TEST_BACKEND", "z"),
        ],
    );
    assert!(found.is_empty(), "{found}");
    assert_eq!(document.listen.unwrap().as_str(), "z");
    let storage = document.storage.unwrap().into_table();
    assert_eq!((storage.backend.as_deref(), storage.path.as_deref()), (Some("memory"), Some("p")));
    let log = document.log.unwrap().into_table();
    assert_eq!((log.filter.as_deref(), log.format.as_deref()), (Some("debug"), Some("json")));
    let provider = &document.providers["entra-test"];
    assert_eq!(
        (provider.client_id.as_deref(), provider.audience.clone()),
        (Some("z"), Some(List::Text("x".to_owned())))
    );
    assert_eq!((provider.routes[0].path.as_deref(), provider.routes[0].backend.as_deref()), (Some("/a"), Some("z")));
    assert_eq!(origins.of("providers.entra-test.routes[0].backend").to_string(), "VESTIBULE_ENTRA_TEST_BACKEND");
}

/// The only provider's variables have no name: none of them may be one of the process's.
#[test]
fn no_key_of_a_provider_is_one_of_the_process() {
    let all: Vec<String> = Naming::new().all().collect();
    let both = all.iter().filter_map(|name| Some(format!("{PREFIX}{}", name.strip_prefix("VESTIBULE_<NAME>_")?)));
    assert_eq!(both.filter(|name| all.contains(name)).collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn lists_are_numbered_from_one() {
    let (document, origins, found) = read(&[
        ("VESTIBULE_A_CONFIG_URL", "u"),
        ("VESTIBULE_A_ROUTES_1_PATH", "/one"),
        ("VESTIBULE_A_ROUTES_1_IDENTITY_HEADERS_EMAIL", "off"),
        ("VESTIBULE_A_ROUTES_2_BACKEND", "http://two"),
        ("VESTIBULE_A_CLIENTS_1_CLIENT_ID", "app"),
        ("VESTIBULE_A_CLIENTS_1_SECRET_FILE", "/run/app"),
        ("VESTIBULE_A_CLIENTS_2_SECRET", "s"),
        ("VESTIBULE_SECRET_1", "new"),
        ("VESTIBULE_SECRET_2_FILE", "/run/old"),
    ]);
    assert!(found.is_empty(), "{found}");
    let provider = &document.providers["a"];
    assert_eq!(provider.routes[0].path.as_deref(), Some("/one"));
    assert_eq!(provider.routes[0].identity_headers.email.as_deref(), Some("off"));
    assert_eq!((provider.routes[1].path.as_deref(), provider.routes[1].backend.as_deref()), (None, Some("http://two")));
    assert_eq!(provider.clients[0].secret, Some(SecretSource::File("/run/app".to_owned())));
    assert!(matches!(provider.clients[1].secret, Some(SecretSource::Text(_))));
    assert!(matches!(&document.secret, Some(SecretList::Many(all)) if all.len() == 2));
    let origin = |path: &str| origins.of(path).to_string();
    assert_eq!(origin("providers.a.routes[1].backend"), "VESTIBULE_A_ROUTES_2_BACKEND");
    assert_eq!(origin("providers.a.routes[1].path"), "VESTIBULE_A_ROUTES_2_BACKEND");
    assert_eq!(origin("providers.a.clients[0].secret"), "VESTIBULE_A_CLIENTS_1_SECRET_FILE");
    assert_eq!(origin("secret[1]"), "VESTIBULE_SECRET_2_FILE");
}

#[test]
fn numbers_address_what_a_file_lists() {
    let text = "providers: {a: {routes: [{path: /a, backend: b}, {path: /c, backend: d}]}}";
    let variables = [("VESTIBULE_ROUTES_2_BACKEND", "z"), ("VESTIBULE_A_ROUTES_3_PATH", "/e")];
    let (document, _, found) = over(file(text), &variables);
    assert!(found.is_empty(), "{found}");
    let routes = &document.providers["a"].routes;
    assert_eq!(routes.iter().map(|route| route.backend.as_deref()).collect::<Vec<_>>(), [Some("b"), Some("z"), None]);
    assert_eq!(routes[2].path.as_deref(), Some("/e"));
}

/// What could be read in two ways is not read.
#[test]
fn a_number_that_is_missing_is_told() {
    for (variables, said) in [
        (["VESTIBULE_ROUTES_1_PATH", "VESTIBULE_ROUTES_3_PATH"], "write `VESTIBULE_ROUTES_2_PATH`"),
        (["VESTIBULE_ROUTES_0_PATH", "VESTIBULE_BACKEND"], "write `VESTIBULE_ROUTES_1_PATH`"),
        (["VESTIBULE_ROUTES_2_PATH", "VESTIBULE_BACKEND"], "does not say which route it belongs to"),
        (["VESTIBULE_ROUTES_1_BACKEND", "VESTIBULE_BACKEND"], "is set as well as"),
        (["VESTIBULE_SECRET_2", "VESTIBULE_SECRET_3"], "write `VESTIBULE_SECRET_1`"),
        (["VESTIBULE_SECRET_1", "VESTIBULE_SECRET"], "is set as well as"),
        (["VESTIBULE_STORAGE", "VESTIBULE_STORAGE_BACKEND"], "is set as well as"),
    ] {
        let (_, _, found) = read(&variables.map(|name| (name, "x")));
        assert!(found.to_string().contains(said), "{variables:?}: {found}");
    }
}

/// A Service called `vestibule` must not break every container of its namespace.
#[test]
fn kubernetes_service_links_are_not_ours() {
    let (_, _, found) = read(&[
        ("VESTIBULE_SERVICE_HOST", "10.0.0.1"),
        ("VESTIBULE_SERVICE_PORT", "8000"),
        ("VESTIBULE_SERVICE_PORT_HTTP", "8000"),
        ("VESTIBULE_PORT", "tcp://10.0.0.1:8000"),
        ("VESTIBULE_PORT_8000_TCP", "tcp://10.0.0.1:8000"),
        ("VESTIBULE_PORT_8000_TCP_PROTO", "tcp"),
        ("VESTIBULE_PORT_8000_TCP_PORT", "8000"),
        ("VESTIBULE_PORT_8000_TCP_ADDR", "10.0.0.1"),
        ("VESTIBULE_ADMIN_SERVICE_HOST", "10.0.0.1"),
        ("VESTIBULE_ADMIN_PORT_9464_TCP_ADDR", "10.0.0.1"),
        ("VESTIBULE_CONFIG", "x.yaml"),
    ]);
    assert!(found.is_empty(), "{found}");
    let (_, _, found) = read(&[("VESTIBULE_PORT", "8000")]);
    assert!(found.has_errors());
}

#[test]
fn names_that_could_mean_two_things_are_refused() {
    let (_, _, found) = read(&[("VESTIBULE_PROVIDERS", "a-b,a_b"), ("VESTIBULE_A_B_CLIENT_ID", "x")]);
    assert!(found.to_string().contains("could belong to a-b and to a_b"), "{found}");
    // `VESTIBULE_CLIENT_ID` next to a provider called `client`, whose `id` is no key.
    let (_, _, found) = read(&[("VESTIBULE_PROVIDERS", "client"), ("VESTIBULE_CLIENT_ID", "x")]);
    assert!(found.is_empty(), "{found}");
}
