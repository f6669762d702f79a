//! `vestibule config diff`: what a configuration would change in a running instance.

use std::time::Duration;

use super::{Outcome, admin_client::AdminAddress, check, exit, printable};
use crate::{
    admin::RunningConfig,
    config::{
        self, Look, Sources,
        diff::{Diff, diff},
        facts::{Facts, facts},
    },
};

const DEADLINE: Duration = Duration::from_secs(10);

/// Loads a configuration and compares it with what runs.
pub fn against_running(sources: &Sources, admin: &AdminAddress, look: Look) -> Outcome {
    let loaded = match config::load(sources) {
        Ok(loaded) => loaded,
        Err(found) => return Outcome::failed(exit::CONFIG, check::refusal(&found, look)),
    };
    if let Err(refusal) = check::files(&loaded) {
        return Outcome::failed(exit::CONFIG, refusal);
    }
    let answer = match admin.get("/config", DEADLINE) {
        Ok(answer) => answer,
        Err(error) => return Outcome::failed(exit::UNAVAILABLE, format!("{error}\n")),
    };
    let running = match serde_json::from_slice::<RunningConfig>(&answer.body) {
        Ok(running) if answer.status == 200 => running,
        _ => {
            let notes = format!("{admin} answered {} to GET /config: {}\n", answer.status, answer.excerpt());
            return Outcome::failed(exit::UNAVAILABLE, notes);
        }
    };
    compare(&facts(&loaded.plan).for_others(), &running)
}

fn compare(written: &Facts, running: &RunningConfig) -> Outcome {
    let own = env!("CARGO_PKG_VERSION");
    let mut notes = String::new();
    if running.version != own {
        notes = format!(
            "note: the running instance is version {}, this is {own}: defaults may differ between them\n",
            printable(&running.version)
        );
    }
    let short: Vec<String> = written.uncomparable().map(printable).collect();
    if !short.is_empty() {
        notes.extend(["note: too short for a hash, so not compared: ", &short.join(", "), "\n"]);
    }
    let difference = diff(&running.facts, written);
    if difference.is_empty() {
        let text = format!("The running instance has this configuration (sha256 {}).\n", written.hash());
        return Outcome { code: 0, text, notes };
    }
    let text = format!("{}\n{}", difference.text(), consequences(&difference));
    Outcome { code: exit::DIFFERENT, text, notes }
}

/// What the difference would do.
fn consequences(difference: &Diff) -> String {
    fn list<'a>(names: impl Iterator<Item = &'a str>) -> Option<String> {
        let names: Vec<String> = names.map(printable).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }

    let ended = list(difference.ended_providers()).map(|names| format!("All grants would end of: {names}\n"));
    let moved = list(difference.moved_providers())
        .map(|names| format!("Clients would have to sign in again, because the issuer changes, at: {names}\n"));
    let restart = if difference.needs_restart() {
        "A restart is needed: a reload would refuse all of this.\n"
    } else {
        "No restart is needed.\n"
    };
    ended.into_iter().chain(moved).chain([restart.to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "a-secret-of-a-machine-0123456789";

    fn load(storage: &str, providers: &[(&str, &str, &str)]) -> Facts {
        let mut text = format!("public_url: https://mcp.example.com\nstorage: {storage}\nproviders:\n");
        for (name, host, secret) in providers {
            let provider = format!(
                "  {name}:
    mount: /{name}
    config_url: https://{host}/.well-known/openid-configuration
    client_id: abc
    client_secret: {secret}
    routes: [{{ path: /mcp, backend: 'http://127.0.0.1:3000' }}]
"
            );
            text.push_str(&provider);
        }
        facts(&config::from_yaml(&text, &[]).unwrap()).for_others()
    }

    fn running(facts: Facts) -> RunningConfig {
        RunningConfig { version: env!("CARGO_PKG_VERSION").to_owned(), sha256: facts.hash(), facts }
    }

    #[test]
    fn the_same_is_said() {
        let facts = load("memory", &[("a", "idp.example.com", SECRET)]);
        let compared = compare(&facts, &running(facts.clone()));
        assert_eq!((compared.code, compared.notes.as_str()), (0, ""));
        assert!(compared.text.contains(&facts.hash()));
    }

    #[test]
    fn a_difference_comes_with_its_consequences() {
        let before = load("memory", &[("a", "idp.example.com", SECRET), ("b", "idp.example.com", SECRET)]);
        let after = load("memory", &[("a", "other.example.com", SECRET)]);
        let compared = compare(&after, &running(before.clone()));
        assert_eq!(compared.code, exit::DIFFERENT);
        assert!(
            compared.text.contains("\nAll grants would end of: a, b\nNo restart is needed.\n"),
            "{}",
            compared.text
        );
        let elsewhere = load("{ path: /tmp/x }", &[("a", "idp.example.com", SECRET), ("b", "idp.example.com", SECRET)]);
        let compared = compare(&elsewhere, &running(before));
        assert!(compared.text.contains("A restart is needed"), "{}", compared.text);
    }

    #[test]
    fn what_a_choice_does_not_offer_any_more_is_told() {
        let with = |names: &str| {
            let member = |name: &str| {
                format!(
                    "  {name}: {{ config_url: 'https://{name}.example/.well-known/openid-configuration', client_id: a }}\n"
                )
            };
            let members: String = names.split(", ").map(member).collect();
            let text = format!(
                "public_url: https://mcp.example.com\nstorage: memory\nproviders:\n{members}  staff: {{ choice: [{names}], \
                 routes: [{{ path: /mcp, backend: 'http://127.0.0.1:3000' }}] }}\n"
            );
            facts(&config::from_yaml(&text, &[]).unwrap()).for_others()
        };
        let compared = compare(&with("one, two"), &running(with("one, two, three")));
        assert!(compared.text.contains("\nAll grants would end of: staff.choice[three]\n"), "{}", compared.text);
    }

    #[test]
    fn what_cannot_be_compared_is_named() {
        let (one, other) = ([("a", "idp.example.com", "hunter2")], [("a", "idp.example.com", "hunter3")]);
        let mut running = running(load("memory", &other));
        running.version = "0.0.9\u{1b}[31m".to_owned();
        let compared = compare(&load("memory", &one), &running);
        assert_eq!(compared.code, 0);
        assert!(compared.notes.contains("version 0.0.9\\u{1b}[31m,"), "{}", compared.notes);
        assert!(compared.notes.ends_with("so not compared: providers.a.client_secret\n"), "{}", compared.notes);
    }
}
