//! The authorization request: which one becomes a transaction (AS-40 to AS-49).

use super::{
    Authority,
    answer::{AnswerOutcome, ClientAnswer},
    client::{Client, ClientError, ClientKind, NotCovered},
    error::{AuthorizeError, PageError, Refused, RequestError},
    parameters::Parameters,
    pkce, remembered, resource, scope,
    transaction::{BrowserBinding, MAX_TRANSACTION, Transaction},
};
use crate::{
    metrics::outcome::ClientType,
    oauth::{ClientId, RedirectUri},
    provider::Hints,
};

/// The longest `state` that is carried, in bytes (U6: real clients send up to 4 KB).
pub const MAX_STATE: usize = 4_096;

/// What is known once the answer has an address.
struct Addressed {
    client: Client,
    redirect_uri: RedirectUri,
    state: Option<String>,
}

// === impl Authority ===

impl Authority {
    /// Checks an authorization request that came with this browser.
    ///
    /// Nothing is stored, whatever comes of it.
    ///
    /// # Errors
    /// [`AuthorizeError::Page`] as long as client and redirect URI are not known to be good, then
    /// [`AuthorizeError::Answer`].
    pub async fn begin(
        &self,
        parameters: &Parameters,
        browser: &BrowserBinding,
    ) -> Result<Transaction, AuthorizeError> {
        let to = self.addressed(parameters).await?;
        match self.transaction(parameters, browser, &to) {
            Ok(transaction) => {
                let length = serde_json::to_vec(&transaction).map_or(usize::MAX, |json| json.len());
                if length > MAX_TRANSACTION { Err(page(PageError::TooLong, to.client.kind)) } else { Ok(transaction) }
            }
            Err(reason) => {
                let outcome = AnswerOutcome::Error { code: reason.code(), description: reason.to_string() };
                Err(AuthorizeError::Answer(Box::new(Refused {
                    answer: ClientAnswer {
                        redirect_uri: to.redirect_uri,
                        issuer: self.plan.issuer.clone(),
                        state: to.state,
                        outcome,
                    },
                    reason,
                    client: to.client.kind,
                    client_name: to.client.name,
                })))
            }
        }
    }

    /// Who asks and where the answer goes: until that is known, nobody is redirected (AS-43).
    async fn addressed(&self, parameters: &Parameters) -> Result<Addressed, AuthorizeError> {
        let unknown = |reason| AuthorizeError::Page { reason, client: ClientType::Unknown };
        let id = parameters.get("client_id").map_err(|error| unknown(error.into()))?;
        let id = id.ok_or_else(|| unknown(PageError::ClientIdMissing))?;
        let id = ClientId::parse(id).map_err(|_| unknown(PageError::UnknownClient))?;
        let client = self.client(&id).await.map_err(|error| match error {
            ClientError::Unknown => unknown(PageError::UnknownClient),
            ClientError::Document(error) => page((*error).into(), ClientKind::Document),
        })?;
        let refused = |reason| page(reason, client.kind);
        let redirect_uri = parameters.get("redirect_uri").map_err(|error| refused(error.into()))?;
        let redirect_uri = redirect_uri.ok_or_else(|| refused(PageError::RedirectUriMissing))?;
        let redirect_uri = client.covers(redirect_uri, &self.plan).map_err(|reason| match reason {
            NotCovered::NotAllowed => refused(PageError::RedirectUriNotAllowed),
            NotCovered::Unregistered => {
                let mut registered: Vec<String> = client.redirect_uris.iter().map(RedirectUri::display_host).collect();
                registered.sort();
                registered.dedup();
                refused(PageError::RedirectUriMismatch { registered })
            }
        })?;
        let state = parameters.get("state").map_err(|error| refused(error.into()))?.map(str::to_owned);
        if state.as_ref().is_some_and(|state| state.len() > MAX_STATE) {
            return Err(refused(PageError::TooLong));
        }
        Ok(Addressed { client, redirect_uri, state })
    }

    fn transaction(
        &self,
        parameters: &Parameters,
        browser: &BrowserBinding,
        to: &Addressed,
    ) -> Result<Transaction, RequestError> {
        if parameters.get("request")?.is_some() {
            return Err(RequestError::RequestObject);
        }
        if parameters.get("request_uri")?.is_some() {
            return Err(RequestError::RequestUri);
        }
        match parameters.get("response_type")? {
            Some("code") => {}
            Some(_) => return Err(RequestError::ResponseTypeUnsupported),
            None => return Err(RequestError::ResponseTypeMissing),
        }
        if parameters.get("response_mode")?.is_some_and(|mode| mode != "query") {
            return Err(RequestError::ResponseModeUnsupported);
        }
        let code_challenge = pkce::challenge(parameters)?.to_owned();
        if parameters.get("prompt")?.is_some_and(|prompt| prompt.split(' ').any(|one| one == "none")) {
            return Err(RequestError::NoInteraction);
        }
        let route = resource::requested(&self.plan, parameters.all("resource"))?;
        let granted =
            scope::requested(&self.plan, &route, parameters.get("scope")?).map_err(|_| RequestError::InvalidScope)?;
        let mut hints = Hints::default();
        for name in Hints::NAMES {
            if let Some(value) = parameters.get(name)? {
                hints.add(name, value);
            }
        }
        let now = self.clock.now();
        Ok(Transaction {
            client_id: to.client.id.clone(),
            client_kind: to.client.kind,
            client_name: to.client.name.clone(),
            client_is_local: to.client.is_local_only(),
            client_redirect_uris: remembered::redirect_uris(&to.client),
            skip_consent: to.client.skip_consent || !self.plan.consent.asks(),
            redirect_uri: to.redirect_uri.clone(),
            resource: route.resource.clone(),
            scopes: granted.scopes,
            offline: granted.offline,
            hints,
            started_at: now,
            state: to.state.clone(),
            code_challenge,
            browser: browser.digest(),
            expires_at: now.plus(self.plan.lifetimes.transaction),
        })
    }
}

fn page(reason: PageError, client: ClientKind) -> AuthorizeError {
    AuthorizeError::Page { reason, client: client.label() }
}

#[cfg(test)]
mod tests;
