//! Every public path belongs to exactly one thing: mounts, own endpoints, callbacks and routes
//! are compared with each other.

use std::collections::HashSet;

use super::{report::Report, route::below};
use crate::config::plan::ENDPOINT_PATHS;

/// The public paths that a provider takes.
pub(super) struct Claims {
    pub(super) name: String,
    /// Path of the provider in the configuration.
    pub(super) at: String,
    pub(super) mount: String,
    /// Where identity providers send browsers back to, with the mount.
    pub(super) callbacks: Vec<String>,
    /// Where each is written, and its public path.
    pub(super) routes: Vec<(String, String)>,
}

pub(super) fn check<'a>(claims: impl Iterator<Item = &'a Claims>, report: &mut Report<'_>) {
    let claims: Vec<&Claims> = claims.collect();
    for (index, one) in claims.iter().enumerate() {
        within(one, report);
        for other in claims.iter().skip(index + 1) {
            between(one, other, report);
        }
    }
}

/// Endpoints, callback and routes of one provider.
fn within(claims: &Claims, report: &mut Report<'_>) {
    let endpoint = |path: &str| ENDPOINT_PATHS.into_iter().find(|endpoint| below(&claims.mount, endpoint) == path);
    for redirect in &claims.callbacks {
        let at = format!("{}.redirect_path", claims.at);
        if endpoint(redirect).is_some() {
            report
                .error(&at, "is an endpoint of this gateway")
                .offending(redirect)
                .help("write another path, such as `/auth/callback`");
        }
        // Everything is below a route at the mount itself: there, own endpoints win.
        let hidden = claims.routes.iter().find(|(_, path)| *path != claims.mount && covers(path, redirect));
        if let Some((route_at, path)) = hidden {
            let at = if report.is_written(&at) { at } else { format!("{route_at}.path") };
            report
                .error(
                    &at,
                    format!("the callback `{redirect}` would lie inside the route `{path}`, and hide a part of it"),
                )
                .help("write another `redirect_path`, or another `path` for the route");
        }
    }
    let mut taken = HashSet::new();
    for (at, path) in &claims.routes {
        let at = format!("{at}.path");
        if endpoint(path).is_some() {
            report
                .error(&at, "is an endpoint of this gateway")
                .offending(path)
                .help("write another path; `backend` may keep its own");
        }
        if !taken.insert(path) {
            report.error(&at, "is already the path of another route").offending(path).help("remove one of the two");
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
    for (at, path) in outer.routes.iter().filter(|(_, path)| covers(path, &inner.mount) || covers(&inner.mount, path)) {
        let message = format!("overlaps with `{}`, the mount of provider `{}`", inner.mount, inner.name);
        let help = format!("write another path, or another `mount` for `{}`", inner.name);
        report.error(&format!("{at}.path"), message).offending(path).help(help);
    }
    let endpoints = ENDPOINT_PATHS.iter().copied().chain(outer.callbacks.iter().map(String::as_str));
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
