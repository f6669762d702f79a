//! Every public path belongs to exactly one thing: mounts, own endpoints, callbacks and routes
//! are compared with each other.

use std::collections::HashMap;

use super::{report::Report, route::below};
use crate::config::plan::{PathMatch, folded};

/// The public paths that a provider takes.
pub(super) struct Claims {
    pub(super) name: String,
    /// Path of the provider in the configuration.
    pub(super) at: String,
    pub(super) mount: String,
    /// What an authorization server has, which in `mode: remote` the provider is.
    pub(super) endpoints: &'static [&'static str],
    /// Where identity providers send browsers back to, with the mount.
    pub(super) callbacks: Vec<String>,
    pub(super) routes: Vec<ClaimedRoute>,
}

/// The public paths that a route takes.
#[derive(Clone)]
pub(super) struct ClaimedRoute {
    /// Path of the route in the configuration.
    pub(super) at: String,
    /// Public path.
    pub(super) path: String,
    pub(super) matches: PathMatch,
}

pub(super) fn check<'a>(claims: impl Iterator<Item = &'a Claims>, report: &mut Report<'_>) {
    let claims: Vec<&Claims> = claims.collect();
    for (index, one) in claims.iter().enumerate() {
        within(one, report);
        for other in claims.iter().skip(index + 1) {
            between(one, other, report);
        }
    }
    letters(&claims, report);
}

/// S22: what some servers read as one path is not two routes.
fn letters(claims: &[&Claims], report: &mut Report<'_>) {
    let mut known: HashMap<String, &str> = HashMap::new();
    for ClaimedRoute { at, path, .. } in claims.iter().flat_map(|claims| &claims.routes) {
        match known.insert(folded(path).into_owned(), path) {
            Some(before) if before != path => {
                report
                    .error(&format!("{at}.path"), format!("differs from `{before}` in upper and lower case only"))
                    .offending(path)
                    .help("write another path: some servers read the two as one");
            }
            _ => {}
        }
    }
}

/// Endpoints, callback and routes of one provider.
fn within(claims: &Claims, report: &mut Report<'_>) {
    let endpoint = |path: &str| claims.endpoints.iter().find(|endpoint| below(&claims.mount, endpoint) == path);
    for redirect in &claims.callbacks {
        let at = format!("{}.redirect_path", claims.at);
        if endpoint(redirect).is_some() {
            report
                .error(&at, "is an endpoint of this gateway")
                .offending(redirect)
                .help("write another path, such as `/auth/callback`");
        }
        // Everything is below a route at the mount itself: there, own endpoints win.
        let hides = |route: &&ClaimedRoute| route.path != claims.mount && route.matches.covers(&route.path, redirect);
        if let Some(ClaimedRoute { at: route_at, path, .. }) = claims.routes.iter().find(hides) {
            let at = if report.is_written(&at) { at } else { format!("{route_at}.path") };
            report
                .error(
                    &at,
                    format!("the callback `{redirect}` would lie inside the route `{path}`, and hide a part of it"),
                )
                .help("write another `redirect_path`, or another `path` for the route");
        }
    }
    let mut taken = HashMap::new();
    for ClaimedRoute { at, path, matches } in &claims.routes {
        let at = format!("{at}.path");
        if endpoint(path).is_some() {
            report
                .error(&at, "is an endpoint of this gateway")
                .offending(path)
                .help("write another path; `backend` may keep its own");
        }
        match taken.insert(path, matches) {
            Some(before) if before != matches => {
                // With one path they would have one URL, and tokens for one would open the other.
                report
                    .error(&at, "is already the path of another route, whatever their `match`")
                    .offending(path)
                    .help("remove one of the two, or write another path: a path is one route, and one audience");
            }
            Some(_) => {
                report.error(&at, "is already the path of another route").offending(path).help("remove one of the two");
            }
            None => {}
        }
    }
}

/// Two providers.
fn between(one: &Claims, other: &Claims, report: &mut Report<'_>) {
    let mount_at = |claims: &Claims| format!("{}.mount", claims.at);
    if one.mount == other.mount {
        report
            .error(&mount_at(other), format!("is the mount of provider `{}` too", one.name))
            .offending(&other.mount)
            .help(format!("give each provider its own: `mount: /{}`", other.name));
        return;
    }
    let (outer, inner) = match (covers(&one.mount, &other.mount), covers(&other.mount, &one.mount)) {
        (true, _) => (one, other),
        (_, true) => (other, one),
        _ => return,
    };
    if outer.mount != "/" {
        report
            .error(&mount_at(inner), format!("lies inside `{}`, the mount of provider `{}`", outer.mount, outer.name))
            .offending(&inner.mount)
            .help(format!("write `mount: /{}`", inner.name));
        return;
    }
    let meets =
        |route: &&ClaimedRoute| route.matches.covers(&route.path, &inner.mount) || covers(&inner.mount, &route.path);
    for ClaimedRoute { at, path, .. } in outer.routes.iter().filter(meets) {
        let message = format!("overlaps with `{}`, the mount of provider `{}`", inner.mount, inner.name);
        let help = format!("write another path, or another `mount` for `{}`", inner.name);
        report.error(&format!("{at}.path"), message).offending(path).help(help);
    }
    let endpoints = outer.endpoints.iter().copied().chain(outer.callbacks.iter().map(String::as_str));
    for path in endpoints.filter(|path| covers(path, &inner.mount) || covers(&inner.mount, path)) {
        report
            .error(&mount_at(inner), format!("overlaps with `{path}`, an endpoint of provider `{}`", outer.name))
            .offending(&inner.mount)
            .help("write another mount");
    }
}

/// Whether `path` is `outer` or lies below it.
pub(super) fn covers(outer: &str, path: &str) -> bool {
    outer == "/" || path.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
