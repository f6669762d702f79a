//! The page that tells a person what happened and what they can do: errors, a refused consent, a
//! sign-in that is over.

use askama::Template;
use url::Url;

use super::{Page, STYLE, Target, policy, render, site, text};

/// What the page says.
#[derive(Clone, Debug)]
pub struct Notice<'a> {
    /// Our own public URL.
    pub public_url: &'a Url,
    /// What happened, in a few words.
    pub title: &'a str,
    /// What happened, in a sentence or two.
    pub what: &'a str,
    /// What the person can do, in this order.
    pub steps: &'a [String],
    /// Where they may go on.
    pub link: Option<Link>,
    /// For the person who looks after the client or this server: an error code and its reason.
    pub detail: Option<String>,
    /// The same text is in our log.
    pub reference: &'a str,
}

/// A way back that the person takes or leaves; nobody is sent there without being asked
/// (OAuth 2.1 section 7.12.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The whole URL.
    pub href: String,
    /// What it leads to.
    pub target: Target,
}

#[derive(Template)]
#[template(path = "notice.html")]
struct View<'a> {
    style: &'static str,
    site: String,
    title: &'a str,
    what: &'a str,
    steps: &'a [String],
    link: Option<&'a Link>,
    detail: Option<String>,
    reference: &'a str,
}

// === impl Notice ===

impl Notice<'_> {
    /// Renders the page.
    pub fn page(&self) -> Page {
        let view = View {
            style: STYLE,
            site: site(self.public_url),
            title: self.title,
            what: self.what,
            steps: self.steps,
            link: self.link.as_ref(),
            detail: self.detail.as_deref().map(text::detail),
            reference: self.reference,
        };
        Page { html: render(&view), policy: policy::without_form() }
    }
}
