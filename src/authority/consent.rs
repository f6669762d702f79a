//! What a person reads before approving (D-1, D-3, D-7, AS-30).

use url::Url;

use super::{client::ClientKind, transaction::Transaction};
use crate::oauth::{RedirectUri, ResourceUri, Scopes};

/// The facts of the consent page. Everything that the client chose is plain text: escape it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentFacts<'a> {
    /// What the client calls itself: a claim, except for a client in the configuration.
    pub client_name: &'a str,
    /// The host that vouches for a client with a metadata document; the others have none.
    pub client_host: Option<String>,
    /// The operator put the client into the configuration.
    pub is_configured: bool,
    /// Where the answer goes, in full.
    pub redirect_uri: &'a str,
    /// The host (with its port) that the answer goes to, or the scheme of an application.
    pub redirect_host: String,
    /// What kind of place that is.
    pub target: RedirectTarget,
    /// Every redirect URI of the client leads to the person's own machine: anybody may use its
    /// name (D-7).
    pub is_local_only: bool,
    /// What is granted.
    pub scopes: &'a Scopes,
    /// The client may come back without the person, until the grant ends.
    pub offline: bool,
    /// What it is granted for.
    pub resource: &'a ResourceUri,
}

/// Where the answer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedirectTarget {
    /// A host on the web.
    Web,
    /// A program on the person's own machine: nothing proves which one.
    Loopback,
    /// An application, by its private-use scheme: nothing proves which one.
    Application,
}

// === impl RedirectTarget ===

impl RedirectTarget {
    fn of(uri: &RedirectUri) -> Self {
        if uri.is_loopback() {
            Self::Loopback
        } else if uri.is_private_use() {
            Self::Application
        } else {
            Self::Web
        }
    }
}

// === impl Transaction ===

impl Transaction {
    /// Whether a person has to approve before the browser goes to the provider.
    pub fn needs_consent(&self) -> bool {
        !self.skip_consent
    }

    /// What the consent page shows.
    pub fn consent_facts(&self) -> ConsentFacts<'_> {
        let client_url = Url::parse(self.client_id.as_str()).ok().filter(|_| self.client_kind == ClientKind::Document);
        ConsentFacts {
            client_name: &self.client_name,
            client_host: client_url.and_then(|url| url.host_str().map(str::to_owned)),
            is_configured: self.client_kind == ClientKind::Static,
            redirect_uri: self.redirect_uri.as_str(),
            redirect_host: self.redirect_uri.display_host(),
            target: RedirectTarget::of(&self.redirect_uri),
            is_local_only: self.client_is_local,
            scopes: &self.scopes,
            offline: self.offline,
            resource: &self.resource,
        }
    }
}
