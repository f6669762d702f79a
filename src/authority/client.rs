//! Who asks for access: static (in the configuration), dynamic (RFC 7591) or document (client ID
//! metadata document), and how each is found by its identifier.

use std::sync::Arc;

use super::{
    Authority,
    client_id_document::{ClientIdDocument, ClientKeys, DocumentError},
    registration,
};
use crate::{
    audit,
    config::plan::{ProviderPlan, StaticClient},
    metrics::outcome::{ClientType, Limiter, Registration, RegistrationMethod},
    oauth::{ClientId, RedirectUri},
    secret::Secret,
};

/// The longest name of a client that is shown, in characters.
pub const MAX_NAME: usize = 200;

/// How a client became known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientKind {
    /// In the configuration: the operator vouches for it.
    Static,
    /// It registered itself.
    Dynamic,
    /// A client ID metadata document describes it.
    Document,
}

/// A client that this server knows.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its identifier.
    pub id: ClientId,
    /// How it became known.
    pub kind: ClientKind,
    /// What it calls itself (only a static client's name is more than a claim).
    pub name: String,
    /// Where it may be answered.
    pub redirect_uris: Vec<RedirectUri>,
    /// Where it would like to be answered too, and may not.
    pub(super) refused_redirect_uris: Vec<RedirectUri>,
    /// No consent page for it.
    pub skip_consent: bool,
    /// How it proves who it is at the token endpoint.
    pub(super) authentication: ClientAuthentication,
    /// It may use refresh tokens.
    pub(super) refresh: bool,
}

/// How a client proves who it is.
#[derive(Clone, Debug)]
pub(super) enum ClientAuthentication {
    /// A public client: PKCE is its proof.
    None,
    /// `client_secret_basic` or `client_secret_post` with this secret.
    Secret(Secret),
    /// The same with the secret that is derived from the identifier.
    DerivedSecret,
    /// `private_key_jwt` with the keys of its document.
    PrivateKeyJwt(ClientKeys),
}

/// Why a client may not be answered where it wants to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotCovered {
    /// It did not register that address, or nobody could.
    Unregistered,
    /// It did, and the operator does not allow it.
    NotAllowed,
}

/// Why a client could not be found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// No such client, or its way to become known is switched off.
    #[error("the client is not known")]
    Unknown,
    /// See [`DocumentError`].
    #[error(transparent)]
    Document(Arc<DocumentError>),
}

// === impl ClientKind ===

impl ClientKind {
    /// The label to count with.
    pub const fn label(self) -> ClientType {
        match self {
            Self::Static => ClientType::Static,
            Self::Dynamic => ClientType::Dynamic,
            Self::Document => ClientType::Document,
        }
    }
}

// === impl Client ===

impl Client {
    /// The redirect URI of a request, if it is one of the client's: exactly the same text, or on
    /// loopback the same but for the port (AS-42).
    pub(super) fn covers(&self, requested: &str, plan: &ProviderPlan) -> Result<RedirectUri, NotCovered> {
        let requested = RedirectUri::parse(requested).map_err(|_| NotCovered::Unregistered)?;
        let is_one_of = |uris: &[RedirectUri]| uris.iter().any(|registered| requested.is_covered_by(registered));
        if is_one_of(&self.redirect_uris) {
            // What was registered without a port may be asked for at one that is not allowed.
            let allowed = may_be_answered(plan, self.kind, &requested);
            return if allowed { Ok(requested) } else { Err(NotCovered::NotAllowed) };
        }
        Err(if is_one_of(&self.refused_redirect_uris) { NotCovered::NotAllowed } else { NotCovered::Unregistered })
    }

    /// Whether all its redirect URIs lead to the person's own machine (D-7).
    pub fn is_local_only(&self) -> bool {
        self.redirect_uris.iter().all(RedirectUri::is_loopback)
    }

    fn from_plan(client: &StaticClient) -> Self {
        Self {
            id: client.client_id.clone(),
            kind: ClientKind::Static,
            name: client.name.clone(),
            redirect_uris: client.redirect_uris.clone(),
            refused_redirect_uris: Vec::new(),
            skip_consent: client.skip_consent,
            authentication: client.secret.clone().map_or(ClientAuthentication::None, ClientAuthentication::Secret),
            refresh: true,
        }
    }

    fn from_document(document: &ClientIdDocument) -> Self {
        Self {
            id: document.client_id.clone(),
            kind: ClientKind::Document,
            name: document.client_name.clone(),
            redirect_uris: document.redirect_uris.clone(),
            refused_redirect_uris: Vec::new(),
            skip_consent: false,
            refresh: document.refresh,
            authentication: document
                .keys
                .clone()
                .map_or(ClientAuthentication::None, ClientAuthentication::PrivateKeyJwt),
        }
    }

    /// Sets apart what this client may not have, though it registered it: rules may have changed since.
    fn held_against(mut self, plan: &ProviderPlan) -> Self {
        let (allowed, refused) = self.redirect_uris.into_iter().partition(|uri| may_be_registered(plan, uri));
        self.redirect_uris = allowed;
        self.refused_redirect_uris = refused;
        self
    }
}

// === impl Authority ===

impl Authority {
    /// The client with this identifier. A document is fetched when no fresh copy is there.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn client(&self, id: &ClientId) -> Result<Client, ClientError> {
        if let Some(client) = self.plan.clients.iter().find(|client| client.client_id == *id) {
            return Ok(Client::from_plan(client));
        }
        if id.is_url() {
            return self.document_client(id).await;
        }
        if !self.plan.dynamic_registration {
            return Err(ClientError::Unknown);
        }
        let client = registration::open(&self.sealer, &self.plan.issuer, id).ok_or(ClientError::Unknown)?;
        Ok(client.held_against(&self.plan))
    }

    async fn document_client(&self, id: &ClientId) -> Result<Client, ClientError> {
        if !self.plan.enable_cimd {
            return Err(ClientError::Unknown);
        }
        let found = self.documents.get(id).await.map_err(ClientError::Document);
        let outcome = match &found {
            Ok(found) if found.fetched => Some(Registration::Created),
            Ok(_) => None,
            Err(ClientError::Document(error)) => Some(error.outcome()),
            Err(ClientError::Unknown) => Some(Registration::InvalidMetadata),
        };
        if let Some(outcome) = outcome {
            let (method, reason) = (RegistrationMethod::Document, found.as_ref().err().map(ToString::to_string));
            self.metrics.registration(method, outcome);
            let entry = audit::Entry {
                provider: Some(&self.plan.name),
                client_id: Some(id.as_str()),
                by: Some(method.as_str()),
                reason: reason.as_deref(),
                ..audit::Entry::default()
            };
            entry.tell(audit::Event::Registration, outcome.as_str());
            if outcome == Registration::RateLimited {
                self.metrics.all().rate_limited(Limiter::DocumentFetch);
            }
        }
        found.map(|found| Client::from_document(&found.document).held_against(&self.plan))
    }
}

/// Whether a client that nobody vouches for may register this redirect URI: AS-41, S12, U3.
pub(super) fn may_be_registered(plan: &ProviderPlan, uri: &RedirectUri) -> bool {
    scheme_is_allowed(plan, uri)
        && plan
            .allowed_client_redirect_uris
            .as_ref()
            .is_none_or(|patterns| patterns.iter().any(|pattern| pattern.allows_to_register(uri)))
}

/// Whether a browser may be sent there for a client of this kind, as the rules are now. Those of the
/// configuration are answered where their `redirect_uris` say.
pub(super) fn may_be_answered(plan: &ProviderPlan, kind: ClientKind, uri: &RedirectUri) -> bool {
    kind == ClientKind::Static
        || (scheme_is_allowed(plan, uri)
            && plan
                .allowed_client_redirect_uris
                .as_ref()
                .is_none_or(|patterns| patterns.iter().any(|pattern| pattern.allows(uri))))
}

pub(super) fn scheme_is_allowed(plan: &ProviderPlan, uri: &RedirectUri) -> bool {
    let scheme = uri.as_str().split(':').next().unwrap_or_default();
    !uri.is_private_use()
        || plan
            .private_use_schemes
            .as_ref()
            .is_none_or(|allowed| allowed.iter().any(|one| one.eq_ignore_ascii_case(scheme)))
}

/// A name as people may see it: no control characters and nothing that turns the writing
/// direction, at most [`MAX_NAME`] characters; `None` if nothing is left.
pub(super) fn presentable(name: &str) -> Option<String> {
    let turns =
        |char: char| matches!(char, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let clean: String = name.trim().chars().filter(|char| !char.is_control() && !turns(*char)).take(MAX_NAME).collect();
    (!clean.trim().is_empty()).then_some(clean)
}
