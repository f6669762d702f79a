//! Which providers the store may hold grants of: one that was removed while nobody ran is noticed
//! too, and its grants end.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Shared;
use crate::{
    authority::Grants,
    config::plan::{Mode, Plan, ProviderPlan},
    metrics::outcome::RevocationInitiator,
    store::{
        CommitError, NEVER, StoreError, Table,
        record::{Kind, Records},
    },
};

const KEY: &[u8] = b"providers";

/// Name to what makes the provider that one and no other ([`ProviderPlan::source`]), and to how
/// people come in.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Known(BTreeMap<String, String>);

// === impl Known ===

impl Kind for Known {
    const TABLE: Table = Table::Meta;
    const NAME: &'static str = "providers";
}

impl Known {
    fn of(plan: &Plan) -> Self {
        let providers = plan.providers.iter().map(|plan| (plan.name.clone(), way_in(plan)));
        let members = plan.providers.iter().flat_map(|plan| {
            plan.choice.iter().map(|member| (Grants::of_member(&plan.name, &member.name), member.source().to_owned()))
        });
        Self(providers.chain(members).collect())
    }

    async fn write(&self, records: &Records) -> Result<(), StoreError> {
        let put = records.put(KEY, self, NEVER, Vec::new());
        records.commit(vec![put]).await.map_err(|error| match error {
            CommitError::Store(error) => error,
            CommitError::Conflict => StoreError::Unavailable(error.to_string()),
        })
    }
}

/// A provider in `mode: remote` has no grants; whatever it had before ends.
fn way_in(plan: &ProviderPlan) -> String {
    match plan.mode {
        Mode::Proxy if plan.is_choice() => "choice".to_owned(),
        Mode::Proxy => plan.source().to_owned(),
        Mode::Remote => format!("remote {}", plan.source()),
    }
}

/// Deletes the grants of every provider that the store knows and `plan` does not have, and
/// remembers those of `plan`. When it fails, the next start or change does it.
///
/// # Errors
/// [`StoreError`] when the store does not answer.
pub(super) async fn settle(plan: &Plan, shared: &Shared) -> Result<(), StoreError> {
    let before = shared.records.slot::<Known>(KEY).await?.value.unwrap_or_default();
    let now = Known::of(plan);
    for name in before.0.iter().filter(|(name, document)| now.0.get(*name) != Some(document)).map(|(name, _)| name) {
        // The series are those of the choice.
        let label = name.split('/').next().unwrap_or(name);
        let grants = Grants::new(name, shared.records.clone(), shared.metrics.provider(label));
        let count = grants.delete_all(RevocationInitiator::Config).await?;
        tracing::info!(provider = name, count, "grants ended with their provider");
    }
    if before == now { Ok(()) } else { now.write(&shared.records).await }
}
