//! `vestibule explain`: would this person pass, and which rule says so? With the rules that decide at
//! sign-in, on claims that a person gives.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Outcome, check, exit, look, printable};
use crate::{
    config::{self, Sources, origin::Origins, plan::ProviderPlan},
    policy,
    provider::identity_of,
};

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
    subject: String,
    passes: bool,
    rules: Vec<Line>,
}

/// `claims` is a file with the claims of an ID token as a JSON object, or `-` for standard input.
/// `chosen`: where the person signs in, if people choose.
pub(super) fn explain(sources: &Sources, route: &str, chosen: Option<&str>, claims: &Path, json: bool) -> Outcome {
    let loaded = match config::load(sources) {
        Ok(loaded) => loaded,
        Err(found) => return Outcome::failed(exit::CONFIG, check::refusal(&found, look())),
    };
    let claims = match read(claims) {
        Ok(claims) => claims,
        Err(reason) => return Outcome::failed(exit::USAGE, format!("{}: {reason}\n", claims.display())),
    };
    let all =
        || loaded.plan.providers.iter().flat_map(|provider| provider.routes.iter().map(move |route| (provider, route)));
    let Some((provider, plan)) = all().find(|(_, known)| known.id == route) else {
        let known: Vec<&str> = all().map(|(_, route)| route.id.as_str()).collect();
        return Outcome::failed(exit::USAGE, format!("there is no route `{route}`; there are: {}\n", known.join(", ")));
    };
    let member = match member(provider, chosen) {
        Ok(member) => member,
        Err(reason) => return Outcome::failed(exit::USAGE, reason),
    };
    let source = member.unwrap_or(provider);
    let issuer = source.config_url.as_ref().map(ToString::to_string).unwrap_or_default();
    let mut identity = match identity_of(&issuer, claims, &source.needed_claims) {
        Ok(identity) => identity,
        Err(reason) => return Outcome::failed(exit::USAGE, format!("these claims make nobody: {reason}\n")),
    };
    identity.provider = member.map(|member| member.name.clone());
    let at = format!("providers.{}", provider.name);
    let index = provider.routes.iter().position(|known| known.id == plan.id).unwrap_or_default();
    let mut rules = lines(&policy::explain(&provider.policy, &identity), &format!("{at}.policy"), &loaded.origins);
    let at = format!("{at}.routes[{index}].policy");
    rules.extend(lines(&policy::explain(&plan.policy, &identity), &at, &loaded.origins));
    let tenants: Vec<_> = policy::tenant(source, &identity).into_iter().collect();
    rules.extend(lines(&tenants, &format!("providers.{}", source.name), &loaded.origins));
    if let Some(member) = member {
        let verdicts = policy::explain(&member.policy, &identity.at_its_provider());
        rules.extend(lines(&verdicts, &format!("providers.{}.policy", member.name), &loaded.origins));
    }
    let passes = rules.iter().all(|line| line.passes);
    let answer = Answer { route: plan.id.clone(), subject: identity.subject_here().into_owned(), passes, rules };
    let text = if json { as_json(&answer) } else { as_text(&answer) };
    Outcome { code: if passes { 0 } else { exit::NOT_PASSING }, text, notes: loaded.notes.render(look()) }
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

fn as_text(answer: &Answer) -> String {
    let Answer { route, subject, passes, rules } = answer;
    let verdict = if *passes { "may pass" } else { "may not pass" };
    let mut text = format!("{} {verdict} on {route}\n", printable(subject));
    for Line { rule, place, passes, reason, .. } in rules {
        let mark = if *passes { "ok  " } else { "no  " };
        text = format!("{text}  {mark}{rule} ({place}): {}\n", printable(reason));
    }
    if rules.is_empty() {
        text.push_str("  there is no policy: everybody who can sign in at the provider may pass\n");
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
