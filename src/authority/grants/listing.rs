//! Grants as an operator sees and picks them. Nothing here opens anything.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{GrantId, Grants, record::GrantRecord};
use crate::{
    config::plan::ProviderPlan,
    seal::sha256,
    store::{StoreError, record::Sealed},
};

/// Characters of a digest that stand for an identifier too long to type.
const SHORT: usize = 12;

/// Which grants: those that fit everything that is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantFilter {
    /// One grant, by its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// A provider's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// A person, as the audit log and the backend name them: the provider's stable id, in a choice with the
    /// provider in front.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// A person's verified e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// A client's identifier, or its short form ([`short`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// A route's id or its public URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
}

/// A grant without its tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantOverview {
    /// Its id: the `sid` of its access tokens, `grant` in the audit log.
    pub id: String,
    /// The provider's name.
    pub provider: String,
    /// [`crate::identity::Identity::subject_here`].
    pub subject: String,
    /// The person's address, if the provider says that it is verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The client's identifier.
    pub client_id: String,
    /// The short form of it.
    pub client: String,
    /// What the client calls itself.
    pub client_name: String,
    /// The route's id; none if the route is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// What the access is for.
    pub resource: String,
    /// Space separated.
    pub scopes: String,
    /// RFC 3339: when the person signed in.
    pub since: String,
    /// RFC 3339: the grant ends then, however often it is used.
    pub until: String,
}

/// What an operator asked for, as far as it was answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantList {
    /// By provider, then by person.
    pub grants: Vec<GrantOverview>,
    /// There are more than were looked at.
    pub more: bool,
}

/// The short form of a client's identifier: the first digits of its SHA-256.
pub fn short(client_id: &str) -> String {
    sha256(client_id.as_bytes()).iter().flat_map(|byte| [byte >> 4, byte & 15]).take(SHORT).map(digit).collect()
}

fn digit(value: u8) -> char {
    char::from_digit(u32::from(value), 16).unwrap_or('0')
}

// === impl GrantFilter ===

impl GrantFilter {
    /// Whether it says nothing, and so means all of them.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether grants of this provider can be among them.
    pub fn allows_provider(&self, name: &str) -> bool {
        self.provider.as_deref().is_none_or(|wanted| wanted == name)
    }

    fn fits(&self, grant: &GrantOverview) -> bool {
        let fits = |wanted: &Option<String>, values: &[Option<&str>]| {
            wanted.as_deref().is_none_or(|wanted| values.contains(&Some(wanted)))
        };
        let email = |wanted: &String| grant.email.as_ref().is_some_and(|email| email.eq_ignore_ascii_case(wanted));
        self.allows_provider(&grant.provider)
            && fits(&self.id, &[Some(&grant.id)])
            && fits(&self.subject, &[Some(&grant.subject)])
            && self.email.as_ref().is_none_or(email)
            && fits(&self.client, &[Some(&grant.client_id), Some(&grant.client)])
            && fits(&self.route, &[grant.route.as_deref(), Some(&grant.resource)])
    }
}

// === impl GrantOverview ===

impl GrantOverview {
    fn new(id: &GrantId, record: &GrantRecord, plan: &ProviderPlan) -> Self {
        let identity = &record.identity;
        Self {
            id: id.as_str().to_owned(),
            provider: record.provider.clone(),
            subject: identity.subject_here().into_owned(),
            email: identity.email.clone().filter(|_| identity.email_verified),
            client_id: record.client_id.as_str().to_owned(),
            client: short(record.client_id.as_str()),
            client_name: record.client_name.clone(),
            route: plan.route(&record.resource).map(|route| route.id.clone()),
            resource: record.resource.as_str().to_owned(),
            scopes: record.scopes.to_string(),
            since: record.since.to_string(),
            until: record.ends_at.to_string(),
        }
    }
}

// === impl Grants ===

impl Grants {
    /// The grants of this provider that fit, at most `most` of them; by person.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn list(&self, plan: &ProviderPlan, filter: &GrantFilter, most: usize) -> Result<GrantList, StoreError> {
        if !filter.allows_provider(&self.provider) {
            return Ok(GrantList::default());
        }
        let mut found = BTreeMap::new();
        for key in self.candidates(filter).await? {
            // What is not text is no name of a grant.
            let Ok(id) = String::from_utf8(key) else { continue };
            let id = GrantId::new(id);
            // It may have ended since.
            let Some(Sealed { value, .. }) = self.record(&id).await? else { continue };
            let overview = GrantOverview::new(&id, &value, plan);
            if !filter.fits(&overview) {
                continue;
            }
            if found.len() == most {
                return Ok(GrantList { grants: found.into_values().collect(), more: true });
            }
            found.insert((overview.subject.clone(), overview.since.clone(), overview.id.clone()), overview);
        }
        Ok(GrantList { grants: found.into_values().collect(), more: false })
    }

    /// The keys of all that may fit, by the narrowest index there is.
    async fn candidates(&self, filter: &GrantFilter) -> Result<Vec<Vec<u8>>, StoreError> {
        let provider = &self.provider;
        let term = match filter {
            GrantFilter { id: Some(id), .. } => return Ok(vec![id.clone().into_bytes()]),
            GrantFilter { subject: Some(subject), .. } => GrantRecord::subject_term(provider, subject),
            // A short form cannot be looked up.
            GrantFilter { client: Some(client), .. } if client.len() != SHORT => {
                GrantRecord::client_term(provider, client)
            }
            _ => GrantRecord::provider_term(provider),
        };
        self.records.find::<GrantRecord>(&term).await
    }
}
