use proptest::prelude::*;

use super::*;

fn pattern(text: &str) -> RedirectPattern {
    RedirectPattern::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A URI that no client may register is allowed by no pattern either.
fn allows(pattern: &str, uri: &str) -> bool {
    RedirectUri::parse(uri).is_ok_and(|uri| self::pattern(pattern).allows(&uri))
}

/// parity.md §1.6 by its parts: what each kind of pattern allows, and what it does not.
#[test]
fn s12_patterns_allow_what_they_say() {
    for (pattern, yes, no) in [
        (
            "https://claude.ai/api/mcp/auth_callback",
            &["https://claude.ai/api/mcp/auth_callback", "HTTPS://CLAUDE.AI:443/api/mcp/auth_callback"][..],
            &[
                "https://claude.ai/api/mcp/auth_callback/",
                "https://claude.ai/api/mcp/auth_callback?to=https://evil.example",
                "https://claude.ai/API/mcp/auth_callback",
                "https://claude.ai:8443/api/mcp/auth_callback",
                "https://www.claude.ai/api/mcp/auth_callback",
                "https://claude.ai.evil.example/api/mcp/auth_callback",
                "https://claude.ai./api/mcp/auth_callback",
            ][..],
        ),
        (
            "https://claude.ai",
            &["https://claude.ai", "https://claude.ai/", "https://claude.ai/any/path?x=1"],
            &["https://evilclaude.ai/", "https://claude.ai@evil.example/", "https://claude.ai:1/", "http://127.0.0.1/"],
        ),
        ("https://claude.ai/", &["https://claude.ai/any/path"], &["https://evil.example/claude.ai/"]),
        (
            "https://*.example.com/cb",
            &["https://a.example.com/cb", "https://a.b.example.com/cb", "https://A.EXAMPLE.com/cb"],
            &[
                "https://example.com/cb",
                "https://evilexample.com/cb",
                "https://.example.com/cb",
                "https://a..example.com/cb",
                "https://a.example.com.evil.example/cb",
                "https://a.example.com/cb/x",
                "https://evil.example/.example.com/cb",
                "https://evil.example?.example.com/cb",
                "https://127.0.0.1/cb",
            ],
        ),
        (
            "https://app.example.com:*/cb",
            &["https://app.example.com/cb", "https://app.example.com:8443/cb"],
            &["https://app.example.com:8443/", "https://app.example.com.evil.example:8443/cb"],
        ),
        ("https://app.example.com:8443", &["https://app.example.com:8443/x"], &["https://app.example.com/x"]),
        (
            "https://app.example.com/oauth/*/cb",
            &[
                "https://app.example.com/oauth/a/cb",
                "https://app.example.com/oauth/a/b/cb",
                "https://app.example.com/oauth//cb",
            ],
            &[
                "https://app.example.com/oauth/cb",
                "https://app.example.com/oauth/a/cb/x",
                "https://app.example.com/oauth/a/cb?x",
                "https://app.example.com/oauth/../admin/cb",
                "https://app.example.com/oauth/%2e%2e/admin/cb",
                "https://app.example.com/oauth/..;/admin/cb",
                "https://app.example.com/oauth/%2f..%2fadmin/cb",
                "https://app.example.com/oauth/%5c..%5cadmin/cb",
                "https://app.example.com/oauth/%252e%252e%252f/cb",
            ],
        ),
        (
            "https://app.example.com/cb?tenant=*",
            &["https://app.example.com/cb?tenant=a", "https://app.example.com/cb?tenant="],
            &["https://app.example.com/cb", "https://app.example.com/cb?to=x&tenant=a"],
        ),
        ("https://app.example.com/cb?*", &["https://app.example.com/cb?x", "https://app.example.com/cb"], &[]),
        (
            "http://localhost:*",
            &["http://localhost:1/cb", "http://localhost/", "http://localhost:65535/x?y"],
            &[
                "http://127.0.0.1:1/cb",
                "https://localhost:1/cb",
                "http://localhost.evil.example:1/cb",
                "http://a.localhost:1/cb",
                "http://localhost:1@evil.example/",
            ],
        ),
        ("http://localhost/cb", &["http://localhost:1/cb", "http://localhost/cb"], &["http://localhost:1/other"]),
        (
            "http://127.0.0.1:33418",
            &["http://127.0.0.1:33418/"],
            &["http://127.0.0.1:33419/", "http://127.0.0.2:33418/"],
        ),
        ("http://[::1]/cb", &["http://[::1]:5/cb", "http://[0:0:0:0:0:0:0:1]:5/cb"], &["http://127.0.0.1:5/cb"]),
        (
            "cursor://anysphere.cursor-mcp/oauth/callback",
            &["cursor://anysphere.cursor-mcp/oauth/callback", "CURSOR://anysphere.cursor-mcp/oauth/callback"],
            &[
                "cursor://anysphere.cursor-mcp/oauth/callback/x",
                "cursor://anysphere.cursor-mcp/oauth/callback?x",
                "cursor://evil/oauth/callback",
                "cursor:/oauth/callback",
                "cursors://anysphere.cursor-mcp/oauth/callback",
            ],
        ),
        ("cursor://*", &["cursor://any/where", "cursor:/any"], &["vscode://any/where", "https://cursor/"]),
        ("cursor://any", &["cursor://any", "cursor://any/path?x"], &["cursor://any.evil/path", "cursor:any"]),
        ("com.example.app:/cb/*", &["com.example.app:/cb/1"], &["com.example.app://cb/1", "com.example.app:/other"]),
        ("https://*.bücher.example", &["https://x.xn--bcher-kva.example/"], &["https://x.bucher.example/"]),
    ] {
        for uri in yes {
            assert!(allows(pattern, uri), "{pattern} allows {uri}");
        }
        for uri in no {
            assert!(!allows(pattern, uri), "{pattern} does not allow {uri}");
        }
    }
}

/// RFC 8252: a client registers before it knows its port.
#[test]
fn u1_a_loopback_port_is_asked_for_later() {
    let pattern = pattern("http://127.0.0.1:33418/cb");
    let uri = |text: &str| RedirectUri::parse(text).unwrap();
    assert!(pattern.allows_to_register(&uri("http://127.0.0.1/cb")) && !pattern.allows(&uri("http://127.0.0.1/cb")));
    assert!(!pattern.allows_to_register(&uri("http://127.0.0.1/other")));
    let web = self::pattern("https://a.example.com:8443/cb");
    assert!(!web.allows_to_register(&uri("https://a.example.com/cb")));
}

#[test]
fn s11_what_allows_strangers_is_no_pattern() {
    use RedirectPatternError as E;
    for (text, error) in [
        ("", E::NoScheme),
        ("*", E::NoScheme),
        ("claude.ai", E::NoScheme),
        ("localhost:8000", E::NoScheme),
        ("localhost:*", E::NoScheme),
        ("https:claude.ai", E::NoScheme),
        ("*://claude.ai/", E::SchemeWildcard),
        ("http*://claude.ai/", E::SchemeWildcard),
        ("https://*", E::TooWide),
        ("https://*/cb", E::TooWide),
        ("https://*:*/cb", E::TooWide),
        ("https://*.com/cb", E::TooWide),
        ("https://*.com./cb", E::TooWide),
        ("https://a*.example.com/", E::HostWildcard),
        ("https://*example.com/", E::HostWildcard),
        ("https://a.*.example.com/", E::HostWildcard),
        ("https://*.*.example.com/", E::HostWildcard),
        ("https://example.*/", E::HostWildcard),
        ("https://*.127.0.0.1/", E::Host),
        ("https:///cb", E::Host),
        ("https:/claude.ai/cb", E::Host),
        ("https://claude.ai:80*/", E::Port),
        ("https://claude.ai:/", E::Port),
        ("https://claude.ai:99999/", E::Port),
        ("http://claude.ai/cb", E::InsecureHttp),
        ("http://*.localhost.example/cb", E::InsecureHttp),
        ("https://user@claude.ai/", E::UserInfo),
        ("https://claude.ai@evil.example/", E::UserInfo),
        ("https://*@evil.example/", E::UserInfo),
        ("https://claude.ai/#x", E::Fragment),
        ("https://claude.ai/a/../b", E::DotSegments),
        ("https://claude.ai/%2E./b", E::DotSegments),
        ("https://claude.ai\\@evil.example/", E::StrangeCharacters),
        ("https://claude.ai/ x", E::StrangeCharacters),
        ("javascript://*", E::DangerousScheme),
        ("data:/*", E::DangerousScheme),
        ("file:///*", E::DangerousScheme),
        ("9cursor://*", E::DangerousScheme),
        ("cursor://a*/x", E::HostWildcard),
    ] {
        assert_eq!(RedirectPattern::parse(text), Err(error), "{text}");
    }
    assert_eq!(RedirectPattern::parse(&format!("https://a.example/{}", "x".repeat(MAX_LENGTH))), Err(E::TooLong));
}

/// Hosts that look like `app.example.com` and are not.
fn strange_host() -> impl Strategy<Value = String> {
    let label = "[a-z0-9-]{1,8}";
    prop_oneof![
        label.prop_map(|label| format!("{label}app.example.com")),
        label.prop_map(|label| format!("app.example.com.{label}.evil")),
        label.prop_map(|label| format!("app.example.com@{label}.evil")),
        label.prop_map(|label| format!("{label}.evil/app.example.com")),
        label.prop_map(|label| format!("{label}.evil?app.example.com")),
        label.prop_map(|label| format!("{label}.evil#app.example.com")),
        label.prop_map(|label| format!("{label}.evil\\app.example.com")),
        label.prop_map(|label| format!("app.example.com:{label}@x.evil")),
        label.prop_map(|label| format!("app%2eexample.com.{label}")),
        Just("app.example.com.".to_owned()),
        Just("app.example.com:1".to_owned()),
        Just("app\u{3002}example\u{3002}org".to_owned()),
    ]
}

proptest! {
    /// Whatever is allowed leads, for the parser that browsers use, to the pattern's host, port and path.
    #[test]
    fn s12_nothing_leads_elsewhere(host in strange_host(), rest in "[/?#:@a-z0-9.%*;=\\\\-]{0,40}") {
        for pattern in ["https://app.example.com", "https://app.example.com/cb/*", "https://*.app.example.com"] {
            let text = format!("https://{host}{rest}");
            prop_assert!(!allows(pattern, &text) || leads_to(pattern, &text), "{pattern}: {text}");
        }
    }

    #[test]
    fn s12_any_text_behind_the_host(rest in "[/?#:@a-z0-9.%*;=\\\\-]{0,40}") {
        for pattern in ["https://app.example.com", "https://app.example.com/cb/*", "https://*.app.example.com"] {
            for host in ["app.example.com", "x.app.example.com"] {
                let text = format!("https://{host}{rest}");
                prop_assert!(!allows(pattern, &text) || leads_to(pattern, &text), "{pattern}: {text}");
            }
        }
    }

    /// The oracle for `*`: the usual recursive definition.
    #[test]
    fn a_glob_is_a_glob(pattern in "[ab*]{0,8}", text in "[ab]{0,10}") {
        fn slow(pattern: &[u8], text: &[u8]) -> bool {
            match (pattern.split_first(), text.split_first()) {
                (None, None) => true,
                (Some((b'*', rest)), _) => slow(rest, text) || text.split_first().is_some_and(|(_, after)| slow(pattern, after)),
                (Some((one, rest)), Some((other, after))) => one == other && slow(rest, after),
                _ => false,
            }
        }
        prop_assert_eq!(Glob(pattern.clone()).matches(&text), slow(pattern.as_bytes(), text.as_bytes()));
    }

    /// S71: whatever an operator or a client writes is read, and a pattern without `*` allows itself.
    #[test]
    fn s71_any_pattern(text in "(https?|cursor)://[a-z0-9.:*@\\[\\]-]{0,20}[/?#a-z0-9.%*;=-]{0,20}", any in "\\PC{0,40}") {
        let _read = RedirectPattern::parse(&any);
        if let Ok(pattern) = RedirectPattern::parse(&text) && let Ok(uri) = RedirectUri::parse(&text) && !text.contains('*') {
            prop_assert!(pattern.allows(&uri) && pattern.allows_to_register(&uri), "{}", text);
        }
    }
}

fn leads_to(pattern: &str, text: &str) -> bool {
    let url = Url::parse(text).unwrap();
    let host = url.host_str().unwrap();
    let is_host = if pattern.contains("//*.") { host.ends_with(".app.example.com") } else { host == "app.example.com" };
    let is_path = !pattern.ends_with("/cb/*") || url.path().starts_with("/cb/");
    is_host && is_path && url.port().is_none() && url.username().is_empty()
}
