//! `vestibule grants` and `vestibule clients`: who gave which client access in a running instance.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    Outcome,
    admin_client::{AdminAddress, Answer, AskError},
    exit, printable,
};
use crate::{
    admin::Revoked,
    authority::{GrantFilter, GrantList, GrantOverview, grants::short},
};

/// A store with many grants is read as a whole, and each revocation is durable before it is told.
const DEADLINE: Duration = Duration::from_mins(5);

/// A client as far as grants tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct ClientOverview {
    client_id: String,
    client: String,
    name: String,
    provider: String,
    grants: usize,
    people: usize,
}

/// `vestibule grants list`
pub(super) fn list(admin: &AdminAddress, filter: &GrantFilter, json: bool) -> Outcome {
    told(read(admin, filter), |list: &GrantList| if json { pretty(list) } else { grants(list) })
}

/// `vestibule grants revoke`
pub(super) fn revoke(admin: &AdminAddress, filter: &GrantFilter, all: bool) -> Outcome {
    if filter.is_empty() && !all {
        let which = "say which grants: --id, --provider, --subject, --email, --client or --route; or --all\n";
        return Outcome::failed(exit::USAGE, which.to_owned());
    }
    told(end(admin, filter, all), |revoked| format!("{} ended\n", counted(revoked.revoked, "grant")))
}

/// `vestibule clients list`
pub(super) fn list_clients(admin: &AdminAddress, filter: &GrantFilter, json: bool) -> Outcome {
    told(read(admin, filter), |list| {
        let clients = clients(&list.grants);
        if json { pretty(&clients) } else { lines(&clients, list.more) }
    })
}

/// `vestibule clients revoke`
pub(super) fn revoke_client(admin: &AdminAddress, client: String) -> Outcome {
    let filter = GrantFilter { client: Some(client), ..GrantFilter::default() };
    match end(admin, &filter, false) {
        Ok(Revoked { revoked: 0 }) => Outcome::failed(
            exit::NOT_FOUND,
            "no client of this name has access; see `vestibule clients list`\n".to_owned(),
        ),
        ended => told(ended, |revoked| format!("{} ended\n", counted(revoked.revoked, "grant"))),
    }
}

fn read(admin: &AdminAddress, filter: &GrantFilter) -> Result<GrantList, String> {
    understood(admin, admin.get_with("/grants", filter, DEADLINE))
}

fn end(admin: &AdminAddress, filter: &GrantFilter, all: bool) -> Result<Revoked, String> {
    let path = if all { "/grants/revoke-all" } else { "/grants/revoke" };
    understood(admin, admin.post_with(path, filter, DEADLINE))
}

/// What an instance answered, or why that cannot be had.
pub(super) fn understood<T: DeserializeOwned>(
    admin: &AdminAddress,
    answer: Result<Answer, AskError>,
) -> Result<T, String> {
    match answer {
        Ok(Answer { status: 200, body }) => {
            serde_json::from_slice(&body).map_err(|_| format!("{admin} is another version, or no Vestibule\n"))
        }
        Ok(answer) => Err(format!("{admin} answered {}: {}\n", answer.status, answer.excerpt())),
        Err(error) => Err(format!("{error}\n")),
    }
}

pub(super) fn told<T>(answer: Result<T, String>, show: impl FnOnce(&T) -> String) -> Outcome {
    match answer {
        Ok(value) => Outcome::found(show(&value)),
        Err(notes) => Outcome::failed(exit::UNAVAILABLE, notes),
    }
}

fn grants(list: &GrantList) -> String {
    let mut text = String::new();
    for grant in &list.grants {
        let person = grant.email.as_deref().unwrap_or(&grant.subject);
        let route = grant.route.as_deref().unwrap_or(&grant.resource);
        let GrantOverview { id, since, client, client_name, .. } = grant;
        line(&mut text, &format!("{id}  {since}  {route:20}  {person:28}  {client}  {client_name}"));
    }
    end_of_list(&mut text, list.grants.is_empty(), list.more);
    text
}

/// By name, then by identifier.
fn clients(grants: &[GrantOverview]) -> Vec<ClientOverview> {
    let mut found: BTreeMap<(&str, &str, &str), Vec<&str>> = BTreeMap::new();
    for grant in grants {
        found.entry((&grant.client_name, &grant.client_id, &grant.provider)).or_default().push(&grant.subject);
    }
    let overview = |((name, client_id, provider), mut subjects): ((&str, &str, &str), Vec<&str>)| {
        let grants = subjects.len();
        subjects.sort_unstable();
        subjects.dedup();
        ClientOverview {
            client_id: client_id.to_owned(),
            client: short(client_id),
            name: name.to_owned(),
            provider: provider.to_owned(),
            grants,
            people: subjects.len(),
        }
    };
    found.into_iter().map(overview).collect()
}

fn lines(clients: &[ClientOverview], more: bool) -> String {
    let mut text = String::new();
    for ClientOverview { client, name, provider, grants, people, .. } in clients {
        let (grants, people) =
            (counted(*grants, "grant"), if *people == 1 { "1 person".to_owned() } else { format!("{people} people") });
        line(&mut text, &format!("{client}  {provider:16}  {grants:12}  {people:12}  {name}"));
    }
    end_of_list(&mut text, clients.is_empty(), more);
    text
}

fn end_of_list(text: &mut String, empty: bool, more: bool) {
    if empty {
        text.push_str("nobody has given access to anything that fits\n");
    }
    if more {
        text.push_str("there are more: pick fewer by --provider, --subject, --email, --client or --route\n");
    }
}

/// "1 grant", "2 grants".
pub(super) fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Names of clients are strangers' texts.
fn line(text: &mut String, line: &str) {
    text.push_str(&printable(line));
    text.push('\n');
}

/// JSON for programs and for people who look at what they get.
pub(super) fn pretty(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(id: &str, subject: &str, client: &str) -> GrantOverview {
        GrantOverview {
            id: id.to_owned(),
            provider: "auth0".to_owned(),
            subject: subject.to_owned(),
            email: (subject == "ada").then(|| "ada@example.com".to_owned()),
            client_id: client.to_owned(),
            client: short(client),
            client_name: "A client\u{1b}[31m".to_owned(),
            route: Some("auth0/mcp".to_owned()),
            resource: "https://g.example/mcp".to_owned(),
            scopes: "openid".to_owned(),
            since: "2026-01-01T00:00:00Z".to_owned(),
            until: "2026-04-01T00:00:00Z".to_owned(),
        }
    }

    #[test]
    fn one_line_a_grant_and_no_control_characters() {
        let list = GrantList { grants: vec![grant("g1", "ada", "c1"), grant("g2", "ben", "c1")], more: true };
        let text = grants(&list);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("g1  2026-01-01T00:00:00Z  auth0/mcp") && lines[0].contains("ada@example.com"));
        assert!(lines[1].contains("ben") && lines[2].starts_with("there are more"));
        assert!(!text.contains('\u{1b}'));
        assert_eq!(grants(&GrantList::default()), "nobody has given access to anything that fits\n");
    }

    #[test]
    fn clients_are_those_with_grants() {
        let all = [grant("1", "ada", "c1"), grant("2", "ada", "c1"), grant("3", "ben", "c1"), grant("4", "ben", "c2")];
        let found = clients(&all);
        let counts: Vec<_> =
            found.iter().map(|client| (client.client_id.as_str(), client.grants, client.people)).collect();
        assert_eq!(counts, [("c1", 3, 2), ("c2", 1, 1)]);
        let text = lines(&found, false);
        assert!(text.starts_with(&found[0].client) && text.contains("3 grants") && text.contains("2 people"), "{text}");
        assert!(text.contains("1 grant ") && text.contains("1 person"), "{text}");
    }
}
