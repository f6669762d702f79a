//! The variables that FastMCP 2 takes its providers from, as variables of ours.
//!
//! `FASTMCP_SERVER_AUTH` names a class, `FASTMCP_SERVER_AUTH_<FAMILY>_…` describe it, in any case of
//! letters. They count over a file and below our own variables. General settings of FastMCP's are
//! none of our business.

mod classes;

use std::collections::BTreeMap;

use url::Url;

use super::{PREFIX, naming::Naming, values::Values};
use crate::config::{
    diagnostic::{Diagnostic, Diagnostics, Severity, closest, one_of},
    document::Document,
    origin::Origin,
    source::Environment,
};
use classes::{ALL, Class, Sets};

const AUTH: &str = "FASTMCP_SERVER_AUTH";
const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// What FastMCP's variables say about one provider.
pub(super) struct FastMcp<'a> {
    class: &'static Class,
    environment: &'a Environment,
    /// The names as they are set, by the names that FastMCP documents.
    names: BTreeMap<String, &'a str>,
}

/// The provider that FastMCP's variables describe, if there is one.
pub(super) fn find<'a>(environment: &'a Environment, found: &mut Diagnostics) -> Option<FastMcp<'a>> {
    let names = names(environment.pairs().map(|(name, _)| name));
    let chosen = names.get(AUTH).copied();
    let class = chosen.and_then(|name| {
        let path = environment.get(name).unwrap_or_default().trim();
        let class =
            ALL.iter().find(|class| path.starts_with("fastmcp.") && path.rsplit('.').next() == Some(class.name));
        if class.is_none() {
            let message = "names a class that is not known here";
            let mut diagnostic = Diagnostic::error("providers", environment.origin(name), message);
            // Everything else follows from it.
            diagnostic.meant = Some("public_url".to_owned());
            let class = path.rsplit('.').next().unwrap_or_default();
            let known = || ALL.iter().map(|class| class.name);
            let meant = closest(class, known()).and_then(|meant| ALL.iter().find(|class| class.name == meant));
            diagnostic.offending(path).help(match meant {
                Some(meant) => format!("write `{}`", meant.path()),
                None => format!("known are {}; describe others with VESTIBULE_…", one_of(known())),
            });
            found.push(diagnostic);
        }
        class
    });
    for other in ALL.iter().filter(|other| class.is_none_or(|class| class.family != other.family)) {
        let prefix = format!("{AUTH}_{}_", other.family);
        let Some((_, first)) = names.range(prefix.clone()..).next().filter(|(name, _)| name.starts_with(&prefix))
        else {
            continue;
        };
        let message = match class {
            Some(class) => format!("is not used: FASTMCP_SERVER_AUTH names {}", class.name),
            None if chosen.is_some() => continue,
            None => "is not used: FASTMCP_SERVER_AUTH names no provider".to_owned(),
        };
        found.push(note(
            environment.origin(first),
            message,
            format!("set FASTMCP_SERVER_AUTH={}, or remove it", other.path()),
        ));
    }
    Some(FastMcp { class: class?, environment, names })
}

/// Names that are FastMCP's, as it documents them. Of two that differ in case only, the one in
/// capitals counts.
fn names<'a>(all: impl Iterator<Item = &'a str>) -> BTreeMap<String, &'a str> {
    let mut names = BTreeMap::new();
    for name in all {
        let documented = name.to_ascii_uppercase();
        if documented == AUTH || documented.starts_with(&format!("{AUTH}_")) {
            let is_exact = name == documented;
            let known = names.entry(documented).or_insert(name);
            if is_exact {
                *known = name;
            }
        }
    }
    names
}

fn note(origin: Origin, message: String, help: String) -> Diagnostic {
    let mut diagnostic = Diagnostic::error("", origin, message);
    diagnostic.severity = Severity::Note;
    diagnostic.help(help);
    diagnostic
}

// === impl FastMcp ===

impl FastMcp<'_> {
    /// What the provider is called here.
    pub(super) fn provider(&self) -> &'static str {
        self.class.provider
    }

    /// Where it was chosen.
    pub(super) fn origin(&self) -> Origin {
        self.names.get(AUTH).map(|name| self.environment.origin(name)).unwrap_or_default()
    }

    /// Somebody else says which providers there are, and this is none of them.
    pub(super) fn tell_unused(&self, document: &Document, found: &mut Diagnostics) {
        let who = if document.providers.is_empty() { "VESTIBULE_… variables" } else { "the file" };
        let message = format!("is not used: {who} describe other providers").replace("file describe", "file describes");
        let help = format!("remove it, or call a provider `{}`", self.class.provider);
        found.push(note(self.origin(), message, help));
    }

    /// Adds what is said, as far as no variable of ours says it.
    pub(super) fn put(
        &self,
        naming: &Naming,
        server: &mut Values,
        prefix: &str,
        own: &mut Values,
        found: &mut Diagnostics,
    ) {
        for (key, value) in self.class.is {
            own.insert_below(format!("{prefix}{key}"), (*value).to_owned(), self.origin());
        }
        let family = format!("{AUTH}_{}_", self.class.family);
        self.refuse_strangers(&family, found);
        self.refuse_empty_secrets(&family, naming, found);
        for (suffix, sets) in self.class.variables() {
            let Some(name) = self.names.get(&format!("{family}{suffix}")) else { continue };
            let origin = self.environment.origin(name);
            let value = self.environment.get(name).unwrap_or_default().trim();
            let mut key =
                |key: &str, value: &str| own.insert_below(format!("{prefix}{key}"), value.to_owned(), origin.clone());
            match sets {
                Sets::Key(known) => key(known, value),
                Sets::Host(known) => {
                    let host = value.split_once("://").map_or(value, |(_, rest)| rest).trim_end_matches('/');
                    key(known, host);
                }
                Sets::Discovery(known) => {
                    match value.strip_prefix("https://").and_then(|rest| rest.strip_suffix(WELL_KNOWN)) {
                        Some(host) if !host.contains('/') => key(known, host),
                        _ => key("CONFIG_URL", value),
                    }
                }
                Sets::Issuer => {
                    key("ISSUER", value);
                    key("CONFIG_URL", &format!("{}{WELL_KNOWN}", value.trim_end_matches('/')));
                }
                Sets::Path(known) => key(known, &format!("/{}", value.trim_start_matches('/'))),
                Sets::BaseUrl => {
                    let (public_url, mount) = base_url(value);
                    if let Some(mount) = mount {
                        key("MOUNT", &mount);
                    }
                    server.insert_below(format!("{PREFIX}PUBLIC_URL"), public_url, origin);
                }
                Sets::RootSecret => server.insert_below(format!("{PREFIX}SECRET"), value.to_owned(), origin),
                Sets::Nothing(as_here, _) if value == *as_here => {}
                Sets::Nothing(_, instead) => {
                    let mut diagnostic = Diagnostic::error("", origin, "is not understood here");
                    diagnostic.help(*instead);
                    found.push(diagnostic);
                }
            }
        }
    }

    /// A typo, which FastMCP would not notice.
    fn refuse_strangers(&self, family: &str, found: &mut Diagnostics) {
        let suffixes = || self.class.variables().map(|(suffix, _)| *suffix);
        for (documented, name) in &self.names {
            let Some(rest) = documented.strip_prefix(family) else { continue };
            if suffixes().any(|suffix| suffix == rest) {
                continue;
            }
            let message = format!("is no variable of {}", self.class.name);
            let mut diagnostic = Diagnostic::error("", self.environment.origin(name), message);
            diagnostic.help(match closest(rest, suffixes()) {
                Some(meant) => format!("did you mean `{family}{meant}`?"),
                None => format!("remove it; there are {}", one_of(suffixes())),
            });
            found.push(diagnostic);
        }
    }

    /// A secret that failed to arrive must not turn a confidential application into a public one.
    fn refuse_empty_secrets(&self, family: &str, naming: &Naming, found: &mut Diagnostics) {
        let empty = names(self.environment.empty());
        let unreadable = names(self.environment.unreadable());
        for (suffix, sets) in self.class.variables() {
            let documented = format!("{family}{suffix}");
            let is_secret = match sets {
                Sets::RootSecret => true,
                Sets::Key(key) => naming.key(key).is_some_and(|name| name.is_secret),
                _ => false,
            };
            let mut refuse = |name: &str, message: &str| {
                let mut diagnostic = Diagnostic::error("", self.environment.origin(name), message);
                diagnostic.help("set it, or remove it altogether");
                found.push(diagnostic);
            };
            if let Some(name) = unreadable.get(&documented) {
                refuse(name, "is not UTF-8 text");
            }
            match empty.get(&documented) {
                Some(name) if is_secret && !self.names.contains_key(&documented) => refuse(name, "is set, but empty"),
                _ => {}
            }
        }
    }
}

/// `https://example.com/api` is the origin `https://example.com` with everything below `/api`. What
/// is no such URL stays as it is: the reader of `public_url` says what is wrong with it.
fn base_url(text: &str) -> (String, Option<String>) {
    let plain =
        |url: &Url| url.has_host() && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    match Url::parse(text) {
        Ok(url) if plain(&url) => {
            let mount = url.path().trim_end_matches('/');
            (url.origin().ascii_serialization(), (!mount.is_empty()).then(|| mount.to_owned()))
        }
        _ => (text.to_owned(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_every_class_and_what_it_is_here() {
        let page = include_str!("../../../docs/from-fastmcp.md");
        for class in ALL {
            let what = class.is.iter().map(|(key, value)| format!(", `{}: {value}`", key.to_ascii_lowercase()));
            let row = format!(
                "| `{}.{}` | `{}_…` | provider `{}`{}",
                class.module,
                class.name,
                class.family,
                class.provider,
                what.collect::<String>()
            );
            assert!(page.contains(&row), "{row}");
        }
    }

    #[test]
    fn every_key_that_is_set_is_one_of_ours() {
        let naming = Naming::new();
        for (_, sets) in ALL.iter().flat_map(Class::variables) {
            if let Sets::Key(key) | Sets::Host(key) | Sets::Path(key) | Sets::Discovery(key) = sets {
                assert!(naming.key(key).is_some(), "{key}");
            }
        }
    }

    #[test]
    fn a_path_of_the_base_url_is_a_mount() {
        let read = |text: &str| {
            let (origin, mount) = base_url(text);
            (origin, mount.unwrap_or_default())
        };
        for (text, origin, mount) in [
            ("https://a.example", "https://a.example", ""),
            ("https://a.example/", "https://a.example", ""),
            ("https://a.example:8443/api/v1/", "https://a.example:8443", "/api/v1"),
            ("https://a.example/api?x", "https://a.example/api?x", ""),
            ("a.example/api", "a.example/api", ""),
        ] {
            assert_eq!(read(text), (origin.to_owned(), mount.to_owned()), "{text}");
        }
    }
}
