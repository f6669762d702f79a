//! What clients call us: issuers and resources that are not simply where everything is. Each of them
//! is one provider's or one route's, and its metadata have a place of their own.

use std::sync::Arc;

use url::{Position, Url};

use super::{
    overlap::covers,
    report::Report,
    value::{self, Refusal},
};
use crate::{
    config::{
        document::Provider,
        origin::{child, item},
        plan::ProviderPlan,
    },
    oauth::{Issuer, redirect_uri::is_loopback},
};

/// Of one provider, as far as they are written.
pub(super) struct Identifiers {
    issuer: Option<Url>,
    pub(super) resource_base: Option<Url>,
    pub(super) service_documentation: Option<Url>,
}

// === impl Identifiers ===

impl Identifiers {
    pub(super) fn compile(at: &str, provider: &Provider, report: &mut Report<'_>) -> Self {
        let documentation = provider.service_documentation_url.as_deref().map(str::trim);
        let documentation_at = child(at, "service_documentation_url");
        Self {
            issuer: base(&child(at, "issuer_url"), provider.issuer_url.as_deref(), report),
            resource_base: base(&child(at, "resource_base_url"), provider.resource_base_url.as_deref(), report),
            service_documentation: documentation.and_then(|text| report.read(&documentation_at, text, value::web_url)),
        }
    }

    /// The issuer of this mount.
    pub(super) fn issuer(&self, public_url: &Url, mount: &str) -> Issuer {
        self.issuer.iter().fold(Issuer::new(public_url, mount), Issuer::identified_by)
    }
}

/// An `issuer_url` or a `resource_base_url` (RFC 8414 section 2, RFC 9728 section 1.2).
fn base(at: &str, text: Option<&str>, report: &mut Report<'_>) -> Option<Url> {
    report.read(at, text?.trim(), |text| {
        let url = value::web_url(text)?;
        let plain = url.as_str().split('?').next().unwrap_or_default().trim_end_matches('/').to_owned();
        if url.scheme() == "http" && !is_loopback(&url) {
            let help = format!("write `{}`", plain.replacen("http:", "https:", 1));
            return Err(Refusal::new("is plain http to another machine: clients refuse it", help));
        }
        if url.query().is_some() {
            return Err(Refusal::new("holds a query", format!("write `{plain}`")));
        }
        match url.path().trim_end_matches('/') {
            "" => {}
            path => {
                value::path(path)?;
            }
        }
        Ok(url)
    })
}

/// The hosts that are answered: the identifiers' too, or nobody could find their metadata.
pub(super) fn hosts(mut allowed: Vec<String>, providers: &[Arc<ProviderPlan>], public_url: &Url) -> Vec<String> {
    let of_provider = |plan: &Arc<ProviderPlan>| {
        let resources = plan.routes.iter().map(|route| route.resource.to_string());
        [plan.issuer.to_string()].into_iter().chain(resources).collect::<Vec<_>>()
    };
    for url in providers.iter().flat_map(of_provider).filter_map(|text| Url::parse(&text).ok()) {
        let host = &url[Position::BeforeHost..Position::AfterPort];
        if url.origin() != public_url.origin() && !allowed.iter().any(|known| known == host) {
            allowed.push(host.to_owned());
        }
    }
    allowed
}

/// Two things never have one identifier, nor one place for their metadata.
pub(super) fn check<'a>(plans: impl Iterator<Item = &'a ProviderPlan>, report: &mut Report<'_>) {
    let plans: Vec<&ProviderPlan> = plans.collect();
    for (index, one) in plans.iter().enumerate() {
        let others = plans.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, plan)| *plan);
        issuer(one, others, report);
        moved(one, report);
    }
    resources(&plans, report);
}

fn issuer<'a>(one: &ProviderPlan, others: impl Iterator<Item = &'a ProviderPlan>, report: &mut Report<'_>) {
    let at = format!("providers.{}.issuer_url", one.name);
    let path = one.issuer.path();
    // Without the key, the issuer is where the mount is, and mounts are compared with each other.
    if !report.is_written(&at) {
        return;
    }
    for other in others {
        let mount = other.mount.trim_end_matches('/');
        let name = &other.name;
        let message = if one.issuer.as_str() == other.issuer.as_str() {
            format!("is the issuer of provider `{name}` too: a code of one would be worth something at the other")
        } else if path == other.issuer.path() || path == mount {
            format!(
                "needs `/.well-known/oauth-authorization-server{path}`, where the metadata of provider `{name}` are"
            )
        } else if !mount.is_empty() && covers(mount, path) {
            format!("lies inside `{mount}`, the mount of provider `{name}`")
        } else if let Some(route) = other.routes.iter().find(|route| route.path != "/" && covers(&route.path, path)) {
            format!("lies inside `{}`, a route of provider `{name}`", route.path)
        } else {
            continue;
        };
        report
            .error(&at, message)
            .offending(one.issuer.as_str())
            .help("write a URL with a path of its own, or remove it: `public_url` with `mount` is always free");
        return;
    }
}

/// Where the resource is not where the route is, something in front has to lead from one to the other.
fn moved(plan: &ProviderPlan, report: &mut Report<'_>) {
    let at = format!("providers.{}.resource_base_url", plan.name);
    let Some(route) = plan.routes.first().filter(|route| route.resource.path() != route.path.trim_end_matches('/'))
    else {
        return;
    };
    report
        .note(&at, format!("makes clients call `{}`, and the route is at `{}` here", route.resource, route.path))
        .help("let the proxy in front rewrite the path; if there is none, write it with the provider's `mount`");
}

fn resources(plans: &[&ProviderPlan], report: &mut Report<'_>) {
    let routes = plans.iter().flat_map(|plan| plan.routes.iter().enumerate().map(move |route| (*plan, route)));
    let routes: Vec<_> = routes.collect();
    for (position, (plan, (index, route))) in routes.iter().enumerate() {
        let base = format!("providers.{}.resource_base_url", plan.name);
        if !report.is_written(&base) {
            continue;
        }
        let mut others = routes.iter().enumerate().filter(|(other, _)| *other != position).map(|(_, other)| other);
        let path = route.resource.path();
        let taken = others.find(|(_, (_, other))| {
            other.resource == route.resource
                || path == other.resource.path()
                || path == other.path.trim_end_matches('/')
        });
        let Some((owner, (_, other))) = taken else { continue };
        let message = if other.resource == route.resource {
            format!(
                "makes `{}` of this route, which the route `{}` of provider `{}` is too",
                route.resource, other.path, owner.name
            )
        } else {
            format!(
                "needs `/.well-known/oauth-protected-resource{path}`, where the metadata of the route `{}` of provider `{}` are",
                other.path, owner.name
            )
        };
        report.error(&base, message).help(format!(
            "choose another path in `resource_base_url`, or another `path` for {}",
            item("routes", *index)
        ));
    }
}
