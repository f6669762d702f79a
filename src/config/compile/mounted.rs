//! What is mounted for a provider or a choice of some: paths, clients, lifetimes, routes.

use std::{net::SocketAddr, sync::Arc};

use url::Url;

use super::{
    clients::Strangers,
    identifiers::Identifiers,
    lifetimes,
    overlap::{ClaimedRoute, Claims},
    report::Report,
    route::{self, below},
    static_client,
    value::{self, Refusal},
};
use crate::{
    config::{
        document::{Provider, keys},
        origin::{child, item},
        plan::{ENDPOINT_PATHS, Lifetimes, Mode, RoutePlan, StaticClient},
    },
    oauth::Scopes,
};

const DEFAULT_REDIRECT_PATH: &str = "/auth/callback";

/// Where something is mounted.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) name: &'a str,
    /// Nothing else is mounted.
    pub(super) is_only: bool,
    pub(super) public_url: Option<&'a Url>,
    pub(super) listen: SocketAddr,
}

/// What is mounted, as far as it could be understood.
pub(super) struct Mounted {
    pub(super) mount: Option<String>,
    pub(super) redirect_path: Option<String>,
    pub(super) identifiers: Identifiers,
    pub(super) strangers: Strangers,
    pub(super) clients: Vec<StaticClient>,
    pub(super) lifetimes: Lifetimes,
    /// `None`: one of them was wrong.
    pub(super) routes: Option<Vec<Arc<RoutePlan>>>,
    mode: Mode,
    route_paths: Vec<ClaimedRoute>,
}

/// Whose tokens open the routes, and for whom they have to be if a route does not say it (with
/// `mode: remote`).
type Tokens<'a> = (Mode, &'a [String]);

/// `scopes` are those that each route demands, in the order of the routes.
pub(super) fn compile(
    at: &str,
    provider: &Provider,
    scopes: Vec<Scopes>,
    (place, (mode, audiences)): (Place<'_>, Tokens<'_>),
    report: &mut Report<'_>,
) -> Mounted {
    let mount = mount(at, provider, place, report);
    let redirect_path = redirect_path(&child(at, "redirect_path"), provider, report);
    let identifiers = Identifiers::compile(at, provider, report);
    let strangers = Strangers::compile(at, provider, report);
    let clients = static_client::compile(&child(at, "clients"), &provider.clients, report);
    let lifetimes = lifetimes::compile(&child(at, "lifetimes"), &provider.lifetimes, report);
    let Place { name, public_url, listen, .. } = place;
    let (mount_of, resource_base) = (mount.as_deref(), identifiers.resource_base.as_ref());
    let route_place =
        route::Place { provider: name, mount: mount_of, public_url, resource_base, listen, mode, audiences };
    let mut route_paths = Vec::new();
    let mut routes = Vec::new();
    for ((index, written), required) in provider.routes.iter().enumerate().zip(scopes) {
        let at = item(&child(at, "routes"), index);
        let path = route::path(&at, written, report);
        let matches = route::matches(&at, written, report);
        if let (Some(mount), Some(path)) = (&mount, &path) {
            route_paths.push(ClaimedRoute { at: at.clone(), path: below(mount, path), matches });
        }
        let paths = (path.as_deref(), matches);
        routes.push(route::compile(&at, written, paths, required, &route_place, report).map(Arc::new));
    }
    Mounted {
        mount,
        redirect_path,
        identifiers,
        strangers,
        clients,
        lifetimes,
        routes: routes.into_iter().collect(),
        mode,
        route_paths,
    }
}

// === impl Mounted ===

impl Mounted {
    /// The public paths that it takes; `callbacks` are below the mount.
    pub(super) fn claims<'c>(
        &self,
        name: &str,
        at: &str,
        callbacks: impl IntoIterator<Item = &'c str>,
    ) -> Option<Claims> {
        let mount = self.mount.clone()?;
        Some(Claims {
            name: name.to_owned(),
            at: at.to_owned(),
            endpoints: if self.mode == Mode::Proxy { &ENDPOINT_PATHS } else { &[] },
            callbacks: callbacks.into_iter().map(|path| below(&mount, path)).collect(),
            mount,
            routes: self.route_paths.clone(),
        })
    }
}

pub(super) fn demand_routes(at: &str, provider: &Provider, report: &mut Report<'_>) {
    if provider.routes.is_empty() {
        let variable = keys::variable(&format!("{at}.backend")).unwrap_or_default();
        report.key_error(&child(at, "routes"), "are missing: nothing is protected").help(format!(
            "add `routes:`, below it `- path: /mcp` and `backend: http://127.0.0.1:3000/mcp`, or set {variable}"
        ));
    }
}

fn mount(at: &str, provider: &Provider, place: Place<'_>, report: &mut Report<'_>) -> Option<String> {
    match &provider.mount {
        Some(text) => report.read(&child(at, "mount"), text.trim(), value::path),
        None if place.is_only => Some("/".to_owned()),
        None => Some(format!("/{}", place.name)),
    }
}

fn redirect_path(at: &str, provider: &Provider, report: &mut Report<'_>) -> Option<String> {
    let text = provider.redirect_path.as_deref().unwrap_or(DEFAULT_REDIRECT_PATH);
    report.read(at, text.trim(), |text| match value::path(text)?.as_str() {
        "/" => Err(Refusal::new("is the mount itself", format!("write `{DEFAULT_REDIRECT_PATH}`"))),
        path => Ok(path.to_owned()),
    })
}
