use url::Url;

use super::*;
use crate::testing;

fn map(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap());
    }
    headers
}

fn lines(headers: &HeaderMap) -> Vec<(&str, &str)> {
    headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect()
}

fn rules(pass: Option<PassHeaders>) -> Rules {
    let own = [HeaderName::from_static("x-user-subject"), HeaderName::from_static("x_odd_name")];
    Rules { own: own.into(), pass }
}

fn cleaned(sent: &[(&str, &str)]) -> HeaderMap {
    let mut headers = map(sent);
    clean_request(&mut headers, &rules(None));
    headers
}

fn answered(sent: &[(&str, &str)]) -> HeaderMap {
    let mut headers = map(sent);
    let public_url = Url::parse("https://g.example/").unwrap();
    let route = testing::route(&public_url, "a", "/mcp", "http://b:3000/mcp");
    clean_response(&mut headers, &Mapping::new(&public_url, &route));
    headers
}

/// S40, S46, P7, S44: what never reaches a backend.
#[test]
fn s40_s46_p7_what_is_removed() {
    for (name, value) in [
        ("authorization", "Bearer x"),
        ("proxy-authorization", "Basic x"),
        ("origin", "https://a.example"),
        ("expect", "100-continue"),
        ("connection", "keep-alive"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("te", "gzip"),
        ("te", "trailers, deflate"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("http2-settings", "AAMAAABkAAQAAP__"),
        ("forwarded", "for=1.2.3.4"),
        ("x-forwarded-for", "1.2.3.4"),
        ("x-forwarded-user", "root"),
        ("x_forwarded_user", "root"),
        ("X_Forwarded-User", "root"),
        ("x-auth-request-email", "a@b"),
        ("x-original-url", "/admin"),
        ("x-rewrite-url", "/admin"),
        ("x-http-method-override", "DELETE"),
        ("x-real-ip", "1.2.3.4"),
        ("remote-user", "root"),
        ("remote_user", "root"),
        ("x-user-subject", "root"),
        ("X-USER-SUBJECT", "root"),
        ("x_user_subject", "root"),
        ("x-user_subject", "root"),
        ("x-odd-name", "root"),
        ("x-vestibule-subject", "root"),
        ("x-request-id", "1"),
        ("x_request_id", "1"),
        ("x-http-method", "DELETE"),
        ("x-method-override", "DELETE"),
        ("x-remote-group", "wheel"),
        ("content_length", "0"),
        ("transfer_encoding", "chunked"),
        ("proxy_authorization", "Basic x"),
        ("cookie", "vestibule-browser=1"),
        ("cookie", "__Host-vestibule-browser=1"),
        ("cookie", " __hOST-Vestibule-x=1"),
    ] {
        assert_eq!(lines(&cleaned(&[(name, value)])), [], "{name}");
    }
}

/// S40: what follows the body cannot say what a header could not; everything else may.
#[test]
fn s40_trailers_are_cleaned_too() {
    let mut trailers = map(&[
        ("x-user-subject", "root"),
        ("x_user_subject", "root"),
        ("x-forwarded-user", "root"),
        ("authorization", "Bearer x"),
        ("cookie", "__Host-vestibule-x=1"),
        ("host", "b"),
        ("content-length", "0"),
        ("transfer-encoding", "chunked"),
        ("x-sum", "1"),
    ]);
    clean_trailers(&mut trailers, &rules(None));
    assert_eq!(lines(&trailers), [("x-sum", "1")]);
}

/// P4, P-8, P-12, P-21, P-22: everything else passes, values untouched.
#[test]
fn p4_p22_what_passes() {
    let sent = [
        ("accept", "application/json, text/event-stream"),
        ("content-type", "application/json"),
        ("content-length", "2"),
        ("mcp-session-id", "A b=C"),
        ("mcp-protocol-version", "2025-11-25"),
        ("mcp-param-x", "=?base64?eA==?="),
        ("last-event-id", "7"),
        ("te", "trailers"),
        ("traceparent", "00-0-0-00"),
        ("x-api-key", "k"),
        ("x-users", "u"),
        ("cookie", "a=1;  b=2"),
    ];
    let mut expected: Vec<_> = sent.to_vec();
    let headers = cleaned(&sent);
    let mut kept = lines(&headers);
    expected.sort_unstable();
    kept.sort_unstable();
    assert_eq!(kept, expected);
}

#[test]
fn s46_only_our_cookies_are_taken_out() {
    let headers = cleaned(&[("cookie", "a=1; __Host-vestibule-login-0=x; b=2"), ("cookie", "vestibule-browser=y; c")]);
    assert_eq!(lines(&headers), [("cookie", "a=1; b=2; c")]);
    assert_eq!(lines(&cleaned(&[("cookie", "a=1"), ("cookie", "b=2")])), [("cookie", "a=1; b=2")]);
}

/// S44: `Connection` cannot strip what tells the length, and what we set comes afterwards.
#[test]
fn s44_connection_names_only_the_senders_headers() {
    let headers = cleaned(&[
        ("connection", "x-secret, content-length, , bad name"),
        ("connection", "Host"),
        ("x-secret", "s"),
        ("host", "g.example"),
        ("content-length", "5"),
    ]);
    assert_eq!(lines(&headers), [("host", "g.example"), ("content-length", "5")]);
}

/// S46: a backend cannot plant a cookie of ours, in no spelling.
#[test]
fn s46_set_cookie_cannot_take_our_names() {
    let headers = answered(&[
        ("set-cookie", "a=1; Path=/"),
        ("set-cookie", "__Host-vestibule-browser=evil; Path=/; Secure"),
        ("set-cookie", "  vestibule-browser=evil"),
        ("set-cookie", "=vestibule-browser=evil"),
        ("set-cookie", "VESTIBULE-browser=evil"),
        ("set-cookie", "b=2"),
    ]);
    assert_eq!(lines(&headers), [("set-cookie", "a=1; Path=/"), ("set-cookie", "b=2")]);
}

#[test]
fn what_a_backend_may_not_say() {
    let headers = answered(&[
        ("connection", "close, x-hop"),
        ("x-hop", "1"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("alt-svc", "h3=\":443\""),
        ("access-control-allow-origin", "*"),
        ("mcp-session-id", "s"),
        ("www-authenticate", "Bearer"),
        ("location", "http://b:3000/mcp/"),
    ]);
    let mut kept = lines(&headers);
    kept.sort_unstable();
    assert_eq!(kept, [("location", "https://g.example/mcp/"), ("mcp-session-id", "s"), ("www-authenticate", "Bearer")]);
}

/// P-5, P4: only event streams get the hint, and nothing gets a type it did not have.
#[test]
fn p5_event_streams_are_known_by_their_type() {
    for (value, expected) in [
        ("text/event-stream", Some(StreamKind::Sse)),
        ("Text/Event-Stream; charset=utf-8", Some(StreamKind::Sse)),
        ("application/grpc+proto", Some(StreamKind::Grpc)),
        ("application/json", None),
    ] {
        assert_eq!(stream_kind(&map(&[("content-type", value)])), expected, "{value}");
    }
    assert_eq!(stream_kind(&HeaderMap::new()), None);
    let mut headers = map(&[("x-accel-buffering", "yes")]);
    forbid_buffering(&mut headers);
    assert_eq!(lines(&headers), [("x-accel-buffering", "yes")]);
}

/// P-22, S40: a list narrows what the client says. What the protocol needs passes all the same, and
/// nothing that only we may say, whatever the list says.
#[test]
fn p22_s40_a_list_narrows_what_passes() {
    let names = ["user-agent", "cookie", "x-user-subject", "authorization", "forwarded", "host"];
    let pass = PassHeaders {
        names: names.map(HeaderName::from_static).to_vec(),
        families: vec!["x-acme-".to_owned(), "x-".to_owned(), "content_".to_owned()],
    };
    let mut sent = map(&[
        ("accept", "*/*"),
        ("accept-language", "de"),
        ("authorization", "Bearer x"),
        ("connection", "x-acme-a, content-type"),
        ("content-type", "application/json"),
        ("content-length", "2"),
        ("content_length", "3"),
        ("cookie", "a=b; vestibule-browser=1"),
        ("dnt", "1"),
        ("forwarded", "for=1.2.3.4"),
        ("last-event-id", "7"),
        ("mcp-param-anything", "x"),
        ("mcp_session_id", "x"),
        ("referer", "https://a.example"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0b1902b7-01"),
        ("user-agent", "a"),
        ("x-acme-a", "named by connection"),
        ("x-acme-b", "2"),
        ("x_acme_c", "3"),
        ("x-forwarded-user", "root"),
        ("x_user_subject", "root"),
    ]);
    clean_request(&mut sent, &rules(Some(pass.clone())));
    let mut left: Vec<&str> = lines(&sent).into_iter().map(|(name, _)| name).collect();
    left.sort_unstable();
    let expected = [
        "accept",
        "content-length",
        "cookie",
        "last-event-id",
        "mcp-param-anything",
        "traceparent",
        "user-agent",
        "x-acme-b",
    ];
    assert_eq!(left, expected);
    assert_eq!(sent[COOKIE], "a=b");
    let mut trailers = map(&[("x-acme-b", "2"), ("dnt", "1"), ("x_user_subject", "root")]);
    clean_trailers(&mut trailers, &rules(Some(pass)));
    assert_eq!(lines(&trailers), [("x-acme-b", "2")]);
    let mut none = map(&[("accept", "*/*"), ("user-agent", "a"), ("mcp-session-id", "s")]);
    clean_request(&mut none, &rules(Some(PassHeaders { names: Vec::new(), families: Vec::new() })));
    assert_eq!(lines(&none), [("accept", "*/*"), ("mcp-session-id", "s")]);
}
