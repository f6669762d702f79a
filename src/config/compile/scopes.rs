//! Which scopes a provider asks for, which clients may ask for, which a route demands.

use std::str::FromStr as _;

use super::{
    report::Report,
    server::list,
    value::{self, Refusal},
};
use crate::{
    config::{
        document::Provider,
        origin::{child, item},
    },
    oauth::{Scope, Scopes},
};

pub(super) const OPENID: &str = "openid";

/// The scopes of a provider and its routes.
pub(super) struct ProviderScopes {
    pub(super) required: Scopes,
    pub(super) valid: Scopes,
    /// `offline_access` was named among them.
    pub(super) asks_offline_access: bool,
    /// What a token must carry for each route, in the order of the routes.
    pub(super) routes: Vec<Scopes>,
}

/// `is_openid`: `openid` belongs to every sign-in.
pub(super) fn compile(path: &str, provider: &Provider, is_openid: bool, report: &mut Report<'_>) -> ProviderScopes {
    let required_path = child(path, "required_scopes");
    let written = read(&required_path, provider.required_scopes.as_ref(), report);
    let openid: Scopes = Scope::from_str(OPENID).into_iter().filter(|_| is_openid).collect();
    // Of a choice it is written where the providers are.
    let is_told = is_openid && provider.choice.is_none();
    let is_list = provider.required_scopes.as_ref().is_some_and(|list| value::items(list).is_ok());
    if is_told && is_list && !written.contains(OPENID) {
        report
            .note(&required_path, "has no `openid`, which every OpenID provider needs; it is added")
            .help(format!("write `[openid, {}]`", written.to_vec().join(", ")).replace(", ]", "]"));
    }
    let required = openid.union(&written.without(Scope::OFFLINE_ACCESS));
    let valid_path = child(path, "valid_scopes");
    let valid_written = read(&valid_path, provider.valid_scopes.as_ref(), report);
    let asks_offline_access = written.contains(Scope::OFFLINE_ACCESS) || valid_written.contains(Scope::OFFLINE_ACCESS);

    let mut valid = required.union(&valid_written.without(Scope::OFFLINE_ACCESS));
    let mut routes = Vec::new();
    for (index, route) in provider.routes.iter().enumerate() {
        let route_path = child(&item(&child(path, "routes"), index), "scopes");
        let own = read(&route_path, route.scopes.as_ref(), report).without(Scope::OFFLINE_ACCESS);
        if provider.valid_scopes.is_none() {
            valid = valid.union(&own);
        } else if !own.is_subset(&valid) {
            let unknown = own.difference(&valid);
            report
                .error(&route_path, "is demanded here, but not among `valid_scopes`: no client could ever ask for it")
                .offending(&unknown.to_string())
                .help(format!(
                    "add it to `valid_scopes` of the provider: `[{}]`",
                    valid.union(&own).to_vec().join(", ")
                ));
        }
        routes.push(required.union(&own));
    }
    ProviderScopes { required, valid, asks_offline_access, routes }
}

/// A list of scopes.
pub(super) fn read(path: &str, written: Option<&crate::config::document::List>, report: &mut Report<'_>) -> Scopes {
    let scopes = list(path, written, report, |text| {
        let refusal = |help: &str| Refusal::new("is no scope", help);
        if text.contains(char::is_whitespace) {
            return Err(refusal("write each scope as an item of its own, or all in one text: `openid email`"));
        }
        if text.contains([';', '[', ']', '{', '}', ',']) {
            return Err(refusal("separate scopes by spaces or commas: `openid email`"));
        }
        Scope::from_str(text).map_err(|_| refusal("a scope has letters, digits and signs other than `\"` and `\\`"))
    });
    scopes.into_iter().collect()
}
