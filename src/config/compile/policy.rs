//! Who may pass. A rule that is empty, or that nobody could ever meet, is a mistake and never a way in.

use super::{
    report::Report,
    server::list,
    value::{self, Refusal},
};
use crate::config::{
    document::{Claims, List, Policy},
    origin::child,
    plan::{ClaimRule, People, PolicyPlan},
};

const GROUPS_CLAIM: &str = "groups";

/// Claims that are about the token, or have a key of their own, and what to write instead.
const NOT_CLAIMS: [(&str, &str); 12] = [
    ("email", "write `emails:` or `email_domains:`, which look at verified addresses only"),
    ("email_verified", "remove it: `emails` and `email_domains` look at verified addresses only"),
    ("sub", "write `subjects:`"),
    ("name", "names are not unique and people change them: write `subjects:`"),
    ("iss", "remove it: the issuer is always checked"),
    ("aud", "remove it: the audience is always checked"),
    ("azp", "remove it: the audience is always checked"),
    ("exp", "remove it: the time is always checked"),
    ("iat", "remove it: the time is always checked"),
    ("nbf", "remove it: the time is always checked"),
    ("nonce", "remove it: it is always checked"),
    ("jti", "remove it: it is different in every token"),
];

pub(super) fn compile(at: &str, policy: &Policy, report: &mut Report<'_>) -> PolicyPlan {
    let emails = some(&child(at, "emails"), policy.emails.as_ref(), report, email);
    let email_domains = some(&child(at, "email_domains"), policy.email_domains.as_ref(), report, domain);
    let subjects = some(&child(at, "subjects"), policy.subjects.as_ref(), report, plain);
    covered(at, emails.as_deref(), email_domains.as_deref(), report);
    let people = (emails.is_some() || email_domains.is_some() || subjects.is_some()).then(|| People {
        emails: emails.unwrap_or_default(),
        email_domains: email_domains.unwrap_or_default(),
        subjects: subjects.unwrap_or_default(),
    });
    PolicyPlan { people, groups: groups(at, policy, report), claims: claims(at, policy, report) }
}

fn groups(at: &str, policy: &Policy, report: &mut Report<'_>) -> Option<ClaimRule> {
    let claim_at = child(at, "groups_claim");
    let claim = policy.groups_claim.as_deref().map(str::trim);
    let any = some(&child(at, "groups"), policy.groups.as_ref(), report, plain);
    if let (Some(claim), None) = (claim.filter(|claim| *claim != GROUPS_CLAIM), &policy.groups) {
        report
            .error(&claim_at, "is there, but no `groups`")
            .offending(claim)
            .help("add `groups: [staff]`, or remove it");
    }
    let claim = claim.unwrap_or(GROUPS_CLAIM);
    name(&claim_at, claim, report);
    Some(ClaimRule { claim: claim.to_owned(), any: any? })
}

fn claims(at: &str, policy: &Policy, report: &mut Report<'_>) -> Vec<ClaimRule> {
    let at = child(at, "claims");
    let mut rules = Vec::new();
    let written = match policy.claims.as_ref().map(value::claims) {
        None => return rules,
        Some(Ok(written)) => written,
        Some(Err(refusal)) => {
            if let Some(Claims::Text(text)) = &policy.claims {
                report.refuse(&at, text, refusal);
            }
            return rules;
        }
    };
    for (claim, values) in written {
        let at = child(&at, &claim);
        name(&at, &claim, report);
        if values.iter().all(|value| value.trim().is_empty()) {
            report
                .error(&at, "has no value, so nobody could pass")
                .help(format!("write `{claim}: [value]`, or remove it"));
        }
        twice(&at, &values, report);
        rules.push(ClaimRule { claim, any: values });
    }
    rules
}

fn name(at: &str, claim: &str, report: &mut Report<'_>) {
    if claim.is_empty() || claim.chars().any(|char| char.is_whitespace() || char.is_control()) {
        report.key_error(at, "is no claim's name").help("write a claim such as `groups`, or `realm_access.roles`");
    }
    if let Some((_, help)) = NOT_CLAIMS.iter().find(|(own, _)| *own == claim) {
        report.key_error(at, format!("`{claim}` is no claim for a rule")).help(*help);
    }
}

/// The values of a list that is written. An empty one lets nobody pass: nobody means that.
fn some(
    at: &str,
    written: Option<&List>,
    report: &mut Report<'_>,
    read: impl Fn(&str) -> Result<String, Refusal>,
) -> Option<Vec<String>> {
    let written = written?;
    let values = list(at, Some(written), report, read);
    if value::items(written).is_ok_and(|items| items.is_empty()) {
        report.error(at, "is empty, so nobody could pass").help("write at least one value, or remove it");
    }
    twice(at, &values, report);
    Some(values)
}

fn twice(at: &str, values: &[String], report: &mut Report<'_>) {
    for (index, value) in values.iter().enumerate() {
        if values.iter().take(index).any(|before| before == value) {
            report.error(at, "holds a value twice").offending(value).help("remove one of them");
        }
    }
}

/// An address whose domain may pass as a whole says nothing: a sign that one of the two is not meant.
fn covered(at: &str, emails: Option<&[String]>, domains: Option<&[String]>, report: &mut Report<'_>) {
    for email in emails.unwrap_or_default() {
        let domain = email.rsplit('@').next().unwrap_or_default();
        if domains.unwrap_or_default().iter().any(|own| own == domain) {
            report
                .error(&child(at, "emails"), format!("already passes: everybody of {domain} does, by `email_domains`"))
                .offending(email)
                .help("remove one of the two");
        }
    }
}

/// S31: one `@`, ASCII, nothing quoted.
fn email(text: &str) -> Result<String, Refusal> {
    let help = "write `ada@example.com`";
    let Some((local, host)) = text.split_once('@') else {
        return Err(Refusal::new("is no e-mail address", help));
    };
    if local.is_empty() || local.contains(['"', ' ', '\\']) || !local.is_ascii() {
        return Err(Refusal::new("is no e-mail address that can be compared", help));
    }
    Ok(format!("{}@{}", local.to_ascii_lowercase(), domain(host)?))
}

fn domain(text: &str) -> Result<String, Refusal> {
    let help = |domain: &str| format!("write the domain alone: `{domain}`");
    let bare = text.trim_start_matches("*.").trim_start_matches(['@', '.']);
    if bare != text {
        return Err(Refusal::new("is more than a domain; subdomains do not count", help(bare)));
    }
    if text.contains("://") || text.contains('/') {
        let host = text.split("://").last().unwrap_or_default().split('/').next().unwrap_or_default();
        return Err(Refusal::new("is a URL", help(host)));
    }
    if !text.is_ascii() {
        return Err(Refusal::new("is not in ASCII", "write it as it is in addresses: `xn--…`"));
    }
    let labels = text
        .split('.')
        .all(|label| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'));
    if !labels || !text.contains('.') {
        return Err(Refusal::new("is no domain", "write `example.com`"));
    }
    Ok(text.to_ascii_lowercase())
}

fn plain(text: &str) -> Result<String, Refusal> {
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(Refusal::new("is no value", "write it as the provider does"));
    }
    Ok(text.to_owned())
}
