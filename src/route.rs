//! Which code a path belongs to: own endpoints by exact path, protected routes by prefix or, if they
//! say so, by exact path.
//!
//! This table is the only place that maps a path to code, and no I/O happens here. What the gate
//! decides on is the matched [`Target`], never the path.

pub mod host;
pub mod path;

use std::{collections::HashMap, sync::Arc};

use crate::config::plan::{Mode, PathMatch, Plan, ProviderPlan, folded};
use path::PathError;

/// RFC 9728 section 3.
const RESOURCE_METADATA: &str = "/.well-known/oauth-protected-resource";
/// RFC 8414 section 3, OpenID Connect Discovery section 4.
const SERVER_METADATA: [&str; 2] = ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"];

/// What a request is for. The numbers are positions in [`Plan::providers`] and
/// [`ProviderPlan::routes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// One of our own endpoints.
    Endpoint {
        /// Whose.
        mount: usize,
        /// Which.
        endpoint: Endpoint,
    },
    /// A protected route.
    Gate {
        /// Whose.
        mount: usize,
        /// Which of this mount's.
        route: usize,
    },
}

/// An endpoint of a provider's mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// RFC 6749 section 3.1.
    Authorize,
    /// Where the consent page's form goes.
    Consent,
    /// Where an identity provider sends the browser back to.
    Callback {
        /// Which of [`ProviderPlan::identity_providers`].
        provider: usize,
    },
    /// RFC 6749 section 3.2.
    Token,
    /// RFC 7591 section 3.
    Register,
    /// RFC 7009 section 2.
    Revoke,
    /// RFC 7517 section 5.
    Jwks,
    /// RFC 8414 section 3, in all places where clients look.
    ServerMetadata,
    /// RFC 9728 section 3.
    ResourceMetadata {
        /// Of which of this mount's routes.
        route: usize,
    },
}

/// All paths of one plan.
#[derive(Debug)]
pub struct RouteTable {
    /// `None`: a discovery path that belongs to nobody. It is answered by us, not by a route
    /// above it (a 401 there ends a client's discovery).
    paths: matchit::Router<Option<Target>>,
    /// The routes once more, for servers that do not care about upper and lower case. `None` where
    /// no route lies within another one, so that there is nothing to confuse.
    folded: Option<matchit::Router<Target>>,
}

/// The plan's paths do not fit together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// Two of them are the same, so one would never be reached.
    #[error("the path {path} is used twice: by {first} and by {second}")]
    Conflict {
        /// The doubled path.
        path: String,
        /// Who had it.
        first: String,
        /// Who wanted it too.
        second: String,
    },
    /// A path that no table can hold.
    #[error("the path {path} cannot be routed: {reason}")]
    Unusable {
        /// The path.
        path: String,
        /// Why.
        reason: String,
    },
}

// === impl Endpoint ===

impl Endpoint {
    /// Every value of [`Endpoint::name`].
    pub const NAMES: [&'static str; 9] = [
        "authorize",
        "consent",
        "callback",
        "token",
        "register",
        "revoke",
        "jwks",
        "server_metadata",
        "resource_metadata",
    ];

    /// A word for logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Authorize => "authorize",
            Self::Consent => "consent",
            Self::Callback { .. } => "callback",
            Self::Token => "token",
            Self::Register => "register",
            Self::Revoke => "revoke",
            Self::Jwks => "jwks",
            Self::ServerMetadata => "server_metadata",
            Self::ResourceMetadata { .. } => "resource_metadata",
        }
    }

    /// Whether scripts of any origin may read the answers: everything that a client in a browser
    /// calls itself, and nothing that a person navigates to.
    pub const fn is_for_scripts(self) -> bool {
        match self {
            Self::Authorize | Self::Consent | Self::Callback { .. } => false,
            Self::Token
            | Self::Register
            | Self::Revoke
            | Self::Jwks
            | Self::ServerMetadata
            | Self::ResourceMetadata { .. } => true,
        }
    }
}

// === impl RouteTable ===

impl RouteTable {
    /// Lays out all paths of a plan.
    ///
    /// # Errors
    /// [`RouteError`] if two endpoints or routes have the same path.
    pub fn build(plan: &Plan) -> Result<Self, RouteError> {
        let mut layout = Layout::default();
        for (mount, provider) in plan.providers.iter().enumerate() {
            layout.endpoints(mount, provider)?;
        }
        for (mount, provider) in plan.providers.iter().enumerate() {
            layout.metadata_of_routes(mount, provider);
        }
        layout.metadata_at_root(plan);
        for (mount, provider) in plan.providers.iter().enumerate() {
            layout.routes(mount, provider)?;
        }
        layout.into_table(has_nested_routes(plan))
    }

    /// What the path (checked by [`path::check`]) is for.
    ///
    /// # Errors
    /// [`PathError::Ambiguous`] for a path of one protected route that its backend may read as one
    /// of another route: with `/api` and `/api/admin`, `/api/%61dmin`, `/api/admin;x` and
    /// `/api/Admin` would reach the second one's part of a backend with a token for the first (S22,
    /// S24).
    pub fn find(&self, path: &str) -> Result<Option<Target>, PathError> {
        let found = self.at(path);
        let is_other = |reading: &str| {
            let gates = [self.at(reading), self.at_folded(reading)];
            let mut gates = gates.into_iter().flatten().filter(|target| matches!(target, Target::Gate { .. }));
            gates.any(|gate| found != Some(gate))
        };
        let is_gate = matches!(found, Some(Target::Gate { .. }));
        let folded = || self.at_folded(path).is_some_and(|gate| found != Some(gate));
        if is_gate && (folded() || path::readings(path).any(|reading| is_other(&reading))) {
            return Err(PathError::Ambiguous);
        }
        Ok(found)
    }

    fn at(&self, path: &str) -> Option<Target> {
        self.paths.at(path).ok().and_then(|found| *found.value)
    }

    fn at_folded(&self, path: &str) -> Option<Target> {
        let routes = self.folded.as_ref()?;
        routes.at(&folded(path)).ok().map(|found| *found.value)
    }
}

/// The table while it is laid out: patterns as `matchit` reads them.
#[derive(Default)]
struct Layout {
    patterns: Vec<(String, Option<Target>)>,
    /// Exact path (as written) -> who has it.
    taken: HashMap<String, String>,
}

// === impl Layout ===

impl Layout {
    /// What a mount always has.
    fn endpoints(&mut self, mount: usize, provider: &Arc<ProviderPlan>) -> Result<(), RouteError> {
        let own = [
            ("/authorize", Endpoint::Authorize),
            ("/consent", Endpoint::Consent),
            ("/token", Endpoint::Token),
            ("/register", Endpoint::Register),
            ("/revoke", Endpoint::Revoke),
            ("/.well-known/jwks.json", Endpoint::Jwks),
        ];
        // In remote mode the provider is the authorization server; our keys are for what we sign for
        // backends.
        let is_ours = |endpoint| provider.mode == Mode::Proxy || endpoint == Endpoint::Jwks;
        let callbacks = provider.identity_providers().iter().enumerate();
        let callbacks =
            callbacks.map(|(index, plan)| (plan.redirect_path.as_str(), Endpoint::Callback { provider: index }));
        for (path, endpoint) in own.into_iter().chain(callbacks).filter(|(_, endpoint)| is_ours(*endpoint)) {
            self.exact(&provider.path(path), mount, endpoint, &provider.name)?;
        }
        let mut places = server_metadata_places(provider.issuer.path());
        places.extend(server_metadata_places(&provider.mount));
        places.sort();
        places.dedup();
        for path in places {
            self.exact(&path, mount, Endpoint::ServerMetadata, &provider.name)?;
        }
        Ok(())
    }

    /// W1: clients derive metadata paths from a route's path in every way there is.
    fn metadata_of_routes(&mut self, mount: usize, provider: &ProviderPlan) {
        for (index, route) in provider.routes.iter().enumerate() {
            let path = route.path.trim_end_matches('/');
            let resource = Endpoint::ResourceMetadata { route: index };
            // The trailing slash: a client that was given `/mcp/` derives it so.
            for path in [route.resource.path(), path] {
                for place in [format!("{RESOURCE_METADATA}{path}"), format!("{RESOURCE_METADATA}{path}/")] {
                    self.unless_taken(&place, mount, resource, &route.id);
                }
            }
            for place in server_metadata_places(path) {
                self.unless_taken(&place, mount, Endpoint::ServerMetadata, &route.id);
            }
        }
    }

    /// The root form of the resource metadata is unambiguous with one route only.
    fn metadata_at_root(&mut self, plan: &Plan) {
        let mut routes = plan.providers.iter().enumerate().flat_map(|(mount, provider)| {
            provider.routes.iter().enumerate().map(move |(index, route)| (mount, index, route))
        });
        if let (Some((mount, route, only)), None) = (routes.next(), routes.next()) {
            self.unless_taken(RESOURCE_METADATA, mount, Endpoint::ResourceMetadata { route }, &only.id);
        }
        for family in [RESOURCE_METADATA].iter().chain(&SERVER_METADATA) {
            if !self.taken.contains_key(*family) {
                self.patterns.push((escape(family), None));
            }
            self.patterns.push((format!("{family}/{{*nobody}}"), None));
        }
    }

    /// A route has its path and, unless it says otherwise, everything below that is not ours.
    fn routes(&mut self, mount: usize, provider: &ProviderPlan) -> Result<(), RouteError> {
        for (index, route) in provider.routes.iter().enumerate() {
            let target = Target::Gate { mount, route: index };
            let path = route.path.trim_end_matches('/');
            let below = format!("{path}/");
            if !path.is_empty() {
                self.claim(path, &route.id)?;
                self.patterns.push((escape(path), Some(target)));
            }
            if !self.taken.contains_key(&below) {
                self.claim(&below, &route.id)?;
                self.patterns.push((escape(&below), Some(target)));
            }
            if route.matches == PathMatch::Prefix {
                self.patterns.push((format!("{}{{*below}}", escape(&below)), Some(target)));
            }
        }
        Ok(())
    }

    fn exact(&mut self, path: &str, mount: usize, endpoint: Endpoint, owner: &str) -> Result<(), RouteError> {
        self.claim(path, &format!("{owner}'s {} endpoint", endpoint.name()))?;
        self.patterns.push((escape(path), Some(Target::Endpoint { mount, endpoint })));
        Ok(())
    }

    fn unless_taken(&mut self, path: &str, mount: usize, endpoint: Endpoint, owner: &str) {
        if !self.taken.contains_key(path) {
            self.taken.insert(path.to_owned(), format!("{}'s {}", owner, endpoint.name()));
            self.patterns.push((escape(path), Some(Target::Endpoint { mount, endpoint })));
        }
    }

    fn claim(&mut self, path: &str, owner: &str) -> Result<(), RouteError> {
        match self.taken.insert(path.to_owned(), owner.to_owned()) {
            None => Ok(()),
            Some(first) => Err(RouteError::Conflict { path: path.to_owned(), first, second: owner.to_owned() }),
        }
    }

    fn into_table(self, folds: bool) -> Result<RouteTable, RouteError> {
        let unusable = |path: &str, error: matchit::InsertError| RouteError::Unusable {
            path: path.to_owned(),
            reason: error.to_string(),
        };
        let mut routes = folds.then(matchit::Router::new);
        let mut paths = matchit::Router::new();
        for (pattern, target) in self.patterns {
            if let (Some(routes), Some(gate @ Target::Gate { .. })) = (&mut routes, target) {
                routes.insert(folded(&pattern), gate).map_err(|error| unusable(&pattern, error))?;
            }
            paths.insert(pattern.clone(), target).map_err(|error| unusable(&pattern, error))?;
        }
        Ok(RouteTable { paths, folded: routes })
    }
}

/// Whether one route lies within the paths of another one, for servers that do not care about upper
/// and lower case.
fn has_nested_routes(plan: &Plan) -> bool {
    let routes: Vec<(String, PathMatch)> = plan
        .providers
        .iter()
        .flat_map(|provider| &provider.routes)
        .map(|route| (folded(&route.path).into_owned(), route.matches))
        .collect();
    let within = |inner: usize, path: &str| {
        routes.iter().enumerate().any(|(index, (outer, matches))| index != inner && matches.covers(outer, path))
    };
    routes.iter().enumerate().any(|(index, (path, _))| within(index, path))
}

/// Path-inserted (RFC 8414 section 3.1) and appended (OpenID Connect Discovery section 4), for
/// both documents. At the root the two are one.
fn server_metadata_places(path: &str) -> Vec<String> {
    let path = path.trim_end_matches('/');
    SERVER_METADATA.iter().flat_map(|document| [format!("{document}{path}"), format!("{path}{document}")]).collect()
}

/// Braces are `matchit`'s own signs.
fn escape(path: &str) -> String {
    path.replace('{', "{{").replace('}', "}}")
}

#[cfg(test)]
mod tests;
