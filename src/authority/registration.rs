//! Dynamic client registration (RFC 7591) without a memory.
//!
//! The identifier *is* the registration: the metadata that matters, readable, with a keyed digest
//! behind it. The same metadata of a public client always gives the same identifier; registering a
//! thousand times costs nothing, survives a restart and needs no clean-up (D5, D7). A confidential
//! client gets an identifier of its own, from which its secret is derived.

use std::collections::HashSet;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Authority,
    client::{self, Client, ClientAuthentication, ClientKind},
};
use crate::{
    metrics::outcome::{Registration, RegistrationMethod},
    oauth::{ClientId, Issuer, RedirectUri, RedirectUriError, Scope, Scopes, client_id::MAX_LENGTH},
    seal::{Purpose, Sealer, random_text},
    time::Timestamp,
};

/// What every identifier that we make starts with. Never `https://` (AS-33).
pub(super) const ID_PREFIX: &str = "dyn_";

/// How many redirect URIs one client may have.
pub const MAX_REDIRECT_URIS: usize = 20;

/// Bytes of the digest in an identifier.
const DIGEST_LEN: usize = 16;

/// A registration request: what of the metadata this server reads.
#[derive(Clone, Debug)]
pub struct RegistrationRequest(Map<String, Value>);

/// The registered client (RFC 7591 section 3.2.1). No field is null or empty (D1).
#[derive(Clone, Serialize)]
pub struct Registered {
    client_id: ClientId,
    client_id_issued_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    /// 0: the secret does not expire. There if and only if there is a secret (D2).
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret_expires_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_name: Option<String>,
    redirect_uris: Vec<RedirectUri>,
    grant_types: Vec<&'static str>,
    response_types: [&'static str; 1],
    token_endpoint_auth_method: &'static str,
    application_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<Scopes>,
}

/// Why a registration was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistrationError {
    /// The operator switched it off.
    #[error("dynamic client registration is switched off; ask the operator for a client_id")]
    SwitchedOff,
    /// Not a JSON object.
    #[error("the request is not a JSON object")]
    NotAnObject,
    /// No `redirect_uris`, or not a list of texts.
    #[error("redirect_uris must be a list with at least one URI")]
    RedirectUrisMissing,
    /// More than [`MAX_REDIRECT_URIS`].
    #[error("at most {MAX_REDIRECT_URIS} redirect_uris can be registered")]
    TooManyRedirectUris,
    /// One of them cannot be used.
    #[error("a redirect URI was refused: {0}")]
    RedirectUri(RedirectUriError),
    /// A private-use scheme that the operator did not allow.
    #[error("a redirect URI was refused: its scheme is not on this server's list")]
    SchemeNotAllowed,
    /// Covered by none of the operator's patterns.
    #[error("a redirect URI was refused: this server answers clients at addresses on its operator's list only")]
    NotAllowed,
    /// `web` clients are reached by https only (OpenID Connect Registration section 2).
    #[error("a client of application_type web needs https redirect URIs; register as native")]
    NotForWeb,
    /// Neither the code flow nor a refresh of its tokens.
    #[error("only the grant types authorization_code and refresh_token are supported")]
    GrantTypes,
    /// Anything but `code`.
    #[error("only the response type code is supported")]
    ResponseTypes,
    /// The identifier would be longer than a client identifier may be.
    #[error("the metadata is too long: fewer or shorter redirect_uris and client_name are needed")]
    TooLong,
}

/// What an identifier holds. Short names: it travels in every request.
#[derive(Serialize, Deserialize)]
struct Metadata {
    #[serde(rename = "u")]
    redirect_uris: Vec<RedirectUri>,
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// A confidential client: its secret is derived from its identifier, and this random part keeps
    /// anybody who registers the same metadata from deriving the same secret.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    salt: Option<String>,
    /// It did not register for refresh tokens.
    #[serde(rename = "o", default, skip_serializing_if = "is_false")]
    once: bool,
}

// === impl RegistrationRequest ===

impl RegistrationRequest {
    /// Reads the body of a request; the caller bounds its length.
    ///
    /// # Errors
    /// [`RegistrationError::NotAnObject`].
    pub fn parse(body: &[u8]) -> Result<Self, RegistrationError> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(metadata)) => Ok(Self(metadata)),
            _ => Err(RegistrationError::NotAnObject),
        }
    }

    /// A text that is neither empty nor of another type (D3: those count as absent).
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
    }

    /// A list of texts; `None` when it is absent, empty or of another type.
    fn list(&self, name: &str) -> Option<Vec<&str>> {
        let list: Vec<&str> = self.0.get(name)?.as_array()?.iter().filter_map(Value::as_str).collect();
        (!list.is_empty()).then_some(list)
    }

    fn redirect_uris(&self) -> Result<Vec<RedirectUri>, RegistrationError> {
        let texts = self.list("redirect_uris").ok_or(RegistrationError::RedirectUrisMissing)?;
        if texts.len() > MAX_REDIRECT_URIS {
            return Err(RegistrationError::TooManyRedirectUris);
        }
        let mut seen = HashSet::new();
        let mut uris = Vec::new();
        for text in texts {
            let uri = RedirectUri::parse(&any_port(text)).map_err(RegistrationError::RedirectUri)?;
            if seen.insert(uri.clone()) {
                uris.push(uri);
            }
        }
        Ok(uris)
    }

    /// `application_type`; what the redirect URIs suggest if it is absent (U3).
    fn application_type(&self, redirect_uris: &[RedirectUri]) -> Result<&'static str, RegistrationError> {
        let local = redirect_uris.iter().any(|uri| uri.is_loopback() || uri.is_private_use());
        match self.text("application_type") {
            Some("web") if local => Err(RegistrationError::NotForWeb),
            Some("native") => Ok("native"),
            _ => Ok(if local { "native" } else { "web" }),
        }
    }

    /// The grant types that the client gets. Without a wish: both, as clients expect (S4).
    fn grant_types(&self) -> Result<Vec<&'static str>, RegistrationError> {
        const CODE: &str = "authorization_code";
        const REFRESH: &str = "refresh_token";
        let Some(asked) = self.list("grant_types") else { return Ok(vec![CODE, REFRESH]) };
        match (asked.contains(&CODE), asked.contains(&REFRESH)) {
            (_, true) => Ok(vec![CODE, REFRESH]),
            (true, false) => Ok(vec![CODE]),
            (false, false) => Err(RegistrationError::GrantTypes),
        }
    }

    /// The method that the client gets. RFC 7591 section 2: absent is `client_secret_basic`; so is
    /// what this server cannot do for a client whose keys it does not keep (`private_key_jwt`):
    /// the client stays confidential.
    fn authentication_method(&self) -> &'static str {
        match self.text("token_endpoint_auth_method") {
            Some("none") => "none",
            Some("client_secret_post") => "client_secret_post",
            _ => "client_secret_basic",
        }
    }
}

// === impl Registered ===

impl Registered {
    /// The new client's identifier.
    pub fn client_id(&self) -> &ClientId {
        &self.client_id
    }

    /// What the client calls itself.
    pub fn name(&self) -> &str {
        self.client_name.as_deref().unwrap_or_default()
    }
}

impl std::fmt::Debug for Registered {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Registered")
            .field("client_id", &self.client_id)
            .field("confidential", &self.client_secret.is_some())
            .finish_non_exhaustive()
    }
}

// === impl RegistrationError ===

impl RegistrationError {
    /// `error` (RFC 7591 section 3.2.2).
    pub const fn code(self) -> &'static str {
        match self {
            Self::RedirectUrisMissing
            | Self::TooManyRedirectUris
            | Self::RedirectUri(_)
            | Self::SchemeNotAllowed
            | Self::NotAllowed
            | Self::NotForWeb => "invalid_redirect_uri",
            Self::SwitchedOff => "access_denied",
            Self::NotAnObject | Self::GrantTypes | Self::ResponseTypes | Self::TooLong => "invalid_client_metadata",
        }
    }

    /// The HTTP status.
    pub const fn status(self) -> u16 {
        match self {
            Self::SwitchedOff => 403,
            _ => 400,
        }
    }

    fn outcome(self) -> Registration {
        match self.code() {
            "invalid_redirect_uri" => Registration::InvalidRedirectUri,
            _ => Registration::InvalidMetadata,
        }
    }
}

// === impl Authority ===

impl Authority {
    /// Registers a client. Nothing is stored, so this cannot be used to fill anything.
    ///
    /// # Errors
    /// [`RegistrationError`].
    pub fn register(&self, request: &RegistrationRequest) -> Result<Registered, RegistrationError> {
        let result = self.make_client(request);
        let outcome = result.as_ref().map_or_else(|error| error.outcome(), |_| Registration::Created);
        self.metrics.registration(RegistrationMethod::Dynamic, outcome);
        result
    }

    fn make_client(&self, request: &RegistrationRequest) -> Result<Registered, RegistrationError> {
        if !self.plan.dynamic_registration {
            return Err(RegistrationError::SwitchedOff);
        }
        let redirect_uris = request.redirect_uris()?;
        if !redirect_uris.iter().all(|uri| client::scheme_is_allowed(&self.plan, uri)) {
            return Err(RegistrationError::SchemeNotAllowed);
        }
        if !redirect_uris.iter().all(|uri| client::may_be_registered(&self.plan, uri)) {
            return Err(RegistrationError::NotAllowed);
        }
        let application_type = request.application_type(&redirect_uris)?;
        let grant_types = request.grant_types()?;
        if request.list("response_types").is_some_and(|types| !types.contains(&"code")) {
            return Err(RegistrationError::ResponseTypes);
        }
        let method = request.authentication_method();
        let metadata = Metadata {
            redirect_uris,
            name: request.text("client_name").and_then(client::presentable),
            salt: (method != "none").then(random_text::<16>),
            once: grant_types.len() == 1,
        };
        let client_id = seal(&self.sealer, &self.plan.issuer, &metadata).ok_or(RegistrationError::TooLong)?;
        Ok(Registered {
            client_secret: metadata.salt.is_some().then(|| derived_secret(&self.sealer, &client_id)),
            client_secret_expires_at: metadata.salt.is_some().then_some(0),
            client_id,
            client_id_issued_at: self.clock.now(),
            client_name: metadata.name,
            redirect_uris: metadata.redirect_uris,
            grant_types,
            response_types: ["code"],
            token_endpoint_auth_method: method,
            application_type,
            scope: self.known_scopes(request),
        })
    }

    /// Those of the client's scopes that it may ask for later. Not binding: S6.
    fn known_scopes(&self, request: &RegistrationRequest) -> Option<Scopes> {
        let asked = Scopes::parse(request.text("scope")?).ok()?;
        let known =
            |scope: &&Scope| scope.as_str() == Scope::OFFLINE_ACCESS || self.plan.valid_scopes.contains(scope.as_str());
        let known: Scopes = asked.iter().filter(known).cloned().collect();
        (!known.is_empty()).then_some(known)
    }
}

/// The client inside an identifier that this issuer made.
pub(super) fn open(sealer: &Sealer, issuer: &Issuer, id: &ClientId) -> Option<Client> {
    let (metadata, digest) = id.as_str().strip_prefix(ID_PREFIX)?.split_once('.')?;
    let metadata = URL_SAFE_NO_PAD.decode(metadata).ok()?;
    let digest = URL_SAFE_NO_PAD.decode(digest).ok()?;
    if digest.len() != DIGEST_LEN || !sealer.verify_digest(Purpose::ClientId, &bound(issuer, &metadata), &digest) {
        return None;
    }
    let metadata: Metadata = serde_json::from_slice(&metadata).ok()?;
    let host = metadata.redirect_uris.first().map(RedirectUri::display_host).unwrap_or_default();
    Some(Client {
        id: id.clone(),
        kind: ClientKind::Dynamic,
        name: metadata.name.unwrap_or(host),
        redirect_uris: metadata.redirect_uris,
        refused_redirect_uris: Vec::new(),
        skip_consent: false,
        authentication: if metadata.salt.is_some() {
            ClientAuthentication::DerivedSecret
        } else {
            ClientAuthentication::None
        },
        refresh: !metadata.once,
    })
}

/// Whether `secret` is the one derived for a dynamic client, in constant time.
pub(super) fn is_derived_secret(sealer: &Sealer, id: &ClientId, secret: &str) -> bool {
    URL_SAFE_NO_PAD.decode(secret).is_ok_and(|digest| {
        digest.len() == 32 && sealer.verify_digest(Purpose::ClientSecret, id.as_str().as_bytes(), &digest)
    })
}

fn derived_secret(sealer: &Sealer, id: &ClientId) -> String {
    URL_SAFE_NO_PAD.encode(sealer.digest(Purpose::ClientSecret, id.as_str().as_bytes()))
}

/// `None` if it would be too long.
fn seal(sealer: &Sealer, issuer: &Issuer, metadata: &Metadata) -> Option<ClientId> {
    let json = serde_json::to_vec(metadata).ok()?;
    if json.len() > MAX_LENGTH {
        return None;
    }
    let digest = sealer.digest(Purpose::ClientId, &bound(issuer, &json));
    let digest = URL_SAFE_NO_PAD.encode(digest.get(..DIGEST_LEN)?);
    ClientId::parse(format!("{ID_PREFIX}{}.{digest}", URL_SAFE_NO_PAD.encode(&json))).ok()
}

fn bound(issuer: &Issuer, metadata: &[u8]) -> Vec<u8> {
    [issuer.as_str().as_bytes(), b"\n", metadata].concat()
}

/// `http://localhost:*/cb` is how some clients write "any port"; on loopback the port is free
/// anyway (U2).
fn any_port(text: &str) -> String {
    for host in ["http://localhost", "http://127.0.0.1", "http://[::1]"] {
        if let Some(rest) = text.strip_prefix(host).and_then(|rest| rest.strip_prefix(":*"))
            && (rest.is_empty() || rest.starts_with(['/', '?']))
        {
            return format!("{host}{rest}");
        }
    }
    text.to_owned()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests;
