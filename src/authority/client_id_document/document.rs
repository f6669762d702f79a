//! What a client ID metadata document must hold, and what of it is kept.

use jsonwebtoken::jwk::{Jwk, JwkSet};
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

use super::{DocumentError, MAX_DOCUMENT};
use crate::{
    authority::client::presentable,
    oauth::{ClientId, RedirectUri},
};

/// A document that passed every check.
#[derive(Clone, Debug)]
pub struct ClientIdDocument {
    /// Its own URL.
    pub client_id: ClientId,
    /// What the client calls itself.
    pub client_name: String,
    /// At least one.
    pub redirect_uris: Vec<RedirectUri>,
    /// It may use refresh tokens; without a wish it may.
    pub refresh: bool,
    /// With keys it is a confidential client (`private_key_jwt`), without a public one.
    pub keys: Option<ClientKeys>,
}

/// Where the public keys of a confidential client are.
#[derive(Clone, Debug)]
pub enum ClientKeys {
    /// In the document.
    Inline(JwkSet),
    /// At this `https` URL.
    Remote(Url),
}

// === impl ClientIdDocument ===

impl ClientIdDocument {
    /// Checks the bytes that came from the URL `id` (AS-24, AS-26, AS-31).
    ///
    /// Redirect URIs that no client may have are left out rather than refused, as long as one
    /// remains: they can only hurt their owner.
    ///
    /// # Errors
    /// [`DocumentError`], one variant a reason.
    pub fn parse(id: &ClientId, body: &[u8]) -> Result<Self, DocumentError> {
        if body.len() > MAX_DOCUMENT {
            return Err(DocumentError::TooLarge);
        }
        let Ok(Value::Object(fields)) = serde_json::from_slice(body) else { return Err(DocumentError::Json) };
        if text(&fields, "client_id") != Some(id.as_str()) {
            return Err(DocumentError::ClientId);
        }
        if fields.contains_key("client_secret") || fields.contains_key("client_secret_expires_at") {
            return Err(DocumentError::SharedSecret);
        }
        let client_name = text(&fields, "client_name").and_then(presentable).ok_or(DocumentError::ClientName)?;
        let redirect_uris: Vec<RedirectUri> = list(&fields, "redirect_uris")
            .unwrap_or_default()
            .into_iter()
            .filter_map(|uri| RedirectUri::parse(uri).ok())
            .collect();
        if redirect_uris.is_empty() {
            return Err(DocumentError::RedirectUris);
        }
        let grant_types = list(&fields, "grant_types");
        if grant_types.as_ref().is_some_and(|types| !types.contains(&"authorization_code")) {
            return Err(DocumentError::GrantTypes);
        }
        let keys = match text(&fields, "token_endpoint_auth_method") {
            None | Some("none") => None,
            Some("private_key_jwt") => Some(ClientKeys::of(&fields)?),
            Some(method) if method.starts_with("client_secret_") => return Err(DocumentError::SharedSecret),
            Some(_) => return Err(DocumentError::AuthenticationMethod),
        };
        let refresh = grant_types.is_none_or(|types| types.contains(&"refresh_token"));
        Ok(Self { client_id: id.clone(), client_name, redirect_uris, refresh, keys })
    }
}

// === impl ClientKeys ===

impl ClientKeys {
    fn of(fields: &Map<String, Value>) -> Result<Self, DocumentError> {
        if let Some(keys) = fields.get("jwks").filter(|keys| !keys.is_null()) {
            return key_set(keys).map(Self::Inline);
        }
        let uri = text(fields, "jwks_uri").and_then(|uri| Url::parse(uri).ok()).ok_or(DocumentError::Keys)?;
        let plain = uri.scheme() == "https" && uri.username().is_empty() && uri.password().is_none();
        if plain { Ok(Self::Remote(uri)) } else { Err(DocumentError::Keys) }
    }
}

/// Keys of one set that are kept. Each takes some hundred bytes however short it was written, and
/// sets of strangers are remembered.
const MAX_KEYS: usize = 64;

/// A key set; keys of kinds that we cannot read are left out (RFC 7517 section 5).
pub(super) fn key_set(value: &Value) -> Result<JwkSet, DocumentError> {
    let keys = value.get("keys").and_then(Value::as_array).ok_or(DocumentError::Keys)?;
    Ok(JwkSet { keys: keys.iter().filter_map(|key| Jwk::deserialize(key).ok()).take(MAX_KEYS).collect() })
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn list<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<Vec<&'a str>> {
    let list: Vec<&str> = fields.get(name)?.as_array()?.iter().filter_map(Value::as_str).collect();
    (!list.is_empty()).then_some(list)
}
