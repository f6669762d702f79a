use http::{HeaderMap, HeaderValue, Uri};

use super::{HostError as E, *};
use crate::testing;

fn hosts(public_url: &str) -> Hosts {
    let mut plan = testing::plan(public_url, &[]);
    plan.allowed_hosts = vec!["inner.example:8443".to_owned()];
    Hosts::new(&plan)
}

fn check(hosts: &Hosts, target: &str, values: &[&'static str]) -> Result<(), HostError> {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(HOST, HeaderValue::from_static(value));
    }
    hosts.check(&target.parse::<Uri>().unwrap(), &headers)
}

/// S27, P-2: the host's name is compared as names are.
#[test]
fn s27_names_are_compared_as_names() {
    let hosts = hosts("https://mcp.example.com");
    for host in
        ["mcp.example.com", "MCP.example.COM", "mcp.example.com.", "mcp.example.com:443", "mcp.example.com.:443"]
    {
        assert_eq!(check(&hosts, "/", &[Box::leak(host.to_owned().into_boxed_str())]), Ok(()), "{host}");
    }
    assert_eq!(check(&hosts, "/", &["inner.example:8443"]), Ok(()));
    for host in
        ["evil.example", "mcp.example.com.evil", "mcp.example.com:80", "inner.example", "localhost", "127.0.0.1"]
    {
        assert_eq!(check(&hosts, "/", &[Box::leak(host.to_owned().into_boxed_str())]), Err(E::Misdirected), "{host}");
    }
}

/// S27, S41: none, two, or two that disagree.
#[test]
fn s27_s41_exactly_one_host() {
    let hosts = hosts("https://mcp.example.com");
    for (target, values, expected) in [
        ("/", &[][..], Err(E::Malformed)),
        ("/", &["mcp.example.com", "mcp.example.com"], Err(E::Malformed)),
        ("/", &["mcp.example.com, evil"], Err(E::Malformed)),
        ("/", &["u@mcp.example.com"], Err(E::Malformed)),
        ("/", &[""], Err(E::Malformed)),
        ("https://mcp.example.com/", &[], Ok(())),
        ("https://mcp.example.com/", &["MCP.example.com:443"], Ok(())),
        ("https://evil.example/", &["mcp.example.com"], Err(E::Malformed)),
        ("https://mcp.example.com/", &["evil.example"], Err(E::Malformed)),
        ("https://evil.example/", &["evil.example"], Err(E::Misdirected)),
    ] {
        assert_eq!(check(&hosts, target, values), expected, "{target} {values:?}");
    }
}

/// P-2: this machine has three names, with one port.
#[test]
fn p2_loopback_has_three_names() {
    let hosts = hosts("http://localhost:8000");
    for (host, expected) in [
        ("localhost:8000", Ok(())),
        ("127.0.0.1:8000", Ok(())),
        ("[::1]:8000", Ok(())),
        ("localhost", Err(E::Misdirected)),
        ("localhost:9000", Err(E::Misdirected)),
        ("evil.example:8000", Err(E::Misdirected)),
    ] {
        assert_eq!(check(&hosts, "/", &[host]), expected, "{host}");
    }
    let url = Url::parse("http://localhost:8000").unwrap();
    assert!(hosts.is_own_origin(&url, "http://127.0.0.1:8000"));
    for origin in ["https://localhost:8000", "http://localhost:8001", "null", "http://evil.example"] {
        assert!(!hosts.is_own_origin(&url, origin), "{origin}");
    }
}
