//! `vestibule config show`: what is in force, and for every value who says so. Secrets are shown as
//! fingerprints.

use std::collections::BTreeMap;

use crate::config::{
    Loaded,
    document::{
        Client, Document, HeaderText, Log, Provider, Route, SecretList, SecretSource, SetHeaders, Storage, keys,
    },
    facts::{Facts, facts},
};

/// Column of the sources, where lines are short enough.
const COLUMN: usize = 64;
/// What follows from other keys and cannot be written.
const DERIVED: [&str; 4] = ["issuer_url", "callback_url", "resource", "id"];

/// Draws one configuration.
struct Page<'a> {
    loaded: &'a Loaded,
    facts: Facts,
    text: String,
}

/// Facts that stand together: those below `facts`, written below `document`.
struct Table<'a> {
    indent: usize,
    facts: String,
    document: String,
    order: Vec<&'a str>,
}

// === impl Page ===

impl Page<'_> {
    fn draw(&mut self) {
        self.table(&Table {
            indent: 0,
            facts: String::new(),
            document: String::new(),
            order: keys::of::<Document>().to_vec(),
        });
        self.line(0, "providers:", "");
        let plan = &self.loaded.plan;
        for provider in &plan.providers {
            let at = format!("providers.{}", provider.name);
            self.line(2, &format!("{}:", provider.name), "");
            self.table(&Table {
                indent: 4,
                facts: format!("{at}."),
                document: at.clone(),
                order: keys::of::<Provider>().to_vec(),
            });
            for member in &provider.choice {
                self.line(4, &format!("# {} as it is offered here:", member.name), "");
                self.table(&Table {
                    indent: 6,
                    facts: format!("{at}.choice[{}].", member.name),
                    document: format!("providers.{}", member.name),
                    order: keys::of::<Provider>().to_vec(),
                });
            }
            for (index, client) in provider.clients.iter().enumerate() {
                let document = format!("{at}.clients[{index}]");
                if index == 0 {
                    self.line(4, "clients:", "");
                }
                let source = self.source(&format!("{document}.client_id"));
                self.line(6, &format!("- client_id: {}", client.client_id), &source);
                let facts = format!("{at}.clients[{}].", client.client_id);
                self.table(&Table { indent: 8, facts, document, order: keys::of::<Client>().to_vec() });
            }
            self.line(4, "routes:", "");
            for (index, route) in provider.routes.iter().enumerate() {
                let document = format!("{at}.routes[{index}]");
                let source = self.source(&format!("{document}.path"));
                self.line(6, &format!("- path: {}", route.path), &source);
                let facts = format!("{at}.routes[{}].", route.path);
                self.table(&Table { indent: 8, facts, document, order: keys::of::<Route>().to_vec() });
            }
        }
    }

    /// The keys of one table; those below a key, and the items of a list, stand below it.
    fn table(&mut self, table: &Table<'_>) {
        let mut groups: BTreeMap<(usize, String), Vec<(String, String)>> = BTreeMap::new();
        for (path, value) in self.facts.iter() {
            let Some(rest) = path.strip_prefix(&table.facts) else { continue };
            let nested = ["choice[", "clients[", "routes["].iter().any(|list| rest.starts_with(list));
            if nested || (table.facts.is_empty() && rest.starts_with("providers.")) {
                continue;
            }
            let (key, below) = rest.split_at(rest.find(['.', '[']).unwrap_or(rest.len()));
            let order = table.order.iter().position(|known| *known == key).unwrap_or(usize::MAX);
            groups.entry((order, key.to_owned())).or_default().push((below.to_owned(), value.to_owned()));
        }
        for ((_, key), values) in groups {
            let at = if table.document.is_empty() { key.clone() } else { format!("{}.{key}", table.document) };
            let alone = matches!(values.as_slice(), [(below, _)] if below.is_empty());
            if !alone {
                self.line(table.indent, &format!("{key}:"), "");
            }
            for (below, value) in values {
                let source = if DERIVED.contains(&key.as_str()) {
                    "derived".to_owned()
                } else {
                    self.source(&format!("{at}{below}"))
                };
                match below.strip_prefix('.') {
                    None if alone => self.line(table.indent, &format!("{key}: {value}"), &source),
                    None => self.line(table.indent + 2, &format!("- {value}"), &source),
                    Some(name) => self.line(table.indent + 2, &format!("{name}: {value}"), &source),
                }
            }
        }
    }

    /// Who says what stands at a path of the document.
    fn source(&self, path: &str) -> String {
        let Loaded { origins, document, .. } = self.loaded;
        let header = header(document, path);
        let path = header.as_ref().map_or(path, |(path, _)| path.as_str());
        let written = origins.written(path).or_else(|| origins.written(whole(document, path)?));
        let Some(origin) = written else { return "default".to_owned() };
        let origin = match origin {
            crate::config::Origin::Place(place) => format!("{}:{}", place.file, place.line),
            other => other.to_string(),
        };
        match header.as_ref().and_then(|(_, secret)| *secret).or_else(|| secret(document, path)) {
            Some(SecretSource::Env(name)) => format!("{origin}, variable {name}"),
            Some(SecretSource::File(file)) => format!("{origin}, file {file}"),
            Some(SecretSource::Text(_)) | None => origin,
        }
    }

    fn line(&mut self, indent: usize, text: &str, source: &str) {
        let text = super::printable(text);
        let line = format!("{:indent$}{text}", "");
        let line = if source.is_empty() { line } else { format!("{line:COLUMN$}  # {}", super::printable(source)) };
        self.text.extend([line.as_str(), "\n"]);
    }
}

/// The effective configuration with the source of each value; ends with a newline.
pub fn show(loaded: &Loaded) -> String {
    let facts = facts(&loaded.plan).for_others();
    let text = format!("# The configuration in force, sha256 {}\n", facts.hash());
    let mut page = Page { loaded, facts, text };
    page.draw();
    page.text
}

/// Where several values were written as one.
fn whole<'a>(document: &Document, path: &'a str) -> Option<&'a str> {
    match (&document.storage, &document.log) {
        (Some(Storage::Kind(_)), _) if path == "storage.backend" => return Some("storage"),
        (_, Some(Log::Filter(_))) if path == "log.filter" => return Some("log"),
        _ => {}
    }
    if path.starts_with("secret[") {
        return Some("secret");
    }
    keys::BY_NAME.iter().find_map(|key| {
        let end = path.find(&format!(".{key}."))? + 1 + key.len();
        path.get(..end)
    })
}

/// A header of a route under the name that was written, and how its secret was written.
fn header<'a>(document: &'a Document, path: &str) -> Option<(String, Option<&'a SecretSource>)> {
    let (route, name) = path.split_once(".set_headers.")?;
    let (provider, index) = route.strip_prefix("providers.")?.split_once(".routes[")?;
    let index = index.strip_suffix(']')?.parse::<usize>().ok()?;
    let SetHeaders::Entries(entries) = document.providers.get(provider)?.routes.get(index)?.set_headers.as_ref()?
    else {
        return None;
    };
    let (written, text) = entries.iter().find(|(written, _)| written.trim().eq_ignore_ascii_case(name))?;
    let secret = match text {
        HeaderText::Fixed(source) => Some(source),
        HeaderText::Claim(_) => None,
    };
    Some((format!("{route}.set_headers.{written}"), secret))
}

/// How the secret at a path was written.
fn secret<'a>(document: &'a Document, path: &str) -> Option<&'a SecretSource> {
    if let Some(index) = path.strip_prefix("secret[") {
        let index = index.trim_end_matches(']').parse::<usize>().ok()?;
        return match document.secret.as_ref()? {
            SecretList::One(source) => Some(source),
            SecretList::Many(sources) => sources.get(index),
        };
    }
    if path == "storage.password" {
        return match document.storage.as_ref()? {
            Storage::Table(table) => table.password.as_ref(),
            Storage::Kind(_) => None,
        };
    }
    let (name, key) = path.strip_prefix("providers.")?.split_once('.')?;
    let provider = document.providers.get(name)?;
    if key == "client_secret" {
        return provider.client_secret.as_ref();
    }
    let index = key.strip_prefix("clients[")?.strip_suffix("].secret")?.parse::<usize>().ok()?;
    provider.clients.get(index)?.secret.as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Sources};

    fn loaded(text: &str, env: &[(&str, &str)]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("vestibule.yaml");
        std::fs::write(&file, text).unwrap();
        let environment = env.iter().copied().collect();
        let sources = Sources { config: Some(file), environment, ..Sources::default() };
        let shown = show(&config::load(&sources).unwrap());
        shown.replace(&format!("{}/", folder.path().display()), "")
    }

    #[test]
    fn every_value_has_its_source() {
        let shown = loaded(
            "\
public_url: https://mcp.example.com
storage: memory
log: debug
secret: [{ env: ROOT }, { env: OLD_ROOT }]
providers:
  auth0:
    config_url: https://idp.example.com/.well-known/openid-configuration
    client_id: ${ID}
    client_secret: { env: SECRET }
    extra_authorize_params: { prompt: login }
    clients:
      - client_id: app
        secret: hunter2
        redirect_uris: [https://app.example.com/cb, http://127.0.0.1/cb]
    routes:
      - path: /a
        backend: http://127.0.0.1:3000
      - path: /b
        match: exact
        backend: http://127.0.0.1:3001
        max_body: 1MiB
        set_headers:
          X-Tenant: acme
          X-Api-Key: { env: SECRET }
          X-Groups: { claim: groups }
        pass_headers: [user-agent, x-acme-*]
",
            &[
                ("ROOT", "one-root-secret-of-32-characters-or-more"),
                ("OLD_ROOT", "the-root-secret-of-32-characters-before"),
                ("ID", "the-application"),
                ("SECRET", "a-secret-of-a-machine-0123456789"),
                ("VESTIBULE_LISTEN", "127.0.0.1:9000"),
            ],
        );
        insta::assert_snapshot!(shown);
        for secret in ["root-secret", "secret-of", "hunter2"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }

    /// Without a file: the variable of each value, or its line in a `.env` file.
    #[test]
    fn variables_alone_are_shown_with_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let env_file = folder.path().join(".env");
        let text = "\
FASTMCP_SERVER_AUTH=fastmcp.server.auth.providers.auth0.Auth0Provider
FASTMCP_SERVER_AUTH_AUTH0_CONFIG_URL=https://example.eu.auth0.com/.well-known/openid-configuration
FASTMCP_SERVER_AUTH_AUTH0_CLIENT_ID=abc
FASTMCP_SERVER_AUTH_AUTH0_CLIENT_SECRET=a-secret-hunter2
FASTMCP_SERVER_AUTH_AUTH0_AUDIENCE=https://api.example.com
FASTMCP_SERVER_AUTH_AUTH0_BASE_URL=https://mcp.example.com/api
FASTMCP_SERVER_AUTH_AUTH0_JWT_SIGNING_KEY=a-root-secret-hunter2-hunter2-hunter2
VESTIBULE_BACKEND=http://127.0.0.1:3000
";
        std::fs::write(&env_file, text).unwrap();
        let environment = [
            ("VESTIBULE_CLIENTS_1_CLIENT_ID", "app"),
            ("VESTIBULE_CLIENTS_1_SECRET", "hunter2-hunter2-hunter2-hunter2"),
            ("VESTIBULE_CLIENTS_1_REDIRECT_URIS", "https://app.example.com/cb"),
            ("VESTIBULE_POLICY_CLAIMS", "department=eng"),
            ("VESTIBULE_STORAGE", "memory"),
        ];
        let environment = environment.into_iter().collect();
        let sources = Sources { env_file: Some(env_file), environment, ..Sources::default() };
        let shown = show(&config::load(&sources).unwrap()).replace(&format!("{}/", folder.path().display()), "");
        assert!(!shown.contains("hunter2"), "{shown}");
        insta::assert_snapshot!(shown);
    }
}
