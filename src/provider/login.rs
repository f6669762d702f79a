//! Sign-in: the authorization request, and from the code to an identity (OpenID Connect Core
//! section 3.1). PKCE, state and nonce towards the provider are our own, never a client's.

use std::{
    fmt,
    time::{Duration, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{
    Request, Response,
    header::{ACCEPT, AUTHORIZATION},
};
use openidconnect::{
    AuthorizationCode, ClaimsVerificationError, ClientId, CsrfToken, Nonce, PkceCodeChallenge, PkceCodeVerifier, Scope,
    SignatureVerificationError, TokenResponse,
    core::{CoreAuthenticationFlow, CoreIdToken, CoreIdTokenVerifier, CoreTokenResponse},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use super::{
    Provider,
    claims::{self, ClaimsError},
    discovery::Discovered,
    error::{LoginError, TokenFailure, clean},
    keys::KeySet,
    tokens::ProviderTokens,
};
use crate::{
    egress::EgressError,
    identity::Identity,
    metrics::outcome::ProviderEndpoint,
    oauth::{self, Scopes},
};

/// Bytes of randomness in `state` and `nonce`.
const RANDOM_BYTES: u32 = 32;

/// Scopes that providers grant under other names, or grant and leave out of `scope`.
const NOT_ECHOED: [&str; 6] = ["openid", "profile", "email", "address", "phone", oauth::Scope::OFFLINE_ACCESS];

/// What must come back with the browser for a sign-in to be finished. Secret: it lives sealed in
/// the browser's cookie.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// `state` of the authorization request.
    pub state: String,
    /// `nonce` that the ID token must repeat.
    pub nonce: String,
    /// PKCE code verifier (RFC 7636).
    pub pkce_verifier: String,
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
    /// Where to send the browser, and what to keep until it comes back. Asks for `openid`, the
    /// plan's required scopes and `scopes`; with `offline` for a refresh token too, if the plan
    /// wants one and the provider knows `offline_access`.
    ///
    /// # Errors
    /// [`LoginError::Unavailable`] while nothing is known of the provider.
    pub async fn begin_login(&self, scopes: &Scopes, offline: bool) -> Result<(Url, Login), LoginError> {
        let known = self.ready().await.map_err(LoginError::Unavailable)?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let mut request = known
            .client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                || CsrfToken::new_random_len(RANDOM_BYTES),
                || Nonce::new_random_len(RANDOM_BYTES),
            )
            .set_pkce_challenge(challenge);
        let asked = self.plan.required_scopes.union(&scopes.without(oauth::Scope::OFFLINE_ACCESS));
        // openidconnect adds `openid` itself.
        for scope in asked.iter().filter(|scope| scope.as_str() != "openid") {
            request = request.add_scope(Scope::new(scope.as_str().to_owned()));
        }
        let offline = offline && self.plan.offline_access && known.knows_offline_access;
        if offline && !asked.contains(oauth::Scope::OFFLINE_ACCESS) {
            request = request.add_scope(Scope::new(oauth::Scope::OFFLINE_ACCESS.to_owned()));
        }
        for (name, value) in self.parameters(&self.plan.extra_authorize_params) {
            request = request.add_extra_param(name, value);
        }
        let (url, state, nonce) = request.url();
        let login =
            Login { state: state.into_secret(), nonce: nonce.secret().clone(), pkce_verifier: verifier.into_secret() };
        Ok((url, login))
    }

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
        check_iss(&known, callback.iss.as_deref())?;
        let response = self.exchange(&known, login, callback).await?;
        let id_token = response.id_token().ok_or_else(|| {
            LoginError::IdTokenInvalid("there is none; may this application use the scope `openid`?".to_owned())
        })?;
        self.verify(&known, id_token, &Nonce::new(login.nonce.clone())).await?;
        let mut identity = claims::payload(&id_token.to_string())
            .and_then(|claims| claims::identity(&known.issuer, claims))
            .map_err(|error: ClaimsError| LoginError::IdTokenInvalid(error.to_string()))?;
        let tokens = self.tokens(&response, None).map_err(LoginError::ExchangeFailed)?;
        self.check_granted(tokens.scopes.as_ref())?;
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
    ) -> Result<CoreTokenResponse, LoginError> {
        let mut request = known
            .client
            .exchange_code(AuthorizationCode::new(callback.code.clone()))
            .set_pkce_verifier(PkceCodeVerifier::new(login.pkce_verifier.clone()));
        for (name, value) in self.parameters(&self.plan.extra_token_params) {
            request = request.add_extra_param(name, value);
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

    /// OpenID Connect Core section 3.1.3.7, with one look for new keys.
    async fn verify(&self, known: &Discovered, id_token: &CoreIdToken, nonce: &Nonce) -> Result<(), LoginError> {
        let keys = self.keys.current().ok_or_else(|| LoginError::Unavailable("its keys are not known".to_owned()))?;
        let mut result = self.check_id_token(known, id_token, nonce, &keys);
        if matches!(
            result,
            Err(ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey))
        ) {
            let newer =
                self.keys.after_unknown_kid(&keys, &known.jwks_uri, &self.http, &self.clock, &self.metrics).await;
            if let Some(newer) = newer {
                result = self.check_id_token(known, id_token, nonce, &newer);
            }
        }
        result.map_err(|error| match error {
            ClaimsVerificationError::InvalidNonce(_) => LoginError::NonceMismatch,
            ClaimsVerificationError::SignatureVerification(error) => {
                LoginError::IdTokenInvalid(format!("its signature: {}", clean(&error.to_string())))
            }
            error => LoginError::IdTokenInvalid(clean(&error.to_string())),
        })
    }

    fn check_id_token(
        &self,
        known: &Discovered,
        id_token: &CoreIdToken,
        nonce: &Nonce,
        keys: &KeySet,
    ) -> Result<(), ClaimsVerificationError> {
        let client_id = ClientId::new(self.plan.client_id.clone());
        // The verifier for public clients: it has no secret that a symmetric signature could use.
        let verifier = CoreIdTokenVerifier::new_public_client(client_id, known.issuer.clone(), keys.keys.clone())
            .set_allowed_algs(known.algorithms.iter().cloned())
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

    fn wants_user_info(&self, identity: &Identity, tokens: &ProviderTokens) -> bool {
        let granted = tokens.scopes.as_ref().unwrap_or(&self.plan.required_scopes);
        let asked = |scope| granted.contains(scope) || self.plan.required_scopes.contains(scope);
        (identity.email.is_none() && asked("email")) || (identity.name.is_none() && asked("profile"))
    }

    async fn user_info(&self, url: &Url, tokens: &ProviderTokens) -> Result<Response<Bytes>, EgressError> {
        let request = Request::get(url.as_str())
            .header(ACCEPT, "application/json")
            .header(AUTHORIZATION, format!("Bearer {}", tokens.access_token))
            .body(Vec::new())?;
        self.http.send(ProviderEndpoint::Userinfo, request).await
    }

    /// Completes the identity from the user info endpoint. A failure leaves it as it is; an answer
    /// about another subject ends the sign-in (OpenID Connect Core section 5.3.2).
    async fn add_user_info(
        &self,
        url: &Url,
        tokens: &ProviderTokens,
        identity: &mut Identity,
    ) -> Result<(), LoginError> {
        let answer = self.user_info(url, tokens).await.map_err(|error| error.to_string());
        let claims = answer.and_then(|answer| {
            let status = answer.status();
            let claims = serde_json::from_slice::<Map<String, Value>>(answer.body());
            claims.ok().filter(|_| status.is_success()).ok_or_else(|| format!("status {status}, or no JSON object"))
        });
        match claims {
            Ok(claims) if claims.get("sub").and_then(Value::as_str) == Some(&identity.subject) => {
                claims::complete(identity, &claims);
                Ok(())
            }
            Ok(_) => Err(LoginError::UserinfoFailed),
            Err(error) => {
                tracing::warn!(provider = self.plan.name, error, "no user info; signed in without it");
                Ok(())
            }
        }
    }
}

/// RFC 9207 section 2.4: the same text, byte for byte.
fn check_iss(known: &Discovered, iss: Option<&str>) -> Result<(), LoginError> {
    match iss {
        Some(iss) if iss == known.issuer.as_str() => Ok(()),
        None if !known.sends_iss => Ok(()),
        _ => Err(LoginError::IssMismatch),
    }
}
