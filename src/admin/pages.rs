//! The operator's pages: the same as the JSON, for reading. Plain HTML, no scripts.

use url::Url;

use super::{Part, Status};
use crate::{
    flow::{Flow, Overview, Step},
    page::{
        Page,
        report::{Mark, Report, Row, Section},
    },
};

const LINKS: [(&str, &str); 5] = [
    ("/status", "status"),
    ("/flows", "sign-ins"),
    ("/config", "configuration"),
    ("/metrics", "metrics"),
    ("/readyz", "readiness"),
];

/// What runs.
pub(super) fn status(status: &Status, public_url: &Url) -> Page {
    let state = if status.draining { "It is on its way out." } else { "It serves." };
    let mut sections = vec![process(status), reload(status)];
    for provider in &status.providers {
        let mut rows = vec![
            Row::new("issuer", &provider.issuer),
            Row::new("callback URL", &provider.callback_url),
            Row::new("metadata", age(provider.discovery_age_seconds)),
            Row::new("keys", age(provider.keys_age_seconds)),
        ];
        rows.extend(provider.state.reason.iter().map(|reason| Row::new("reason", reason)));
        let routes = provider.routes.iter();
        rows.extend(routes.map(|route| Row::new(&route.resource, format!("to {}", route.backend))));
        let title = format!("Provider {} ({})", provider.name, provider.display_name);
        sections.push(Section { title, mark: Some(mark(&provider.state)), rows, empty: "" });
    }
    sections.push(failures(status));
    let report = Report {
        public_url,
        title: "Vestibule".to_owned(),
        lead: format!("Version {}, up for {}. {state}", status.version, duration(status.uptime_seconds)),
        sections,
        links: LINKS.to_vec(),
    };
    report.page()
}

fn process(status: &Status) -> Section {
    let rows = vec![
        Row::new("public URL", &status.public_url),
        Row::new("started", &status.started_at),
        Row::new("build", format!("{} ({}, rustc {})", status.version, status.revision, status.rustc)),
        Row::new("configuration", &status.config_sha256),
        Row::new("store", status.store.reason.as_deref().unwrap_or("answers")),
        Row::new("sign-ins under way", status.flows_in_progress.to_string()).at("/flows"),
    ];
    Section { title: "Process".to_owned(), mark: Some(mark(&status.store)), rows, empty: "" }
}

fn reload(status: &Status) -> Section {
    let text = |name: &str| status.last_reload.get(name).and_then(|value| value.as_str()).unwrap_or_default();
    let good = matches!(text("outcome"), "applied" | "unchanged");
    let named = ["at", "trigger", "outcome", "changes", "error"].into_iter();
    let rows = named.filter(|name| !text(name).is_empty()).map(|name| Row::new(name, text(name))).collect();
    let mark = if good { Mark::Good("in force") } else { Mark::Bad("refused") };
    Section { title: "Last reload".to_owned(), mark: Some(mark), rows, empty: "" }
}

fn failures(status: &Status) -> Section {
    let rows = status.recent_failures.iter().map(|failure| {
        let times = if failure.count == 1 { "once" } else { &format!("{} times", failure.count) };
        Row::new(&failure.outcome, format!("{times}, last {}", failure.newest)).at(format!("/flows/{}", failure.newest))
    });
    Section { title: "Recent failures".to_owned(), mark: None, rows: rows.collect(), empty: "None." }
}

/// The last sign-ins.
pub(super) fn flows(flows: &[Overview], public_url: &Url) -> Page {
    let rows = flows.iter().map(|flow| {
        let last = flow.last.map_or("began", |kind| kind.as_str());
        let outcome = flow.summary();
        let client = flow.client_name.as_deref().unwrap_or("an unknown client");
        let value = format!("{} · {client} · {} · {outcome} · {last}", flow.started_at, flow.provider);
        Row::new(flow.id.as_str(), value).at(format!("/flows/{}", flow.id))
    });
    let section = Section {
        title: "Newest first".to_owned(),
        mark: None,
        rows: rows.collect(),
        empty: "Nobody has tried to sign in since the process began.",
    };
    Report {
        public_url,
        title: "Sign-ins".to_owned(),
        lead: "The last ones, in memory. Each error page shows its name.".to_owned(),
        sections: vec![section],
        links: LINKS.to_vec(),
    }
    .page()
}

/// One sign-in.
pub(super) fn flow(flow: &Flow, public_url: &Url) -> Page {
    let facts = [
        ("provider", Some(flow.provider.as_str())),
        ("chosen", flow.identity_provider.as_deref()),
        ("client", flow.client_name.as_deref()),
        ("client id", flow.client_id.as_deref()),
        ("resource", flow.resource.as_deref()),
        ("from", Some(flow.address.as_str())),
        ("person", flow.subject.as_deref()),
        ("what to do", flow.what_to_do()),
    ];
    let rows = facts.into_iter().filter_map(|(label, value)| Some(Row::new(label, value?))).collect();
    let mark = match (flow.outcome.as_deref(), &flow.trouble) {
        (None, _) => None,
        (Some("ok"), None) => Some(Mark::Good("ok")),
        (Some("ok"), Some(_)) => Some(Mark::Bad("refused")),
        (Some(_), _) => Some(Mark::Bad("failed")),
    };
    let title = flow.summary();
    let (first, last) = flow.parts();
    let row = |step: &Step| Row::new(format!("{} {}", step.at, step.kind.as_str()), &step.text);
    let left_out = (flow.left_out > 0).then(|| Row::new("…", format!("{} steps were not kept", flow.left_out)));
    let steps: Vec<Row> = first.iter().map(row).chain(left_out).chain(last.iter().map(row)).collect();
    Report {
        public_url,
        title: format!("Sign-in {}", flow.id),
        lead: format!("Begun {}.", flow.started_at),
        sections: vec![
            Section { title, mark, rows, empty: "" },
            Section { title: "What happened".to_owned(), mark: None, rows: steps, empty: "Nothing." },
        ],
        links: LINKS.to_vec(),
    }
    .page()
}

fn mark(part: &Part) -> Mark {
    if part.ready { Mark::Good("ready") } else { Mark::Bad("not ready") }
}

fn age(seconds: Option<u64>) -> String {
    seconds.map_or_else(|| "never fetched".to_owned(), |seconds| format!("fetched {} ago", duration(seconds)))
}

fn duration(seconds: u64) -> String {
    humantime::format_duration(std::time::Duration::from_secs(seconds)).to_string()
}
