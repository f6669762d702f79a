//! Who may pass, as written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    kind::Claim,
    value::{Claims, List},
};

/// Who may pass. Everything that is written has to hold; of each list one value is enough.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a mapping such as `email_domains: [example.com]`, `groups: [staff]`"
)]
pub struct Policy {
    /// Verified e-mail addresses. Whoever is named by `emails`, `email_domains` or `subjects`, if any of them is
    /// written, counts as named.
    pub emails: Option<List>,
    /// Domains of verified e-mail addresses, exactly; no subdomains.
    pub email_domains: Option<List>,
    /// The provider's stable ids (`sub`) of people.
    pub subjects: Option<List>,
    /// Groups, of which one is enough.
    pub groups: Option<List>,
    /// The claim that holds the groups; default `groups`.
    #[schemars(with = "Claim")]
    pub groups_claim: Option<String>,
    /// Claims and the values that they may have: `{department: [eng, ops], realm_access.roles: admin}`. Each of
    /// them has to hold. As a variable: `department=eng&department=ops`, or a JSON object.
    pub claims: Option<Claims>,
}
