//! What an access token or an introspection says, read in one way for both: whom it stands for, for
//! whom it was made, what it covers, until when.

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value};

use super::AccessTokenError;
use crate::{
    config::plan::{AccessTokenPlan, AudienceClaim},
    identity::Identity,
    oauth::{ClientId, Scopes},
    provider::{claims, error::clean, tenant::Issuers},
    time::Timestamp,
};

/// How far the provider's clock may run ahead of ours (`iat`, `nbf`). `exp` has no leeway.
const SKEW: Duration = Duration::from_mins(1);

/// 9999-12-31: no date is later.
const LAST_SECOND: f64 = 253_402_300_799.0;

/// Audiences of one token.
const MAX_AUDIENCES: usize = 50;

/// Scopes of one token, in bytes.
const MAX_SCOPES: usize = 8 * 1024;

/// Claims that name the client: RFC 9068, OpenID Connect, Okta, Entra (v1).
const CLIENT: [&str; 4] = ["client_id", "azp", "cid", "appid"];

/// The facts.
#[derive(Debug)]
pub(in crate::provider) struct Facts {
    pub(in crate::provider) identity: Arc<Identity>,
    pub(in crate::provider) client_id: Option<ClientId>,
    pub(in crate::provider) scopes: Scopes,
    pub(in crate::provider) audiences: Vec<String>,
    pub(in crate::provider) expires_at: Option<Timestamp>,
}

// === impl Facts ===

impl Facts {
    /// Reads claims whose origin is certain: kind, issuer and times are checked here, the audience
    /// by [`Facts::check_audience`]. `declared`: something else says that it is an access token.
    /// `needed`: the claims that are kept before all others.
    pub(in crate::provider) fn read(
        members: Map<String, Value>,
        declared: bool,
        issuers: Issuers<'_>,
        (plan, needed): (&AccessTokenPlan, &[String]),
        now: Timestamp,
    ) -> Result<Self, AccessTokenError> {
        check_kind(&members, declared)?;
        let unnamed = |_| AccessTokenError::Malformed("it names no tenant");
        let issuer = issuers.of(&members).map_err(unnamed)?;
        match members.get("iss") {
            None => {}
            Some(Value::String(found)) if *found == *issuer => {}
            Some(found) => {
                let found = clean(found.as_str().unwrap_or_default());
                return Err(AccessTokenError::Issuer { found, expected: issuer.into_owned() });
            }
        }
        if issuers.allows(&members).is_err() {
            let expected = "one of `allowed_tenants`".to_owned();
            return Err(AccessTokenError::Issuer { found: clean(&issuer), expected });
        }
        let expires_at = date(&members, "exp")?;
        if expires_at.is_some_and(|end| now >= end) {
            return Err(AccessTokenError::Expired);
        }
        for name in ["nbf", "iat"] {
            if date(&members, name)?.is_some_and(|begin| begin > now.plus(SKEW)) {
                return Err(AccessTokenError::NotYetValid);
            }
        }
        // A token with an `aud` is for what that says, whoever it was given to.
        let claim = match plan.audience_claim {
            AudienceClaim::ClientId if !members.contains_key("aud") => "client_id",
            AudienceClaim::ClientId | AudienceClaim::Aud => "aud",
        };
        let audiences = texts(members.get(claim)).ok_or(AccessTokenError::Malformed("`aud` is not a text or texts"))?;
        if audiences.len() > MAX_AUDIENCES {
            return Err(AccessTokenError::Malformed("it has too many audiences"));
        }
        let client_id = CLIENT.iter().find_map(|name| ClientId::parse(members.get(*name)?.as_str()?).ok());
        let scopes = scopes(&members, plan)?;
        let identity = claims::identity(&issuer, members, needed)
            .map_err(|_| AccessTokenError::Malformed("`sub` is missing or too long"))?;
        Ok(Self { identity: Arc::new(identity), client_id, scopes, audiences, expires_at })
    }

    /// RS-20, S50: made for one of these.
    pub(in crate::provider) fn check_audience(&self, accepted: &[String]) -> Result<(), AccessTokenError> {
        if self.audiences.iter().any(|own| accepted.contains(own)) {
            return Ok(());
        }
        let quoted = |texts: &[String]| texts.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(", ");
        let found = if self.audiences.is_empty() { "missing".to_owned() } else { clean(&quoted(&self.audiences)) };
        Err(AccessTokenError::Audience { found, expected: quoted(accepted) })
    }
}

/// S52: what a provider signs with the same keys for another use is refused by what it says of
/// itself, whatever its audience.
fn check_kind(members: &Map<String, Value>, declared: bool) -> Result<(), AccessTokenError> {
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    // Keycloak's own word, in the payload.
    let is_bearer = text("typ").is_some_and(|typ| typ.eq_ignore_ascii_case("Bearer"));
    if text("typ").is_some() && !is_bearer {
        return Err(AccessTokenError::WrongKind("its `typ` is not `Bearer`"));
    }
    // Cognito.
    if text("token_use").is_some_and(|kind| kind != "access") {
        return Err(AccessTokenError::WrongKind("its `token_use` is not `access`"));
    }
    if ["at_hash", "c_hash", "s_hash"].iter().any(|name| members.contains_key(*name)) {
        return Err(AccessTokenError::WrongKind("it is an ID token"));
    }
    // Keycloak repeated the nonce in access tokens until version 24.
    if members.contains_key("nonce") && !declared && !is_bearer {
        return Err(AccessTokenError::WrongKind("it is an ID token"));
    }
    if members.contains_key("events") {
        return Err(AccessTokenError::WrongKind("it is a logout or security event token"));
    }
    // RFC 7800: only with a proof that nobody sends here. As a bearer token it would be stolen goods.
    if members.contains_key("cnf") {
        return Err(AccessTokenError::WrongKind("it is bound to a key (DPoP or mutual TLS)"));
    }
    if text("token_type").is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err(AccessTokenError::WrongKind("its `token_type` is not `Bearer`"));
    }
    Ok(())
}

/// `NumericDate` (RFC 7519 section 2): seconds, perhaps with a fraction.
fn date(members: &Map<String, Value>, name: &'static str) -> Result<Option<Timestamp>, AccessTokenError> {
    let Some(value) = members.get(name) else { return Ok(None) };
    let seconds = value.as_f64().filter(|seconds| (0.0..=LAST_SECOND).contains(seconds));
    let seconds = seconds.ok_or(AccessTokenError::Malformed("a date is none"))?;
    // Within the range above nothing is lost but the fraction.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::as_conversions,
        reason = "the range was checked"
    )]
    Ok(Some(Timestamp(seconds as u64)))
}

/// One text or a list of texts.
fn texts(value: Option<&Value>) -> Option<Vec<String>> {
    match value {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(Value::String(text)) => Some(vec![text.clone()]),
        Some(Value::Array(items)) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
        Some(_) => None,
    }
}

/// From every claim that the plan names: a text with spaces, or a list. What is no scope is left out.
fn scopes(members: &Map<String, Value>, plan: &AccessTokenPlan) -> Result<Scopes, AccessTokenError> {
    let mut found = Scopes::default();
    for name in &plan.scope_claims {
        let texts = texts(members.get(name)).ok_or(AccessTokenError::Malformed("its scopes are not texts"))?;
        if texts.iter().map(String::len).sum::<usize>() > MAX_SCOPES {
            return Err(AccessTokenError::Malformed("its scopes are too long"));
        }
        let scopes = texts.iter().flat_map(|text| text.split_ascii_whitespace()).filter_map(|scope| scope.parse().ok());
        found = found.union(&scopes.collect());
    }
    Ok(found)
}
