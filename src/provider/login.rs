//! The end of a sign-in: from the code to an identity (OpenID Connect Core section 3.1.3), by ID
//! token or by the provider's user API.

use std::{
    fmt,
    time::{Duration, UNIX_EPOCH},
};

use openidconnect::{
    AuthorizationCode, ClaimsVerificationError, ClientId, IssuerUrl, Nonce, NonceVerifier, PkceCodeVerifier,
    SignatureVerificationError, TokenResponse,
    core::{CoreIdToken, CoreIdTokenVerifier},
};
use serde::{Deserialize, Serialize};

use super::{
    Provider,
    access_token::AccessTokenError,
    claims::{self, ClaimsError},
    discovery::{Discovered, IdTokens, Iss, Says},
    error::{LoginError, TokenFailure, clean},
    keys::KeySet,
    tenant::{Issuers, TenantError},
    token_answer::TokenAnswer,
    tokens::ProviderTokens,
};
use crate::{
    identity::Identity,
    metrics::outcome::ProviderEndpoint,
    oauth::{self, Scopes},
};

/// Scopes that providers grant under other names, or grant and leave out of `scope`.
const NOT_ECHOED: [&str; 6] = ["openid", "profile", "email", "address", "phone", oauth::Scope::OFFLINE_ACCESS];

/// What an operator can do about it.
const NOT_JWT: &str = "; let the provider issue JWTs for the API that is configured as `audience`, add `introspection` if \
                       it offers that, or write `verify_id_token: true` to rely on the ID token alone";
const WRONG_AUDIENCE: &str = "; register an API with that identifier at the provider and let this application ask for \
                              it, write the other value as `audience`, or write `verify_id_token: true` to rely on the \
                              ID token alone";

/// What must come back with the browser for a sign-in to be finished. Secret: it lives sealed in
/// the browser's cookie.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// `state` of the authorization request.
    pub state: String,
    /// `nonce` that the ID token must repeat.
    pub nonce: String,
    /// PKCE code verifier (RFC 7636); `None` if no challenge was sent.
    pub pkce_verifier: Option<String>,
    /// What was asked for, if the token endpoint has to be told again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Scopes>,
}

/// What the provider sent the browser back with; `state` has been checked and errors are handled.
#[derive(Clone, PartialEq, Eq)]
pub struct CallbackParameters {
    /// `code`
    pub code: String,
    /// `iss` (RFC 9207)
    pub iss: Option<String>,
}

// === impl Login ===

impl fmt::Debug for Login {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Login([redacted])")
    }
}

// === impl CallbackParameters ===

impl fmt::Debug for CallbackParameters {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("CallbackParameters").field("iss", &self.iss).finish_non_exhaustive()
    }
}

// === impl Provider ===

impl Provider {
    /// Exchanges the code, checks everything and says who signed in.
    ///
    /// # Errors
    /// [`LoginError`]; no token of the provider has been used when a check fails.
    pub async fn finish_login(
        &self,
        login: &Login,
        callback: &CallbackParameters,
    ) -> Result<(Identity, ProviderTokens), LoginError> {
        let known = self.ready().await.map_err(LoginError::Unavailable)?;
        check_iss(&known, self.issuers(&known), callback.iss.as_deref())?;
        let response = self.exchange(&known, login, callback).await?;
        match &known.says {
            Says::IdToken(id_tokens) => self.by_id_token(&known, id_tokens, login, &response).await,
            Says::UserApi { url, .. } => {
                let tokens = self.tokens(&known, &response, None).map_err(LoginError::ExchangeFailed)?;
                self.check_granted(tokens.scopes.as_ref())?;
                self.check_given(&tokens).await?;
                let identity = self.holder(&known, url, &tokens).await?;
                Ok((identity, tokens))
            }
        }
    }

    async fn by_id_token(
        &self,
        known: &Discovered,
        id_tokens: &IdTokens,
        login: &Login,
        response: &TokenAnswer,
    ) -> Result<(Identity, ProviderTokens), LoginError> {
        let id_token = response.id_token().ok_or_else(|| {
            LoginError::IdTokenInvalid("there is none; may this application use the scope `openid`?".to_owned())
        })?;
        self.verify(known, id_tokens, id_token, &Nonce::new(login.nonce.clone())).await?;
        let verified = self.plan.protocol.email_verified_claim;
        let invalid = |error: ClaimsError| LoginError::IdTokenInvalid(error.to_string());
        let claims = claims::payload(&id_token.to_string()).map_err(invalid)?;
        let issuer = self.issuers(known).of(&claims).map_err(|error| foreign(&error))?;
        let claims = claims::with_verified_email(claims, verified);
        let mut identity = claims::identity(&issuer, claims, &self.plan.needed_claims).map_err(invalid)?;
        let tokens = self.tokens(known, response, None).map_err(LoginError::ExchangeFailed)?;
        self.check_granted(tokens.scopes.as_ref())?;
        self.check_given(&tokens).await?;
        if let Some(url) = known.userinfo_endpoint.as_ref().filter(|_| self.wants_user_info(&identity, &tokens)) {
            self.add_user_info(url, &tokens, &mut identity).await?;
        }
        Ok((identity, tokens))
    }

    /// `audience`, then the extra parameters, which may replace it.
    pub(super) fn parameters<'p>(&'p self, extra: &'p [(String, String)]) -> impl Iterator<Item = (&'p str, &'p str)> {
        let replaced = extra.iter().any(|(name, _)| name == "audience");
        let audience = self.plan.audience.as_deref().filter(|_| !replaced).map(|audience| ("audience", audience));
        audience.into_iter().chain(extra.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }

    async fn exchange(
        &self,
        known: &Discovered,
        login: &Login,
        callback: &CallbackParameters,
    ) -> Result<TokenAnswer, LoginError> {
        let mut request = known.client.exchange_code(AuthorizationCode::new(callback.code.clone()));
        if let Some(verifier) = login.pkce_verifier.clone() {
            request = request.set_pkce_verifier(PkceCodeVerifier::new(verifier));
        }
        for (name, value) in self.parameters(&self.plan.extra_token_params) {
            request = request.add_extra_param(name, value);
        }
        if let Some(scope) = self.scope_at_token_endpoint(known, login.scopes.as_ref()) {
            request = request.add_extra_param("scope", scope);
        }
        let http = self.http.endpoint(ProviderEndpoint::Token);
        let answer = request.request_async(&http).await;
        answer.map_err(|error| match TokenFailure::from(error) {
            TokenFailure::Refused { error, text } => {
                self.metrics.idp_error("token", &error);
                LoginError::ExchangeFailed(text)
            }
            TokenFailure::Unreachable(error) => LoginError::Unavailable(error.to_string()),
            TokenFailure::Useless(text) => LoginError::ExchangeFailed(text),
        })
    }

    /// Who it is, by the ID token that came with a renewal (OpenID Connect Core section 12.2); `None` if
    /// there is none, or it does not pass: what was known stays.
    pub(super) async fn told_again(&self, known: &Discovered, response: &TokenAnswer) -> Option<Identity> {
        let (Says::IdToken(id_tokens), Some(id_token)) = (&known.says, response.id_token()) else { return None };
        let any: fn(Option<&Nonce>) -> Result<(), String> = |_| Ok(());
        if let Err(error) = self.verify(known, id_tokens, id_token, any).await {
            tracing::warn!(provider = self.plan.name, %error, "the ID token of a renewal does not pass");
            return None;
        }
        let claims = claims::payload(&id_token.to_string()).ok()?;
        let issuer = self.issuers(known).of(&claims).ok()?;
        let claims = claims::with_verified_email(claims, self.plan.protocol.email_verified_claim);
        claims::identity(&issuer, claims, &self.plan.needed_claims).ok()
    }

    /// What tokens have to name as their issuer.
    pub(super) fn issuers<'p>(&'p self, known: &'p Discovered) -> Issuers<'p> {
        Issuers::new(known.issuer.as_str(), self.plan.protocol.tenants.as_ref())
    }

    /// OpenID Connect Core section 3.1.3.7, with one look for new keys.
    async fn verify(
        &self,
        known: &Discovered,
        id_tokens: &IdTokens,
        id_token: &CoreIdToken,
        nonce: impl NonceVerifier + Copy,
    ) -> Result<(), LoginError> {
        let keys = self.keys.current().ok_or_else(|| LoginError::Unavailable("its keys are not known".to_owned()))?;
        // The issuer is filled in with what the token says of itself; who may say that is asked once the
        // signature and everything else is good.
        let issuers = self.issuers(known);
        let claims =
            claims::payload(&id_token.to_string()).map_err(|error| LoginError::IdTokenInvalid(error.to_string()))?;
        let issuer = issuers.of(&claims).map_err(|error| LoginError::IdTokenInvalid(error.to_string()))?;
        let issuer =
            IssuerUrl::new(issuer.into_owned()).map_err(|error| LoginError::IdTokenInvalid(error.to_string()))?;
        let mut result = self.check_id_token(&issuer, id_tokens, id_token, nonce, &keys);
        if matches!(
            result,
            Err(ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey))
        ) {
            let newer =
                self.keys.after_unknown_kid(&keys, &id_tokens.jwks_uri, &self.http, &self.clock, &self.metrics).await;
            if let Some(newer) = newer.newer() {
                result = self.check_id_token(&issuer, id_tokens, id_token, nonce, &newer);
            }
        }
        result.map_err(|error| match error {
            ClaimsVerificationError::InvalidNonce(_) => LoginError::NonceMismatch,
            ClaimsVerificationError::SignatureVerification(error) => {
                LoginError::IdTokenInvalid(format!("its signature: {}", clean(&error.to_string())))
            }
            error => LoginError::IdTokenInvalid(clean(&error.to_string())),
        })?;
        issuers.allows(&claims).map_err(|error| foreign(&error))
    }

    fn check_id_token(
        &self,
        issuer: &IssuerUrl,
        id_tokens: &IdTokens,
        id_token: &CoreIdToken,
        nonce: impl NonceVerifier + Copy,
        keys: &KeySet,
    ) -> Result<(), ClaimsVerificationError> {
        let client_id = ClientId::new(self.plan.client_id.clone());
        // The verifier for public clients: it has no secret that a symmetric signature could use.
        let verifier = CoreIdTokenVerifier::new_public_client(client_id, issuer.clone(), keys.keys.clone())
            .set_allowed_algs(id_tokens.algorithms.iter().cloned())
            .set_other_audience_verifier_fn(|_| true)
            .set_time_fn(|| (UNIX_EPOCH + Duration::from_secs(self.clock.now().0)).into());
        let claims = id_token.claims(&verifier, nonce)?;
        // Other audiences are fine if the token says that it was made for us.
        let ours = |party: &ClientId| party.as_str() == self.plan.client_id;
        match claims.authorized_party() {
            Some(party) if !ours(party) => {
                Err(ClaimsVerificationError::InvalidAudience("`azp` is another application".to_owned()))
            }
            None if claims.audiences().len() > 1 => {
                Err(ClaimsVerificationError::InvalidAudience("several audiences and no `azp`".to_owned()))
            }
            _ => Ok(()),
        }
    }

    /// The access token that the provider gave us is for the configured audience. Without one,
    /// nothing is known about access tokens: the ID token alone says who signed in.
    pub(super) async fn check_given(&self, tokens: &ProviderTokens) -> Result<(), LoginError> {
        let Some(plan) = &self.plan.access_tokens else { return Ok(()) };
        let checked = self.check_access_token(plan, &tokens.access_token, &plan.audiences).await;
        checked.map(|_| ()).map_err(|error| match error {
            error if error.is_unavailable() => LoginError::Unavailable(error.to_string()),
            error => {
                let help = match &error {
                    AccessTokenError::NotJwt => NOT_JWT,
                    AccessTokenError::Audience { .. } => WRONG_AUDIENCE,
                    _ => "",
                };
                LoginError::AccessTokenInvalid(format!("{error}{help}"))
            }
        })
    }

    fn check_granted(&self, granted: Option<&Scopes>) -> Result<(), LoginError> {
        let Some(granted) = granted else {
            return Ok(());
        };
        let required = &self.plan.required_scopes;
        let missing: Scopes = required
            .difference(granted)
            .iter()
            .filter(|scope| !NOT_ECHOED.contains(&scope.as_str()))
            .cloned()
            .collect();
        if missing.is_empty() { Ok(()) } else { Err(LoginError::PolicyDenied { missing }) }
    }
}

fn foreign(error: &TenantError) -> LoginError {
    LoginError::ForeignTenant(error.to_string())
}

/// RFC 9207 section 2.4: the same text, byte for byte.
fn check_iss(known: &Discovered, issuers: Issuers<'_>, iss: Option<&str>) -> Result<(), LoginError> {
    match iss {
        Some(iss) if issuers.include(iss) => Ok(()),
        Some(_) if known.iss == Iss::Unknown => Ok(()),
        None if known.iss != Iss::Required => Ok(()),
        _ => Err(LoginError::IssMismatch),
    }
}
