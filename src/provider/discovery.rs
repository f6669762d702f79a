//! The provider's metadata (OpenID Connect Discovery 1.0): fetched, checked strictly, and turned
//! into what the other files work with.

use std::collections::HashSet;

use openidconnect::{
    AdditionalProviderMetadata, AuthType, ClientId, ClientSecret, EndpointMaybeSet, EndpointNotSet, EndpointSet,
    IssuerUrl, ProviderMetadata, RedirectUrl, TokenUrl,
    core::{
        CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClient, CoreClientAuthMethod, CoreGrantType, CoreJsonWebKey,
        CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm, CoreJwsSigningAlgorithm, CoreResponseMode,
        CoreResponseType, CoreSubjectIdentifierType,
    },
};
use serde::{Deserialize, Serialize};
use url::Url;

use super::http_client::Http;
use crate::{
    config::plan::{ClientAuthMethod, ProviderPlan},
    egress::EgressError,
    metrics::outcome::ProviderEndpoint,
    secret::Secret,
    time::Timestamp,
};

/// What discovery appends to an issuer.
const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// Members that openidconnect does not know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Additional {
    /// RFC 8414.
    revocation_endpoint: Option<Url>,
    /// RFC 9207.
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

type Metadata = ProviderMetadata<
    Additional,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// openidconnect's client with the two endpoints that must be there.
type Client = CoreClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet, EndpointMaybeSet>;

/// A provider whose metadata passed every check.
#[derive(Debug)]
pub(super) struct Discovered {
    /// Makes authorization URLs and token requests.
    pub(super) client: Client,
    /// The provider's issuer, byte for byte as it writes it (Auth0 ends it with a slash).
    pub(super) issuer: IssuerUrl,
    /// How the client authenticates.
    pub(super) auth: ClientAuth,
    /// Asymmetric algorithms that ID tokens may be signed with.
    pub(super) algorithms: HashSet<CoreJwsSigningAlgorithm>,
    /// Where its keys are.
    pub(super) jwks_uri: Url,
    /// OpenID Connect Core section 5.3.
    pub(super) userinfo_endpoint: Option<Url>,
    /// RFC 7009.
    pub(super) revocation_endpoint: Option<Url>,
    /// Authorization responses carry `iss` (RFC 9207).
    pub(super) sends_iss: bool,
    /// `offline_access` is among its scopes.
    pub(super) knows_offline_access: bool,
    /// When this was fetched.
    pub(super) at: Timestamp,
    metadata: Metadata,
}

/// The application's credentials and how they travel (RFC 6749 section 2.3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ClientAuth {
    /// `client_secret_basic`
    Basic(Secret),
    /// `client_secret_post`
    Post(Secret),
    /// `none`
    None,
}

/// Why the metadata cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum DiscoveryError {
    /// It cannot be fetched.
    #[error("{url}: {source}{}", hint(source))]
    Fetch { url: Url, source: EgressError },
    /// It is not a metadata document.
    #[error("{url} is not OpenID Provider metadata: {source}")]
    NotMetadata { url: Url, source: serde_json::Error },
    /// It names another issuer than the one whose document it should be.
    #[error(
        "{url} names the issuer `{issuer}`, whose document is at `{}`: config_url must be that",
        document_of(issuer)
    )]
    IssuerMismatch { url: Url, issuer: String },
    /// A member is missing that sign-in needs.
    #[error("the metadata has no `{0}`")]
    Missing(&'static str),
    /// Every algorithm it signs ID tokens with is `none`, symmetric or unknown.
    #[error("the metadata names no algorithm in `id_token_signing_alg_values_supported` that is safe to accept")]
    NoAlgorithm,
    /// An endpoint is not an https URL.
    #[error("`{member}` is `{url}`: it must be an https URL (or set allow_insecure_http)")]
    Insecure { member: &'static str, url: Url },
    /// The callback URL of the plan is none.
    #[error("the callback URL is no URL: {0}")]
    Callback(url::ParseError),
}

// === impl Discovered ===

impl Discovered {
    /// Fetches and checks the document at the plan's `config_url`.
    pub(super) async fn fetch(plan: &ProviderPlan, http: &Http, now: Timestamp) -> Result<Self, DiscoveryError> {
        let url = &plan.config_url;
        let body = http
            .get_json(ProviderEndpoint::Discovery, url)
            .await
            .map_err(|source| DiscoveryError::Fetch { url: url.clone(), source })?;
        let metadata =
            serde_json::from_slice(&body).map_err(|source| DiscoveryError::NotMetadata { url: url.clone(), source })?;
        Self::check(plan, metadata, now)
    }

    /// The same metadata for another plan with the same document; `None` if they do not fit it.
    pub(super) fn with_plan(&self, plan: &ProviderPlan) -> Option<Self> {
        Self::check(plan, self.metadata.clone(), self.at).ok()
    }

    fn check(plan: &ProviderPlan, metadata: Metadata, now: Timestamp) -> Result<Self, DiscoveryError> {
        let issuer = metadata.issuer().clone();
        if Url::parse(&document_of(&issuer)).as_ref() != Ok(&plan.config_url) {
            return Err(DiscoveryError::IssuerMismatch { url: plan.config_url.clone(), issuer: issuer.to_string() });
        }
        let token_endpoint = metadata.token_endpoint().ok_or(DiscoveryError::Missing("token_endpoint"))?.clone();
        let userinfo_endpoint = metadata.userinfo_endpoint().map(|url| url.url().clone());
        let revocation_endpoint = metadata.additional_metadata().revocation_endpoint.clone();
        let endpoints = [
            ("authorization_endpoint", Some(metadata.authorization_endpoint().url())),
            ("token_endpoint", Some(token_endpoint.url())),
            ("jwks_uri", Some(metadata.jwks_uri().url())),
            ("userinfo_endpoint", userinfo_endpoint.as_ref()),
            ("revocation_endpoint", revocation_endpoint.as_ref()),
        ];
        for (member, url) in endpoints {
            if let Some(url) = url.filter(|url| !may_be_used(url, plan.allow_insecure_http)) {
                return Err(DiscoveryError::Insecure { member, url: url.clone() });
            }
        }
        let algorithms = asymmetric(metadata.id_token_signing_alg_values_supported());
        if algorithms.is_empty() {
            return Err(DiscoveryError::NoAlgorithm);
        }
        let auth = ClientAuth::choose(plan, &metadata);
        Ok(Self {
            client: client(plan, &metadata, token_endpoint, &auth)?,
            issuer,
            auth,
            algorithms,
            jwks_uri: metadata.jwks_uri().url().clone(),
            userinfo_endpoint,
            revocation_endpoint,
            sends_iss: metadata.additional_metadata().authorization_response_iss_parameter_supported,
            knows_offline_access: metadata
                .scopes_supported()
                .is_some_and(|scopes| scopes.iter().any(|scope| scope.as_str() == "offline_access")),
            at: now,
            metadata,
        })
    }

    /// Whether the provider says the same as before.
    pub(super) fn is_unchanged(&self, before: &Self) -> bool {
        self.metadata == before.metadata
    }
}

// === impl ClientAuth ===

impl ClientAuth {
    /// The plan's choice, or the metadata's: basic where it is possible (and when nothing is said:
    /// it is the default of RFC 8414), post where only that is.
    fn choose(plan: &ProviderPlan, metadata: &Metadata) -> Self {
        let Some(secret) = plan.client_secret.clone() else {
            return Self::None;
        };
        let method = plan.token_endpoint_auth_method.unwrap_or_else(|| {
            let offered = metadata.token_endpoint_auth_methods_supported().map_or(&[][..], Vec::as_slice);
            let only_post = !offered.contains(&CoreClientAuthMethod::ClientSecretBasic)
                && offered.contains(&CoreClientAuthMethod::ClientSecretPost);
            if only_post { ClientAuthMethod::Post } else { ClientAuthMethod::Basic }
        });
        match method {
            ClientAuthMethod::Basic => Self::Basic(secret),
            ClientAuthMethod::Post => Self::Post(secret),
            ClientAuthMethod::None => Self::None,
        }
    }

    fn secret(&self) -> Option<ClientSecret> {
        match self {
            Self::Basic(secret) | Self::Post(secret) => Some(ClientSecret::new(secret.expose().to_owned())),
            Self::None => None,
        }
    }

    fn auth_type(&self) -> AuthType {
        match self {
            Self::Basic(_) => AuthType::BasicAuth,
            Self::Post(_) | Self::None => AuthType::RequestBody,
        }
    }
}

fn client(
    plan: &ProviderPlan,
    metadata: &Metadata,
    token_endpoint: TokenUrl,
    auth: &ClientAuth,
) -> Result<Client, DiscoveryError> {
    let callback = RedirectUrl::new(plan.callback_url.as_str().to_owned()).map_err(DiscoveryError::Callback)?;
    let client_id = ClientId::new(plan.client_id.clone());
    Ok(CoreClient::from_provider_metadata(metadata.clone(), client_id, auth.secret())
        .set_auth_type(auth.auth_type())
        .set_redirect_uri(callback)
        .set_token_uri(token_endpoint))
}

/// `none` and the HMAC algorithms never verify an ID token here: with them the application's
/// secret, or the provider's public key used as one, would be enough to forge it.
fn asymmetric(offered: &[CoreJwsSigningAlgorithm]) -> HashSet<CoreJwsSigningAlgorithm> {
    use CoreJwsSigningAlgorithm as Alg;
    let strong = |algorithm: &&Alg| {
        matches!(
            algorithm,
            Alg::RsaSsaPkcs1V15Sha256
                | Alg::RsaSsaPkcs1V15Sha384
                | Alg::RsaSsaPkcs1V15Sha512
                | Alg::RsaSsaPssSha256
                | Alg::RsaSsaPssSha384
                | Alg::RsaSsaPssSha512
                | Alg::EcdsaP256Sha256
                | Alg::EcdsaP384Sha384
                | Alg::EdDsa
        )
    };
    offered.iter().filter(strong).cloned().collect()
}

/// Where an issuer's document is (OpenID Connect Discovery 1.0 section 4).
fn document_of(issuer: &str) -> String {
    format!("{}{WELL_KNOWN}", issuer.trim_end_matches('/'))
}

/// What an operator can do about it.
pub(super) fn hint(error: &EgressError) -> &'static str {
    match error {
        EgressError::Blocked(_) => " (allow_insecure_http permits plain http)",
        _ => "",
    }
}

fn may_be_used(url: &Url, allow_insecure_http: bool) -> bool {
    let scheme = url.scheme() == "https" || (allow_insecure_http && url.scheme() == "http");
    scheme && url.has_host() && url.fragment().is_none() && url.username().is_empty() && url.password().is_none()
}

impl AdditionalProviderMetadata for Additional {}
