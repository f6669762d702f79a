//! Access tokens: JWTs for exactly one route (RFC 9068), and the response that carries them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    Authority,
    error::TokenError,
    grants::{GrantId, record::GrantRecord},
};
use crate::{
    oauth::{ClientId, Scope, Scopes},
    seal,
    time::Timestamp,
};

/// The header's `typ` (RFC 9068 section 2.1).
pub const ACCESS_TOKEN_TYPE: &str = "at+jwt";

/// The claims of an access token (RFC 9068 section 2.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessTokenClaims {
    /// Our issuer.
    pub iss: String,
    /// The route's audience, which is its resource unless the configuration says otherwise.
    pub aud: String,
    /// [`Identity::subject_here`](crate::identity::Identity::subject_here).
    pub sub: String,
    /// Who was given the token.
    pub client_id: ClientId,
    /// What it is good for.
    pub scope: Scopes,
    /// When it was made.
    pub iat: Timestamp,
    /// When it ends.
    pub exp: Timestamp,
    /// Unique.
    pub jti: String,
    /// The grant it hangs off.
    pub sid: GrantId,
}

/// A successful token response (RFC 6749 section 5.1).
#[derive(Clone, Serialize)]
pub struct TokenResponse {
    /// See [`AccessTokenClaims`].
    pub access_token: String,
    /// Always `Bearer`.
    pub token_type: &'static str,
    /// Seconds; always there, always a number (T4).
    pub expires_in: u64,
    /// Absent when the client did not register for it, or when the provider gave us none: the
    /// grant then ends with the access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// What was granted; always there (S1).
    pub scope: Scopes,
    /// Whose access it is; not a part of the response.
    #[serde(skip)]
    pub about: TokenFacts,
}

/// Whose access a token response gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFacts {
    /// The grant.
    pub grant: GrantId,
    /// The provider's subject.
    pub subject: String,
    /// Who was given it.
    pub client_id: ClientId,
    /// The route's resource.
    pub resource: String,
}

// === impl TokenResponse ===

impl std::fmt::Debug for TokenResponse {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("TokenResponse")
            .field("expires_in", &self.expires_in)
            .field("refreshable", &self.refresh_token.is_some())
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

// === impl Authority ===

impl Authority {
    /// When an access token made now ends: after the plan's lifetime, with the grant, or with the
    /// provider's token if that cannot be renewed (`limit`). `None` if that is now.
    pub(super) fn access_until(&self, grant: &GrantRecord, limit: Option<Timestamp>) -> Option<Timestamp> {
        let now = self.clock.now();
        let until = now.plus(self.plan.lifetimes.access_token).min(grant.ends_at);
        let until = limit.map_or(until, |limit| until.min(limit));
        (until > now).then_some(until)
    }

    /// Makes a response with a new access token. Writes nothing.
    pub(super) fn respond(
        &self,
        id: &GrantId,
        grant: &GrantRecord,
        scopes: Scopes,
        until: Timestamp,
        refresh_token: Option<String>,
    ) -> Result<TokenResponse, TokenError> {
        let now = self.clock.now();
        let route = self.plan.route(&grant.resource);
        let claims = AccessTokenClaims {
            iss: self.plan.issuer.to_string(),
            aud: route.map_or(grant.resource.as_str(), |route| route.audience()).to_owned(),
            sub: grant.identity.subject_here().into_owned(),
            client_id: grant.client_id.clone(),
            scope: scopes,
            iat: now,
            exp: until,
            jti: seal::random_text::<16>(),
            sid: id.clone(),
        };
        let access_token = self.keys.sign(ACCESS_TOKEN_TYPE, &claims)?;
        let about = TokenFacts {
            grant: id.clone(),
            subject: claims.sub,
            client_id: claims.client_id,
            resource: grant.resource.to_string(),
        };
        let expires_in: Duration = until.since(now);
        let offline = refresh_token.is_some() && grant.offline;
        Ok(TokenResponse {
            access_token,
            token_type: "Bearer",
            expires_in: expires_in.as_secs(),
            refresh_token,
            scope: if offline { claims.scope.union(&offline_access()) } else { claims.scope },
            about,
        })
    }
}

fn offline_access() -> Scopes {
    Scopes::parse(Scope::OFFLINE_ACCESS).unwrap_or_default()
}
