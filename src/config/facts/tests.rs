use super::*;
use crate::config::from_yaml;

const LONG: &str = "a-secret-of-a-machine-0123456789";

fn text(secret: &str, rest: &str) -> String {
    format!(
        "\
public_url: https://mcp.example.com
storage: memory
providers:
  auth0:
    config_url: https://idp.example.com/.well-known/openid-configuration
    client_id: abc
    client_secret: {secret}
    audience: https://api.example.com
    extra_token_params: {{ key: {secret} }}
    clients:
      - {{ client_id: app, secret: {secret}, redirect_uris: [https://app.example.com/cb] }}
    routes:
      - {{ path: /mcp, backend: 'http://127.0.0.1:3000/mcp' }}
{rest}"
    )
}

fn of(secret: &str) -> Facts {
    facts(&from_yaml(&text(secret, ""), &[]).unwrap())
}

#[test]
fn everything_is_there() {
    let lines: Vec<String> = of(LONG).iter().map(|(path, text)| format!("{path}: {text}")).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

/// S62: not even a short one, in whatever form the facts leave the process.
#[test]
fn s62_no_secret_is_in_the_facts() {
    for secret in [LONG, "hunter2"] {
        let facts = of(secret);
        assert_eq!(facts.secrets.len(), 3);
        assert!(!format!("{facts:?}").contains(secret));
        assert!(!serde_json::to_string(&facts.for_others()).unwrap().contains(secret));
    }
}

/// A word could be tried against its hash: what leaves the process holds none of it.
#[test]
fn s62_short_secrets_are_not_hashed_for_others() {
    let path = "providers.auth0.client_secret";
    let (first, second) = (of("hunter2"), of("hunter3"));
    assert_ne!(first.get(path), second.get(path), "the process itself sees the change");
    assert_eq!(first.uncomparable().count(), 3);
    let (first, second) = (first.for_others(), second.for_others());
    assert_eq!(first.get(path), Some(UNCOMPARABLE));
    assert_eq!(first, second);
    assert_eq!(first.uncomparable().count(), 3);
    assert_eq!(of(LONG).uncomparable().count(), 0);
}

#[test]
fn the_hash_knows_no_secrets() {
    let (first, second) = (of(LONG), of("another-secret-of-a-machine-0123"));
    assert_ne!(first, second);
    assert_eq!(first.hash(), second.hash());
    assert_eq!(first.hash().len(), 12);
    let third = facts(&from_yaml(&text(LONG, "allowed_hosts: [a.example.com]"), &[]).unwrap());
    assert_ne!(first.hash(), third.hash());
}

#[test]
fn where_a_route_stands_means_nothing() {
    let route = |path: &str| format!("      - {{ path: {path}, backend: 'http://127.0.0.1:3000' }}\n");
    let load = |rest: String| facts(&from_yaml(&text(LONG, &rest), &[]).unwrap());
    assert_eq!(load(route("/a") + &route("/b")), load(route("/b") + &route("/a")));
}

#[test]
fn other_processes_read_them() {
    let sent = of(LONG).for_others();
    let read: Facts = serde_json::from_str(&serde_json::to_string(&sent).unwrap()).unwrap();
    assert_eq!(read, sent);
}

#[test]
fn durations_are_exact_and_readable() {
    for (value, text) in [
        (Duration::from_hours(90 * 24), "90d"),
        (Duration::from_mins(90), "1h 30m"),
        (Duration::from_millis(1_500), "1s 500ms"),
        (Duration::ZERO, "0s"),
    ] {
        assert_eq!(duration(value), text);
    }
}
