//! Who gets through, and what those are told who do not.

use std::sync::Arc;

use vestibule::{config::plan::RoutePlan, oauth::Scopes};

use crate::gateway::{Gateway, header, read_all, status};

/// W6, RS-2, RS-11, S25: every method without a token is 401, and the backend hears nothing.
#[tokio::test]
async fn w6_rs11_s25_no_token_no_backend() {
    let gateway = Gateway::start().await;
    let metadata = format!("{}/.well-known/oauth-protected-resource/mcp", gateway.origin());
    for method in ["GET", "POST", "DELETE", "HEAD", "PUT", "PATCH", "OPTIONS", "BREW"] {
        let answer = gateway.ask(&format!("{method} /mcp?access_token=x"), &["content-length: 0"]).await;
        assert_eq!(status(&answer), 401, "{method}: {answer}");
        let challenge = header(&answer, "www-authenticate").unwrap();
        assert_eq!(challenge, format!("Bearer resource_metadata=\"{metadata}\", scope=\"mcp\""));
        assert_eq!(header(&answer, "content-type"), Some("application/json"));
        assert_eq!(header(&answer, "cache-control"), Some("no-store"));
    }
    assert!(gateway.backend.seen().is_empty());
}

/// A client that is still sending sees why it is refused: no reset takes the answer away. One that
/// asked first is not told to go on.
#[tokio::test]
async fn a_refused_upload_sees_the_answer() {
    let gateway = Gateway::start().await;
    let request = gateway.request("POST /mcp", &["content-length: 2000000"]);
    let mut stream = gateway.connect(request + &"x".repeat(2_000_000)).await;
    assert_eq!(status(&read_all(&mut stream).await), 401);
    let request = gateway.request("POST /mcp", &["content-length: 5", "expect: 100-continue"]);
    assert_eq!(status(&gateway.raw(request).await), 401);
    assert!(gateway.backend.seen().is_empty());
}

/// P7, RS-22, S40, S42: what the backend sees is what we say, and nothing of the client's tokens.
#[tokio::test]
async fn p7_rs22_s40_the_backend_sees_the_identity() {
    let gateway = Gateway::start().await;
    let token = gateway.world.token("/mcp", "mcp read").await;
    for line in ["POST /mcp/a%2Fb?q=%20", "OPTIONS /mcp/a%2Fb?q=%20"] {
        let answer = gateway
            .ask(
                line,
                &[
                    &format!("AUTHORIZATION: bEaReR {token}"),
                    "X-User-Subject: root",
                    "x_user_subject: root",
                    "X-Forwarded-For: 6.6.6.6",
                    "X-Forwarded-Proto: https",
                    "Forwarded: for=6.6.6.6",
                    "X-Original-URL: /admin",
                    "X-Request-Id: chosen-by-a-stranger",
                    "Cookie: vestibule-browser=1; theirs=2",
                    "Mcp-Session-Id: s1",
                ],
            )
            .await;
        assert_eq!(status(&answer), 200, "{answer}");
        assert_eq!(header(&answer, "mcp-session-id"), Some("s1"));
        let seen = gateway.backend.seen().pop().unwrap();
        assert_eq!(seen.line, line);
        let request_id = header(&answer, "x-request-id").unwrap();
        let forwarded = format!("for=127.0.0.1;host=\"{}\";proto=http", gateway.address);
        let host = gateway.address.to_string();
        for (name, expected) in [
            ("x-user-subject", "alice"),
            ("x-user-email", "alice@example.com"),
            ("x-user-scopes", "mcp read"),
            ("x-user-client", "client"),
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", &host),
            ("forwarded", &forwarded),
            ("x-request-id", request_id),
            ("cookie", "theirs=2"),
            ("mcp-session-id", "s1"),
        ] {
            let values: Vec<_> = seen.headers.get_all(name).iter().collect();
            assert_eq!(values, [expected], "{name}");
        }
        for name in ["authorization", "x_user_subject", "x-original-url"] {
            assert!(!seen.headers.contains_key(name), "{name}");
        }
        assert_ne!(request_id, "chosen-by-a-stranger");
    }
}

/// RS-20, S50, S24: a token opens its own route and no other.
#[tokio::test]
async fn rs20_a_token_opens_one_route() {
    let gateway = Gateway::start().await;
    let token = format!("Authorization: Bearer {}", gateway.world.token("/mcp", "mcp").await);
    for (path, expected) in [("/mcp", 200), ("/mcp/x", 200), ("/other", 401), ("/other/x", 401)] {
        let answer = gateway.ask(&format!("GET {path}"), &[&token]).await;
        assert_eq!(status(&answer), expected, "{path}");
        if expected == 401 {
            assert!(header(&answer, "www-authenticate").unwrap().contains("error=\"invalid_token\""));
        }
    }
    assert_eq!(gateway.backend.seen().len(), 2);
}

/// RS-6, S7: 403 with the scopes to come back with; S23: no header helps.
#[tokio::test]
async fn rs6_s23_scope() {
    let gateway = Gateway::with(|_, provider| {
        change_route(&mut provider.routes[0], |route| route.required_scopes = Scopes::parse("mcp write").unwrap());
    })
    .await;
    let token = format!("Authorization: Bearer {}", gateway.world.token("/mcp", "mcp read").await);
    let answer = gateway.ask("GET /mcp", &[&token, "User-Agent: kube-probe/1.0", "X-Vestibule-Scopes: write"]).await;
    assert_eq!(status(&answer), 403);
    let challenge = header(&answer, "www-authenticate").unwrap();
    assert!(challenge.contains("error=\"insufficient_scope\"") && challenge.ends_with("scope=\"mcp read write\""));
    assert!(gateway.backend.seen().is_empty());
}

/// P-1, P-2, W11: a foreign page is stopped before anything else, an allowed one can read answers,
/// errors included.
#[tokio::test]
async fn p1_w11_origins() {
    let gateway = Gateway::with(|_, provider| {
        change_route(&mut provider.routes[0], |route| {
            route.allowed_origins = vec!["https://app.example".to_owned()];
        });
    })
    .await;
    let token = format!("Authorization: Bearer {}", gateway.world.token("/mcp", "mcp").await);
    let own = format!("Origin: {}", gateway.origin());
    for (origin, with_token, expected) in [
        ("Origin: https://evil.example", true, 403),
        ("Origin: https://evil.example", false, 403),
        ("Origin: null", true, 403),
        ("Origin: https://app.example", true, 200),
        ("Origin: https://app.example", false, 401),
        (&own, true, 200),
        ("X-None: 1", true, 200),
    ] {
        let headers: &[&str] = if with_token { &[origin, &token] } else { &[origin] };
        let answer = gateway.ask("POST /mcp", headers).await;
        assert_eq!(status(&answer), expected, "{origin} {answer}");
        let readable = header(&answer, "access-control-allow-origin");
        let allowed = origin.strip_prefix("Origin: ").filter(|_| expected != 403);
        assert_eq!(readable, allowed, "{origin}");
        if readable.is_some() {
            assert!(header(&answer, "access-control-expose-headers").unwrap().contains("WWW-Authenticate"));
            assert_eq!(header(&answer, "vary"), Some("origin"));
        }
    }
    // The origin was checked here; a backend with its own check must not stumble over it.
    assert!(gateway.backend.seen().iter().all(|seen| !seen.headers.contains_key("origin")));
    let preflight = ["Origin: https://app.example", "Access-Control-Request-Method: POST"];
    let answer = gateway.ask("OPTIONS /mcp", &preflight).await;
    assert_eq!(status(&answer), 204);
    assert_eq!(header(&answer, "access-control-allow-origin"), Some("https://app.example"));
    let answer = gateway.ask("OPTIONS /mcp", &["Origin: https://evil.example", preflight[1]]).await;
    assert_eq!(status(&answer), 403);
}

/// W11, W2: endpoints for scripts answer scripts of any origin; what a person sees does not.
#[tokio::test]
async fn w11_endpoints_and_scripts() {
    let gateway = Gateway::start().await;
    let page = "Origin: https://anywhere.example";
    for (path, expected) in [
        ("/token", true),
        ("/register", true),
        ("/revoke", true),
        ("/.well-known/jwks.json", true),
        ("/.well-known/oauth-authorization-server", true),
        ("/.well-known/oauth-protected-resource/mcp", true),
        ("/.well-known/oauth-protected-resource/nobody", true),
        ("/nobody", true),
        ("/authorize", false),
        ("/consent", false),
        ("/auth/callback", false),
    ] {
        let preflight = gateway.ask(&format!("OPTIONS {path}"), &[page, "Access-Control-Request-Method: POST"]).await;
        let answer = gateway.ask(&format!("POST {path}"), &[page, "content-length: 0"]).await;
        for answer in [&preflight, &answer] {
            let any = expected.then_some("*");
            assert_eq!(header(answer, "access-control-allow-origin"), any, "{path} {answer}");
            assert!(header(answer, "access-control-allow-credentials").is_none());
        }
        if expected {
            assert_eq!(status(&preflight), 204, "{path}");
            let allowed = header(&preflight, "access-control-allow-headers").unwrap();
            for name in ["authorization", "content-type", "mcp-protocol-version", "mcp-session-id", "last-event-id"] {
                assert!(allowed.contains(name), "{allowed}");
            }
        }
    }
}

/// S43: a trusted proxy is believed, for the address and for the request's name.
#[tokio::test]
async fn s43_a_trusted_proxy_is_believed() {
    let gateway = Gateway::with(|plan, _| plan.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()]).await;
    let token = format!("Authorization: Bearer {}", gateway.world.token("/mcp", "mcp").await);
    let proxied = ["X-Forwarded-For: 6.6.6.6, 192.0.2.7", "X-Forwarded-Host: evil.example", "X-Request-Id: abc"];
    let answer = gateway.ask("GET /mcp", &[&token, proxied[0], proxied[1], proxied[2]]).await;
    assert_eq!(header(&answer, "x-request-id"), Some("abc"));
    let seen = gateway.backend.seen().pop().unwrap();
    assert_eq!(seen.headers["x-forwarded-for"], "192.0.2.7, 127.0.0.1");
    assert_eq!(seen.headers["x-forwarded-host"], gateway.address.to_string());
    assert!(seen.headers["forwarded"].to_str().unwrap().starts_with("for=192.0.2.7;"));
}

fn change_route(route: &mut Arc<RoutePlan>, change: impl FnOnce(&mut RoutePlan)) {
    change(Arc::make_mut(route));
}
