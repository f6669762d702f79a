//! Puts what is known about a provider below what a person wrote: a value that is there stays. Every
//! value that comes from here has the preset as its origin.

use url::Url;

use super::{ALL, Audience, Kind, Parameter, Preset, Tenants, parameters};
use crate::config::{
    compile::value,
    diagnostic::{Diagnostic, Diagnostics, Severity, closest, one_of},
    document::{Document, List, Params, Provider, Scalar, keys},
    origin::{Origin, Origins, child},
};

/// What says where a provider is. A written `config_url` stands for all of it.
const PLACE: [&str; 7] = [
    "config_url",
    "issuer",
    "authorization_endpoint",
    "token_endpoint",
    "userinfo_endpoint",
    "revocation_endpoint",
    "identity",
];
/// The list of organisations, of a provider that serves several.
const TENANTS: &str = "allowed_tenants";
/// What has a meaning with `mode: remote`, too.
const REMOTE: [&str; 2] = ["config_url", "issuer"];

/// One provider while it is filled in.
struct Filling<'a> {
    at: String,
    preset: &'static Preset,
    provider: &'a mut Provider,
    origins: &'a mut Origins,
    found: &'a mut Diagnostics,
    notes: &'a mut Vec<Diagnostic>,
    /// Parameters that lead nowhere.
    wrong: Vec<&'static str>,
}

/// Fills in every provider of a document, and says what does not fit its preset. What comes back is
/// worth telling when nothing is wrong.
pub(in crate::config) fn fill(
    document: &mut Document,
    origins: &mut Origins,
    found: &mut Diagnostics,
) -> Vec<Diagnostic> {
    let mut notes = Vec::new();
    // A choice is no provider: those that it offers have their presets.
    for (name, provider) in document.providers.iter_mut().filter(|(_, provider)| provider.choice.is_none()) {
        let preset = Preset::of(provider);
        let mut filling = Filling {
            at: child("providers", name),
            preset,
            provider,
            origins,
            found,
            notes: &mut notes,
            wrong: Vec::new(),
        };
        filling.check_name();
        filling.refuse_foreign();
        filling.share_place();
        filling.read_parameters();
        filling.look_at_url();
        filling.fill_in();
        filling.check_place();
        filling.check_audience_and_resource();
    }
    notes
}

// === impl Filling ===

impl Filling<'_> {
    fn tell(&mut self, severity: Severity, key: &str, offending: &str, message: String, help: String) {
        let path = child(&self.at, key);
        let origin = if offending.is_empty() { self.origins.of_key(&path) } else { self.origins.of(&path) };
        let mut diagnostic = Diagnostic::error(path, origin, message);
        diagnostic.severity = severity;
        diagnostic.help(help);
        if !offending.is_empty() {
            diagnostic.offending(offending);
        }
        match severity {
            Severity::Note => self.notes.push(diagnostic),
            Severity::Error | Severity::Warning => self.found.push(diagnostic),
        }
    }

    fn error(&mut self, key: &str, offending: &str, message: impl Into<String>, help: impl Into<String>) {
        self.tell(Severity::Error, key, offending, message.into(), help.into());
    }

    fn check_name(&mut self) {
        let Some(text) = self.provider.preset.clone() else { return };
        let text = text.trim();
        if Preset::named(text).is_some() {
            return;
        }
        let names = || ALL.into_iter().map(|preset| preset.name);
        let known = |meant: &str| format!("did you mean `{meant}`? Possible are {}", one_of(names()));
        let help = match closest(&text.to_ascii_lowercase(), names()).or_else(|| other_name(text)) {
            Some(meant) => known(meant),
            None => format!("write {}; the first is for any provider with a discovery document", one_of(names())),
        };
        self.error("preset", text, "is not known here", help);
    }

    /// Parameters of other presets.
    fn refuse_foreign(&mut self) {
        let own = |key: &str| self.preset.parameters.iter().any(|parameter| parameter.key == key);
        let is_known = self.provider.preset.as_deref().is_none_or(|name| Preset::named(name.trim()).is_some());
        let allows = self.provider.allowed_tenants.is_some() && self.preset.tenants.is_none();
        let foreign: Vec<&str> = parameters(self.provider)
            .into_iter()
            .filter(|(key, value)| value.is_some() && !own(key))
            .map(|(key, _)| key)
            .chain(allows.then_some(TENANTS))
            .collect();
        // Which ones belong here is only known once the name is right.
        for key in foreign.into_iter().filter(|_| is_known) {
            let has = |preset: &&Preset| match key {
                TENANTS => preset.tenants.is_some(),
                key => preset.parameters.iter().any(|own| own.key == key),
            };
            let owners = ALL.into_iter().filter(has);
            let owners: Vec<&str> = owners.map(|preset| preset.name).collect();
            let first = owners.first().copied().unwrap_or_default();
            let several = if owners.len() > 1 { "s" } else { "" };
            let message = format!("belongs to the preset{several} {}", one_of(owners.iter().copied()));
            let help = if self.provider.preset.is_some() {
                format!("remove it, or write `preset: {first}`")
            } else {
                format!("add `preset: {first}`, or remove it")
            };
            self.error(key, "", message, help);
        }
    }

    /// Several tenants sign in at the place that they share: nobody has to know its name, and no single
    /// one can be named besides.
    fn share_place(&mut self) {
        let (Some(list), Some(tenants)) = (&self.provider.allowed_tenants, &self.preset.tenants) else { return };
        let personal = |tenant: &String| tenant.trim().eq_ignore_ascii_case(tenants.personal);
        let has_personal = value::items(list).is_ok_and(|list| list.iter().any(personal));
        match self.parameter(tenants.parameter) {
            None => {
                let place = if has_personal { tenants.with_personal } else { tenants.shared };
                self.put(tenants.parameter, place.to_owned());
            }
            Some(place) if [tenants.shared, tenants.with_personal].contains(&place.trim()) => {}
            Some(other) => {
                let help = format!("remove `{}`, or `{TENANTS}`", tenants.parameter);
                let message = format!("is one place, and `{TENANTS}` names those whose people may sign in");
                let mut diagnostic = self.about(tenants.parameter, message);
                diagnostic.origin = self.origins.of(&diagnostic.path);
                diagnostic.offending(other.trim()).help(help);
                self.found.push(diagnostic);
                self.wrong.push(tenants.parameter);
            }
        }
    }

    /// Whether this is the name of the place that several tenants share, and they are named.
    fn is_shared(&self, key: &str, text: &str) -> bool {
        let shared = |tenants: &Tenants| {
            tenants.parameter == key && [tenants.shared, tenants.with_personal].contains(&text.trim())
        };
        self.provider.allowed_tenants.is_some() && self.preset.tenants.as_ref().is_some_and(shared)
    }

    /// Written parameters in the form in which they are used.
    fn read_parameters(&mut self) {
        for parameter in self.preset.parameters {
            let Some(text) = self.parameter(parameter.key) else { continue };
            if self.is_shared(parameter.key, &text) {
                self.set_parameter(parameter.key, text.trim().to_owned());
                continue;
            }
            if self.wrong.contains(&parameter.key) {
                continue;
            }
            match parameter.kind.read(&text) {
                Ok(value) => self.set_parameter(parameter.key, value),
                Err(mistake) => {
                    let help = mistake.help.unwrap_or_else(|| looked_for(parameter));
                    let mut diagnostic = self.about(parameter.key, mistake.message);
                    diagnostic.origin = self.origins.of(&diagnostic.path);
                    diagnostic.offending(text.trim()).help(help);
                    self.found.push(diagnostic);
                    self.wrong.push(parameter.key);
                }
            }
        }
    }

    /// An error in a parameter. What follows from it is not missing as well.
    fn about(&self, key: &str, message: impl Into<String>) -> Diagnostic {
        let path = child(&self.at, key);
        let mut diagnostic = Diagnostic::error(path.as_str(), self.origins.of_key(&path), message);
        diagnostic.meant = Some(child(&self.at, "config_url"));
        diagnostic
    }

    fn parameter(&mut self, key: &str) -> Option<String> {
        let known = parameters(self.provider).into_iter().find(|(known, _)| *known == key)?;
        known.1.clone()
    }

    fn set_parameter(&mut self, key: &str, value: String) {
        if let Some((_, slot)) = parameters(self.provider).into_iter().find(|(known, _)| *known == key) {
            *slot = Some(value);
        }
    }

    /// The defaults one after the other: later ones may build on earlier ones.
    fn fill_in(&mut self) {
        let has_document = self.provider.config_url.is_some();
        let is_remote = self.provider.mode.as_deref().is_some_and(|mode| mode.trim() == "remote");
        let mut missing = Vec::new();
        if !self.preset.title.is_empty() {
            self.put("display_name", self.preset.title.to_owned());
        }
        for (key, template) in self.preset.defaults {
            let first = key.split('.').next().unwrap_or(key);
            let is_parameter = self.preset.parameters.iter().any(|parameter| parameter.key == *key);
            let left_out = has_document && PLACE.contains(&first);
            if left_out || is_remote && !is_parameter && !REMOTE.contains(key) {
                continue;
            }
            match self.rendered(template) {
                Ok(value) => self.put(key, value),
                Err(name) => missing.push(name),
            }
        }
        for parameter in self.preset.parameters {
            let key = parameter.key;
            if missing.contains(&key) && self.preset.default_of(key).is_none() && !self.wrong.contains(&key) {
                self.missing(parameter);
            }
        }
    }

    /// A template with the values of other keys; the key that has none.
    fn rendered(&mut self, template: &'static str) -> Result<String, &'static str> {
        let mut text = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').unwrap_or((after, ""));
            let (key, part) = name.split_once('.').unwrap_or((name, ""));
            let value = match key {
                "client_id" => self.provider.client_id.as_deref().map(|id| id.trim().to_owned()),
                key => self.parameter(key).filter(|_| !self.wrong.contains(&key)),
            };
            let value = value.ok_or(key)?;
            // The id of a user pool begins with its region.
            let value = if part == "region" { value.split('_').next().unwrap_or_default() } else { &value };
            text.extend([before, value]);
            rest = after;
        }
        Ok(text + rest)
    }

    fn missing(&mut self, parameter: &Parameter) {
        let Parameter { key, example, find, .. } = parameter;
        let variable = keys::variable(&child(&self.at, key)).unwrap_or_default();
        let help = format!("add `{key}: {example}`, or set {variable}; you find it {find}");
        let mut diagnostic = self.about(key, format!("is missing: {} is found by it", self.preset.title));
        diagnostic.help(help);
        self.found.push(diagnostic);
    }

    /// Sets a key that nobody wrote, from a text as a variable would have it.
    fn put(&mut self, key: &str, value: String) {
        let path = child(&self.at, key);
        let provider = &mut *self.provider;
        let slot = match key {
            "display_name" => &mut provider.display_name,
            "config_url" => &mut provider.config_url,
            "issuer" => &mut provider.issuer,
            "authorization_endpoint" => &mut provider.authorization_endpoint,
            "token_endpoint" => &mut provider.token_endpoint,
            "userinfo_endpoint" => &mut provider.userinfo_endpoint,
            "revocation_endpoint" => &mut provider.revocation_endpoint,
            "identity.subject" => &mut provider.identity.subject,
            "identity.name" => &mut provider.identity.name,
            "identity.email_endpoint" => &mut provider.identity.email_endpoint,
            "identity.email_verified" => {
                if provider.identity.email_verified.is_none() {
                    provider.identity.email_verified = Some(Scalar(value));
                    self.origins.set(path, Origin::Preset(self.preset.name));
                }
                return;
            }
            "required_scopes" => {
                if provider.required_scopes.is_none() {
                    provider.required_scopes = Some(List::Text(value));
                    self.origins.set(path, Origin::Preset(self.preset.name));
                }
                return;
            }
            _ if key.starts_with("extra_authorize_params.") => return self.put_param(key, value),
            _ => match parameters(provider).into_iter().find(|(known, _)| *known == key) {
                Some((_, slot)) => slot,
                None => return,
            },
        };
        if slot.is_none() {
            *slot = Some(value);
            self.origins.set(path, Origin::Preset(self.preset.name));
        }
    }

    /// One parameter more at sign-in. A written one with this name counts; an empty one is none.
    fn put_param(&mut self, key: &str, value: String) {
        let Some((_, name)) = key.split_once('.') else { return };
        let written = match self.provider.extra_authorize_params.as_ref().map(value::params) {
            None => Vec::new(),
            Some(Ok(written)) => written,
            // What is wrong with it is said later.
            Some(Err(_)) => return,
        };
        let mut entries: indexmap::IndexMap<String, Scalar> =
            written.into_iter().map(|(name, value)| (name, Scalar(value))).collect();
        match entries.get(name) {
            Some(value) if value.as_str().is_empty() => {
                entries.shift_remove(name);
            }
            Some(_) => return,
            None => {
                entries.insert(name.to_owned(), Scalar(value));
                self.origins.set(child(&self.at, key), Origin::Preset(self.preset.name));
            }
        }
        self.provider.extra_authorize_params = Some(Params::Entries(entries));
    }

    /// A written URL and the parameters may not name two places.
    fn check_place(&mut self) {
        let is_ours = |origin: Option<&Origin>| matches!(origin, Some(Origin::Preset(_)));
        let (Some(written), Some(template)) = (self.provider.config_url.clone(), self.preset.default_of("config_url"))
        else {
            return;
        };
        if is_ours(self.origins.written(&child(&self.at, "config_url"))) {
            return;
        }
        let named = self.preset.parameters.iter().find(|parameter| {
            template.contains(&format!("{{{}}}", parameter.key))
                && self.origins.written(&child(&self.at, parameter.key)).is_some_and(|origin| !is_ours(Some(origin)))
        });
        let (Some(parameter), Ok(expected)) = (named, self.rendered(template)) else { return };
        if written.trim() != expected {
            let message = format!("is another place than `{}` says: {expected}", parameter.key);
            self.error(
                "config_url",
                written.trim(),
                message,
                format!("keep `{}`, and remove `config_url`", parameter.key),
            );
        }
    }

    /// What a written discovery URL tells: whose it is, and whether it is the right one.
    fn look_at_url(&mut self) {
        let first = ["config_url", "authorization_endpoint"]
            .into_iter()
            .zip([self.provider.config_url.clone(), self.provider.authorization_endpoint.clone()]);
        let Some((key, text)) = first.into_iter().find_map(|(key, text)| Some((key, text?))) else { return };
        let text = text.trim();
        let Some(url) = Url::parse(text).ok().filter(|url| url.host_str().is_some()) else { return };
        let host = url.host_str().unwrap_or_default();
        let Some(looks) = ALL.into_iter().find(|preset| preset.has_host(host)) else { return };
        if looks.name == "entra" && key == "config_url" {
            let tenant = url.path_segments().and_then(|mut parts| parts.next()).unwrap_or_default();
            let shared = self.is_shared("tenant_id", tenant);
            if self.provider.allowed_tenants.is_some() && self.preset.tenants.is_some() && !shared {
                let message = format!("names one tenant, and `{TENANTS}` those whose people may sign in");
                self.error(key, text, message, format!("remove it: `{TENANTS}` is enough"));
            } else if let (false, Err(mistake)) = (shared, Kind::Tenant.read(tenant)) {
                let help =
                    mistake.help.unwrap_or_else(|| "write the tenant's id, `preset: entra` and `tenant_id`".to_owned());
                self.error(key, text, format!("names `{tenant}`, which {}", mistake.message), help);
            } else if !url.path().contains("/v2.0/") {
                let help = format!("write `https://{host}/{tenant}/v2.0/.well-known/openid-configuration`");
                self.error(key, text, "is Entra's version 1.0, which has other tokens and another issuer", help);
            }
        }
        match &self.provider.preset {
            None => {
                let what = looks.advantage();
                let message = format!("looks like {}: `preset: {}` {what}", looks.title, looks.name);
                let help = format!("add `preset: {}`; `preset: oidc` says that you want nothing of it", looks.name);
                self.tell(Severity::Note, key, text, message, help);
            }
            Some(_) if self.preset.title.is_empty() || self.preset.name == looks.name => {}
            Some(_) => {
                let message = format!("is {}'s, and the preset is `{}`", looks.title, self.preset.name);
                self.tell(Severity::Warning, key, text, message, format!("write `preset: {}`", looks.name));
            }
        }
    }

    fn check_audience_and_resource(&mut self) {
        let only_id_token = self
            .provider
            .verify_id_token
            .as_ref()
            .is_some_and(|switch| value::switch(switch.as_str().trim()).unwrap_or_default());
        let is_proxy = self.provider.mode.as_deref().is_none_or(|mode| mode.trim() == "proxy");
        if let (Audience::Never { why }, Some(_), false, true) =
            (&self.preset.audience, &self.provider.audience, only_id_token, is_proxy)
        {
            let message = format!("is checked in every access token, and may refuse all of them: {why}");
            let help = "remove it, or add `verify_id_token: true` to send it without a check";
            self.tell(Severity::Warning, "audience", "", message, help.to_owned());
        }
        let forwards = self
            .provider
            .forward_resource
            .as_ref()
            .is_some_and(|switch| value::switch(switch.as_str().trim()).unwrap_or_default());
        if let (Some(why), true) = (self.preset.refuses_resource, forwards) {
            self.error("forward_resource", "true", format!("cannot work: {why}"), "remove it");
        }
    }
}

// === impl Preset ===

impl Preset {
    /// Whether a host is one of this provider's.
    fn has_host(&self, host: &str) -> bool {
        self.hosts.iter().any(|own| {
            if own.ends_with('.') {
                host.starts_with(own)
            } else {
                host == *own || host.strip_suffix(own).is_some_and(|rest| rest.ends_with('.'))
            }
        })
    }

    /// What one gets by writing it.
    fn advantage(&self) -> &'static str {
        match (&self.audience, self.scopes.prefix, self.default_of("extra_authorize_params.access_type")) {
            (Audience::Required { .. }, ..) => "would demand the audience, without which its access tokens are opaque",
            (_, Some(_), _) => "would name its scopes as it wants them",
            (_, _, Some(_)) => "would ask for a refresh token",
            _ => "knows what is different there",
        }
    }
}

/// What people also call a provider.
fn other_name(text: &str) -> Option<&'static str> {
    let text = text.to_ascii_lowercase();
    Some(match text.as_str() {
        "azure" | "azuread" | "azure_ad" | "azure-ad" | "microsoft" | "entraid" | "entra-id" | "entra_id" => "entra",
        "aws" | "aws_cognito" | "aws-cognito" | "awscognito" => "cognito",
        "authkit" => "workos",
        "oracle" | "idcs" => "oci",
        "openid" | "generic" => "oidc",
        "oauth" => "oauth2",
        _ => return None,
    })
}

fn looked_for(parameter: &Parameter) -> String {
    let Parameter { key, example, find, .. } = parameter;
    format!("write it like `{key}: {example}`; you find it {find}")
}
