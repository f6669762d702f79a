//! What happens to the provider's tokens after the sign-in: renewal (RFC 6749 section 6) and
//! revocation (RFC 7009).

use std::time::Duration;

use async_trait::async_trait;
use openidconnect::{HttpRequest, OAuth2TokenResponse, RefreshToken, core::CoreTokenType};
use url::Url;

use super::{
    Provider,
    client_auth::ClientAuth,
    client_request,
    discovery::{Discovered, Says},
    error::{LoginError, TokenFailure},
    scope,
    token_answer::TokenAnswer,
    tokens::{ProviderTokens, RenewError, Renewal, TokenSource},
};
use crate::{metrics::outcome::ProviderEndpoint, oauth::Scopes};

/// Longest token, and longest list of scopes, in bytes; they are stored with every grant.
const MAX_TOKEN: usize = 16 * 1024;

/// Errors that only a new sign-in can cure; everything else may pass.
const OVER: [&str; 5] =
    ["invalid_grant", "interaction_required", "login_required", "consent_required", BAD_REFRESH_TOKEN];

/// What GitHub says instead of `invalid_grant`.
const BAD_REFRESH_TOKEN: &str = "bad_refresh_token";

// === impl Provider ===

#[async_trait]
impl TokenSource for Provider {
    async fn renew(&self, tokens: &ProviderTokens) -> Result<Renewal, RenewError> {
        let Some(refresh_token) = tokens.refresh_token.clone().map(RefreshToken::new) else {
            return self.check_lasting(tokens).await.map(Renewal::from);
        };
        let known = self.ready().await.map_err(RenewError::Unavailable)?;
        let mut request = known.client.exchange_refresh_token(&refresh_token);
        for (name, value) in self.parameters(&self.plan.extra_token_params) {
            request = request.add_extra_param(name, value);
        }
        if let Some(scope) = self.scope_at_token_endpoint(&known, tokens.scopes.as_ref()) {
            request = request.add_extra_param("scope", scope);
        }
        let http = self.http.endpoint(ProviderEndpoint::Token);
        let response = request.request_async(&http).await.map_err(|error| match TokenFailure::from(error) {
            TokenFailure::Refused { error, text } => {
                self.metrics.idp_error("token", &error);
                if OVER.contains(&error.as_str()) { RenewError::Ended(text) } else { RenewError::Unavailable(text) }
            }
            TokenFailure::Unreachable(error) => RenewError::Unavailable(error.to_string()),
            TokenFailure::Useless(text) => RenewError::Unavailable(text),
        })?;
        let renewed = self.tokens(&known, &response, Some(tokens)).map_err(RenewError::Unavailable)?;
        // A wrong one will not be right the next time: only a new sign-in shows what is wrong.
        self.check_given(&renewed).await.map_err(|error| match error {
            LoginError::Unavailable(text) => RenewError::Unavailable(text),
            error => RenewError::Ended(error.to_string()),
        })?;
        Ok(Renewal { identity: self.told_again(&known, &response).await, tokens: renewed })
    }

    async fn revoke(&self, tokens: &ProviderTokens) {
        let Some(known) = self.known() else {
            return;
        };
        let Some(url) = &known.revocation_endpoint else {
            return;
        };
        let provider = self.plan.name.as_str();
        let answer = match self.revocation(url, &known.auth, tokens) {
            Ok(request) => self.http.send(ProviderEndpoint::Revocation, request).await,
            Err(error) => Err(error.into()),
        };
        match answer {
            Ok(answer) if answer.status().is_success() => {}
            Ok(answer) => {
                tracing::warn!(provider, status = answer.status().as_u16(), "the identity provider did not revoke");
            }
            Err(error) => tracing::warn!(provider, %error, "the identity provider did not revoke"),
        }
    }
}

impl Provider {
    /// A token without an end and without a refresh token counts until the user API refuses it.
    async fn check_lasting(&self, tokens: &ProviderTokens) -> Result<ProviderTokens, RenewError> {
        let known = self.ready().await.map_err(RenewError::Unavailable)?;
        match &known.says {
            Says::UserApi { url, .. } if tokens.lasting => self.check(url, tokens).await.map(|()| tokens.clone()),
            _ => Err(RenewError::Ended("it gave no refresh token".to_owned())),
        }
    }

    /// What a token response holds. What it leaves out stays as it was: a provider that does not
    /// rotate repeats neither the refresh token nor the scopes.
    pub(super) fn tokens(
        &self,
        known: &Discovered,
        response: &TokenAnswer,
        before: Option<&ProviderTokens>,
    ) -> Result<ProviderTokens, String> {
        if *response.token_type() != CoreTokenType::Bearer {
            return Err("its access token is not a bearer token".to_owned());
        }
        let access_token = response.access_token().secret();
        let refresh_token = response.refresh_token().map(RefreshToken::secret);
        let scope_bytes = response.scopes().map_or(0, |scopes| scopes.iter().map(|scope| scope.len()).sum());
        if access_token.len().max(refresh_token.map_or(0, String::len)).max(scope_bytes) > MAX_TOKEN {
            return Err(format!("a token or its scopes are longer than {MAX_TOKEN} bytes"));
        }
        let scopes: Option<Scopes> =
            response.scopes().map(|scopes| scopes.iter().filter_map(|scope| scope.as_str().parse().ok()).collect());
        let (plan, now) = (&self.plan.protocol, self.clock.now());
        let scopes = scopes.map(|scopes| scope::granted(&plan.scope_names, &scopes));
        if response.expires_in() == Some(Duration::ZERO) {
            return Err("its access token is over already: `expires_in` is 0".to_owned());
        }
        let lifetime = response.expires_in().or(plan.fallback_access_token_lifetime);
        let said = response.extra_fields().extra_fields().refresh_lifetime();
        let fallback = plan.fallback_refresh_token_lifetime.filter(|_| refresh_token.is_some());
        let refresh_lifetime = said.or(fallback);
        let refresh_token = refresh_token.cloned().or_else(|| before?.refresh_token.clone());
        let ahead = |lifetime: Duration| plan.renew_ahead.min(lifetime / 2);
        let renewed_early = !plan.renew_ahead.is_zero() && refresh_token.is_some();
        Ok(ProviderTokens {
            access_token: access_token.clone(),
            expires_at: lifetime.map(|lifetime| now.plus(lifetime)),
            scopes: scopes.filter(|scopes| !scopes.is_empty()).or_else(|| before?.scopes.clone()),
            refresh_expires_at: match refresh_lifetime {
                Some(lifetime) => refresh_token.as_ref().map(|_| now.plus(lifetime)),
                None => before
                    .filter(|before| before.refresh_token == refresh_token)
                    .and_then(|before| before.refresh_expires_at),
            },
            renew_at: lifetime
                .filter(|_| renewed_early)
                .map(|lifetime| now.plus(lifetime.saturating_sub(ahead(lifetime)))),
            lasting: lifetime.is_none() && refresh_token.is_none() && matches!(known.says, Says::UserApi { .. }),
            given_by: before.and_then(|before| before.given_by.clone()),
            refresh_token,
        })
    }

    fn revocation(&self, url: &Url, auth: &ClientAuth, tokens: &ProviderTokens) -> Result<HttpRequest, http::Error> {
        let (token, hint) = match &tokens.refresh_token {
            Some(refresh_token) => (refresh_token, "refresh_token"),
            None => (&tokens.access_token, "access_token"),
        };
        let pairs = [("token", token.as_str()), ("token_type_hint", hint)];
        client_request::post(url, &self.plan.client_id, auth, &pairs)
    }
}
