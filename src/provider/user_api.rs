//! What an API of the provider says about the holder of an access token: user info of OpenID
//! Connect (Core section 5.3), which completes an ID token, and the user API of a provider that
//! gives none, which alone says who signed in.

use bytes::Bytes;
use http::{
    Request, Response, StatusCode,
    header::{ACCEPT, AUTHORIZATION},
};
use serde_json::{Map, Value};
use url::Url;

use super::{
    Provider, claims,
    discovery::Discovered,
    error::{LoginError, clean},
    tokens::{ProviderTokens, RenewError},
};
use crate::{
    config::plan::{EmailVerified, IdentityPlan},
    egress::EgressError,
    identity::Identity,
    metrics::outcome::ProviderEndpoint,
};

/// Why an answer of a user API makes no identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Useless {
    #[error("it answered with status {0}: is it the right URL, and may a token with these scopes read it?")]
    Status(StatusCode),
    #[error("its answer is too large")]
    TooLarge,
    #[error("its answer is no JSON object")]
    NotAnObject,
    #[error("`{0}` is missing in its answer")]
    Missing(String),
    #[error("`{0}` in its answer is neither a text nor a whole number, or it is empty or too long")]
    Subject(String),
    #[error("`{0}` in its answer is not this application: the token was made for another one")]
    Application(String),
}

// === impl Provider ===

impl Provider {
    pub(super) fn wants_user_info(&self, identity: &Identity, tokens: &ProviderTokens) -> bool {
        let granted = tokens.scopes.as_ref().unwrap_or(&self.plan.required_scopes);
        let asked = |scope| granted.contains(scope) || self.plan.required_scopes.contains(scope);
        (identity.email.is_none() && asked("email")) || (identity.name.is_none() && asked("profile"))
    }

    /// Completes the identity from the user info endpoint. A failure leaves it as it is; an answer
    /// about another subject ends the sign-in (OpenID Connect Core section 5.3.2).
    pub(super) async fn add_user_info(
        &self,
        url: &Url,
        tokens: &ProviderTokens,
        identity: &mut Identity,
    ) -> Result<(), LoginError> {
        let answer = self.ask(url, tokens).await.map_err(|error| error.to_string());
        let claims = answer.and_then(|answer| {
            let status = answer.status();
            object(&answer).ok_or_else(|| format!("status {status}, or no JSON object"))
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

    /// Who the holder of the access token is. The token came from the token endpoint in exchange for
    /// a code of this very sign-in, so whoever the API names has signed in.
    pub(super) async fn holder(
        &self,
        known: &Discovered,
        url: &Url,
        tokens: &ProviderTokens,
    ) -> Result<Identity, LoginError> {
        let answer = match self.ask(url, tokens).await {
            Ok(answer) => answer,
            Err(EgressError::TooLarge(_)) => return Err(useless(&Useless::TooLarge)),
            Err(error) => return Err(LoginError::Unavailable(format!("its user API: {error}"))),
        };
        if !answer.status().is_success() {
            return Err(useless(&Useless::Status(answer.status())));
        }
        let members = object(&answer).ok_or_else(|| useless(&Useless::NotAnObject))?;
        let plan = &self.plan.protocol.identity;
        let mut identity =
            identity(known.issuer.as_str(), plan, &self.plan.client_id, members, &self.plan.needed_claims)
                .map_err(|reason| useless(&reason))?;
        if let Some(url) = &plan.email_endpoint {
            let address = self.verified_address(url, tokens).await;
            identity.email_verified = address.is_some();
            identity.email = address;
        }
        Ok(identity)
    }

    /// Whether an access token still counts: the API answers its holder.
    pub(super) async fn check(&self, url: &Url, tokens: &ProviderTokens) -> Result<(), RenewError> {
        let unavailable = |text: String| RenewError::Unavailable(format!("its user API: {text}"));
        let answer = self.ask(url, tokens).await.map_err(|error| unavailable(error.to_string()))?;
        match answer.status() {
            StatusCode::UNAUTHORIZED => Err(RenewError::Ended("its user API refuses the access token".to_owned())),
            status if status.is_success() => Ok(()),
            status => Err(unavailable(format!("status {status}"))),
        }
    }

    /// The person's main address, if the provider says that it is theirs. Without one people sign in
    /// all the same.
    async fn verified_address(&self, url: &Url, tokens: &ProviderTokens) -> Option<String> {
        let answer = self.ask(url, tokens).await.map_err(|error| error.to_string()).and_then(|answer| {
            let status = answer.status();
            let list = serde_json::from_slice::<Vec<Value>>(answer.body()).ok();
            list.filter(|_| status.is_success()).ok_or_else(|| format!("status {status}, or no JSON list"))
        });
        match answer {
            Ok(list) => {
                let is = |entry: &Value, name: &str| entry.get(name) == Some(&Value::Bool(true));
                let main = list.iter().find(|entry| is(entry, "primary") && is(entry, "verified"));
                claims::text(main?.get("email"))
            }
            Err(error) => {
                tracing::warn!(
                    provider = self.plan.name,
                    error,
                    "no list of e-mail addresses; signed in without an address"
                );
                None
            }
        }
    }

    async fn ask(&self, url: &Url, tokens: &ProviderTokens) -> Result<Response<Bytes>, EgressError> {
        let request = Request::get(url.as_str())
            .header(ACCEPT, "application/json")
            .header(AUTHORIZATION, format!("Bearer {}", tokens.access_token))
            .body(Vec::new())?;
        self.http.send(ProviderEndpoint::Userinfo, request).await
    }
}

fn useless(reason: &Useless) -> LoginError {
    LoginError::UserApi(clean(&reason.to_string()))
}

fn object(answer: &Response<Bytes>) -> Option<Map<String, Value>> {
    let members = serde_json::from_slice(answer.body()).ok();
    members.filter(|_| answer.status().is_success())
}

/// The identity in a user API's answer.
fn identity(
    issuer: &str,
    plan: &IdentityPlan,
    client_id: &str,
    members: Map<String, Value>,
    needed: &[String],
) -> Result<Identity, Useless> {
    if let Some(path) = &plan.client_id {
        let application = path.in_object(&members).ok_or_else(|| Useless::Missing(path.to_string()))?;
        if claims::stable(application).as_deref() != Some(client_id) {
            return Err(Useless::Application(path.to_string()));
        }
    }
    let subject = plan.subject.in_object(&members).filter(|subject| !subject.is_null());
    let subject = subject.ok_or_else(|| Useless::Missing(plan.subject.to_string()))?;
    let subject = claims::stable(subject).ok_or_else(|| Useless::Subject(plan.subject.to_string()))?;
    let email = claims::text(plan.email.in_object(&members));
    let verified = match &plan.email_verified {
        EmailVerified::Always(always) => *always,
        EmailVerified::Member(path) => claims::is_true(path.in_object(&members)),
    };
    Ok(Identity {
        issuer: issuer.to_owned(),
        subject,
        email_verified: verified && email.is_some(),
        email,
        name: claims::text(plan.name.in_object(&members)),
        provider: None,
        claims: claims::further(members, needed),
    })
}

#[cfg(test)]
mod tests;
