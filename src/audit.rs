//! The audit log's events: one for each decision about somebody's access, with stable names and
//! fields (docs/audit.md). Where they go is `crate::telemetry`'s; the request's name and the client's
//! address come from the span around.

use crate::printable::cut;

/// What audit events are told apart from the log by.
pub const TARGET: &str = "vestibule::audit";

/// What was decided. The names are part of the interface: they never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A client became known, by registering itself or by its metadata document, or was refused.
    Registration,
    /// A client asked for authorization and was refused.
    Authorization,
    /// A person answered the consent page, or somebody else tried to.
    Consent,
    /// A sign-in ended, or could not begin.
    SignIn,
    /// Tokens were handed out, or refused.
    Token,
    /// A client asked to end its access and was refused.
    Revocation,
    /// A grant ended before its time.
    GrantRevoked,
    /// Somebody with a good token may not pass.
    PolicyDenied,
    /// The configuration was read.
    Reload,
    /// An operator did something by the admin listener.
    AdminAction,
}

/// One event. What is not known is left out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Entry<'a> {
    /// The provider's name.
    pub provider: Option<&'a str>,
    /// Of a choice: the identity provider that the person chose.
    pub identity_provider: Option<&'a str>,
    /// The client's identifier.
    pub client_id: Option<&'a str>,
    /// The provider's stable id of the person.
    pub subject: Option<&'a str>,
    /// The grant that it is about.
    pub grant: Option<&'a str>,
    /// What the access is for.
    pub resource: Option<&'a str>,
    /// Space separated.
    pub scopes: Option<&'a str>,
    /// The sign-in that it belongs to; see `vestibule flows show`.
    pub flow: Option<&'a str>,
    /// By what: a grant type, an initiator, a trigger.
    pub by: Option<&'a str>,
    /// Why, where that is not the outcome alone.
    pub reason: Option<&'a str>,
}

// === impl Event ===

impl Event {
    /// The event's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registration => "registration",
            Self::Authorization => "authorization",
            Self::Consent => "consent",
            Self::SignIn => "sign_in",
            Self::Token => "token",
            Self::Revocation => "revocation",
            Self::GrantRevoked => "grant_revoked",
            Self::PolicyDenied => "policy_denied",
            Self::Reload => "reload",
            Self::AdminAction => "admin_action",
        }
    }
}

// === impl Entry ===

impl Entry<'_> {
    /// Writes the event, if anybody wants to know. `outcome` is `ok`, or a word of docs/metrics.md.
    /// Texts may be a stranger's, before anything is known of them: each is cut.
    pub fn tell(self, event: Event, outcome: &str) {
        tracing::info!(
            target: TARGET,
            event = event.as_str(),
            outcome,
            provider = self.provider.map(cut),
            identity_provider = self.identity_provider.map(cut),
            client_id = self.client_id.map(cut),
            subject = self.subject.map(cut),
            grant = self.grant.map(cut),
            resource = self.resource.map(cut),
            scopes = self.scopes.map(cut),
            flow = self.flow.map(cut),
            by = self.by.map(cut),
            reason = self.reason.map(cut),
        );
    }
}
