//! The names that scopes have at the provider, where they are not those that clients use.

use super::{Provider, discovery::Discovered};
use crate::{
    config::plan::ScopeNames,
    oauth::{Scope, Scopes},
};

/// Scopes of OpenID Connect, which have the same name everywhere.
const OPENID: [&str; 6] = ["openid", "profile", "email", "address", "phone", Scope::OFFLINE_ACCESS];

/// The name that the provider is asked for.
pub(super) fn sent(names: &ScopeNames, scope: &str) -> String {
    match &names.prefix {
        // A whole URI is the provider's name already.
        Some(prefix) if !OPENID.contains(&scope) && !scope.contains("://") => format!("{prefix}{scope}"),
        _ => scope.to_owned(),
    }
}

/// What was granted, under each of the names that it has: clients and routes may use either.
pub(super) fn granted(names: &ScopeNames, scopes: &Scopes) -> Scopes {
    let others = scopes.iter().filter_map(|scope| {
        let scope = scope.as_str();
        let short = names.prefix.as_deref().and_then(|prefix| scope.strip_prefix(prefix));
        let alias = names.aliases.iter().find_map(|(ours, theirs)| match scope {
            _ if scope == *ours => Some(*theirs),
            _ if scope == *theirs => Some(*ours),
            _ => None,
        });
        short.or(alias)?.parse::<Scope>().ok()
    });
    scopes.union(&others.collect())
}

// === impl Provider ===

impl Provider {
    /// What to keep of a sign-in's scopes for the exchange of its code.
    pub(super) fn kept_for_exchange(&self, scopes: &Scopes) -> Option<Scopes> {
        self.plan.protocol.scope_names.at_token_endpoint.then(|| scopes.clone())
    }

    /// The `scope` of a token request, where the provider wants one: of its own API only, never those
    /// that were asked for at sign-in in addition. `wanted`: besides the required ones.
    pub(super) fn scope_at_token_endpoint(&self, known: &Discovered, wanted: Option<&Scopes>) -> Option<String> {
        let names = &self.plan.protocol.scope_names;
        if !names.at_token_endpoint {
            return None;
        }
        let wanted = wanted.map(|wanted| wanted.intersection(&self.plan.valid_scopes)).unwrap_or_default();
        let all = self.plan.required_scopes.union(&wanted).without(Scope::OFFLINE_ACCESS);
        let mut scopes: Vec<String> = all.iter().map(|scope| sent(names, scope.as_str())).collect();
        if self.plan.offline_access && known.knows_offline_access {
            scopes.push(Scope::OFFLINE_ACCESS.to_owned());
        }
        Some(scopes.join(" "))
    }
}
