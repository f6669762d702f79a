//! What is known about identity providers, one file each: where they are, what they need, what they do
//! differently. Data only; `fill` puts it below what a person wrote, so that everything can be
//! overridden.
//!
//! # A new provider
//!
//! 1. A file in this folder with one `const PRESET`, and a line in [`ALL`].
//! 2. What is asked of the person is a [`Parameter`]; one that no other provider has is a field of
//!    `crate::config::document::Provider`, too, and a line in `parameters`.
//! 3. `places`: where in its console the callback URL, the secret and the rest are.
//! 4. `examples/<name>/`, with a README; `INSTA_UPDATE=always cargo test --test config` writes the row in
//!    `docs/providers.md`, and the tests say what is forgotten.

mod auth0;
mod cognito;
mod console;
mod descope;
mod discord;
mod entra;
mod fill;
mod github;
mod gitlab;
mod google;
mod keycloak;
mod oauth2;
mod oci;
mod oidc;
mod okta;
mod parameter;
mod scalekit;
mod supabase;
mod workos;

use super::{document::Provider, plan::AudienceClaim};

pub use console::Setting;
pub(super) use fill::fill;
pub use parameter::Kind;
pub(super) use parameter::tenant_id;

/// Every preset, generic ones first.
pub const ALL: [&Preset; 16] = [
    &oidc::PRESET,
    &oauth2::PRESET,
    &auth0::PRESET,
    &entra::PRESET,
    &google::PRESET,
    &okta::PRESET,
    &keycloak::PRESET,
    &cognito::PRESET,
    &workos::PRESET,
    &gitlab::PRESET,
    &github::PRESET,
    &discord::PRESET,
    &oci::PRESET,
    &scalekit::PRESET,
    &descope::PRESET,
    &supabase::PRESET,
];

/// What is known about one provider.
#[derive(Debug, PartialEq, Eq)]
pub struct Preset {
    /// What one writes for it.
    pub name: &'static str,
    /// What people call it; empty for the generic ones.
    pub title: &'static str,
    /// What it needs to know, besides the application.
    pub parameters: &'static [Parameter],
    /// Keys and their values, written as in a variable; `{key}` stands for another key's value.
    pub defaults: &'static [(&'static str, &'static str)],
    /// Domains of this provider: whoever writes one of them has it.
    pub hosts: &'static [&'static str],
    /// What an `audience` means to it.
    pub audience: Audience,
    /// What says for whom its access tokens are.
    pub audience_claim: AudienceClaim,
    /// Why it does not take `resource` (RFC 8707), if it does not.
    pub refuses_resource: Option<&'static str>,
    /// How it names scopes.
    pub scopes: ScopeNames,
    /// How it serves several organisations from one place, each with an issuer of its own.
    pub tenants: Option<Tenants>,
    /// The claim that says whether an e-mail address is verified, if it is not `email_verified`.
    pub email_verified_claim: Option<&'static str>,
    /// Where one enters the callback URL there, and what has to be allowed.
    pub console: &'static str,
    /// Where exactly each of it is: what one clicks there, one after the other.
    pub places: &'static [(Setting, &'static str)],
    /// What is different here, for `docs/providers.md`.
    pub quirks: &'static str,
}

/// Something that is asked of the person.
#[derive(Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its key.
    pub key: &'static str,
    /// What it looks like.
    pub kind: Kind,
    /// A value, for messages.
    pub example: &'static str,
    /// Where one finds it.
    pub find: &'static str,
}

/// What an `audience` means to a provider.
#[derive(Debug, PartialEq, Eq)]
pub enum Audience {
    /// It may be written.
    Optional,
    /// It has to be written, or `verify_id_token: true`.
    Required {
        /// What happens without it.
        why: &'static str,
        /// What to write.
        help: &'static str,
    },
    /// Access tokens have none: a check of it would refuse every one.
    Never {
        /// What is there instead.
        why: &'static str,
    },
}

/// How a provider serves several organisations from one place.
#[derive(Debug, PartialEq, Eq)]
pub struct Tenants {
    /// The parameter that names one of them, or the place that they share.
    pub parameter: &'static str,
    /// Its value for the place that organisations share.
    pub shared: &'static str,
    /// Its value for the place where personal accounts may sign in, too.
    pub with_personal: &'static str,
    /// The organisation of personal accounts.
    pub personal: &'static str,
    /// The claim that names a token's organisation.
    pub claim: &'static str,
    /// What stands for it in the issuer of the shared place.
    pub placeholder: &'static str,
}

/// How a provider names scopes.
#[derive(Debug, PartialEq, Eq)]
pub struct ScopeNames {
    /// The key whose value, with a `/`, stands before every scope that is not OpenID Connect's.
    pub prefix: Option<&'static str>,
    /// Ours, and the name under which it may be granted.
    pub aliases: &'static [(&'static str, &'static str)],
    /// The token endpoint is told which scopes the token is for.
    pub at_token_endpoint: bool,
}

// === impl Preset ===

impl Preset {
    /// Nothing is known: what the others build on.
    const GENERIC: Self = Self {
        name: "oidc",
        title: "",
        parameters: &[],
        defaults: &[],
        hosts: &[],
        audience: Audience::Optional,
        audience_claim: AudienceClaim::Aud,
        refuses_resource: None,
        scopes: ScopeNames { prefix: None, aliases: &[], at_token_endpoint: false },
        tenants: None,
        email_verified_claim: None,
        console: "redirect URIs of the application; grant types authorization_code and refresh_token",
        places: &[],
        quirks: "",
    };

    /// The preset with this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        ALL.into_iter().find(|preset| preset.name == name)
    }

    /// What a provider's entry names; the generic one if it names none, or one that does not exist.
    pub(super) fn of(provider: &Provider) -> &'static Self {
        provider.preset.as_deref().and_then(|name| Self::named(name.trim())).unwrap_or(&oidc::PRESET)
    }

    /// What stands before this provider's scopes.
    pub(super) fn scope_prefix<'p>(&self, provider: &'p Provider) -> Option<&'p str> {
        let prefix = match self.scopes.prefix? {
            "identifier_uri" => provider.identifier_uri.as_deref(),
            _ => None,
        };
        prefix.filter(|prefix| !prefix.is_empty())
    }

    /// Where something is set in its console.
    pub fn place_of(&self, setting: Setting) -> Option<&'static str> {
        self.places.iter().find(|(known, _)| *known == setting).map(|(_, place)| *place)
    }

    /// Its default for a key, as written in the data.
    pub fn default_of(&self, key: &str) -> Option<&'static str> {
        self.defaults.iter().find(|(known, _)| *known == key).map(|(_, value)| *value)
    }
}

/// Every parameter that some preset has, with its place in the document.
fn parameters(provider: &mut Provider) -> [(&'static str, &mut Option<String>); 13] {
    [
        ("domain", &mut provider.domain),
        ("tenant_id", &mut provider.tenant_id),
        ("base_authority", &mut provider.base_authority),
        ("identifier_uri", &mut provider.identifier_uri),
        ("authorization_server", &mut provider.authorization_server),
        ("server_url", &mut provider.server_url),
        ("realm", &mut provider.realm),
        ("user_pool_id", &mut provider.user_pool_id),
        ("aws_region", &mut provider.aws_region),
        ("authkit_domain", &mut provider.authkit_domain),
        ("environment_url", &mut provider.environment_url),
        ("project_id", &mut provider.project_id),
        ("project_url", &mut provider.project_url),
    ]
}
