//! Which provider a variable belongs to, and what it stands for there; and what to say about one
//! that stands for nothing.

use super::{
    ARGUMENTS, PREFIX,
    field::{self, Field, Name},
    foreign,
    tables::Table as _,
    values::Values,
};
use crate::config::{
    diagnostic::{Diagnostic, Diagnostics, closest},
    document::{Document, Provider},
    source::Environment,
};

/// A provider and the prefix of its variables.
pub(super) struct Block {
    pub(super) name: String,
    pub(super) prefix: String,
    pub(super) variables: Values,
}

/// The names that there can be.
pub(super) struct Naming {
    server: Vec<Field>,
    pub(super) provider: Vec<Field>,
}

/// Names that people know from elsewhere or from before, and what they are here.
const RENAMED: [(&str, &str); 3] = [
    ("CLIENT_ID_METADATA_DOCUMENTS", "ENABLE_CIMD"),
    ("DISCOVERY_URL", "CONFIG_URL"),
    ("REDIRECT_URI", "REDIRECT_PATH"),
];

/// One thing that a variable can stand for.
struct Meaning {
    /// Which block; none for the top level.
    block: Option<usize>,
    name: Name,
}

// === impl Naming ===

impl Naming {
    pub(super) fn new() -> Self {
        Self { server: Document::fields(), provider: Provider::fields() }
    }

    /// What a key of a provider is called, and what it is.
    pub(super) fn key(&self, name: &str) -> Option<Name> {
        field::find(&self.provider, name)
    }

    /// What a variable would be for the only provider: its name without one.
    pub(super) fn unnamed(&self, variable: &str) -> Option<Name> {
        field::find(&self.provider, variable.strip_prefix(PREFIX)?)
    }

    /// What a variable is for the provider of this prefix, named or not.
    pub(super) fn find(&self, variable: &str, prefix: &str) -> Option<Name> {
        let named = || field::find(&self.provider, variable.strip_prefix(prefix)?);
        named().or_else(|| self.unnamed(variable))
    }

    /// Every name, with `<NAME>` for a provider's and `<N>` for a number.
    #[cfg(test)]
    pub(super) fn all(&self) -> impl Iterator<Item = String> {
        let server = field::names(&self.server).into_iter().map(|name| format!("{PREFIX}{name}"));
        let provider = field::names(&self.provider).into_iter().map(|name| format!("{PREFIX}<NAME>_{name}"));
        [format!("{PREFIX}PROVIDERS")].into_iter().chain(server).chain(provider)
    }

    /// Gives every variable of ours to the block that it belongs to.
    pub(super) fn distribute(
        &self,
        environment: &Environment,
        server: &mut Values,
        blocks: &mut [Block],
        found: &mut Diagnostics,
    ) {
        for name in environment.unreadable().filter(|name| name.starts_with(PREFIX)) {
            found.push(Diagnostic::error("", environment.origin(name), "is not UTF-8 text"));
        }
        // A secret that failed to arrive must not turn a confidential application into a public one.
        for name in environment.empty() {
            if self.meanings(name, blocks).iter().any(|meaning| meaning.name.is_secret) {
                let mut diagnostic = Diagnostic::error("", environment.origin(name), "is set, but empty");
                diagnostic.help("set it, or remove it altogether");
                found.push(diagnostic);
            }
        }
        let list = format!("{PREFIX}PROVIDERS");
        let ours = |name: &&str| name.starts_with(PREFIX) && !ARGUMENTS.contains(name) && **name != list;
        for (name, value) in environment.pairs().filter(|(name, _)| ours(name)) {
            let meanings = self.meanings(name, blocks);
            let origin = environment.origin(name);
            match meanings.as_slice() {
                [] => self
                    .stranger(name, value, blocks, environment)
                    .into_iter()
                    .for_each(|diagnostic| found.push(diagnostic)),
                [meaning] => {
                    let canonical = &meaning.name.canonical;
                    let (variables, prefix) = match meaning.block.and_then(|index| blocks.get_mut(index)) {
                        Some(block) => (&mut block.variables, block.prefix.as_str()),
                        None => (&mut *server, PREFIX),
                    };
                    if let Some(known) =
                        variables.insert(format!("{prefix}{canonical}"), value.to_owned(), origin.clone())
                    {
                        let mut diagnostic = Diagnostic::error("", origin, format!("is set as well as {known}"));
                        diagnostic.help("keep one of the two");
                        found.push(diagnostic);
                    }
                }
                [one, other, ..] => {
                    let owner = |meaning: &Meaning| {
                        let block = meaning.block.and_then(|index| blocks.get(index));
                        block.map_or("the top level", |block| block.name.as_str())
                    };
                    let message = format!("could belong to {} and to {}", owner(one), owner(other));
                    let mut diagnostic = Diagnostic::error("", origin, message);
                    diagnostic.help("give one of the providers another name");
                    found.push(diagnostic);
                }
            }
        }
    }

    /// Everything that a variable can stand for.
    fn meanings(&self, variable: &str, blocks: &[Block]) -> Vec<Meaning> {
        let mut meanings = Vec::new();
        let mut add = |block: Option<usize>, name: Option<Name>| {
            let known = |name: &Name| {
                meanings.iter().any(|known: &Meaning| known.block == block && known.name.canonical == name.canonical)
            };
            if let Some(name) = name.filter(|name| !known(name)) {
                meanings.push(Meaning { block, name });
            }
        };
        let below = |prefix: &str, fields: &[Field]| field::find(fields, variable.strip_prefix(prefix)?);
        add(None, below(PREFIX, &self.server));
        for (index, block) in blocks.iter().enumerate() {
            add(Some(index), below(&block.prefix, &self.provider));
        }
        if blocks.len() == 1 {
            add(Some(0), below(PREFIX, &self.provider));
        }
        meanings
    }

    /// What to say about a variable that stands for nothing, if it is not somebody else's.
    fn stranger(&self, name: &str, value: &str, blocks: &[Block], environment: &Environment) -> Option<Diagnostic> {
        let rest = name.strip_prefix(PREFIX).unwrap_or(name);
        let say = |message: &str, help: String| {
            let mut diagnostic = Diagnostic::error("", environment.origin(name), message);
            diagnostic.help(help);
            Some(diagnostic)
        };
        if let ([one, other, ..], Some(_)) = (blocks, self.unnamed(name)) {
            let help = format!("write `{}{rest}` or `{}{rest}`", one.prefix, other.prefix);
            return say("does not say which provider it belongs to", help);
        }
        if foreign::is_service_link(name, value) {
            return None;
        }
        let message = "is not a known variable";
        if let Some(counted) = from_one(name).filter(|counted| !self.meanings(counted, blocks).is_empty()) {
            return say(message, format!("numbers begin at 1: write `{counted}`"));
        }
        let renamed = RENAMED.iter().find_map(|(old, new)| Some(format!("{}{new}", name.strip_suffix(old)?)));
        if let Some(meant) = renamed.filter(|meant| !self.meanings(meant, blocks).is_empty()) {
            return say(message, format!("did you mean `{meant}`?"));
        }
        // A right key after a wrong name?
        let ends = rest.match_indices('_').filter_map(|(at, _)| rest.split_at_checked(at));
        let mut right = ends.filter(|(_, key)| field::find(&self.provider, key.trim_start_matches('_')).is_some());
        if let Some((block, key)) = right.next() {
            let block = block.to_ascii_lowercase();
            let meant = closest(&block, blocks.iter().map(|block| block.name.as_str()));
            return match meant.and_then(|name| blocks.iter().find(|known| known.name == name)) {
                Some(meant) => say(message, format!("did you mean `{}{}`?", meant.prefix, key.trim_start_matches('_'))),
                None => say(
                    message,
                    format!("there is no provider `{block}`; name it in `{PREFIX}PROVIDERS` or in the file"),
                ),
            };
        }
        let known = self.near(rest, blocks);
        match closest(rest, known.iter().map(String::as_str)) {
            Some(meant) => say(message, format!("did you mean `{PREFIX}{meant}`?")),
            None => say(message, format!("docs/configuration.md lists all; other names may not begin with {PREFIX}")),
        }
    }

    /// Every name after the prefix, with the number of `rest`.
    fn near(&self, rest: &str, blocks: &[Block]) -> Vec<String> {
        let number = rest.split('_').find(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
        let provider: Vec<String> =
            field::names(&self.provider).iter().map(|name| name.replace("<N>", number.unwrap_or("1"))).collect();
        let mut names = field::names(&self.server);
        names.push("PROVIDERS".to_owned());
        for block in blocks {
            let prefix = block.prefix.strip_prefix(PREFIX).unwrap_or_default();
            names.extend(provider.iter().map(|name| format!("{prefix}{name}")));
        }
        if blocks.len() == 1 {
            names.extend(provider);
        }
        names
    }
}

/// The name with 1 for a number that is none of ours: `ROUTES_0_PATH`, `ROUTES_01_PATH`.
fn from_one(name: &str) -> Option<String> {
    let is_number = |part: &&str| part.starts_with('0') && part.bytes().all(|byte| byte.is_ascii_digit());
    let number = name.split('_').find(is_number)?;
    let counted = match number.trim_start_matches('0') {
        "" => "1",
        counted => counted,
    };
    Some(name.replacen(&format!("_{number}"), &format!("_{counted}"), 1))
}

// === impl Block ===

impl Block {
    pub(super) fn named(name: String) -> Self {
        let prefix = format!("{PREFIX}{}_", name.to_ascii_uppercase().replace(['-', '.'], "_"));
        Self { name, prefix, variables: Values::default() }
    }
}
