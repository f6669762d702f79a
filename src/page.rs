//! The pages that people see: text in, HTML and its content security policy out.
//!
//! Knows nothing of requests, and nothing of the rules behind what it shows. Everything shown goes
//! through askama's escaping; there are no scripts, images or outside styles, and the policy says so.

pub mod choice;
pub mod consent;
pub mod notice;
pub mod policy;
pub mod report;
pub mod text;

use askama::Template;
use url::Url;

/// One page, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// A complete HTML document.
    pub html: String,
    /// Value of the `Content-Security-Policy` header that goes with it.
    pub policy: String,
}

/// Where a browser is sent after a sign-in, as a person should read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A site.
    Web {
        /// Its host, with a port that is not the default.
        host: String,
    },
    /// A loopback address: some program on the person's computer.
    ThisComputer {
        /// `localhost:33418`
        host: String,
    },
    /// A scheme that some application registered.
    Application {
        /// `cursor:`
        scheme: String,
    },
}

/// The inline style sheet; its hash is in every policy.
const STYLE: &str = include_str!("../templates/style.css");

// === impl Target ===

impl Target {
    /// From the facts of a redirect URI; `host` is what `RedirectUri::display_host` gives.
    pub fn of(host: String, is_loopback: bool, is_private_use: bool) -> Self {
        if is_loopback {
            Self::ThisComputer { host }
        } else if is_private_use {
            Self::Application { scheme: host }
        } else {
            Self::Web { host }
        }
    }
}

/// Renders a template. Writing into a `String` does not fail; should a template fail all the
/// same, a person gets words instead of an empty window.
fn render(template: &impl Template) -> String {
    template.render().unwrap_or_else(|_| {
        "<!doctype html><html lang=\"en\"><title>Not available</title>\
         <h1>This page is not available</h1><p>Please go back and try again.</p></html>"
            .to_owned()
    })
}

/// The host (with a port that is not the default) of our own public URL.
pub fn site(public_url: &Url) -> String {
    match (public_url.host_str(), public_url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => String::new(),
    }
}

#[cfg(test)]
mod tests;
