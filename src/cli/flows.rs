//! `vestibule flows`: what a running instance remembers of the last sign-ins.

use std::time::Duration;

use super::{Outcome, admin_client::AdminAddress, exit, printable};
use crate::flow::{Flow, FlowId, Overview, Step};

/// Nothing is asked of anybody else for it.
const DEADLINE: Duration = Duration::from_secs(5);
/// The column of what happened.
const KIND: usize = 16;

/// `vestibule flows list`
pub(super) fn list(admin: &AdminAddress) -> Outcome {
    ask::<Vec<Overview>>(admin, "/flows", |flows| {
        if flows.is_empty() {
            return "nobody has tried to sign in since the process began\n".to_owned();
        }
        let mut text = String::new();
        for flow in flows {
            let client = flow.client_name.as_deref().unwrap_or("an unknown client");
            let outcome = flow.summary();
            let last = flow.last.map_or("began", |kind| kind.as_str());
            line(
                &mut text,
                &format!("{}  {}  {:16}  {outcome:24}  {last:16}  {client}", flow.id, flow.started_at, flow.provider),
            );
        }
        text
    })
}

/// `vestibule flows show ID`
pub(super) fn show(admin: &AdminAddress, id: &FlowId) -> Outcome {
    ask::<Flow>(admin, &format!("/flows/{id}"), |flow| timeline(&flow))
}

fn timeline(flow: &Flow) -> String {
    let mut text = String::new();
    line(&mut text, &format!("{} · {} · {}", flow.id, flow.provider, flow.summary()));
    let facts = [
        ("chosen", flow.identity_provider.as_deref()),
        ("client", flow.client_name.as_deref()),
        ("client id", flow.client_id.as_deref()),
        ("resource", flow.resource.as_deref()),
        ("from", Some(flow.address.as_str())),
        ("person", flow.subject.as_deref()),
    ];
    for (name, value) in facts {
        if let Some(value) = value {
            line(&mut text, &format!("  {name:10}{value}"));
        }
    }
    text.push('\n');
    let (first, last) = flow.parts();
    for step in first {
        line(&mut text, &told(step));
    }
    if flow.left_out > 0 {
        line(&mut text, &format!("  … {} steps were not kept …", flow.left_out));
    }
    for step in last {
        line(&mut text, &told(step));
    }
    if let Some(advice) = flow.what_to_do() {
        text.push('\n');
        line(&mut text, &format!("What to do: {advice}"));
    }
    text
}

fn told(step: &Step) -> String {
    format!("  {}  {:KIND$}  {}", step.at, step.kind.as_str(), step.text)
}

/// Names of clients are strangers' texts.
fn line(text: &mut String, line: &str) {
    text.push_str(&printable(line));
    text.push('\n');
}

fn ask<T: for<'de> serde::Deserialize<'de>>(
    admin: &AdminAddress,
    path: &str,
    show: impl FnOnce(T) -> String,
) -> Outcome {
    let answer = match admin.get(path, DEADLINE) {
        Ok(answer) => answer,
        Err(error) => return Outcome::failed(exit::UNAVAILABLE, format!("{error}\n")),
    };
    match answer.status {
        200 => match serde_json::from_slice(&answer.body) {
            Ok(value) => Outcome { code: 0, text: show(value), notes: String::new() },
            Err(_) => Outcome::failed(exit::UNAVAILABLE, format!("{admin} is another version, or no Vestibule\n")),
        },
        404 => Outcome::failed(1, format!("{}\n", answer.excerpt())),
        status => Outcome::failed(exit::UNAVAILABLE, format!("{admin} answered {status}: {}\n", answer.excerpt())),
    }
}
