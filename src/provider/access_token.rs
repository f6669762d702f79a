//! The provider's own access tokens, checked: as JWTs by its keys (RFC 9068, RFC 8725), or by
//! asking it (RFC 7662). At sign-in and refresh they are what we were given, in `mode: remote` what
//! a client shows at the gate.

mod facts;
mod jwt;
mod object;

use std::sync::Arc;

pub(super) use facts::Facts;

use super::{Provider, introspection::Introspected, keys::NewKeys};
use crate::{
    config::plan::AccessTokenPlan,
    identity::Identity,
    metrics::outcome::Verification,
    oauth::{ClientId, Scopes},
    time::Timestamp,
};

/// The longest token that is looked at, in bytes.
const MAX_TOKEN: usize = 16 * 1024;

/// A good access token of the provider, and for how long that is known.
#[derive(Debug)]
pub struct ProviderAccess {
    /// Whom it stands for.
    pub identity: Arc<Identity>,
    /// Who was given it, if it says so.
    pub client_id: Option<ClientId>,
    /// What it is good for.
    pub scopes: Scopes,
    /// Its end; `None` if the provider did not say (by introspection only).
    pub expires_at: Option<Timestamp>,
    /// From then on the provider has to be asked again.
    known_until: Option<Timestamp>,
    /// The keys that it was checked with.
    generation: u64,
}

/// Why an access token of the provider is refused, or could not be checked. The texts are for the
/// operator; nothing of the token itself is in them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessTokenError {
    /// More than 16 KiB.
    #[error("it is too large")]
    TooLarge,
    /// Not a signed JWT at all.
    #[error("it is opaque or encrypted, not a signed JWT")]
    NotJwt,
    /// A JWT that breaks the rules.
    #[error("it is malformed: {0}")]
    Malformed(&'static str),
    /// Another kind of token: an ID token, a refresh token, a logout token.
    #[error("it is no bearer access token: {0}")]
    WrongKind(&'static str),
    /// No such key.
    #[error("its key is not among the provider's")]
    UnknownKey,
    /// `none`, an HMAC, or not what the key is for.
    #[error("its algorithm is not allowed")]
    Algorithm,
    /// The signature does not fit.
    #[error("its signature is not valid")]
    Signature,
    /// At or after `exp`.
    #[error("it has expired")]
    Expired,
    /// Before `nbf`, or made in the future.
    #[error("it is not valid yet; is this machine's clock right?")]
    NotYetValid,
    /// Another `iss`.
    #[error("its issuer is `{found}`, not `{expected}`")]
    Issuer {
        /// What it says, cut.
        found: String,
        /// The provider's.
        expected: String,
    },
    /// Another `aud`, or none.
    #[error("its audience is {found}, not {expected}")]
    Audience {
        /// What it says, cut.
        found: String,
        /// What is accepted.
        expected: String,
    },
    /// The provider says that it is not (or no longer) active.
    #[error("the provider says that it is not active")]
    Inactive,
    /// Nothing to check it with.
    #[error("nothing tells the provider's keys: its metadata name no `jwks_uri`; write that, or `introspection`")]
    NoKeys,
    /// The keys cannot be had right now.
    #[error("the provider's keys cannot be had: {0}")]
    KeysUnavailable(String),
    /// The provider did not answer an introspection.
    #[error("the provider did not answer the introspection: {0}")]
    IntrospectionFailed(String),
}

// === impl ProviderAccess ===

impl ProviderAccess {
    fn of(facts: &Facts, known_until: Option<Timestamp>, generation: u64) -> Self {
        Self {
            identity: Arc::clone(&facts.identity),
            client_id: facts.client_id.clone(),
            scopes: facts.scopes.clone(),
            expires_at: facts.expires_at,
            known_until,
            generation,
        }
    }
}

// === impl AccessTokenError ===

impl AccessTokenError {
    /// The outcome to count.
    pub const fn outcome(&self) -> Verification {
        match self {
            Self::TooLarge => Verification::TooLarge,
            Self::NotJwt | Self::Malformed(_) | Self::WrongKind(_) => Verification::Malformed,
            Self::UnknownKey => Verification::UnknownKid,
            Self::Algorithm => Verification::AlgNotAllowed,
            Self::Signature => Verification::BadSignature,
            Self::Expired => Verification::Expired,
            Self::NotYetValid => Verification::NotYetValid,
            Self::Issuer { .. } => Verification::IssuerMismatch,
            Self::Audience { .. } => Verification::AudienceMismatch,
            Self::Inactive => Verification::Revoked,
            Self::NoKeys | Self::KeysUnavailable(_) => Verification::KeysUnavailable,
            Self::IntrospectionFailed(_) => Verification::IntrospectionFailed,
        }
    }

    /// Whether the token may be good: it could not be checked.
    pub const fn is_unavailable(&self) -> bool {
        matches!(self, Self::KeysUnavailable(_) | Self::IntrospectionFailed(_))
    }
}

// === impl Provider ===

impl Provider {
    /// Checks an access token of this provider that must be for one of `audiences`: by introspection
    /// if the plan says so, else as a JWT. Unknown keys are fetched, at most once in an interval
    /// (S53).
    ///
    /// # Errors
    /// [`AccessTokenError`]; nothing of a refused token is returned.
    pub async fn check_access_token(
        &self,
        plan: &AccessTokenPlan,
        token: &str,
        audiences: &[String],
    ) -> Result<ProviderAccess, AccessTokenError> {
        if token.len() > MAX_TOKEN {
            return Err(AccessTokenError::TooLarge);
        }
        match &plan.introspection {
            Some(introspection) => {
                let Introspected { facts, known_until } = self.introspect(plan, introspection, token).await?;
                let named = !facts.audiences.is_empty() || introspection.require_audience;
                if named {
                    facts.check_audience(audiences)?;
                }
                Ok(ProviderAccess::of(&facts, Some(known_until), 0))
            }
            None => self.check_jwt(plan, token, audiences).await,
        }
    }

    /// Whether what was found still holds at `now`: no introspection is due, no key was changed.
    /// Two atomic reads.
    pub fn still_knows(&self, access: &ProviderAccess, now: Timestamp) -> bool {
        match access.known_until {
            Some(until) => now < until,
            None => access.generation == self.keys.generation(),
        }
    }

    async fn check_jwt(
        &self,
        plan: &AccessTokenPlan,
        token: &str,
        audiences: &[String],
    ) -> Result<ProviderAccess, AccessTokenError> {
        let parsed = jwt::Parsed::read(token, &self.plan.protocol.algorithms)?;
        let known = self.ready().await.map_err(AccessTokenError::KeysUnavailable)?;
        let generation = self.keys.generation();
        let jwks_uri = known.jwks_uri().ok_or(AccessTokenError::NoKeys)?;
        let keys = self.keys.current().ok_or(AccessTokenError::NoKeys)?;
        let mut checked = parsed.check_signature(&keys.verifying);
        if checked == Err(AccessTokenError::UnknownKey) {
            let newer = self.keys.after_unknown_kid(&keys, jwks_uri, &self.http, &self.clock, &self.metrics).await;
            checked = match newer {
                NewKeys::Newer(newer) => parsed.check_signature(&newer.verifying),
                NewKeys::TooEarly => checked,
                NewKeys::Failed => Err(AccessTokenError::KeysUnavailable("they could not be fetched".to_owned())),
            };
        }
        checked?;
        let facts = parsed.facts(self.issuers(&known), (plan, &self.plan.needed_claims), self.clock.now())?;
        facts.check_audience(audiences)?;
        Ok(ProviderAccess::of(&facts, None, generation))
    }
}
