//! The page on which a person chooses where to sign in, for clients that need no consent; on the
//! consent page the same buttons say yes.

use askama::Template;
use url::Url;

use super::{Page, STYLE, policy, render, site, text};

/// What the page shows.
#[derive(Clone, Debug)]
pub struct Choice<'a> {
    /// Our own public URL.
    pub public_url: &'a Url,
    /// The name of the client, as the operator wrote it.
    pub client_name: &'a str,
    /// The redirect URI of the request, in full.
    pub redirect_uri: &'a str,
    /// What people choose from.
    pub ways: &'a [Way<'a>],
    /// Whether one of them is reached by plain http.
    pub provider_by_http: bool,
    /// Path of the consent endpoint.
    pub action: &'a str,
    /// The sealed authorization request.
    pub transaction: &'a str,
}

/// One way to sign in.
#[derive(Clone, Debug)]
pub struct Way<'a> {
    /// The identity provider's name in the configuration.
    pub name: &'a str,
    /// What people know it by.
    pub display_name: &'a str,
    /// People can sign in there now.
    pub is_available: bool,
}

#[derive(Template)]
#[template(path = "choice.html")]
struct View<'a> {
    style: &'static str,
    site: String,
    client: String,
    ways: &'a [Way<'a>],
    action: &'a str,
    transaction: &'a str,
}

// === impl Way ===

impl Way<'_> {
    /// Its name for people, tidied.
    pub(super) fn label(&self) -> String {
        text::name(self.display_name)
    }
}

// === impl Choice ===

impl Choice<'_> {
    /// Renders the page.
    pub fn page(&self) -> Page {
        let view = View {
            style: STYLE,
            site: site(self.public_url),
            client: text::name(self.client_name),
            ways: self.ways,
            action: self.action,
            transaction: self.transaction,
        };
        Page { html: render(&view), policy: policy::with_form(self.redirect_uri, self.provider_by_http) }
    }
}
