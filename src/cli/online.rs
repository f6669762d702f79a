//! `vestibule check --online`: what a survey found, for people and for programs.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    io::{IsTerminal as _, stdout},
};

use serde_json::{Value, json};

use super::exit;
use crate::{
    config::{Look, plan::Plan},
    survey::{self, Entry, Subject, Survey, Verdict},
    time::Clock,
};

/// Columns of what was looked at.
const ABOUT: usize = 23;

/// Asks everybody.
///
/// # Errors
/// What the system refused, as text.
pub fn ask(plan: &Plan) -> Result<Survey, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("the system refused what a client needs: {error}"))?;
    runtime.block_on(survey::survey(plan, &Clock::system())).map_err(|error| error.to_string())
}

/// How the command ends: only providers that nobody could sign in at are worth an error.
pub fn code(survey: &Survey) -> u8 {
    if survey.count(Verdict::Error) == 0 { 0 } else { exit::UNAVAILABLE }
}

/// A survey as lines.
pub fn text(survey: &Survey, look: Look) -> String {
    let colour = matches!(look, Look::Graphical { colour: true }) && stdout().is_terminal();
    let mut text = String::new();
    // Writing into a `String` cannot fail.
    match write(&mut text, survey, colour) {
        Ok(()) | Err(fmt::Error) => text,
    }
}

fn write(text: &mut String, survey: &Survey, colour: bool) -> fmt::Result {
    for provider in &survey.providers {
        writeln!(text, "\nonline: provider {} at {}", provider.name, provider.url)?;
        write_findings(text, provider, colour)?;
        writeln!(text, "  enter at the provider:")?;
        for Entry { label, value, place } in &provider.enter {
            writeln!(text, "    {label:ABOUT$}{value}")?;
            if let Some(place) = place {
                writeln!(text, "    {:ABOUT$}in {place}", "")?;
            }
        }
    }
    for backend in &survey.backends {
        writeln!(text, "\nonline: backend {} of {}", backend.url, backend.name)?;
        write_findings(text, backend, colour)?;
    }
    if let Some(storage) = &survey.storage {
        writeln!(text, "\nonline: storage {}", storage.url)?;
        write_findings(text, storage, colour)?;
    }
    let plural = |count: usize, word: &str| if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") };
    let (errors, warnings) = (survey.count(Verdict::Error), survey.count(Verdict::Warning));
    writeln!(text, "\nonline: {}, {}", plural(errors, "error"), plural(warnings, "warning"))
}

fn write_findings(text: &mut String, subject: &Subject, colour: bool) -> fmt::Result {
    for finding in &subject.findings {
        let word = format!("{:9}", finding.verdict.as_str());
        let word = if colour { format!("\x1b[{}m{word}\x1b[0m", sgr(finding.verdict)) } else { word };
        writeln!(text, "  {word}{:ABOUT$}{}", finding.about, finding.found)?;
        if let Some(help) = &finding.help {
            writeln!(text, "           help: {help}")?;
        }
        if let Some(place) = finding.place {
            writeln!(text, "           there: {place}")?;
        }
    }
    Ok(())
}

/// ECMA-48's colours: green, yellow, red.
const fn sgr(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Ok => 32,
        Verdict::Warning => 33,
        Verdict::Error => 31,
    }
}

/// What to enter, by what it is.
fn entered<'s, V>(subject: &'s Subject, value: impl Fn(&'s Entry) -> Option<V>) -> BTreeMap<String, V> {
    let named = |entry: &'s Entry| Some((entry.label.replace(' ', "_"), value(entry)?));
    subject.enter.iter().filter_map(named).collect()
}

/// A survey for programs.
pub fn json(survey: &Survey) -> Value {
    let subject = |subject: &Subject| {
        json!({
            "name": subject.name,
            "url": subject.url,
            "findings": subject.findings,
            "enter": entered(subject, |entry| Some(&entry.value)),
            "enter_where": entered(subject, |entry| entry.place),
        })
    };
    json!({
        "errors": survey.count(Verdict::Error),
        "warnings": survey.count(Verdict::Warning),
        "providers": survey.providers.iter().map(subject).collect::<Vec<_>>(),
        "backends": survey.backends.iter().map(subject).collect::<Vec<_>>(),
        "storage": survey.storage.as_ref().map(subject),
    })
}
