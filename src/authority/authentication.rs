//! Who sends a token request (RFC 6749 section 2.3, AS-61, D4): by Basic, in the body, by an
//! assertion, or not at all.

use base64::{
    Engine as _,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::{
    Authority, assertion,
    client::{Client, ClientAuthentication, ClientError},
    client_id_document::ClientKeys,
    error::TokenError,
    parameters::Parameters,
    registration,
};
use crate::{oauth::ClientId, secret::Secret};

/// `client_assertion_type` of RFC 7523 section 2.2.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Base64 with or without its padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a request says about its sender. Nothing of it is proven yet.
#[derive(Clone, Debug, Default)]
pub struct ClientCredentials {
    client_id: Option<String>,
    /// The secret as decoded, and as it came if that differs: not every client encodes it.
    secrets: Vec<Secret>,
    assertion: Option<Secret>,
}

// === impl ClientCredentials ===

impl ClientCredentials {
    /// Reads the `Authorization` header's text and the parameters of the body.
    ///
    /// # Errors
    /// [`TokenError::Duplicate`], [`TokenError::SeveralCredentials`], or
    /// [`TokenError::ClientAuthentication`] for a broken header or assertion type.
    pub fn read(authorization: Option<&str>, parameters: &Parameters) -> Result<Self, TokenError> {
        let mut found = Self {
            client_id: parameters.get("client_id")?.map(str::to_owned),
            secrets: parameters.get("client_secret")?.map(Secret::new).into_iter().collect(),
            assertion: None,
        };
        if let Some(assertion) = parameters.get("client_assertion")? {
            if parameters.get("client_assertion_type")? != Some(ASSERTION_TYPE) {
                return Err(TokenError::ClientAuthentication);
            }
            found.assertion = Some(Secret::new(assertion));
        }
        if let Some(basic) = authorization.and_then(basic) {
            found.add_basic(basic)?;
        }
        if found.assertion.is_some() && !found.secrets.is_empty() {
            return Err(TokenError::SeveralCredentials);
        }
        Ok(found)
    }

    /// `Basic id:secret`, both form-encoded (RFC 6749 section 2.3.1).
    fn add_basic(&mut self, basic: &str) -> Result<(), TokenError> {
        let text = LENIENT.decode(basic.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let text = text.ok_or(TokenError::ClientAuthentication)?;
        let (id, secret) = text.split_once(':').ok_or(TokenError::ClientAuthentication)?;
        let id = form_decoded(id);
        if self.client_id.as_ref().is_some_and(|own| *own != id) {
            return Err(TokenError::SeveralCredentials);
        }
        self.client_id = Some(id).filter(|id| !id.is_empty());
        if secret.is_empty() {
            return Ok(());
        }
        let secrets = vec![Secret::new(form_decoded(secret)), Secret::new(secret)];
        // The same secret in both places is repeated, not contradicted.
        if !self.secrets.is_empty() && !self.secrets.iter().any(|own| secrets.contains(own)) {
            return Err(TokenError::SeveralCredentials);
        }
        self.secrets = secrets;
        Ok(())
    }
}

// === impl Authority ===

impl Authority {
    /// The client that sends a token or revocation request, proven as far as it can prove itself.
    ///
    /// # Errors
    /// [`TokenError`]: `invalid_client` for a client that is unknown (D7) or not who it says.
    pub async fn authenticate_client(&self, credentials: &ClientCredentials) -> Result<Client, TokenError> {
        let from_assertion = || assertion::claimed_client(credentials.assertion.as_ref()?.expose());
        let id = credentials.client_id.clone().or_else(from_assertion).ok_or(TokenError::ClientMissing)?;
        let id = ClientId::parse(id).map_err(|_| TokenError::UnknownClient)?;
        let client = self.client(&id).await.map_err(|error| match error {
            ClientError::Document(error) if error.is_temporary() => TokenError::ClientUnavailable,
            ClientError::Unknown | ClientError::Document(_) => TokenError::UnknownClient,
        })?;
        let any = |matches: &dyn Fn(&Secret) -> bool| credentials.secrets.iter().any(matches);
        let proven = match &client.authentication {
            // PKCE and the tokens themselves are a public client's proof; a secret that it sends
            // all the same, empty or not, proves nothing and harms nothing.
            ClientAuthentication::None => true,
            ClientAuthentication::Secret(secret) => any(&|sent| secret.matches(sent.expose())),
            ClientAuthentication::DerivedSecret => {
                any(&|sent| registration::is_derived_secret(&self.sealer, &client.id, sent.expose()))
            }
            ClientAuthentication::PrivateKeyJwt(keys) => match &credentials.assertion {
                Some(assertion) => self.is_proven_by(assertion, &client, keys).await?,
                None => false,
            },
        };
        if proven { Ok(client) } else { Err(TokenError::ClientAuthentication) }
    }

    async fn is_proven_by(&self, assertion: &Secret, client: &Client, keys: &ClientKeys) -> Result<bool, TokenError> {
        let keys = self.documents.keys(keys).await.map_err(|error| {
            if error.is_temporary() { TokenError::ClientUnavailable } else { TokenError::ClientAuthentication }
        })?;
        let issuer = &self.plan.issuer;
        match self.documents.assertions().prove(assertion.expose(), &client.id, &keys, issuer, self.clock.now()) {
            Some((name, until)) => Ok(self.records.use_once("assertion", &name, until).await?),
            None => Ok(false),
        }
    }
}

/// The credentials of a `Basic` header; another scheme says nothing about a client.
fn basic(authorization: &str) -> Option<&str> {
    let (scheme, rest) = authorization.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("basic").then_some(rest)
}

fn form_decoded(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests;
