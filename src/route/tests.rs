use super::*;
use crate::testing;

#[expect(clippy::unnecessary_wraps, reason = "compared with what `find` returns")]
fn target(mount: usize, endpoint: Endpoint) -> Option<Target> {
    Some(Target::Endpoint { mount, endpoint })
}

/// W1: one provider at the root, one route.
#[test]
fn w1_every_place_where_clients_look() {
    let plan = testing::plan("https://g.example", &[("auth0", "/", &["/app/mcp"])]);
    let table = RouteTable::build(&plan).unwrap();
    let resource = target(0, Endpoint::ResourceMetadata { route: 0 });
    let server = target(0, Endpoint::ServerMetadata);
    for (path, expected) in [
        ("/.well-known/oauth-protected-resource", resource),
        ("/.well-known/oauth-protected-resource/app/mcp", resource),
        ("/.well-known/oauth-protected-resource/app/mcp/", resource),
        ("/.well-known/oauth-authorization-server", server),
        ("/.well-known/oauth-authorization-server/app/mcp", server),
        ("/.well-known/openid-configuration", server),
        ("/.well-known/openid-configuration/app/mcp", server),
        ("/app/mcp/.well-known/oauth-authorization-server", server),
        ("/app/mcp/.well-known/openid-configuration", server),
        ("/.well-known/jwks.json", target(0, Endpoint::Jwks)),
        ("/authorize", target(0, Endpoint::Authorize)),
        ("/consent", target(0, Endpoint::Consent)),
        ("/auth/callback", target(0, Endpoint::Callback { provider: 0 })),
        ("/token", target(0, Endpoint::Token)),
        ("/register", target(0, Endpoint::Register)),
        ("/revoke", target(0, Endpoint::Revoke)),
        ("/app/mcp", Some(Target::Gate { mount: 0, route: 0 })),
        ("/app/mcp/", Some(Target::Gate { mount: 0, route: 0 })),
        ("/app/mcp/x/y", Some(Target::Gate { mount: 0, route: 0 })),
        ("/app/mcpx", None),
        ("/app", None),
        ("/", None),
        ("/token/", None),
        ("/.well-known/other", None),
    ] {
        assert_eq!(table.find(path), Ok(expected), "{path}");
    }
}

/// W1, W8: an issuer and resources of other names have their metadata where clients derive them.
#[test]
fn w1_w8_metadata_of_other_identifiers() {
    let mut plan = testing::plan("https://g.example", &[("auth0", "/gw", &["/gw/mcp"])]);
    let provider = std::sync::Arc::make_mut(&mut plan.providers[0]);
    let url = |text: &str| url::Url::parse(text).unwrap();
    provider.issuer = provider.issuer.clone().identified_by(&url("https://login.example/tenant/"));
    let route = std::sync::Arc::make_mut(&mut provider.routes[0]);
    route.resource = crate::oauth::ResourceUri::below(&url("https://tools.example/t"), "/mcp");
    let table = RouteTable::build(&plan).unwrap();
    let resource = target(0, Endpoint::ResourceMetadata { route: 0 });
    let server = target(0, Endpoint::ServerMetadata);
    for (path, expected) in [
        ("/.well-known/oauth-authorization-server/tenant", server),
        ("/.well-known/openid-configuration/tenant", server),
        ("/tenant/.well-known/openid-configuration", server),
        ("/.well-known/oauth-authorization-server/gw", server),
        ("/.well-known/oauth-protected-resource/t/mcp", resource),
        ("/.well-known/oauth-protected-resource/t/mcp/", resource),
        ("/.well-known/oauth-protected-resource/gw/mcp", resource),
        ("/gw/token", target(0, Endpoint::Token)),
        ("/tenant/token", None),
        ("/gw/mcp", Some(Target::Gate { mount: 0, route: 0 })),
        ("/t/mcp", None),
    ] {
        assert_eq!(table.find(path), Ok(expected), "{path}");
    }
}

/// W1, W3: with several mounts, each has its own; discovery paths of nobody are not a route's.
#[test]
fn w1_w3_mounts_and_a_route_at_the_root() {
    let plan = testing::plan(
        "https://g.example",
        &[("auth0", "/auth0", &["/auth0/mcp", "/auth0/other"]), ("google", "/google", &["/"])],
    );
    let table = RouteTable::build(&plan).unwrap();
    for (path, expected) in [
        ("/.well-known/oauth-authorization-server/auth0", target(0, Endpoint::ServerMetadata)),
        ("/auth0/.well-known/openid-configuration", target(0, Endpoint::ServerMetadata)),
        ("/.well-known/openid-configuration/google", target(1, Endpoint::ServerMetadata)),
        ("/.well-known/oauth-protected-resource/auth0/mcp", target(0, Endpoint::ResourceMetadata { route: 0 })),
        ("/.well-known/oauth-protected-resource/auth0/other", target(0, Endpoint::ResourceMetadata { route: 1 })),
        // The route at the root is the resource of the root form.
        ("/.well-known/oauth-protected-resource", target(1, Endpoint::ResourceMetadata { route: 0 })),
        ("/.well-known/oauth-protected-resource/nobody", None),
        ("/.well-known/openid-configuration/nobody", None),
        ("/google/token", target(1, Endpoint::Token)),
        ("/auth0/mcp/x", Some(Target::Gate { mount: 0, route: 0 })),
        ("/auth0/mcpx", Some(Target::Gate { mount: 1, route: 0 })),
        ("/google/tokenx", Some(Target::Gate { mount: 1, route: 0 })),
        ("/", Some(Target::Gate { mount: 1, route: 0 })),
        ("/anything", Some(Target::Gate { mount: 1, route: 0 })),
        ("/.well-known/other", Some(Target::Gate { mount: 1, route: 0 })),
    ] {
        assert_eq!(table.find(path), Ok(expected), "{path}");
    }
}

/// S24: routes below routes; the longest match wins, and only whole segments match.
#[test]
fn s24_the_longest_route_wins() {
    let plan = testing::plan("https://g.example", &[("a", "/", &["/api", "/api/admin", "/odd{x}"])]);
    let table = RouteTable::build(&plan).unwrap();
    let gate = |route| Some(Target::Gate { mount: 0, route });
    for (path, expected) in [
        ("/api", gate(0)),
        ("/api/admi", gate(0)),
        ("/api/adminx", gate(0)),
        ("/api/admin", gate(1)),
        ("/api/admin/", gate(1)),
        ("/api/admin/x", gate(1)),
        ("/API/admin", None),
        ("/api%2fadmin", None),
        ("/odd{x}/y", gate(2)),
        ("/oddly", None),
    ] {
        assert_eq!(table.find(path), Ok(expected), "{path}");
    }
}

#[test]
fn a_path_used_twice_is_refused() {
    for routes in [["/mcp", "/mcp"], ["/mcp", "/token"]] {
        let plan = testing::plan("https://g.example", &[("a", "/", &routes)]);
        assert!(matches!(RouteTable::build(&plan), Err(RouteError::Conflict { .. })), "{routes:?}");
    }
    let plan = testing::plan("https://g.example", &[("a", "/", &["/a"]), ("b", "/", &["/b"])]);
    assert!(matches!(RouteTable::build(&plan), Err(RouteError::Conflict { .. })));
}

/// S22, S24: a backend that decodes, or drops parameters, must not serve another route's part to
/// a token that was made for this one.
#[test]
fn s22_s24_a_path_that_can_be_read_as_another_routes_is_refused() {
    let plan = testing::plan("https://g.example", &[("a", "/", &["/", "/api", "/api/admin"])]);
    let table = RouteTable::build(&plan).unwrap();
    for path in [
        "/api/%61dmin",
        "/api/admi%6E/x",
        "/api/%2561dmin",
        "/api/admin;x=1",
        "/api/admin;x/y",
        "/api;v=2/admin",
        "/api%2fadmin",
        "/api%2Fadmin/x",
        "/%61pi/admin",
        "/%61pi",
        "/api/%2fadmin",
        "/api/;/admin",
        "/api/admin%3Fx",
        "/api/admin%23x",
        "/api/admin%3bx",
    ] {
        assert_eq!(path::check(path), Ok(()), "{path}");
        assert_eq!(table.find(path), Err(PathError::Ambiguous), "{path}");
    }
    for (path, route) in [
        ("/api/x%2Fy", 1),
        ("/api/x;y=/admin", 1),
        ("/api/admin/%61", 2),
        ("/api/admin/x;y", 2),
        ("/a%20b;c", 0),
        ("/%74oken", 0),
    ] {
        assert_eq!(table.find(path), Ok(Some(Target::Gate { mount: 0, route })), "{path}");
    }
}
