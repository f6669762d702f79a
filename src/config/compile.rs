//! [`Document`] -> [`Plan`]: every value understood, completed, checked against the others.
//!
//! Pure, and it does not stop at the first mistake: whoever repairs a configuration sees all of
//! them at once.

mod access_tokens;
mod application;
mod audience;
mod choice;
mod clients;
mod endpoints;
mod headers;
mod identifiers;
mod identity;
mod lifetimes;
mod mounted;
mod overlap;
mod policy;
mod protocol;
mod provider;
mod report;
mod route;
mod scopes;
mod server;
mod static_client;
mod storage;
mod tls;
pub(super) mod value;

use std::{collections::HashMap, net::SocketAddr, sync::Arc};

use url::Url;

use super::{
    diagnostic::{Diagnostic, Severity},
    document::Document,
    origin::Origins,
    plan::{Plan, ProviderPlan},
    secrets::Secrets,
};
use provider::Draft;
use report::Report;

/// Checks and completes a document. With the plan come warnings and notes; without one, at least
/// one of the diagnostics is an error.
pub(super) fn compile(document: &Document, origins: &Origins, secrets: &Secrets) -> (Option<Plan>, Vec<Diagnostic>) {
    let mut report = Report::new(origins, secrets);
    let plan = plan(document, &mut report);
    let found = report.into_found();
    let valid = found.iter().all(|diagnostic| diagnostic.severity != Severity::Error);
    (plan.filter(|_| valid), found)
}

fn plan(document: &Document, report: &mut Report<'_>) -> Option<Plan> {
    server::version(document, report);
    let public_url = server::public_url(document, report);
    let allowed_hosts = server::allowed_hosts(document, report);
    let (listen, admin_listen) = server::listeners(document, report);
    let tls = tls::compile(document.tls.as_ref(), public_url.as_ref(), report);
    let storage = storage::compile(document, report);
    let root_secrets = server::root_secrets(document, report);
    let trusted_proxies = server::trusted_proxies(document, report);
    let limits = server::limits(&document.limits, report);
    let signing = server::signing(document, report);
    let log = server::log(document, report);
    let audit = server::audit(document, report);
    if document.providers.is_empty() {
        report
            .error("providers", "are missing: there is nothing to sign in with")
            .help("write `providers:` with a name, `config_url`, `client_id` and `routes` below it, or set VESTIBULE_PROVIDERS");
    }
    let providers = providers(document, public_url.as_ref(), listen, report)?;
    let public_url = public_url?;
    Some(Plan {
        allowed_hosts: identifiers::hosts(allowed_hosts, &providers, &public_url),
        public_url,
        listen,
        admin_listen,
        tls,
        storage: storage?,
        root_secrets,
        trusted_proxies,
        limits,
        signing,
        log,
        audit,
        providers,
    })
}

/// Everything that is mounted, in the order in which it is written.
fn providers(
    document: &Document,
    public_url: Option<&Url>,
    listen: SocketAddr,
    report: &mut Report<'_>,
) -> Option<Vec<Arc<ProviderPlan>>> {
    let is_only = choice::mounts(document) == 1;
    let place = |name| mounted::Place { name, is_only, public_url, listen };
    let (choices, others): (Vec<_>, Vec<_>) =
        document.providers.iter().partition(|(_, provider)| choice::is_choice(provider));
    let mut drafts = HashMap::new();
    for (name, provider) in others {
        let offering = choice::offering(document, name);
        drafts.insert(name.as_str(), provider::compile(provider, offering, place(name), report));
    }
    let mut whole = Vec::new();
    for (name, provider) in choices {
        whole.push((name.as_str(), choice::compile(provider, document, &drafts, place(name), report)));
    }
    drafts.extend(whole);
    let mut drafts: Vec<Draft> = document.providers.keys().filter_map(|name| drafts.remove(name.as_str())).collect();
    overlap::check(drafts.iter().filter_map(|draft| draft.claims.as_ref()), report);
    let mounted = drafts.iter().filter(|draft| draft.claims.is_some());
    identifiers::check(mounted.filter_map(|draft| draft.plan.as_ref()), report);
    audience::check(&drafts, report);
    let is_complete = drafts.iter().all(|draft| draft.plan.is_some());
    drafts.retain(|draft| draft.claims.is_some());
    is_complete.then(|| drafts.into_iter().filter_map(|draft| draft.plan.map(Arc::new)).collect())
}
