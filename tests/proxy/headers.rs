//! `set_headers` and `pass_headers`: what a backend is told besides, and what it hears of the
//! client's. Nothing that a route sets can come from a client.

use std::sync::Arc;

use http::HeaderName;
use vestibule::{
    config::plan::{HeaderSource, PassHeaders, ProviderPlan, SetHeader},
    secret::Secret,
};

use crate::gateway::{Gateway, Seen, status};

fn set(name: &'static str, value: HeaderSource) -> SetHeader {
    SetHeader { name: HeaderName::from_static(name), value }
}

fn change(provider: &mut ProviderPlan, pass: Option<&[&'static str]>) {
    let route = Arc::make_mut(&mut provider.routes[0]);
    let claim = |name: &str| HeaderSource::Claim(name.to_owned());
    route.set_headers = vec![
        set("x-tenant", HeaderSource::Fixed(Secret::new("acme"))),
        set("authorization", HeaderSource::Fixed(Secret::new("Basic YTpi"))),
        set("x-person", claim("sub")),
        set("x-address", claim("email")),
        // Nobody in these tests has a name or groups.
        set("x-full-name", claim("name")),
        set("x-groups", claim("groups")),
    ];
    route.pass_headers = pass.map(|names| PassHeaders {
        names: names.iter().copied().map(HeaderName::from_static).collect(),
        families: vec!["x-acme-".to_owned()],
    });
}

fn values(seen: &Seen, name: &str) -> Vec<String> {
    seen.headers.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
}

/// S40, S42, S44, S45: a header that is set says what we say, once, and without a value it is not
/// there: no spelling of a client's gets through, in front, in trailers or by way of `Connection`.
#[tokio::test]
async fn s40_s44_what_is_set_cannot_be_spoofed() {
    let gateway = Gateway::with(|_, provider| change(provider, None)).await;
    let token = format!("Authorization: Bearer {}", gateway.world.token("/mcp", "mcp").await);
    let spoofed = [
        "X-Tenant: evil",
        "x_tenant: evil",
        "X-PERSON: root",
        "X_Person: root",
        "X-Full-Name: root",
        "x_full_name: root",
        "X-Groups: admins",
        "x-groups: wheel",
        "Connection: x-tenant, x-person, authorization",
        "User-Agent: a",
    ];
    let answer = gateway.ask("GET /mcp", &[&[token.as_str()], &spoofed[..]].concat()).await;
    assert_eq!(status(&answer), 200, "{answer}");
    let seen = gateway.backend.seen().pop().unwrap();
    for (name, expected) in [
        ("x-tenant", &["acme"][..]),
        ("authorization", &["Basic YTpi"]),
        ("x-person", &["alice"]),
        ("x-address", &["alice@example.com"]),
        ("x-full-name", &[]),
        ("x-groups", &[]),
        ("x_tenant", &[]),
        ("x_person", &[]),
        ("x_full_name", &[]),
        ("user-agent", &["a"]),
    ] {
        assert_eq!(values(&seen, name), expected, "{name}");
    }
    let upload = format!(
        "POST /mcp HTTP/1.1\r\nHost: {}\r\n{token}\r\nConnection: close\r\nTE: trailers\r\nTrailer: x-groups\r\n\
         Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Groups: admins\r\nx_groups: admins\r\n\r\n",
        gateway.address
    );
    assert_eq!(status(&gateway.raw(upload).await), 200);
    let seen = gateway.backend.seen().pop().unwrap();
    assert_eq!((seen.body.as_str(), values(&seen, "x-groups").len()), ("hi", 0));
    // The other route sets nothing: it keeps what a client says there, which no backend reads for us.
    let token = format!("Authorization: Bearer {}", gateway.world.token("/other", "mcp").await);
    gateway.ask("GET /other", &[&token, "X-Tenant: theirs"]).await;
    let seen = gateway.backend.seen().pop().unwrap();
    assert_eq!((values(&seen, "x-tenant"), values(&seen, "authorization").len()), (vec!["theirs".to_owned()], 0));
}

/// P-22: a list narrows, the protocol passes all the same, and credentials do not.
#[tokio::test]
async fn p22_a_list_narrows_what_passes() {
    let gateway = Gateway::with(|_, provider| change(provider, Some(&["user-agent"]))).await;
    let token = format!("Authorization: Bearer {}", gateway.world.token("/mcp", "mcp").await);
    let sent = [
        token.as_str(),
        "User-Agent: a",
        "Accept: */*",
        "Accept-Language: de",
        "Cookie: theirs=1",
        "Mcp-Param-Anything: x",
        "Mcp-Session-Id: s",
        "Referer: https://a.example/",
        "X-Acme-Id: 1",
        "X-Other: 1",
        "X-Forwarded-User: root",
        "Forwarded: for=6.6.6.6",
    ];
    assert_eq!(status(&gateway.ask("GET /mcp", &sent).await), 200);
    let seen = gateway.backend.seen().pop().unwrap();
    let mut names: Vec<&str> = seen.headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    let expected = [
        "accept",
        "authorization",
        "forwarded",
        "host",
        "mcp-param-anything",
        "mcp-session-id",
        "traceparent",
        "user-agent",
        "x-acme-id",
        "x-address",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-person",
        "x-request-id",
        "x-tenant",
        "x-user-client",
        "x-user-email",
        "x-user-scopes",
        "x-user-subject",
    ];
    assert_eq!(names, expected);
    assert_eq!(values(&seen, "authorization"), ["Basic YTpi"]);
    assert!(values(&seen, "forwarded")[0].starts_with("for=127.0.0.1"));
    // A tunnel is opened all the same.
    let socket = gateway.request(
        "GET /mcp/socket",
        &[&token, "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"],
    );
    let mut stream = gateway.connect(socket.replace("connection: close", "connection: upgrade")).await;
    let head = crate::gateway::read_until(&mut stream, "\r\n\r\n").await;
    assert_eq!(status(&head), 101, "{head}");
    assert_eq!(values(&gateway.backend.seen().pop().unwrap(), "sec-websocket-version"), ["13"]);
}
