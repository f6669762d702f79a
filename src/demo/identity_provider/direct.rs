//! Tokens without a sign-in, for tests of whoever checks them.

use serde::Serialize;

use super::{Running, StartError, fault::lock, grant::Grant, person::Person, token};

// === impl Running ===

impl Running {
    /// An access token for a person of that name: a JWT, or opaque without an audience or as the
    /// options say.
    ///
    /// # Errors
    /// [`StartError::Key`] if it cannot be signed.
    pub fn access_token(&self, name: &str, audience: Option<&str>, scope: &str) -> Result<String, StartError> {
        let provider = &self.provider;
        let known = provider.options.people.iter().find(|person| person.key == name).cloned();
        let person = known.unwrap_or_else(|| Person::new(name, name));
        let grant = Grant {
            person,
            scopes: scope.split_ascii_whitespace().map(str::to_owned).collect(),
            audience: audience.map(str::to_owned),
            nonce: None,
            auth_time: provider.clock.now(),
        };
        let access_token = token::access_token(provider, &grant)?;
        let mut grants = lock(&provider.grants);
        let key = grants.put(grant);
        grants.put_access_token(&access_token, &key, provider.lifetimes().access_token);
        Ok(access_token)
    }

    /// A JWT with these claims, signed with the current key.
    ///
    /// # Errors
    /// [`StartError::Key`] if it cannot be signed.
    pub fn sign(&self, typ: &str, claims: &impl Serialize) -> Result<String, StartError> {
        Ok(lock(&self.provider.keys).current().sign(typ, claims)?)
    }

    /// The provider no longer knows an access token, as after RFC 7009.
    pub fn revoke(&self, access_token: &str) {
        lock(&self.provider.grants).revoke(access_token);
    }
}
