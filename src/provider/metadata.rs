//! What a provider says of itself (OpenID Connect Discovery 1.0 section 3, RFC 8414 section 2), with
//! what the configuration says over it or instead of it.

use openidconnect::core::CoreProviderMetadata;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use url::Url;

use super::{discovery::DiscoveryError, http_client::Http};
use crate::{config::plan::ProviderPlan, metrics::outcome::ProviderEndpoint};

/// What discovery appends to an issuer.
const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// A document as it came, before anything of it is believed. Empty for a provider without one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Document(Map<String, Value>);

/// What the other files need of it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Metadata {
    pub(super) issuer: Option<String>,
    pub(super) authorization_endpoint: Option<Url>,
    pub(super) token_endpoint: Option<Url>,
    pub(super) userinfo_endpoint: Option<Url>,
    pub(super) revocation_endpoint: Option<Url>,
    /// RFC 7662.
    pub(super) introspection_endpoint: Option<Url>,
    pub(super) jwks_uri: Option<Url>,
    #[serde(default, deserialize_with = "texts")]
    pub(super) id_token_signing_alg_values_supported: Option<Vec<String>>,
    #[serde(default, deserialize_with = "texts")]
    pub(super) token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default, deserialize_with = "texts")]
    pub(super) scopes_supported: Option<Vec<String>>,
    /// RFC 9207.
    #[serde(default)]
    pub(super) authorization_response_iss_parameter_supported: Option<bool>,
}

// === impl Document ===

impl Document {
    /// Fetches the plan's document.
    pub(super) async fn fetch(url: &Url, http: &Http) -> Result<Self, DiscoveryError> {
        let body = http
            .get_json(ProviderEndpoint::Discovery, url)
            .await
            .map_err(|source| DiscoveryError::Fetch { url: url.clone(), source })?;
        let document = serde_json::from_slice(&body)
            .map_err(|source| DiscoveryError::NotMetadata { url: url.to_string(), source })?;
        Ok(Self(document))
    }

    /// All of it.
    pub(super) fn to_value(&self) -> Value {
        Value::Object(self.0.clone())
    }

    /// Reads it for a plan: what is configured counts, and without an issuer in the configuration
    /// the document must be its issuer's own.
    pub(super) fn read(&self, plan: &ProviderPlan) -> Result<Metadata, DiscoveryError> {
        let written = &plan.protocol.endpoints;
        let mut members = self.0.clone();
        match (&plan.protocol.tenants, &plan.config_url) {
            (Some(tenants), url) => {
                let issuer = written.issuer.as_deref().or_else(|| members.get("issuer")?.as_str());
                let whose = url.as_ref().filter(|_| written.issuer.is_none());
                check_shared_issuer(issuer, tenants.placeholder, whose)?;
            }
            (None, Some(url)) if written.issuer.is_none() => check_issuer(url, members.get("issuer"))?,
            (None, _) => {}
        }
        let over = [
            ("issuer", written.issuer.as_deref()),
            ("authorization_endpoint", written.authorization_endpoint.as_ref().map(Url::as_str)),
            ("token_endpoint", written.token_endpoint.as_ref().map(Url::as_str)),
            ("userinfo_endpoint", written.userinfo_endpoint.as_ref().map(Url::as_str)),
            ("revocation_endpoint", written.revocation_endpoint.as_ref().map(Url::as_str)),
            ("jwks_uri", written.jwks_uri.as_ref().map(Url::as_str)),
        ];
        for (name, text) in over {
            if let Some(text) = text {
                members.insert(name.to_owned(), Value::from(text));
            }
        }
        let members = Value::Object(members);
        let refused = |source| DiscoveryError::NotMetadata { url: plan.source().to_owned(), source };
        if plan.config_url.is_some() && plan.protocol.strict {
            // openidconnect knows what has to be there.
            CoreProviderMetadata::deserialize(&members).map_err(refused)?;
        }
        Metadata::deserialize(&members).map_err(refused)
    }
}

/// The document at the place of another issuer could be anybody's.
fn check_issuer(url: &Url, issuer: Option<&Value>) -> Result<(), DiscoveryError> {
    let Some(issuer) = issuer.and_then(Value::as_str) else { return Ok(()) };
    if Url::parse(&document_of(issuer)).as_ref() == Ok(url) {
        Ok(())
    } else {
        Err(DiscoveryError::IssuerMismatch { url: url.clone(), issuer: issuer.to_owned() })
    }
}

/// An issuer for every organisation, each with one name in it; `url`: where the document of all of them was.
fn check_shared_issuer(issuer: Option<&str>, placeholder: &str, url: Option<&Url>) -> Result<(), DiscoveryError> {
    let issuer = issuer.unwrap_or_default();
    let shared = || DiscoveryError::NotShared { issuer: issuer.to_owned(), placeholder: placeholder.to_owned() };
    let document = document_of(issuer);
    let (before, after) = document.split_once(placeholder).ok_or_else(shared)?;
    let Some(url) = url else { return Ok(()) };
    let place = url.as_str().strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
    match place {
        Some(place) if !place.is_empty() && !place.contains(['/', '?', '#']) => Ok(()),
        _ => Err(DiscoveryError::IssuerMismatch { url: url.clone(), issuer: issuer.to_owned() }),
    }
}

/// Where an issuer's document is (OpenID Connect Discovery 1.0 section 4).
pub(super) fn document_of(issuer: &str) -> String {
    format!("{}{WELL_KNOWN}", issuer.trim_end_matches('/'))
}

/// A list of texts; what is no text in it is passed over.
fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    let values = Option::<Vec<Value>>::deserialize(deserializer)?;
    let text = |value: Value| if let Value::String(text) = value { Some(text) } else { None };
    Ok(values.map(|values| values.into_iter().filter_map(text).collect()))
}
