//! Paths and hosts: what is ours, what is a route's, and what is refused before it is looked up.

use std::sync::Arc;

use vestibule::config::plan::PathMatch;

use crate::gateway::{Gateway, header, status};

/// S20, S22, S24: strange paths end here; what passes arrives byte for byte.
#[tokio::test]
async fn s22_strange_paths_are_refused() {
    let gateway = Gateway::start().await;
    let token = format!("Authorization: Bearer {}", gateway.world.token("/mcp", "mcp").await);
    for path in [
        "/mcp/../other",
        "/mcp/%2e%2e/other",
        "/mcp/..%2fother",
        "/mcp/%252e%252e/other",
        "/mcp/./x",
        "//mcp",
        "/mcp//x",
        "/mcp%5cx",
        "/mcp\\x",
        "/mcp%00",
        "/mcp/%c0%ae%c0%ae/x",
        "/mcp/%",
        "*",
    ] {
        let answer = gateway.ask(&format!("GET {path}"), &[&token]).await;
        assert_eq!(status(&answer), 400, "{path}: {answer}");
    }
    assert!(gateway.backend.seen().is_empty());
    for path in ["/mcp/x%2Fy", "/mcp/%23?a=/../b&c=//d", "/mcp?x=/other", "/mcp/a;b=c/d"] {
        assert_eq!(status(&gateway.ask(&format!("GET {path}"), &[&token]).await), 200, "{path}");
        assert_eq!(gateway.backend.seen().pop().unwrap().line, format!("GET {path}"));
    }
    // S22: a fragment is no part of a request; what was authorized is what was sent on.
    gateway.ask("GET /mcp/a#/../other", &[&token]).await;
    assert_eq!(gateway.backend.seen().pop().unwrap().line, "GET /mcp/a");
}

/// S27, S41, P-2: exactly one host, and it is ours.
#[tokio::test]
async fn s27_s41_hosts() {
    let gateway = Gateway::start().await;
    let (port, own) = (gateway.address.port(), gateway.address);
    for (line, hosts, expected) in [
        ("GET /.well-known/jwks.json", vec![own.to_string()], 200),
        ("GET /.well-known/jwks.json", vec![format!("LOCALHOST:{port}")], 200),
        ("GET /.well-known/jwks.json", vec![format!("localhost.:{port}")], 200),
        ("GET /.well-known/jwks.json", vec!["evil.example".to_owned()], 421),
        ("GET /.well-known/jwks.json", vec![format!("evil.example:{port}")], 421),
        ("GET /.well-known/jwks.json", vec!["127.0.0.1:1".to_owned()], 421),
        ("GET /.well-known/jwks.json", vec![], 400),
        ("GET /.well-known/jwks.json", vec![own.to_string(), own.to_string()], 400),
        ("GET /.well-known/jwks.json", vec![own.to_string(), "evil.example".to_owned()], 400),
        (&format!("GET http://{own}/.well-known/jwks.json"), vec![own.to_string()], 200),
        (&format!("GET http://{own}/.well-known/jwks.json"), vec!["evil.example".to_owned()], 400),
        ("GET http://evil.example/.well-known/jwks.json", vec![own.to_string()], 400),
        ("GET http://evil.example/.well-known/jwks.json", vec!["evil.example".to_owned()], 421),
        ("CONNECT evil.example:443", vec!["evil.example:443".to_owned()], 400),
    ] {
        let mut request = format!("{line} HTTP/1.1\r\nConnection: close\r\n");
        for host in hosts {
            request += "Host: ";
            request += &host;
            request += "\r\n";
        }
        let answer = gateway.raw(request.clone() + "\r\n").await;
        assert_eq!(status(&answer), expected, "{request}: {answer}");
    }
}

/// W2: what belongs to nobody is JSON, and never a page.
#[tokio::test]
async fn w2_nothing_is_json() {
    let gateway = Gateway::start().await;
    for path in
        ["/", "/nobody", "/.well-known/oauth-authorization-server/nobody", "/.well-known/x", "/metrics", "/healthz"]
    {
        let answer = gateway.ask(&format!("GET {path}"), &[]).await;
        assert_eq!((status(&answer), header(&answer, "content-type")), (404, Some("application/json")), "{path}");
    }
}

/// Our own endpoints win over routes, with any method, and each is counted by its name.
#[tokio::test]
async fn endpoints_are_found_and_counted() {
    let gateway = Gateway::start().await;
    let answer = gateway.ask("GET /mcp/.well-known/openid-configuration?x=1", &[]).await;
    assert!(answer.contains(&format!("\"issuer\":\"{}\"", gateway.origin())), "{answer}");
    assert_eq!(status(&gateway.ask("DELETE /token", &[]).await), 405);
    gateway.ask("GET /nobody", &[]).await;
    gateway.ask("GET /mcp", &[]).await;
    let text = gateway.world.metrics.render();
    for series in [
        "code=\"200\",method=\"GET\",route=\"auth0:server_metadata\"",
        "code=\"405\",method=\"DELETE\",route=\"auth0:token\"",
        "code=\"404\",method=\"GET\",route=\"unknown\"",
        "code=\"401\",method=\"GET\",route=\"auth0/mcp\"",
    ] {
        assert!(text.contains(&format!("vestibule_http_requests_total{{{series}}} 1")), "{series}\n{text}");
    }
}

/// A backend would send back all it was told.
#[tokio::test]
async fn trace_is_not_answered() {
    let gateway = Gateway::start().await;
    let token = format!("Authorization: Bearer {}", gateway.world.token("/mcp", "mcp").await);
    assert_eq!(status(&gateway.ask("TRACE /mcp", &[&token]).await), 501);
    assert!(gateway.backend.seen().is_empty());
}

/// S22, S24: an exact route is its own path and no other, however that is written; the backend hears
/// of nothing else.
#[tokio::test]
async fn s22_s24_an_exact_route_is_one_path() {
    let gateway = Gateway::with(|_, provider| {
        Arc::make_mut(&mut provider.routes[0]).matches = PathMatch::Exact;
    })
    .await;
    let token = format!("Authorization: Bearer {}", gateway.world.token("/mcp", "mcp").await);
    for (path, expected) in [
        ("/mcp/x", 404),
        ("/mcp/..", 400),
        ("/mcp/%2e%2e/other", 400),
        ("/mcp//", 400),
        ("//mcp", 400),
        ("/mcp%2f", 404),
        ("/mcp%2fx", 404),
        ("/mcp;x", 404),
        ("/MCP", 404),
        ("/%6Dcp", 404),
        ("/mcp%00", 400),
    ] {
        let answer = gateway.ask(&format!("GET {path}"), &[&token]).await;
        assert_eq!(status(&answer), expected, "{path}: {answer}");
    }
    assert!(gateway.backend.seen().is_empty());
    for path in ["/mcp", "/mcp/", "/mcp?x=/../y"] {
        assert_eq!(status(&gateway.ask(&format!("GET {path}"), &[&token]).await), 200, "{path}");
        assert_eq!(gateway.backend.seen().pop().unwrap().line, format!("GET {path}"));
    }
}

/// S22, S24: where one route lies in another one, letters in another case are no way around it.
#[tokio::test]
async fn s22_s24_another_case_is_no_way_around() {
    let gateway = Gateway::with(|plan, provider| {
        let inner = crate::plan::route(&plan.public_url, "auth0", "/mcp/admin", "http://127.0.0.1:9/");
        provider.routes.push(Arc::new(inner));
    })
    .await;
    let token = format!("Authorization: Bearer {}", gateway.world.token("/mcp", "mcp").await);
    for (path, expected) in [
        ("/mcp/admin", 401),
        ("/mcp/Admin", 400),
        ("/mcp/ADMIN/x", 400),
        ("/mcp/%41dmin", 400),
        ("/mcp/%61dmin", 400),
        ("/mcp/admin;x", 400),
        ("/mcp/Other", 200),
    ] {
        assert_eq!(status(&gateway.ask(&format!("GET {path}"), &[&token]).await), expected, "{path}");
    }
    assert_eq!(gateway.backend.seen().len(), 1);
}
