//! Flat environment variables -> the same [`Document`], over what a file says.
//!
//! A key's variable is its path: `VESTIBULE_` and the path in capitals, with `_` between its parts
//! and for `-`, without `providers`, and with items of lists numbered from 1. envy reads one flat
//! block, which is one table, at a time; an unknown name in our namespace is a mistake like an
//! unknown key.
//!
//! - `field`: the names that there are, from the types of the document
//! - `tables`: which key of the document is what; the only list to keep
//! - `naming`: whose variable it is, and mistakes in names
//! - `layer`: values into the document
//! - `fastmcp`: FastMCP's variables as ours

mod fastmcp;
mod field;
mod foreign;
mod layer;
mod naming;
mod tables;
mod values;

use std::collections::BTreeSet;

use super::{
    diagnostic::{Diagnostic, Diagnostics},
    document::{Document, Provider, keys::ONLY_PROVIDER},
    origin::{Origin, Origins, child},
    source::Environment,
};
use fastmcp::FastMcp;
use layer::Layer;
use naming::{Block, Naming};
use values::Values;

/// Our namespace.
const PREFIX: &str = "VESTIBULE_";
/// Names in our namespace that are read before there is a configuration.
const ARGUMENTS: [&str; 2] = ["VESTIBULE_CONFIG", "VESTIBULE_ENV_FILE"];
/// What every provider (or choice) has one of: whoever sets it names a provider.
const NAMES_PROVIDER: [&str; 4] = ["CONFIG_URL", "AUTHORIZATION_ENDPOINT", "PRESET", "CHOICE"];
/// Path of the only route, if variables describe it and do not say.
const DEFAULT_ROUTE_PATH: &str = "/mcp";

/// Puts the variables over the document.
pub(super) fn overlay(
    document: &mut Document,
    origins: &mut Origins,
    environment: &Environment,
    found: &mut Diagnostics,
) {
    let naming = Naming::new();
    let fastmcp = fastmcp::find(environment, found);
    let mut blocks = blocks(document, &naming, environment, fastmcp.as_ref());
    let mut server = Values::default();
    naming.distribute(environment, &mut server, &mut blocks, found);
    if let Some(fastmcp) = &fastmcp {
        match blocks.iter_mut().find(|block| block.name == fastmcp.provider()) {
            Some(Block { prefix, variables, .. }) => fastmcp.put(&naming, &mut server, prefix, variables, found),
            None => fastmcp.tell_unused(document, found),
        }
    }
    let (prefix, path) = (PREFIX.to_owned(), String::new());
    Layer { variables: &server, origins, found, prefix, path }.read(document);
    for block in blocks {
        let Block { name, prefix, variables } = block;
        if variables.is_empty() && document.providers.contains_key(&name) {
            continue;
        }
        let path = child("providers", &name);
        if !document.providers.contains_key(&name) {
            origins.set(path.clone(), block_origin(&prefix, &variables, environment));
        }
        let provider = document.providers.entry(name).or_default();
        refuse_ambiguous_route(provider, &naming, &prefix, &variables, environment, found);
        let had_routes = !provider.routes.is_empty();
        Layer { variables: &variables, origins, found, prefix, path: path.clone() }.read(provider);
        if let ([route], false) = (provider.routes.as_mut_slice(), had_routes) {
            route.path.get_or_insert_with(|| DEFAULT_ROUTE_PATH.to_owned());
        }
    }
}

/// Where a provider that only the environment describes came from.
fn block_origin(prefix: &str, variables: &Values, environment: &Environment) -> Origin {
    let list = format!("{PREFIX}PROVIDERS");
    if environment.get(&list).is_some() {
        return environment.origin(&list);
    }
    let keys = NAMES_PROVIDER.map(|key| format!("{prefix}{key}"));
    let named = keys.iter().find(|name| variables.get(name).is_some());
    named.map_or(Origin::Nowhere, |name| variables.origin(name))
}

/// Which providers there are.
///
/// Those of the file, and those that `VESTIBULE_PROVIDERS` names; without both, each `<NAME>` of
/// which there is a `VESTIBULE_<NAME>_CONFIG_URL` (or `…_PRESET` …). `VESTIBULE_CONFIG_URL` and its
/// like, without a name, belong to the only provider. FastMCP's variables name one if nothing else does.
fn blocks(
    document: &Document,
    naming: &Naming,
    environment: &Environment,
    fastmcp: Option<&FastMcp<'_>>,
) -> Vec<Block> {
    let mut names: Vec<String> = document.providers.keys().cloned().collect();
    if let Some(listed) = environment.get(&format!("{PREFIX}PROVIDERS")) {
        for name in listed.split([',', ' ']).map(str::trim).filter(|name| !name.is_empty()) {
            let name = name.to_ascii_lowercase();
            if !names.contains(&name) {
                names.push(name);
            }
        }
    } else if names.is_empty() {
        let by_key = |(variable, _): (&str, _)| {
            let name = variable.strip_prefix(PREFIX).filter(|_| naming.unnamed(variable).is_none())?;
            let name = NAMES_PROVIDER.iter().find_map(|key| name.strip_suffix(key)?.strip_suffix('_'))?;
            (!name.is_empty()).then(|| name.to_ascii_lowercase())
        };
        names.extend(environment.pairs().filter_map(by_key).collect::<BTreeSet<_>>());
    }
    if names.is_empty() {
        names.extend(fastmcp.map(|fastmcp| fastmcp.provider().to_owned()));
    }
    if names.is_empty() && environment.pairs().any(|(name, _)| naming.unnamed(name).is_some()) {
        names.push(ONLY_PROVIDER.to_owned());
    }
    names.into_iter().map(Block::named).collect()
}

/// `…_BACKEND` and `…_ROUTE_PATH` belong to the only route; of several they do not say which.
fn refuse_ambiguous_route(
    provider: &Provider,
    naming: &Naming,
    prefix: &str,
    variables: &Values,
    environment: &Environment,
    found: &mut Diagnostics,
) {
    let first = format!("{prefix}ROUTES_1_");
    let others = variables.below(&format!("{prefix}ROUTES_")).any(|name| !name.starts_with(&first));
    if provider.routes.len() < 2 && !others {
        return;
    }
    for name in variables.below(&first) {
        let origin = variables.origin(name);
        let Origin::Variable { name: written, .. } = &origin else { continue };
        let is_short = |name: &str| naming.find(name, prefix).is_some_and(|name| name.is_only_route);
        if is_short(written) {
            let mut diagnostic =
                Diagnostic::error("", environment.origin(written), "does not say which route it belongs to");
            let other = name.replacen("ROUTES_1_", "ROUTES_2_", 1);
            diagnostic.help(format!("write `{name}` for the first, `{other}` for the second …"));
            found.push(diagnostic);
        }
    }
}

#[cfg(test)]
mod tests;
