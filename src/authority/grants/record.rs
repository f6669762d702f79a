//! A grant as it is kept.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::GrantId;
use crate::{
    authority::refresh::Family,
    identity::Identity,
    oauth::{ClientId, ResourceUri, Scopes},
    provider::tokens::ProviderTokens,
    seal::sha256,
    store::{
        Change, Table, Term,
        record::{Kind, Records},
    },
    time::Timestamp,
};

/// How long a provider's access token lives if the provider does not say.
const UNSAID_LIFETIME: Duration = Duration::from_hours(1);

/// An access token of the provider is not handed on with less than this left.
const MARGIN: Duration = Duration::from_mins(1);

/// What a person gave a client at a provider.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::authority) struct GrantRecord {
    pub(in crate::authority) provider: String,
    pub(in crate::authority) client_id: ClientId,
    /// What the client called itself then.
    pub(in crate::authority) client_name: String,
    pub(in crate::authority) identity: Identity,
    /// Without `offline_access`.
    pub(in crate::authority) scopes: Scopes,
    /// The client asked for `offline_access`.
    pub(in crate::authority) offline: bool,
    pub(in crate::authority) resource: ResourceUri,
    /// When the person signed in.
    pub(in crate::authority) since: Timestamp,
    /// The grant ends then, however often it was refreshed.
    pub(in crate::authority) ends_at: Timestamp,
    /// The end of the longest access token that was written with this record.
    pub(in crate::authority) access_until: Timestamp,
    pub(in crate::authority) tokens: ProviderTokens,
    /// When the provider gave `tokens`.
    pub(in crate::authority) tokens_at: Timestamp,
    /// `None`: there is no refresh token of ours.
    pub(in crate::authority) refresh: Option<Family>,
}

/// The life of a provider's access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::authority) struct Life {
    from: Timestamp,
    /// The token is good until then.
    pub(in crate::authority) until: Timestamp,
    /// There is a refresh token for the time after, or a way to ask whether there is one.
    pub(in crate::authority) renewable: bool,
    /// The refresh token ends then.
    pub(in crate::authority) renewable_until: Option<Timestamp>,
    renew_at: Option<Timestamp>,
}

/// When a provider's token is renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::authority) enum Due {
    /// Before it is used: with little left.
    ForUse,
    /// At our own refresh: with half of its life over, so that the provider is asked now and then
    /// whether the person may still come in.
    AtRefresh,
}

/// The name of what is granted at one identity provider of a choice. No provider's name has a `/`.
pub(super) fn member(choice: &str, name: &str) -> String {
    format!("{choice}/{name}")
}

// === impl GrantRecord ===

impl Kind for GrantRecord {
    const TABLE: Table = Table::Grant;
    const NAME: &'static str = "grant";
}

impl GrantRecord {
    /// The step that writes the grant. It is found by its person, its client and its provider, and
    /// goes when its last token has ended.
    pub(in crate::authority) fn put(&self, records: &Records, id: &GrantId) -> Change {
        let idle = self.refresh.as_ref().map_or(self.access_until, |family| family.expires_at);
        let expires_at = self.access_until.max(idle).min(self.ends_at);
        let mut terms = vec![
            Self::subject_term(&self.provider, &self.identity.subject_here()),
            Self::client_term(&self.provider, self.client_id.as_str()),
            Self::provider_term(&self.provider),
        ];
        if let Some(given_by) = &self.tokens.given_by {
            terms.push(Self::provider_term(&member(&self.provider, &given_by.name)));
        }
        records.put(id.key(), self, expires_at, terms)
    }

    /// The life of the provider's access token.
    pub(in crate::authority) fn life(&self) -> Life {
        Life::of(&self.tokens, self.tokens_at)
    }

    /// Finds all grants of a provider, or of a [`member`].
    pub(super) fn provider_term(name: &str) -> Term {
        Term { kind: "provider", value: name.as_bytes().to_vec() }
    }

    /// Finds all grants of a person at a provider.
    pub(super) fn subject_term(provider: &str, subject: &str) -> Term {
        Term { kind: "subject", value: digest(provider, subject) }
    }

    /// Finds all grants of a client at a provider.
    pub(super) fn client_term(provider: &str, client_id: &str) -> Term {
        Term { kind: "client", value: digest(provider, client_id) }
    }
}

/// Names have no line ends, so no two pairs are the same text.
fn digest(provider: &str, value: &str) -> Vec<u8> {
    sha256([provider, value].join("\n").as_bytes()).to_vec()
}

// === impl Life ===

impl Life {
    pub(in crate::authority) fn of(tokens: &ProviderTokens, from: Timestamp) -> Self {
        let until = tokens.expires_at.unwrap_or_else(|| from.plus(UNSAID_LIFETIME));
        Self {
            from,
            until,
            renewable: tokens.refresh_token.is_some() || tokens.lasting,
            renewable_until: tokens.refresh_expires_at,
            renew_at: tokens.renew_at,
        }
    }

    /// Whether the token should be renewed. What cannot be renewed never is.
    pub(in crate::authority) fn is_due(&self, due: Due, now: Timestamp) -> bool {
        let whole = self.until.since(self.from);
        let least = match due {
            Due::ForUse => MARGIN.min(whole / 10),
            Due::AtRefresh => whole / 2,
        };
        let early = self.renew_at.is_some_and(|at| now >= at);
        self.renewable && (early || self.until.since(now) <= least)
    }

    /// When everything that stands for this token has to end; `None`: it can be renewed for ever.
    pub(in crate::authority) fn limit(&self) -> Option<Timestamp> {
        if self.renewable { self.renewable_until.map(|until| until.max(self.until)) } else { Some(self.until) }
    }

    /// Whether the token is over, or so close to it that it is of no use.
    pub(in crate::authority) fn is_over(&self, now: Timestamp) -> bool {
        now >= self.until
    }
}
