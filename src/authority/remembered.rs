//! Approvals that a browser remembers, where the plan wants that (B4).
//!
//! They are sealed and live in a cookie: nothing is stored, and no other browser has them. Each is for
//! one person, and for exactly what that person was asked about: the client with its name and all its
//! redirect URIs, where the answer goes, the resource and the scopes. Whatever of it changes is asked about anew.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Authority,
    client::Client,
    transaction::{Transaction, base64url},
};
use crate::{
    config::plan::ConsentPlan,
    oauth::RedirectUri,
    seal::{Purpose, sha256},
    secret::equal,
    time::Timestamp,
};

/// Approvals of one browser at one issuer; the oldest give way.
const MOST: usize = 16;
/// Bytes of the digests: nobody can try texts against them, they are sealed.
const DIGEST_LEN: usize = 16;

/// What one browser remembers of one issuer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered(Vec<Approval>);

/// Who approved before. The sign-in has to end with the same person.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Approver(String);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Approval {
    #[serde(rename = "r")]
    request: String,
    #[serde(rename = "p")]
    approver: Approver,
    #[serde(rename = "u")]
    until: Timestamp,
}

// === impl Approver ===

impl Approver {
    fn of(subject: &str) -> Self {
        Self(digest(subject.as_bytes()))
    }

    /// Whether this is the person.
    pub fn is(&self, subject: &str) -> bool {
        equal(self.0.as_bytes(), Self::of(subject).0.as_bytes())
    }
}

impl std::fmt::Debug for Approver {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Approver([redacted])")
    }
}

// === impl Authority ===

impl Authority {
    /// Whether approvals are remembered at all.
    pub fn remembers(&self) -> bool {
        self.plan.consent == ConsentPlan::Remember
    }

    /// What the browser's cookie says; a strange or old one says nothing.
    pub fn open_remembered(&self, sealed: &str) -> Remembered {
        let issuer = self.plan.issuer.as_str().as_bytes();
        let json = self.sealer.open_text(Purpose::Consent, issuer, sealed).ok();
        json.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default()
    }

    /// The cookie's value.
    pub fn seal_remembered(&self, remembered: &Remembered) -> String {
        let json = serde_json::to_vec(remembered).unwrap_or_default();
        self.sealer.seal_text(Purpose::Consent, self.plan.issuer.as_str().as_bytes(), &json)
    }

    /// Who approved this request before, in this browser.
    pub fn approver(&self, remembered: &Remembered, transaction: &Transaction) -> Option<Approver> {
        if !self.remembers() {
            return None;
        }
        let (request, now) = (request(transaction), self.clock.now());
        let known = remembered.0.iter().find(|one| one.request == request && now < one.until);
        known.map(|one| one.approver.clone())
    }

    /// Adds the approval of the person who has just signed in.
    pub fn remember(&self, remembered: &mut Remembered, transaction: &Transaction, subject: &str) {
        let (request, now) = (request(transaction), self.clock.now());
        remembered.0.retain(|one| one.request != request && now < one.until);
        let surplus = (remembered.0.len() + 1).saturating_sub(MOST);
        remembered.0.drain(..surplus);
        let until = now.plus(self.plan.lifetimes.consent);
        remembered.0.push(Approval { request, approver: Approver::of(subject), until });
    }
}

/// Everything that the consent page showed, and what the client could change without its identifier.
fn request(transaction: &Transaction) -> String {
    let mut scopes = transaction.scopes.to_vec();
    scopes.sort();
    let told = json!([
        transaction.client_id,
        transaction.client_kind,
        transaction.client_name,
        transaction.client_redirect_uris,
        transaction.redirect_uri.without_port(),
        transaction.resource,
        scopes,
        transaction.offline,
    ]);
    digest(told.to_string().as_bytes())
}

/// All redirect URIs of a client, as far as a remembered approval depends on them.
pub(super) fn redirect_uris(client: &Client) -> String {
    let mut uris: Vec<&str> = client.redirect_uris.iter().map(RedirectUri::as_str).collect();
    uris.sort_unstable();
    digest(json!(uris).to_string().as_bytes())
}

fn digest(bytes: &[u8]) -> String {
    base64url(sha256(bytes).get(..DIGEST_LEN).unwrap_or_default())
}

#[cfg(test)]
mod tests;
