//! A provider that runs: what a test or the demo asks it and does to it.

use std::sync::Arc;

use serde_json::Value;
use url::Url;

use super::{Endpoint, Faults, Lifetimes, Provider, Rotation, SeenRequest, StartError, fault::lock};
use crate::{demo::loopback::Serving, secret::Secret};

/// Where the sign-in page's forms go; see [`Running::sign_in_form`].
pub const SIGN_IN_PATH: &str = "/sign-in";

/// A provider that runs until this is dropped.
#[derive(Debug)]
pub struct Running {
    pub(super) provider: Arc<Provider>,
    pub(super) serving: Serving,
}

/// What a person would submit on the sign-in page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignInForm {
    /// Where to POST it.
    pub action: String,
    /// As `application/x-www-form-urlencoded`.
    pub fields: Vec<(&'static str, String)>,
}

// === impl Running ===

impl Running {
    /// `iss` of its tokens.
    pub fn issuer(&self) -> &str {
        &self.provider.issuer
    }

    /// Its discovery document.
    pub fn config_url(&self) -> String {
        format!("{}/.well-known/openid-configuration", self.provider.issuer.trim_end_matches('/'))
    }

    /// The registered application.
    pub fn client_id(&self) -> &str {
        &self.provider.options.client_id
    }

    /// The application's secret.
    pub fn client_secret(&self) -> Option<&Secret> {
        self.provider.options.client_secret.as_ref()
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.serving.port()
    }

    /// What goes wrong.
    pub fn faults(&self) -> &Faults {
        &self.provider.faults
    }

    /// Everything that arrived at an endpoint, oldest first (at most 1,000 in total).
    pub fn requests(&self, endpoint: Endpoint) -> Vec<SeenRequest> {
        self.provider.log.of(endpoint)
    }

    /// Forgets what arrived.
    pub fn clear_requests(&self) {
        self.provider.log.clear();
    }

    /// From now on every connection is reset, the open ones first.
    pub fn down(&self) {
        self.serving.set_down(true);
    }

    /// Answers again.
    pub fn up(&self) {
        self.serving.set_down(false);
    }

    /// Signs with a new key from now on.
    ///
    /// # Errors
    /// [`StartError::Key`] if none can be made.
    pub fn rotate_key(&self, rotation: Rotation) -> Result<(), StartError> {
        Ok(lock(&self.provider.keys).rotate(rotation)?)
    }

    /// Lifetimes of what is handed out from now on.
    pub fn set_lifetimes(&self, lifetimes: Lifetimes) {
        *lock(&self.provider.lifetimes) = lifetimes;
    }

    /// Changes one field of the discovery document; `null` takes it away.
    pub fn change_metadata(&self, field: &str, value: Value) {
        lock(&self.provider.metadata_changes).insert(field.to_owned(), value);
    }

    /// How many grants have not been revoked or ended by reuse.
    pub fn grants(&self) -> usize {
        lock(&self.provider.grants).count()
    }

    /// Ends every grant: access tokens are dead, a refresh is answered `invalid_grant`.
    pub fn end_all_grants(&self) {
        lock(&self.provider.grants).end_all();
    }

    /// What a person submits who arrived at `authorization_url` and is `person` (`ada`, `grace`,
    /// `linus` by default).
    pub fn sign_in_form(&self, authorization_url: &Url, person: &str) -> SignInForm {
        let request = authorization_url.query().unwrap_or_default().to_owned();
        let action = format!("{}{SIGN_IN_PATH}", self.provider.origin);
        SignInForm { action, fields: vec![("request", request), ("person", person.to_owned())] }
    }

    /// What a person submits who does not want to.
    pub fn cancel_form(&self, authorization_url: &Url) -> SignInForm {
        let mut form = self.sign_in_form(authorization_url, "");
        form.fields.push(("cancel", "yes".to_owned()));
        form
    }
}
