//! `vestibule explain`: whose is a path, would this person pass, which rule says so, and what would
//! the backend hear? With the table and the rules that decide in earnest, on claims that a person
//! gives.

mod told;

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Outcome, check, exit, look, printable};
use crate::{
    config::{
        self, Loaded, Sources,
        origin::Origins,
        plan::{Plan, ProviderPlan, RoutePlan},
    },
    policy,
    provider::identity_of,
    route::{RouteTable, Target, path},
};
use told::Told;

/// Nobody has more claims.
const MOST: u64 = 1024 * 1024;

/// What one rule said.
#[derive(Serialize)]
struct Line {
    rule: String,
    place: String,
    passes: bool,
    kind: Option<&'static str>,
    reason: String,
}

/// The answer as a whole.
#[derive(Serialize)]
struct Answer {
    route: String,
    resource: String,
    #[serde(flatten)]
    person: Option<Person>,
}

/// What becomes of somebody with these claims.
#[derive(Serialize)]
struct Person {
    subject: String,
    passes: bool,
    rules: Vec<Line>,
    headers: Vec<Told>,
}

/// What is asked about: a route by its id, or by a path that is called.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asked<'a> {
    Route(&'a str),
    Path(&'a str),
}

/// `claims` is a file with the claims of an ID token as a JSON object, or `-` for standard input.
/// `chosen`: where the person signs in, if people choose.
pub(super) fn explain(
    sources: &Sources,
    asked: Asked<'_>,
    (chosen, claims): (Option<&str>, Option<&Path>),
    json: bool,
) -> Outcome {
    let loaded = match config::load(sources) {
        Ok(loaded) => loaded,
        Err(found) => return Outcome::failed(exit::CONFIG, check::refusal(&found, look())),
    };
    let found = match asked {
        Asked::Route(id) => named(&loaded.plan, id),
        Asked::Path(text) => called(&loaded.plan, text),
    };
    let (provider, route) = match found {
        Ok(found) => found,
        Err(outcome) => return outcome,
    };
    let person = match claims.map(|file| person(&loaded, (provider, route), chosen, file)).transpose() {
        Ok(person) => person,
        Err(reason) => return Outcome::failed(exit::USAGE, reason),
    };
    let passes = person.as_ref().is_none_or(|person| person.passes);
    let answer = Answer { route: route.id.clone(), resource: route.resource.to_string(), person };
    let text = if json { as_json(&answer) } else { as_text(&answer) };
    Outcome { code: if passes { 0 } else { exit::NOT_PASSING }, text, notes: loaded.notes.render(look()) }
}

fn named<'p>(plan: &'p Plan, id: &str) -> Result<(&'p ProviderPlan, &'p RoutePlan), Outcome> {
    let all = || plan.providers.iter().flat_map(|provider| provider.routes.iter().map(move |route| (provider, route)));
    if let Some((provider, route)) = all().find(|(_, known)| known.id == id) {
        return Ok((provider, route));
    }
    let known: Vec<&str> = all().map(|(_, route)| route.id.as_str()).collect();
    Err(Outcome::failed(exit::USAGE, format!("there is no route `{id}`; there are: {}\n", known.join(", "))))
}

/// The route that a path belongs to, given alone or as a URL. What belongs to none is an answer too.
fn called<'p>(plan: &'p Plan, text: &str) -> Result<(&'p ProviderPlan, &'p RoutePlan), Outcome> {
    let answer = |text: String| Outcome { code: exit::NOT_PASSING, text, notes: String::new() };
    let after_origin =
        text.split_once("://").map(|(_, rest)| rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"));
    let path = after_origin.unwrap_or(text).split(['?', '#']).next().unwrap_or_default();
    let table = RouteTable::build(plan).map_err(|error| Outcome::failed(exit::CONFIG, format!("{error}\n")))?;
    let shown = printable(path);
    let found = path::check(path).and_then(|()| table.find(path));
    match found.map_err(|error| answer(format!("{shown} is refused (400): {error}\n")))? {
        None => Err(answer(format!("{shown} belongs to nobody here (404)\n"))),
        Some(Target::Endpoint { mount, endpoint }) => {
            let provider = plan.providers.get(mount).map(|provider| provider.name.as_str()).unwrap_or_default();
            Err(answer(format!("{shown} is an endpoint of ours: {} of {provider}\n", endpoint.name())))
        }
        Some(Target::Gate { mount, route }) => {
            let provider = plan.providers.get(mount);
            let found = provider.and_then(|provider| Some((provider.as_ref(), provider.routes.get(route)?.as_ref())));
            found.ok_or_else(|| answer(format!("{shown} belongs to nobody here (404)\n")))
        }
    }
}

/// Where people signed in, if they choose.
fn member<'p>(provider: &'p ProviderPlan, chosen: Option<&str>) -> Result<Option<&'p ProviderPlan>, String> {
    let names = || provider.choice.iter().map(|member| member.name.as_str()).collect::<Vec<_>>().join(", ");
    match chosen {
        None if !provider.is_choice() => Ok(None),
        None => {
            Err(format!("people choose where they sign in for this route: add `--provider` with one of {}\n", names()))
        }
        Some(name) => match provider.choice.iter().find(|member| member.name == name) {
            Some(member) => Ok(Some(member)),
            None if provider.is_choice() => {
                Err(format!("`{name}` is not offered for this route; there are: {}\n", names()))
            }
            None => Err("this route has one provider: remove `--provider`\n".to_owned()),
        },
    }
}

fn person(
    loaded: &Loaded,
    (provider, route): (&ProviderPlan, &RoutePlan),
    chosen: Option<&str>,
    file: &Path,
) -> Result<Person, String> {
    let claims = read(file).map_err(|reason| format!("{}: {reason}\n", file.display()))?;
    let member = member(provider, chosen)?;
    let source = member.unwrap_or(provider);
    let issuer = source.config_url.as_ref().map(ToString::to_string).unwrap_or_default();
    let mut identity = identity_of(&issuer, claims, &source.needed_claims)
        .map_err(|reason| format!("these claims make nobody: {reason}\n"))?;
    identity.provider = member.map(|member| member.name.clone());
    let at = format!("providers.{}", provider.name);
    let index = provider.routes.iter().position(|known| known.id == route.id).unwrap_or_default();
    let mut rules = lines(&policy::explain(&provider.policy, &identity), &format!("{at}.policy"), &loaded.origins);
    let at = format!("{at}.routes[{index}].policy");
    rules.extend(lines(&policy::explain(&route.policy, &identity), &at, &loaded.origins));
    let tenants: Vec<_> = policy::tenant(source, &identity).into_iter().collect();
    rules.extend(lines(&tenants, &format!("providers.{}", source.name), &loaded.origins));
    if let Some(member) = member {
        let verdicts = policy::explain(&member.policy, &identity.at_its_provider());
        rules.extend(lines(&verdicts, &format!("providers.{}.policy", member.name), &loaded.origins));
    }
    let passes = rules.iter().all(|line| line.passes);
    let headers = told::headers(route, &identity);
    Ok(Person { subject: identity.subject_here().into_owned(), passes, rules, headers })
}

fn lines(verdicts: &[policy::Verdict], at: &str, origins: &Origins) -> Vec<Line> {
    let line = |verdict: &policy::Verdict| {
        let first = verdict.keys.first().map(|key| format!("{at}.{key}")).unwrap_or_default();
        let (passes, kind, reason) = match &verdict.result {
            Ok(reason) => (true, None, reason.clone()),
            Err(denied) => (false, Some(denied.kind.as_str()), denied.reason.clone()),
        };
        let rule = format!("{at}.{}", verdict.keys.join(" or "));
        Line { rule, place: origins.of(&first).to_string(), passes, kind, reason }
    };
    verdicts.iter().map(line).collect()
}

fn as_json(answer: &Answer) -> String {
    serde_json::to_string_pretty(answer).map(|text| format!("{text}\n")).unwrap_or_default()
}

fn as_text(Answer { route, resource, person }: &Answer) -> String {
    let Some(Person { subject, passes, rules, headers }) = person else {
        return format!("{route}: {resource}\n");
    };
    let verdict = if *passes { "may pass" } else { "may not pass" };
    let mut text = format!("{} {verdict} on {route}\n", printable(subject));
    for Line { rule, place, passes, reason, .. } in rules {
        let mark = if *passes { "ok  " } else { "no  " };
        text = format!("{text}  {mark}{rule} ({place}): {}\n", printable(reason));
    }
    if rules.is_empty() {
        text.push_str("  there is no policy: everybody who can sign in at the provider may pass\n");
    }
    if *passes {
        text.push_str("the backend would hear\n");
        for header in headers {
            text.extend(["  ", &printable(&header.to_string()), "\n"]);
        }
    }
    text
}

fn read(path: &Path) -> Result<Map<String, Value>, String> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        io::stdin().take(MOST).read_to_string(&mut text)
    } else {
        File::open(path).and_then(|file| file.take(MOST).read_to_string(&mut text))
    };
    read.map_err(|error| format!("cannot be read: {error}"))?;
    serde_json::from_str(&text).map_err(|error| format!("is no JSON object with the claims of an ID token: {error}"))
}
