//! Decides who may pass, from what the provider says about a person. Pure: the same at sign-in, at a
//! refresh, at the gate and in `vestibule explain`.
//!
//! What is not there, or is not what the rule expects, denies (S30 to S32).

use serde_json::{Map, Value};

use crate::{
    config::plan::{ClaimRule, People, PolicyPlan, ProviderPlan},
    identity::Identity,
    metrics::outcome::Denial as RuleKind,
};

/// Where Entra ID says that there are more groups than fit (`_claim_names`).
const OVERAGE: &str = "_claim_names";

/// A rule that refused, in words that do not tell what would have passed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Denied {
    /// Which kind.
    pub kind: RuleKind,
    /// For the person and the operator.
    pub reason: String,
}

/// What one rule said, for an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The rule's keys below `policy`, the first of those that are written first.
    pub keys: Vec<String>,
    /// `Ok`: it passed, and why.
    pub result: Result<String, Denied>,
}

/// Whether this person may pass.
///
/// # Errors
/// The first rule that refuses.
pub fn check(policy: &PolicyPlan, identity: &Identity) -> Result<(), Denied> {
    explain(policy, identity).into_iter().try_for_each(|verdict| verdict.result.map(drop))
}

/// Whether this person may pass by everything that is written: at the provider, or at the choice and at
/// the one where they signed in, and at the route.
///
/// # Errors
/// The first rule that refuses.
pub fn check_all(provider: &ProviderPlan, route: Option<&PolicyPlan>, identity: &Identity) -> Result<(), Denied> {
    let mut own = [Some(&provider.policy), route].into_iter().flatten();
    own.try_for_each(|policy| check(policy, identity))?;
    tenant(provider, identity).map_or(Ok(()), |verdict| verdict.result.map(drop))?;
    if !provider.is_choice() {
        return Ok(());
    }
    let name = identity.provider.as_deref();
    match provider.choice.iter().find(|member| Some(member.name.as_str()) == name) {
        Some(member) => {
            tenant(member, identity).map_or(Ok(()), |verdict| verdict.result.map(drop))?;
            check(&member.policy, &identity.at_its_provider())
        }
        None => Err(Denied {
            kind: RuleKind::Named,
            reason: "the provider where this person signed in is not offered any more".to_owned(),
        }),
    }
}

/// Whether the person's organisation is one of those that may say who signs in, if there is a list. At
/// sign-in the provider's tokens are held to it as well; this is what a change of the list means for
/// people who are signed in.
pub fn tenant(provider: &ProviderPlan, identity: &Identity) -> Option<Verdict> {
    let tenants = provider.protocol.tenants.as_ref()?;
    let rule = ClaimRule { claim: tenants.claim.to_owned(), any: tenants.allowed.clone() };
    Some(Verdict { keys: vec!["allowed_tenants".to_owned()], result: holds(&rule, identity, RuleKind::Claim) })
}

/// Every rule's verdict.
pub fn explain(policy: &PolicyPlan, identity: &Identity) -> Vec<Verdict> {
    let people = policy.people.as_ref().map(|people| Verdict { keys: keys(people), result: named(people, identity) });
    let groups = policy
        .groups
        .as_ref()
        .map(|rule| Verdict { keys: vec!["groups".to_owned()], result: holds(rule, identity, RuleKind::Group) });
    let claims = policy.claims.iter().map(|rule| Verdict {
        keys: vec![format!("claims.{}", rule.claim)],
        result: holds(rule, identity, RuleKind::Claim),
    });
    people.into_iter().chain(groups).chain(claims).collect()
}

fn keys(people: &People) -> Vec<String> {
    let lists = [("emails", &people.emails), ("email_domains", &people.email_domains), ("subjects", &people.subjects)];
    lists.into_iter().filter(|(_, list)| !list.is_empty()).map(|(key, _)| key.to_owned()).collect()
}

fn named(people: &People, identity: &Identity) -> Result<String, Denied> {
    if people.subjects.iter().any(|subject| *subject == identity.subject_here()) {
        return Ok("the subject is one of `subjects`".to_owned());
    }
    let denied = |kind, reason: &str| Err(Denied { kind, reason: reason.to_owned() });
    let by_email = !people.emails.is_empty() || !people.email_domains.is_empty();
    if !by_email {
        return denied(RuleKind::Named, "this account is not one of those that may pass");
    }
    let Some(email) = identity.email.as_deref() else {
        return denied(RuleKind::EmailUnverified, "the identity provider tells no e-mail address");
    };
    if !identity.email_verified {
        return denied(
            RuleKind::EmailUnverified,
            "the identity provider does not say that the e-mail address is verified",
        );
    }
    let Some((local, domain)) = parts(email) else {
        return denied(RuleKind::EmailDomain, "the e-mail address is not one that can be compared");
    };
    if people.emails.contains(&format!("{local}@{domain}")) {
        return Ok("the e-mail address is one of `emails`".to_owned());
    }
    if people.email_domains.contains(&domain) {
        return Ok(format!("{domain} is one of `email_domains`"));
    }
    let kind = if people.email_domains.is_empty() { RuleKind::Named } else { RuleKind::EmailDomain };
    denied(kind, "this e-mail address is not one of those that may pass")
}

/// S31: exactly one `@`, ASCII, nothing quoted or escaped; in lower case.
fn parts(email: &str) -> Option<(String, String)> {
    let (local, domain) = email.split_once('@')?;
    let plain = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"@\"\\(),:;<>[]".contains(&byte))
    };
    (plain(local) && plain(domain)).then(|| (local.to_ascii_lowercase(), domain.to_ascii_lowercase()))
}

fn holds(rule: &ClaimRule, identity: &Identity, kind: RuleKind) -> Result<String, Denied> {
    let ClaimRule { claim, any } = rule;
    let deny = |reason: String| Err(Denied { kind, reason });
    let Some(value) = find(&identity.claims, claim) else {
        if overage(&identity.claims, claim) {
            tracing::warn!(
                claim,
                "the identity provider has left out a person's groups because there are too many; have it send only the \
                 groups that are assigned to the application, or app roles"
            );
            return deny(format!("the identity provider has left out the claim {claim}: there are too many values"));
        }
        return deny(format!("the identity provider tells no claim {claim}"));
    };
    let has = match value {
        Value::Array(values) => values.iter().filter_map(text).any(|value| any.contains(&value)),
        value => text(value).is_some_and(|value| any.contains(&value)),
    };
    if has {
        return Ok(format!("{claim} has one of the values"));
    }
    match value {
        Value::Object(_) | Value::Null => deny(format!("the claim {claim} is neither a value nor a list of values")),
        _ => deny(format!("the claim {claim} has none of the values that may pass")),
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A claim by its name, which may hold dots itself (`https://example.com/roles`), or by a path of
/// names with dots between.
pub fn find<'c>(claims: &'c Map<String, Value>, path: &str) -> Option<&'c Value> {
    if let Some(value) = claims.get(path) {
        return Some(value);
    }
    path.match_indices('.').find_map(|(at, _)| {
        let (name, rest) = (path.get(..at)?, path.get(at + 1..)?);
        find(claims.get(name)?.as_object()?, rest)
    })
}

fn overage(claims: &Map<String, Value>, claim: &str) -> bool {
    claims.get(OVERAGE).and_then(Value::as_object).is_some_and(|names| names.contains_key(claim))
}

#[cfg(test)]
mod tests;
