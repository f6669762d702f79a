//! The page that asks a person whether a program may act for them (MCP authorization, "Confused
//! Deputy"; rows D-3, D-7 and AS-30 of the requirement table). Where people choose their identity
//! provider, one click does both.

use std::time::Duration;

use askama::Template;
use url::Url;

use super::{Page, STYLE, Target, choice::Way, policy, render, site, text};
use crate::oauth::{Scope, Scopes};

/// What the page shows. Texts from clients may be anything; they are tidied and escaped here.
#[derive(Clone, Debug)]
pub struct Consent<'a> {
    /// Our own public URL.
    pub public_url: &'a Url,
    /// The name the client gave itself.
    pub client_name: &'a str,
    /// Where that name comes from.
    pub origin: Origin,
    /// The redirect URI of the request, in full.
    pub redirect_uri: &'a str,
    /// The same, as a person reads it.
    pub target: Target,
    /// What the access token will be for: the public URL of a route.
    pub resource: &'a str,
    /// What will be granted.
    pub scopes: &'a Scopes,
    /// "You sign in with …".
    pub provider: &'a str,
    /// What people choose from instead; empty: there is one provider.
    pub ways: &'a [Way<'a>],
    /// Whether the provider is reached by plain http.
    pub provider_by_http: bool,
    /// Path of the consent endpoint.
    pub action: &'a str,
    /// The sealed authorization request.
    pub transaction: &'a str,
    /// How long the browser remembers an approval; `None`: not at all.
    pub remembered_for: Option<Duration>,
}

/// Where a client's name and redirect URIs come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The configuration.
    Operator,
    /// A client ID metadata document: whoever controls the host vouches for it.
    Document {
        /// Host of the client identifier.
        host: String,
    },
    /// A dynamic registration: nobody vouches for anything.
    Registered,
}

#[derive(Template)]
#[template(path = "consent.html")]
struct View<'a> {
    style: &'static str,
    site: String,
    client: String,
    origin: Origin,
    target: Target,
    resource: &'a str,
    scopes: Vec<ScopeLine<'a>>,
    provider: String,
    ways: &'a [Way<'a>],
    action: &'a str,
    transaction: &'a str,
    remembered_for: Option<String>,
}

struct ScopeLine<'a>(&'a Scope);

// === impl Consent ===

impl Consent<'_> {
    /// Renders the page.
    pub fn page(&self) -> Page {
        let view = View {
            style: STYLE,
            site: site(self.public_url),
            client: text::name(self.client_name),
            origin: self.origin.clone(),
            target: self.target.clone(),
            resource: self.resource,
            scopes: self.scopes.iter().map(ScopeLine).collect(),
            provider: text::name(self.provider),
            ways: self.ways,
            action: self.action,
            transaction: self.transaction,
            remembered_for: self.remembered_for.map(text::span),
        };
        Page { html: render(&view), policy: policy::with_form(self.redirect_uri, self.provider_by_http) }
    }
}

// === impl View ===

impl View<'_> {
    /// The resource without its scheme.
    fn resource_name(&self) -> impl Iterator<Item = &str> {
        let name = self.resource.split_once("://").map_or(self.resource, |(_, name)| name);
        breakable(name)
    }
}

// === impl ScopeLine ===

impl ScopeLine<'_> {
    fn name(&self) -> &str {
        self.0.as_str()
    }

    /// The scopes of OpenID Connect Core section 5.4 and 11 in plain words.
    fn meaning(&self) -> Option<&'static str> {
        match self.0.as_str() {
            "openid" => Some("Know who you are"),
            "profile" => Some("See your name and profile"),
            "email" => Some("See your e-mail address"),
            "phone" => Some("See your phone number"),
            "address" => Some("See your postal address"),
            Scope::OFFLINE_ACCESS => Some("Stay signed in while you are away"),
            _ => None,
        }
    }
}

/// The pieces of a URL between which a line may break.
fn breakable(url: &str) -> impl Iterator<Item = &str> {
    url.split_inclusive('/')
}
