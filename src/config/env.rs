//! Flat environment variables -> the same [`Document`], over what a file says.
//!
//! `VESTIBULE_<KEY>` sets a top-level key, `VESTIBULE_<NAME>_<KEY>` one of a provider, where a key
//! inside a table is joined with `_` (`VESTIBULE_LIMITS_CONNECTIONS`). envy reads one flat block
//! at a time; an unknown name in our namespace is a mistake like an unknown key.

mod foreign;
mod layer;
mod variables;

use std::collections::{BTreeMap, BTreeSet};

use super::{
    diagnostic::{Diagnostic, Diagnostics, closest},
    document::{
        Document,
        keys::{self, ONLY_PROVIDER},
    },
    origin::{Origin, Origins, child},
    source::Environment,
};
use layer::Layer;
use variables::{ProviderVariables, ServerVariables};

/// Our namespace.
const PREFIX: &str = "VESTIBULE_";
/// Names in our namespace that are read before there is a configuration.
const ARGUMENTS: [&str; 2] = ["VESTIBULE_CONFIG", "VESTIBULE_ENV_FILE"];

/// What every provider has one of: whoever sets it names a provider.
const NAMING: [&str; 3] = ["CONFIG_URL", "AUTHORIZATION_ENDPOINT", "PRESET"];

/// A provider and the prefix of its variables.
struct Block {
    name: String,
    prefix: String,
}

/// Puts the variables over the document.
pub(super) fn overlay(
    document: &mut Document,
    origins: &mut Origins,
    environment: &Environment,
    found: &mut Diagnostics,
) {
    refuse_unreadable(environment, found);
    let blocks = blocks(document, environment, found);
    refuse_unknown(&blocks, environment, found);
    let mut layer = Layer::new(PREFIX, "", environment, origins);
    match envy::prefixed(PREFIX).from_iter::<_, ServerVariables>(own_pairs(environment, PREFIX, &server_names())) {
        Ok(variables) => variables.apply(document, &mut layer, found),
        Err(error) => found.push(Diagnostic::error("", Origin::Nowhere, error.to_string())),
    }
    for block in &blocks {
        let pairs = own_pairs(environment, &block.prefix, &provider_names());
        if pairs.is_empty() && document.providers.contains_key(&block.name) {
            continue;
        }
        let path = child("providers", &block.name);
        if !document.providers.contains_key(&block.name) {
            origins.set(path.clone(), block_origin(block, environment));
        }
        let provider = document.providers.entry(block.name.clone()).or_default();
        let mut layer = Layer::new(&block.prefix, &path, environment, origins);
        match envy::prefixed(block.prefix.as_str()).from_iter::<_, ProviderVariables>(pairs) {
            Ok(variables) => variables.apply(provider, &mut layer, found),
            Err(error) => found.push(Diagnostic::error(path, Origin::Nowhere, error.to_string())),
        }
    }
}

/// Where a provider that only the environment describes came from.
fn block_origin(block: &Block, environment: &Environment) -> Origin {
    let keys = NAMING.map(|key| format!("{}{key}", block.prefix));
    let named = [format!("{PREFIX}PROVIDERS")].into_iter().chain(keys);
    let mut named = named.filter(|name| environment.get(name).is_some());
    named.next().map_or(Origin::Nowhere, |name| environment.origin(&name))
}

/// Which providers the variables describe.
///
/// Named by `VESTIBULE_PROVIDERS`; else those of the file; else each `<NAME>` of which there is a
/// `VESTIBULE_<NAME>_CONFIG_URL` (or `…_AUTHORIZATION_ENDPOINT`, `…_PRESET`). `VESTIBULE_CONFIG_URL` and its like, without a name, belong to
/// the only provider.
fn blocks(document: &Document, environment: &Environment, found: &mut Diagnostics) -> Vec<Block> {
    let list = format!("{PREFIX}PROVIDERS");
    let mut names: Vec<String> = document.providers.keys().cloned().collect();
    if let Some(listed) = environment.get(&list) {
        for name in listed.split([',', ' ']).map(str::trim).filter(|name| !name.is_empty()) {
            let name = name.to_ascii_lowercase();
            if !names.contains(&name) {
                names.push(name);
            }
        }
    } else if names.is_empty() {
        let known: BTreeSet<String> = environment
            .pairs()
            .filter_map(|(name, _)| {
                let name = name.strip_prefix(PREFIX)?;
                let name = NAMING.iter().find_map(|key| name.strip_suffix(key)?.strip_suffix('_'))?;
                (!name.is_empty()).then(|| name.to_ascii_lowercase())
            })
            .collect();
        names.extend(known);
    }
    let unnamed = own_pairs(environment, PREFIX, &provider_names());
    let mut blocks: Vec<Block> = names.into_iter().map(Block::named).collect();
    if let Some((first, _)) = unnamed.first() {
        match blocks.as_slice() {
            [] => blocks.push(Block { name: ONLY_PROVIDER.to_owned(), prefix: PREFIX.to_owned() }),
            [only] => blocks.push(Block { name: only.name.clone(), prefix: PREFIX.to_owned() }),
            [one, other, ..] => {
                let message = "does not say which provider it belongs to";
                let mut diagnostic = Diagnostic::error("", environment.origin(first), message);
                let key = first.strip_prefix(PREFIX).unwrap_or(first);
                diagnostic.help(format!("write `{}{key}` or `{}{key}`", one.prefix, other.prefix));
                found.push(diagnostic);
            }
        }
    }
    blocks
}

/// The variables of one block: the prefix and a known name.
fn own_pairs(environment: &Environment, prefix: &str, names: &[String]) -> Vec<(String, String)> {
    let known: BTreeSet<String> = names.iter().map(|name| format!("{prefix}{name}")).collect();
    let pairs = environment.pairs().filter(|(name, _)| known.contains(*name));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// What may follow `VESTIBULE_`.
fn server_names() -> Vec<String> {
    keys::of::<ServerVariables>().iter().map(|name| name.to_ascii_uppercase()).collect()
}

/// What may follow `VESTIBULE_<NAME>_`.
fn provider_names() -> Vec<String> {
    keys::of::<ProviderVariables>().iter().map(|name| name.to_ascii_uppercase()).collect()
}

/// A typo in our namespace, or a name that could mean two things.
fn refuse_unknown(blocks: &[Block], environment: &Environment, found: &mut Diagnostics) {
    let mut meanings: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for name in server_names() {
        meanings.entry(format!("{PREFIX}{name}")).or_default().push("the top level");
    }
    let providers = provider_names();
    for block in blocks {
        for name in &providers {
            let owners = meanings.entry(format!("{}{name}", block.prefix)).or_default();
            if !owners.contains(&block.name.as_str()) {
                owners.push(&block.name);
            }
        }
    }
    let ours = |name: &&str| name.starts_with(PREFIX) && !ARGUMENTS.contains(name);
    for (name, value) in environment.pairs().filter(|(name, _)| ours(name)) {
        match meanings.get(name).map(Vec::as_slice) {
            Some([_]) => {}
            Some([one, other, ..]) => {
                let message = format!("could belong to {one} and to {other}");
                let mut diagnostic = Diagnostic::error("", environment.origin(name), message);
                diagnostic.help("give one of the providers another name");
                found.push(diagnostic);
            }
            // Somebody's `VESTIBULE_CLIENT_ID` next to two named providers has its own message.
            _ if blocks.len() > 1
                && name.strip_prefix(PREFIX).is_some_and(|key| providers.iter().any(|known| known == key)) => {}
            _ if foreign::is_service_link(name, value) => {}
            _ => found.push(unknown(name, blocks, &meanings, environment)),
        }
    }
}

fn unknown(
    name: &str,
    blocks: &[Block],
    meanings: &BTreeMap<String, Vec<&str>>,
    environment: &Environment,
) -> Diagnostic {
    let mut diagnostic = Diagnostic::error("", environment.origin(name), "is not a known variable");
    let rest = name.strip_prefix(PREFIX).unwrap_or(name);
    let known = || meanings.keys().filter_map(|known| known.strip_prefix(PREFIX));
    // A right key after a wrong name?
    let block = provider_names()
        .into_iter()
        .filter_map(|key| rest.strip_suffix(&format!("_{key}")).map(|block| (block.to_ascii_lowercase(), key)))
        .min_by_key(|(block, _)| block.len());
    let names = || blocks.iter().map(|block| block.name.as_str());
    match block {
        Some((block, key)) => {
            match closest(&block, names()).and_then(|name| blocks.iter().find(|known| known.name == name)) {
                Some(meant) => diagnostic.help(format!("did you mean `{}{key}`?", meant.prefix)),
                None => diagnostic
                    .help(format!("there is no provider `{block}`; name it in `{PREFIX}PROVIDERS` or in the file")),
            }
        }
        None => match closest(rest, known()) {
            Some(meant) => diagnostic.help(format!("did you mean `{PREFIX}{meant}`?")),
            None => {
                diagnostic.help(format!("docs/configuration.md lists all; other names may not begin with {PREFIX}"))
            }
        },
    };
    diagnostic
}

/// Values that are no text, and secrets that are set to nothing: a secret that failed to arrive
/// must not turn a confidential application into a public one.
fn refuse_unreadable(environment: &Environment, found: &mut Diagnostics) {
    for name in environment.unreadable().filter(|name| name.starts_with(PREFIX)) {
        found.push(Diagnostic::error("", environment.origin(name), "is not UTF-8 text"));
    }
    let secret = |name: &&str| name.starts_with(PREFIX) && (name.ends_with("SECRET") || name.ends_with("SECRET_FILE"));
    for name in environment.empty().filter(secret) {
        let mut diagnostic = Diagnostic::error("", environment.origin(name), "is set, but empty");
        diagnostic.help("set it, or remove it altogether");
        found.push(diagnostic);
    }
}

// === impl Block ===

impl Block {
    fn named(name: String) -> Self {
        let prefix = format!("{PREFIX}{}_", name.to_ascii_uppercase().replace(['-', '.'], "_"));
        Self { name, prefix }
    }
}

#[cfg(test)]
mod tests;
