use super::*;
use crate::config::{facts::facts, from_yaml};

const SECRET: &str = "a-secret-of-a-machine-0123456789";

fn provider(name: &str, secret: &str, routes: &[&str]) -> String {
    let route = |path: &&str| format!("      - {{ path: {path}, backend: 'http://127.0.0.1:3000' }}\n");
    let routes = routes.iter().map(route).collect::<Vec<_>>().concat();
    format!(
        "  {name}:
    mount: /{name}
    config_url: https://idp.example.com/.well-known/openid-configuration
    client_id: abc
    client_secret: {secret}
    routes:
{routes}"
    )
}

fn load(top: &str, providers: &[String]) -> Facts {
    let text = format!("public_url: https://mcp.example.com\n{top}providers:\n{}", providers.concat());
    facts(&from_yaml(&text, &[]).unwrap())
}

fn names<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    names.collect()
}

#[test]
fn the_same_is_no_change() {
    let facts = load("storage: memory\n", &[provider("auth0", SECRET, &["/mcp"])]);
    let diff = diff(&facts, &facts);
    assert!(diff.is_empty() && !diff.needs_restart());
    assert_eq!(diff.to_string(), "no change");
    assert_eq!(diff.text(), "");
}

#[test]
fn a_change_is_told_on_one_line_and_on_many() {
    let before = [provider("auth0", SECRET, &["/mcp"]), provider("google", SECRET, &["/mcp"])];
    let after = [provider("auth0", "b-secret-of-a-machine-0123456789", &["/mcp"]), provider("entra", SECRET, &["/x"])];
    let diff = diff(&load("storage: memory\n", &before), &load("storage: memory\nlisten: 127.0.0.1:9\n", &after));
    assert_eq!(names(diff.removed_providers()), ["google"]);
    assert_eq!(names(diff.added_providers()), ["entra"]);
    assert_eq!(names(diff.changed_providers()), ["auth0"]);
    assert!(!diff.needs_restart());
    let line = diff.to_string();
    assert!(
        line.starts_with("removed provider google; added provider entra; listen: 127.0.0.1:8000 -> 127.0.0.1:9; "),
        "{line}"
    );
    assert!(line.contains("providers.auth0.client_secret: sha256:") && !line.contains('\n'), "{line}");
    let text = diff.text();
    assert!(text.contains("- listen: 127.0.0.1:8000\n+ listen: 127.0.0.1:9\n"), "{text}");
    assert!(text.contains("- providers.google.client_id: abc\n"), "{text}");
    assert!(text.contains("+ providers.entra.routes[/entra/x].backend: http://127.0.0.1:3000/\n"), "{text}");
    assert!(!line.contains("secret-of") && !text.contains("secret-of"));
}

#[test]
fn another_store_needs_a_restart() {
    let providers = [provider("auth0", SECRET, &["/mcp"])];
    let memory = load("storage: memory\n", &providers);
    let folder = load("storage: { path: /var/lib/x }\n", &providers);
    let other = load("storage: { path: /var/lib/y }\n", &providers);
    assert!(diff(&memory, &folder).needs_restart());
    assert!(diff(&folder, &memory).needs_restart());
    assert!(diff(&folder, &other).needs_restart());
}

#[test]
fn a_moved_issuer_is_told() {
    let at = |mount: &str| {
        let provider = provider("auth0", SECRET, &["/mcp"]).replace("mount: /auth0", &format!("mount: {mount}"));
        load("storage: memory\n", &[provider])
    };
    let diff = diff(&at("/a"), &at("/b"));
    assert_eq!(names(diff.moved_providers()), ["auth0"]);
    assert_eq!(names(diff.removed_providers()), [""; 0]);
}

#[test]
fn the_line_is_bounded() {
    let long = "é".repeat(5_000);
    let paths: Vec<String> = (0..500).map(|number| format!("/{number}")).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let before = load("storage: memory\n", &[provider("auth0", SECRET, &["/mcp"])]);
    let after =
        [provider("auth0", SECRET, &paths).replace("client_id:", &format!("display_name: {long}\n    client_id:"))];
    let diff = diff(&before, &load("storage: memory\n", &after));
    let line = diff.to_string();
    assert!(line.contains("é…") && line.contains("; and "), "{line}");
    assert!(line.chars().count() < MOST_ENTRIES * (3 * MOST_TEXT + 20), "{}", line.len());
}

/// S62: nothing in a value begins a new line or colours a terminal, from whomever the facts come.
#[test]
fn s62_control_characters_are_escaped() {
    let facts = |name: &str| -> Facts {
        serde_json::from_value(serde_json::json!({ "plain": { "log.filter": name }, "secrets": {} })).unwrap()
    };
    let diff = diff(&facts("info"), &facts("x\n\u{1b}[31mlevel=ERROR"));
    assert_eq!(diff.to_string(), "log.filter: info -> x\\n\\u{1b}[31mlevel=ERROR");
    assert_eq!(diff.text(), "- log.filter: info\n+ log.filter: x\\n\\u{1b}[31mlevel=ERROR\n");
}

/// What ends is what the store's list of providers says, too (`crate::live::known`).
#[test]
fn another_way_in_is_another_provider() {
    const PLAIN: &str = "    identity: { subject: id }\n    token_endpoint: https://idp.example.com/token\n    \
                         userinfo_endpoint: https://idp.example.com/me\n    client_id: abc\n    client_secret: hunter2\n";
    const ROUTES: &str = "    routes: [{ path: /mcp, backend: 'http://127.0.0.1:3000' }]\n";
    let plain = |name: &str, place: &str| {
        format!("  {name}:\n    mount: /{name}\n    authorization_endpoint: https://idp.example.com/{place}\n{PLAIN}")
    };
    let alone = |place: &str| load("storage: memory\n", &[plain("one", place) + ROUTES]);
    let document = || provider("one", SECRET, &["/mcp"]);
    let documented = load("storage: memory\n", &[document()]);
    let corrected = document() + "    authorization_endpoint: https://idp.example.com/elsewhere\n";
    let remote = "  one:\n    mount: /one\n    mode: remote\n    config_url: \
                  https://idp.example.com/.well-known/openid-configuration\n";
    let remote = load("storage: memory\n", &[format!("{remote}{ROUTES}")]);
    let offered = |names: &[&str]| {
        let member = |name: &&str| plain(name, name).replace(&format!("    mount: /{name}\n"), "");
        let members = names.iter().map(member).collect::<String>();
        let choice = format!("  staff:\n    choice: [{}]\n{ROUTES}", names.join(", "));
        load("storage: memory\n", &[members, choice])
    };
    for (before, after, ended) in [
        (&alone("a"), &alone("a"), &[][..]),
        (&alone("a"), &alone("b"), &["one"]),
        (&alone("a"), &documented, &["one"]),
        (&documented, &load("storage: memory\n", &[corrected]), &[]),
        (&documented, &remote, &["one"]),
        (&offered(&["one", "two", "three"]), &offered(&["one", "three"]), &["staff.choice[two]"]),
        (&offered(&["one", "three"]), &offered(&["one", "two", "three"]), &[]),
        (&offered(&["one", "two"]), &alone("one"), &["staff"]),
    ] {
        assert_eq!(names(diff(before, after).ended_providers()), ended, "{}", diff(before, after));
    }
}
