//! [`Document`] -> [`Plan`]: every value understood, completed, checked against the others.
//!
//! Pure, and it does not stop at the first mistake: whoever repairs a configuration sees all of
//! them at once.

mod access_tokens;
mod application;
mod endpoints;
mod identity;
mod lifetimes;
mod overlap;
mod policy;
mod protocol;
mod provider;
mod report;
mod route;
mod scopes;
mod server;
mod static_client;
mod tls;
pub(super) mod value;

use std::sync::Arc;

use super::{
    diagnostic::{Diagnostic, Severity},
    document::Document,
    origin::Origins,
    plan::Plan,
    secrets::Secrets,
};
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
    let storage = server::storage(document, report);
    let root_secrets = server::root_secrets(document, report);
    let trusted_proxies = server::trusted_proxies(document, report);
    let limits = server::limits(&document.limits, report);
    let signing = server::signing(document, report);
    let log = server::log(document, report);
    let audit = server::audit(document, report);
    let is_only = document.providers.len() == 1;
    if document.providers.is_empty() {
        report
            .error("providers", "are missing: there is nothing to sign in with")
            .help("write `providers:` with a name, `config_url`, `client_id` and `routes` below it, or set VESTIBULE_PROVIDERS");
    }
    let drafts: Vec<_> = document
        .providers
        .iter()
        .map(|(name, provider)| provider::compile(name, provider, is_only, public_url.as_ref(), listen, report))
        .collect();
    overlap::check(drafts.iter().filter_map(|draft| draft.claims.as_ref()), report);
    let providers = drafts.into_iter().map(|draft| draft.plan.map(Arc::new)).collect::<Option<Vec<_>>>()?;
    Some(Plan {
        public_url: public_url?,
        allowed_hosts,
        listen,
        admin_listen,
        tls,
        storage,
        root_secrets,
        trusted_proxies,
        limits,
        signing,
        log,
        audit,
        providers,
    })
}
