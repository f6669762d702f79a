use super::*;

const DAY: Duration = Duration::from_hours(24);

#[test]
fn switches_are_what_environments_write() {
    for text in ["true", "True", "yes", "on", "1"] {
        assert_eq!(switch(text), Ok(true));
    }
    for text in ["false", "FALSE", "no", "off", "0"] {
        assert_eq!(switch(text), Ok(false));
    }
    assert!(switch("").is_err() && switch("2").is_err());
}

#[test]
fn durations_have_a_unit_and_bounds() {
    let read = |text: &str| duration(text, Duration::from_secs(1), DAY);
    assert_eq!(read("90s"), Ok(Duration::from_secs(90)));
    assert_eq!(read("1h 30m"), Ok(Duration::from_mins(90)));
    assert_eq!(read("1d"), Ok(DAY));
    for text in ["", "30", "s", "-5s", "2d", "1ms", "99999999999999999999d", "five minutes"] {
        assert!(read(text).is_err(), "{text}");
    }
}

#[test]
fn sizes_have_units_of_1024_and_of_1000() {
    let read = |text: &str| size(text, 1, 1 << 40);
    for (text, bytes) in
        [("512", 512), ("64KiB", 65536), ("4 MiB", 4 << 20), ("1gib", 1 << 30), ("2MB", 2_000_000), ("8k", 8192)]
    {
        assert_eq!(read(text), Ok(bytes), "{text}");
    }
    for text in ["", "MiB", "1.5MiB", "-1", "0", "10TiB", "99999999999999999999", "18446744073709551615GiB", "1é"] {
        assert!(read(text).is_err(), "{text}");
    }
}

#[test]
fn counts_are_whole_numbers() {
    assert_eq!(count("1_000", 1, 2000), Ok(1000));
    for text in ["", "0", "2001", "1.5", "x", "-1"] {
        assert!(count(text, 1, 2000).is_err(), "{text}");
    }
}

#[test]
fn addresses_have_a_port() {
    for text in ["127.0.0.1:8000", "[::]:8000", "0.0.0.0:0"] {
        assert!(socket_address(text).is_ok(), "{text}");
    }
    for (text, help) in [
        ("localhost:1", "write `127.0.0.1:1`"),
        (":1", "write `127.0.0.1:1` for this machine only, `0.0.0.0:1` for everybody"),
        ("*:1", "write `127.0.0.1:1` for this machine only, `0.0.0.0:1` for everybody"),
        ("1", "write `127.0.0.1:1` for this machine only, `0.0.0.0:1` for everybody"),
    ] {
        assert_eq!(socket_address(text).unwrap_err().help.as_deref(), Some(help));
    }
    assert!(socket_address("example.com:80").is_err());
}

#[test]
fn hosts_are_names_with_a_port_at_most() {
    assert_eq!(host("MCP.Example.com:8443").as_deref(), Ok("mcp.example.com:8443"));
    assert_eq!(host("[::1]:80").as_deref(), Ok("[::1]:80"));
    for text in ["", "https://a.example", "a.example/", "u@a.example", "a b", "a?b", "a#b"] {
        assert!(host(text).is_err(), "{text}");
    }
}

/// S22: nothing that two programs could read differently becomes a path of ours.
#[test]
fn s22_paths_are_plain() {
    for text in ["/", "/mcp", "/a/b-c_d.e~f", "/@scope"] {
        assert_eq!(path(text).as_deref(), Ok(text));
    }
    for text in [
        "",
        "mcp",
        "/mcp/",
        "//mcp",
        "/a//b",
        "/.",
        "/a/..",
        "/a/./b",
        "/a?b",
        "/a#b",
        "/%2e",
        "/a\\b",
        "/a b",
        "/é",
        "/{id}",
        "/*",
        "/a;b",
        "/.well-known",
        "/.well-known/x",
        "/a\u{0}",
        "//",
    ] {
        assert!(path(text).is_err(), "{text}");
    }
}

#[test]
fn lists_are_read_in_every_form() {
    let text = |text: &str| items(&List::Text(text.to_owned()));
    for written in ["a b", "a,b", " a,  b ", "[\"a\", \"b\"]", "a\tb", "a\nb", "a, b,"] {
        assert_eq!(text(written).unwrap(), ["a", "b"], "{written}");
    }
    for written in ["", " ", "[]"] {
        assert!(text(written).unwrap().is_empty(), "{written}");
    }
    assert_eq!(text("\"a\"").unwrap(), ["a"]);
}

/// What FastMCP takes for one strange scope, or refuses in pydantic's words.
#[test]
fn what_is_no_list_is_told() {
    for (written, message) in [
        ("openid;email", "holds a `;`, which separates nothing here"),
        ("[\"openid\"", "begins like a JSON list, but is none"),
        ("[a, b]", "begins like a JSON list, but is none"),
        ("[1]", "is a JSON list of something else than texts"),
        ("[[\"a\"]]", "is a JSON list of something else than texts"),
        ("123", "is no list of texts"),
        ("true", "is no list of texts"),
        ("null", "is no list of texts"),
        ("{\"a\":1}", "is a JSON object, but has to be a list"),
        ("{\"a\":", "begins like a JSON object, but has to be a list"),
        ("\"a\",\"b\"", "holds quotes, but is no JSON list"),
    ] {
        let refusal = items(&List::Text(written.to_owned())).unwrap_err();
        assert_eq!(refusal.message, message, "{written}");
        assert!(refusal.help.unwrap().contains("\"]`"), "{written}");
    }
    let help = |text: &str| items(&List::Text(text.to_owned())).unwrap_err().help.unwrap();
    assert_eq!(help("openid;email"), "write `openid email`, or `[\"openid\", \"email\"]`");
    assert_eq!(help("[\"openid\""), "write `openid`, or `[\"openid\"]`");
}

#[test]
fn claims_are_read_in_every_form() {
    let text = |text: &str| claims(&Claims::Text(text.to_owned()));
    let expected = text("department=eng&department=ops&realm_access.roles=admin").unwrap();
    assert_eq!(expected["department"], ["eng", "ops"]);
    assert_eq!(expected["realm_access.roles"], ["admin"]);
    let json = r#"{"department": ["eng", "ops"], "realm_access.roles": "admin"}"#;
    assert_eq!(text(json).unwrap(), expected);
    for written in ["{", "[\"a\"]", "department", "a=b,c=d", "=x"] {
        assert!(text(written).is_err(), "{written}");
    }
}

#[test]
fn parameters_are_read_in_every_form() {
    let text = |text: &str| params(&Params::Text(text.to_owned()));
    let expected = [("prompt".to_owned(), "select account".to_owned()), ("x".to_owned(), "1".to_owned())];
    assert_eq!(text("prompt=select+account&x=1").unwrap(), expected);
    assert_eq!(text("{\"prompt\": \"select account\", \"x\": \"1\"}").unwrap(), expected);
    assert_eq!(text("{\"max_age\": 60}").unwrap(), [("max_age".to_owned(), "60".to_owned())]);
    assert_eq!(text("q=a%3Db").unwrap(), [("q".to_owned(), "a=b".to_owned())]);
    for written in ["{", "{\"a\": {}}", "prompt", "prompt=login,max_age=3", "prompt=login max_age=3", "a=b;c=d", "&"] {
        assert!(text(written).is_err(), "{written}");
    }
}

#[test]
fn urls_are_whole_and_carry_no_password() {
    assert!(web_url("https://a.example/x?y").is_ok());
    for (text, help) in [
        ("a.example", "write `https://a.example`"),
        ("localhost:1/x", "write `http://localhost:1/x`"),
        ("//a.example", "write the whole URL: `https://example.com`"),
        ("user:hunter2@a.example", "write the whole URL: `https://example.com`"),
        ("", "write the whole URL: `https://example.com`"),
    ] {
        assert_eq!(web_url(text).unwrap_err().help.as_deref(), Some(help), "{text}");
    }
    assert!(web_url("https://u@a.example").is_err() && web_url("https://a.example/#f").is_err());
}
