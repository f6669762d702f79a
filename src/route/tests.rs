use std::sync::Arc;

use super::*;
use crate::{config::plan::RoutePlan, testing};

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

/// Routes of one provider at the root, with how each of them matches.
fn table(routes: &[(&str, PathMatch)]) -> RouteTable {
    let mut plan = testing::plan("https://g.example", &[("a", "/", &[])]);
    let mut provider = (*plan.providers[0]).clone();
    provider.routes = routes
        .iter()
        .map(|(path, matches)| {
            let route = testing::route(&plan.public_url, "a", path, "http://b/");
            Arc::new(RoutePlan { matches: *matches, ..route })
        })
        .collect();
    plan.providers = vec![Arc::new(provider)];
    RouteTable::build(&plan).unwrap()
}

/// S22, S24: an exact route has its own path, with or without a slash at its end, and nothing below.
#[test]
fn s24_an_exact_route_has_its_own_path_only() {
    let gate = |route| Ok(Some(Target::Gate { mount: 0, route }));
    let alone = table(&[("/mcp", PathMatch::Exact)]);
    for (path, expected) in [
        ("/mcp", gate(0)),
        ("/mcp/", gate(0)),
        ("/mcp/x", Ok(None)),
        ("/mcpx", Ok(None)),
        ("/MCP", Ok(None)),
        ("/mcp%2f", Ok(None)),
        ("/mcp;x", Ok(None)),
        ("/", Ok(None)),
    ] {
        assert_eq!(alone.find(path), expected, "{path}");
    }
    let root = table(&[("/", PathMatch::Exact)]);
    assert_eq!((root.find("/"), root.find("/x")), (gate(0), Ok(None)));
    let both = table(&[("/", PathMatch::Prefix), ("/admin", PathMatch::Exact)]);
    for (path, expected) in [
        ("/admin", gate(1)),
        ("/admin/", gate(1)),
        ("/admin/x", gate(0)),
        ("/adminx", gate(0)),
        ("/Admin", Err(PathError::Ambiguous)),
        ("/admin%2f", Err(PathError::Ambiguous)),
        ("/admin;x", Err(PathError::Ambiguous)),
        ("/%61dmin", Err(PathError::Ambiguous)),
    ] {
        assert_eq!(both.find(path), expected, "{path}");
    }
}

/// S22, S24: a server that does not care about upper and lower case must not serve another route's
/// part to a token that was made for this one. Where nothing can be confused, letters are letters.
#[test]
fn s22_s24_upper_and_lower_case() {
    let gate = |route| Ok(Some(Target::Gate { mount: 0, route }));
    let nested = table(&[("/api", PathMatch::Prefix), ("/api/Admin", PathMatch::Prefix)]);
    for path in ["/api/admin", "/api/ADMIN/x", "/api/%41dmin", "/api/%61dmin", "/api/admin;x", "/api/a%44min"] {
        assert_eq!(path::check(path), Ok(()), "{path}");
        assert_eq!(nested.find(path), Err(PathError::Ambiguous), "{path}");
    }
    let long_s = table(&[("/api", PathMatch::Prefix), ("/api/secrets", PathMatch::Prefix)]);
    assert_eq!(long_s.find("/api/%C5%BFecrets"), Err(PathError::Ambiguous), "a long s is an S in upper case");
    for (path, expected) in
        [("/api/Admin", gate(1)), ("/api/Admin/X", gate(1)), ("/api/X", gate(0)), ("/API", Ok(None)), ("/x", Ok(None))]
    {
        assert_eq!(nested.find(path), expected, "{path}");
    }
    let beside = table(&[("/a", PathMatch::Prefix), ("/b", PathMatch::Prefix)]);
    assert_eq!((beside.find("/a/B"), beside.find("/A")), (gate(0), Ok(None)));
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
