//! A choice of providers: one issuer with clients and routes of its own, several identity providers
//! behind it.

use std::{collections::HashMap, sync::Arc};

use url::Url;

use super::{
    mounted::{self, Mounted},
    policy,
    provider::{DEFAULT_TIMEOUT, Draft, check_name, needed_claims},
    report::Report,
    scopes::{self, OPENID},
    value,
};
use crate::{
    config::{
        diagnostic::{closest, one_of},
        document::{Document, IdentityMembers, Introspection, Lifetimes, List, Provider, keys},
        origin::{child, item},
        plan::{Mode, PolicyPlan, ProtocolPlan, ProviderPlan},
    },
    oauth::Scopes,
};

/// What a choice has like every provider, besides what is mounted.
const OF_CHOICE: [&str; 6] = ["choice", "display_name", "required_scopes", "valid_scopes", "policy", "routes"];
/// What is mounted: for a choice, or for a provider with routes of its own. Every key that is in neither
/// list is about one identity provider.
const MOUNTED: [&str; 12] = [
    "mount",
    "issuer_url",
    "resource_base_url",
    "service_documentation_url",
    "redirect_path",
    "dynamic_registration",
    "enable_cimd",
    "private_use_schemes",
    "allowed_client_redirect_uris",
    "require_authorization_consent",
    "clients",
    "lifetimes",
];

/// Whether an entry is a choice of others.
pub(super) fn is_choice(provider: &Provider) -> bool {
    provider.choice.is_some()
}

/// The first choice that offers this provider. A misspelt name counts: it is a mistake of its own, and
/// no other one follows from it.
pub(super) fn offering<'d>(document: &'d Document, name: &str) -> Option<&'d str> {
    let known = || document.providers.keys().map(String::as_str);
    let means = |offered: &str| {
        offered == name || (!known().any(|known| known == offered) && closest(offered, known()) == Some(name))
    };
    let offers = |provider: &Provider| {
        let names = provider.choice.as_ref().and_then(|list| value::items(list).ok());
        names.is_some_and(|names| names.iter().any(|offered| means(offered)))
    };
    document.providers.iter().find(|(_, provider)| offers(provider)).map(|(name, _)| name.as_str())
}

/// How many things have a mount of their own.
pub(super) fn mounts(document: &Document) -> usize {
    let is_mounted = |name: &str, provider: &Provider| {
        is_choice(provider) || !provider.routes.is_empty() || offering(document, name).is_none()
    };
    document.providers.iter().filter(|(name, provider)| is_mounted(name, provider)).count()
}

/// `drafts` are the providers that are no choice, by name.
pub(super) fn compile(
    provider: &Provider,
    document: &Document,
    drafts: &HashMap<&str, Draft>,
    place: mounted::Place<'_>,
    report: &mut Report<'_>,
) -> Draft {
    let name = place.name;
    let at = child("providers", name);
    check_name(&at, name, report);
    let names = members(&at, provider, document, name, report);
    refuse_keys_of_members(&at, &names, report);
    let members: Vec<(&str, &Draft)> = names
        .iter()
        .filter_map(|name| drafts.get_key_value(name.as_str()).map(|(name, draft)| (*name, draft)))
        .collect();
    let is_openid = !members.is_empty() && members.iter().all(|(_, draft)| draft.is_openid);
    let scopes = scopes::compile(&at, provider, is_openid, report);
    for (member, draft) in &members {
        grants(&at, name, (member, draft), (&scopes.required, &scopes.valid), report);
    }
    differ(&at, provider, &members, report);
    mounted::demand_routes(&at, provider, report);
    let mounted = mounted::compile(&at, provider, scopes.routes, (place, (Mode::Proxy, &[])), report);
    let callbacks: Vec<String> =
        names.iter().filter_map(|name| Some(callback(mounted.redirect_path.as_deref()?, name))).collect();
    let claims = mounted.claims(name, &at, callbacks.iter().map(String::as_str));
    let display_name = provider.display_name.as_deref().map(str::trim).filter(|name| !name.is_empty());
    let whole = Whole {
        name,
        display_name: display_name.unwrap_or(name),
        required: scopes.required,
        valid: scopes.valid,
        policy: policy::compile(&child(&at, "policy"), &provider.policy, report),
        public_url: place.public_url,
    };
    Draft { plan: whole.plan(mounted, &members), claims, is_openid, limits: None }
}

/// What the plan of a choice is made of, besides what is mounted.
struct Whole<'a> {
    name: &'a str,
    display_name: &'a str,
    required: Scopes,
    valid: Scopes,
    policy: PolicyPlan,
    public_url: Option<&'a Url>,
}

// === impl Whole ===

impl Whole<'_> {
    fn plan(self, mounted: Mounted, members: &[(&str, &Draft)]) -> Option<ProviderPlan> {
        let (mount, redirect_path, routes) = (mounted.mount?, mounted.redirect_path?, mounted.routes?);
        let issuer = mounted.identifiers.issuer(self.public_url?, &mount);
        let mut plan = ProviderPlan {
            name: self.name.to_owned(),
            display_name: self.display_name.to_owned(),
            callback_url: Url::parse(&issuer.endpoint(&redirect_path)).ok()?,
            mount,
            issuer,
            service_documentation: mounted.identifiers.service_documentation,
            config_url: None,
            protocol: ProtocolPlan::default(),
            choice: Vec::new(),
            client_id: String::new(),
            client_secret: None,
            token_endpoint_auth_method: None,
            mode: Mode::Proxy,
            access_tokens: None,
            audience: None,
            required_scopes: self.required,
            valid_scopes: self.valid,
            redirect_path,
            extra_authorize_params: Vec::new(),
            extra_token_params: Vec::new(),
            offline_access: true,
            dynamic_registration: mounted.strangers.dynamic_registration,
            enable_cimd: mounted.strangers.enable_cimd,
            private_use_schemes: mounted.strangers.private_use_schemes,
            allowed_client_redirect_uris: mounted.strangers.allowed_redirect_uris,
            consent: mounted.strangers.consent,
            clients: mounted.clients,
            lifetimes: mounted.lifetimes,
            timeout: DEFAULT_TIMEOUT,
            allow_insecure_http: false,
            needed_claims: needed_claims(None, &self.policy, &routes),
            policy: self.policy,
            routes,
        };
        let choice: Option<Vec<_>> = members.iter().map(|(_, draft)| below(&plan, draft.plan.as_ref()?)).collect();
        plan.choice = choice?;
        Some(plan)
    }
}

/// A member as it is below the choice's mount: its own application there, and nothing of what it may
/// have mounted for itself.
fn below(choice: &ProviderPlan, member: &ProviderPlan) -> Option<Arc<ProviderPlan>> {
    let redirect_path = callback(&choice.redirect_path, &member.name);
    let required_scopes = member.required_scopes.union(&choice.required_scopes);
    Some(Arc::new(ProviderPlan {
        mount: choice.mount.clone(),
        issuer: choice.issuer.clone(),
        callback_url: Url::parse(&choice.issuer.endpoint(&redirect_path)).ok()?,
        redirect_path,
        valid_scopes: required_scopes.union(&choice.valid_scopes),
        required_scopes,
        dynamic_registration: choice.dynamic_registration,
        enable_cimd: choice.enable_cimd,
        service_documentation: None,
        private_use_schemes: None,
        allowed_client_redirect_uris: None,
        consent: choice.consent,
        clients: Vec::new(),
        lifetimes: choice.lifetimes,
        // Rules of both look at what this one says.
        needed_claims: [choice.needed_claims.as_slice(), &member.needed_claims].concat(),
        routes: Vec::new(),
        ..member.clone()
    }))
}

/// Each identity provider has a callback of its own (RFC 9700 section 4.4.2).
fn callback(redirect_path: &str, member: &str) -> String {
    format!("{redirect_path}/{member}")
}

/// The names that are offered, each once and each good for it.
fn members(at: &str, provider: &Provider, document: &Document, own: &str, report: &mut Report<'_>) -> Vec<String> {
    let at = child(at, "choice");
    let Some(list) = &provider.choice else { return Vec::new() };
    let written = match value::items(list) {
        Ok(written) => written,
        Err(refusal) => {
            report.refuse(&at, "", refusal);
            return Vec::new();
        }
    };
    let place = |index| if matches!(list, List::Items(_)) { item(&at, index) } else { at.clone() };
    let mut names: Vec<String> = Vec::new();
    for (index, name) in written.iter().enumerate() {
        let at = place(index);
        if names.contains(name) {
            report.error(&at, "is offered twice").offending(name).help("remove one of the two");
        } else if member(&at, name, document, own, report) {
            names.push(name.clone());
        }
    }
    if written.len() < 2 {
        let help = match written.first() {
            Some(one) => format!("add a second one, or write the routes at `{one}` and remove `{own}`"),
            None => "write the names of two or more providers: `choice: [entra, google]`".to_owned(),
        };
        report.error(&at, "needs two providers or more to choose from").help(help);
    }
    names
}

/// Whether a name can be offered.
fn member(at: &str, name: &str, document: &Document, own: &str, report: &mut Report<'_>) -> bool {
    let can = |other: &str, provider: &Provider| other != own && !is_choice(provider) && !is_remote(provider);
    let good =
        || document.providers.iter().filter(|(name, provider)| can(name, provider)).map(|(name, _)| name.as_str());
    let (message, help) = match document.providers.get(name) {
        None => {
            let help = match closest(name, good()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None if good().next().is_none() => format!("add `{name}:` to `providers`, with its `client_id`"),
                None => format!("write {}, or add `{name}:` to `providers`", one_of(good())),
            };
            ("is no provider here", help)
        }
        Some(_) if name == own => ("is the choice itself", "write the names of other providers".to_owned()),
        Some(provider) if is_choice(provider) => {
            ("is a choice itself", format!("write the providers that `{name}` offers, one by one"))
        }
        Some(provider) if is_remote(provider) => (
            "has `mode: remote`: people sign in there through their client, not through a page of this server",
            format!("remove `mode: remote` from `{name}`, or `{name}` from the choice"),
        ),
        Some(_) => return true,
    };
    report.error(at, message).offending(name).help(help);
    false
}

fn is_remote(provider: &Provider) -> bool {
    provider.mode.as_deref().is_some_and(|mode| mode.trim() == "remote")
}

/// Whatever the choice gives out, each member has to be able to give.
fn grants(
    at: &str,
    choice: &str,
    (member, draft): (&str, &Draft),
    (required, valid): (&Scopes, &Scopes),
    report: &mut Report<'_>,
) {
    if !draft.is_openid && required.contains(OPENID) {
        report
            .error(&child(at, "required_scopes"), format!("cannot be had at `{member}`, which gives no ID tokens"))
            .offending(OPENID)
            .help(format!("remove `{OPENID}`: where there are ID tokens it is asked for anyway"));
    }
    let missing = draft.limits.as_ref().map(|limits| valid.difference(limits)).unwrap_or_default();
    if !missing.is_empty() {
        let at = format!("providers.{member}.valid_scopes");
        report.error(&at, format!("lacks what the choice `{choice}` gives out: `{missing}`")).help(format!(
            "add `{missing}` here, or remove it from `{choice}`; without `valid_scopes` there is no bound"
        ));
    }
}

/// Two buttons that read the same are no choice.
fn differ(at: &str, provider: &Provider, members: &[(&str, &Draft)], report: &mut Report<'_>) {
    for (index, (name, draft)) in members.iter().enumerate() {
        let Some(plan) = &draft.plan else { continue };
        let same = members.iter().take(index).find(|(_, other)| {
            other.plan.as_ref().is_some_and(|other| other.display_name.trim() == plan.display_name.trim())
        });
        let Some((other, _)) = same else { continue };
        let is_list = matches!(provider.choice, Some(List::Items(_)));
        let written = format!("providers.{name}.display_name");
        let place = child(at, "choice");
        let place = if is_list { item(&place, index) } else { place };
        let place = if report.is_written(&written) { written } else { place };
        report
            .error(
                &place,
                format!("`{other}` and `{name}` would have the same button, \"Continue with {}\"", plan.display_name),
            )
            .help(format!(
                "give each a `display_name` of its own, such as `display_name: {} ({name})`",
                plan.display_name
            ));
    }
}

/// Keys about an identity provider: each member has its own.
fn refuse_keys_of_members(at: &str, names: &[String], report: &mut Report<'_>) {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let help = match names.as_slice() {
        [] => "write it at the providers that are offered, and remove it here".to_owned(),
        names => format!("write it at {}, where it belongs, and remove it here", one_of(names.iter().copied())),
    };
    for key in keys::of::<Provider>().iter().filter(|key| !OF_CHOICE.contains(key) && !MOUNTED.contains(key)) {
        let at = child(at, key);
        if is_written(&at, key, report) {
            let message = "is about one identity provider, and this is a choice of several";
            report.key_error(&at, message).help(help.as_str());
        }
    }
}

/// Keys about what is mounted, at a provider that has nothing mounted for itself.
pub(super) fn refuse_keys_of_choice(at: &str, choice: &str, report: &mut Report<'_>) {
    for key in MOUNTED {
        let at = child(at, key);
        if is_written(&at, key, report) {
            report
                .key_error(&at, format!("has no effect: all that is mounted is mounted for the choice `{choice}`"))
                .help(format!("write it at `{choice}`, or add `routes` here for a second way in"));
        }
    }
}

/// Whether somebody wrote the key, or by variables something below it.
fn is_written(at: &str, key: &str, report: &Report<'_>) -> bool {
    let below: &[&str] = match key {
        "identity" => keys::of::<IdentityMembers>(),
        "introspection" => keys::of::<Introspection>(),
        "lifetimes" => keys::of::<Lifetimes>(),
        "clients" => return report.is_written(at) || report.is_written(&child(&item(at, 0), "client_id")),
        _ => &[],
    };
    report.is_written(at) || below.iter().any(|key| report.is_written(&child(at, key)))
}
