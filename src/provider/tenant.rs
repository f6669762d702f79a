//! Which issuer a token has to name. Of most providers there is one; of one that serves several
//! organisations from one place, each has its own, and only those that are configured count.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::config::plan::TenantsPlan;

/// Longest name of an organisation.
const MOST_NAME: usize = 64;

/// What tokens have to name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Issuers<'a> {
    /// As the provider's metadata have it: with a placeholder, if there are several organisations.
    issuer: &'a str,
    tenants: Option<&'a TenantsPlan>,
}

/// Why nobody of an organisation may sign in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TenantError {
    /// No organisation is named where one has to be, or in no form that a name could have.
    #[error("its claim `{0}` names no tenant")]
    Missing(&'static str),
    /// It is not one of those that are configured.
    #[error("the tenant {0} is not one of `allowed_tenants`")]
    Foreign(String),
}

// === impl Issuers ===

impl<'a> Issuers<'a> {
    pub(super) fn new(issuer: &'a str, tenants: Option<&'a TenantsPlan>) -> Self {
        Self { issuer, tenants }
    }

    /// The issuer that a token with these claims has to name: the provider's, with the token's own
    /// organisation in it. Says nothing about whether that one may sign people in.
    pub(super) fn of(&self, claims: &Map<String, Value>) -> Result<Cow<'a, str>, TenantError> {
        let Some(tenants) = self.tenants else { return Ok(Cow::Borrowed(self.issuer)) };
        let tenant = name(tenants, claims)?;
        Ok(Cow::Owned(self.issuer.replace(tenants.placeholder, tenant)))
    }

    /// Whether the organisation of a token may say who signs in here.
    pub(super) fn allows(&self, claims: &Map<String, Value>) -> Result<(), TenantError> {
        let Some(tenants) = self.tenants else { return Ok(()) };
        let tenant = name(tenants, claims)?;
        let known = tenants.allowed.iter().any(|allowed| allowed == tenant);
        if known { Ok(()) } else { Err(TenantError::Foreign(tenant.to_owned())) }
    }

    /// Whether this is the issuer of an organisation that may sign people in, byte for byte.
    pub(super) fn include(&self, issuer: &str) -> bool {
        match self.tenants {
            None => self.issuer == issuer,
            Some(tenants) => {
                tenants.allowed.iter().any(|tenant| self.issuer.replace(tenants.placeholder, tenant) == issuer)
            }
        }
    }
}

/// The name of a token's organisation. It becomes a part of an issuer: nothing in it may be more than a
/// name there.
fn name<'c>(tenants: &TenantsPlan, claims: &'c Map<String, Value>) -> Result<&'c str, TenantError> {
    let plain = |text: &&str| {
        (1..=MOST_NAME).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    claims.get(tenants.claim).and_then(Value::as_str).filter(plain).ok_or(TenantError::Missing(tenants.claim))
}
