//! From a provider's metadata to what the other files work with: everything checked, clients made.

use std::collections::HashSet;

use oauth2::basic::BasicClient;
use openidconnect::{
    AuthUrl, ClientId, EmptyAdditionalClaims, EndpointNotSet, EndpointSet, IssuerUrl, JsonWebKeySet, RedirectUrl,
    StandardErrorResponse, TokenUrl,
    core::{
        CoreAuthDisplay, CoreAuthPrompt, CoreErrorResponseType, CoreGenderClaim, CoreJsonWebKey,
        CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreRevocableToken, CoreRevocationErrorResponse,
        CoreTokenIntrospectionResponse,
    },
};
use url::Url;

use super::{
    client_auth::ClientAuth,
    http_client::Http,
    metadata::{Document, Metadata, document_of},
    token_answer::TokenAnswer,
};
use crate::{config::plan::ProviderPlan, egress::EgressError, oauth::JwsAlgorithm, time::Timestamp};

/// openidconnect's client with the two endpoints that must be there.
type Client<Authorization = EndpointSet, Token = EndpointSet> = openidconnect::Client<
    EmptyAdditionalClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    TokenAnswer,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    Authorization,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    Token,
    EndpointNotSet,
>;

/// oauth2's client with the one endpoint that a browser is sent to.
type PlainClient = BasicClient<EndpointSet>;

/// A provider whose metadata passed every check.
#[derive(Debug)]
pub(super) struct Discovered {
    /// Makes authorization URLs and token requests.
    pub(super) client: Client,
    /// The provider's issuer, byte for byte as it writes it (Auth0 ends it with a slash).
    pub(super) issuer: IssuerUrl,
    /// How it is learnt who signed in.
    pub(super) says: Says,
    /// How the client authenticates.
    pub(super) auth: ClientAuth,
    /// OpenID Connect Core section 5.3.
    pub(super) userinfo_endpoint: Option<Url>,
    /// RFC 7009.
    pub(super) revocation_endpoint: Option<Url>,
    /// RFC 7662.
    pub(super) introspection_endpoint: Option<Url>,
    /// Whether authorization responses name the issuer (RFC 9207).
    pub(super) iss: Iss,
    /// `offline_access` is among its scopes.
    pub(super) knows_offline_access: bool,
    /// When the document was fetched; `None`: there is none.
    pub(super) at: Option<Timestamp>,
    /// As it came.
    pub(super) document: Document,
    metadata: Metadata,
}

/// How it is learnt who signed in.
#[derive(Debug)]
pub(super) enum Says {
    /// OpenID Connect: by an ID token.
    IdToken(IdTokens),
    /// OAuth 2.0 alone: an API tells who the holder of the access token is.
    UserApi {
        /// The API.
        url: Url,
        /// Makes authorization URLs without what belongs to OpenID Connect.
        client: Box<PlainClient>,
    },
}

/// What ID tokens are checked with, besides the issuer.
#[derive(Debug)]
pub(super) struct IdTokens {
    /// Asymmetric algorithms that they may be signed with.
    pub(super) algorithms: HashSet<CoreJwsSigningAlgorithm>,
    /// Where the keys are.
    pub(super) jwks_uri: Url,
}

/// Whether authorization responses name the issuer (RFC 9207).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Iss {
    /// Always.
    Required,
    /// Perhaps; if they do, it must be the right one.
    Checked,
    /// Nobody knows what the right one is.
    Unknown,
}

/// Why the metadata cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum DiscoveryError {
    /// It cannot be fetched.
    #[error("{url}: {source}{}", hint(source))]
    Fetch { url: Url, source: EgressError },
    /// It is not a metadata document.
    #[error("{url} is not OpenID Provider metadata: {source}")]
    NotMetadata { url: String, source: serde_json::Error },
    /// It names another issuer than the one whose document it should be.
    #[error(
        "{url} names the issuer `{issuer}`, whose document is at `{}`: config_url must be that",
        document_of(issuer)
    )]
    IssuerMismatch { url: Url, issuer: String },
    /// With several tenants configured, it is the document of one.
    #[error(
        "the issuer is `{issuer}`, with no `{placeholder}` in it: `allowed_tenants` needs the place that tenants share"
    )]
    NotShared { issuer: String, placeholder: String },
    /// A member is missing that sign-in needs.
    #[error("the metadata has no `{0}`")]
    Missing(&'static str),
    /// Nothing would tell who signed in.
    #[error("the metadata has neither `jwks_uri` nor `userinfo_endpoint`: nothing would tell who signed in")]
    Nobody,
    /// Every algorithm it signs ID tokens with is `none`, symmetric or unknown.
    #[error("the metadata names no algorithm in `id_token_signing_alg_values_supported` that is safe to accept")]
    NoAlgorithm,
    /// An endpoint is not an https URL.
    #[error("`{member}` is `{url}`: it must be an https URL (or set allow_insecure_http)")]
    Insecure { member: &'static str, url: Url },
    /// The issuer or the callback URL of the plan is none.
    #[error("the {0} is no URL: {1}")]
    NoUrl(&'static str, url::ParseError),
}

// === impl Discovered ===

impl Discovered {
    /// Fetches and checks the plan's document; a provider without one is known from the plan.
    pub(super) async fn fetch(plan: &ProviderPlan, http: &Http, now: Timestamp) -> Result<Self, DiscoveryError> {
        match &plan.config_url {
            Some(url) => Self::check(plan, Document::fetch(url, http).await?, Some(now)),
            None => Self::written(plan),
        }
    }

    /// A provider without a document.
    pub(super) fn written(plan: &ProviderPlan) -> Result<Self, DiscoveryError> {
        Self::check(plan, Document::default(), None)
    }

    /// The same metadata for another plan with the same document; `None` if they do not fit it.
    pub(super) fn with_plan(&self, plan: &ProviderPlan) -> Option<Self> {
        Self::check(plan, self.document.clone(), self.at).ok()
    }

    /// Where the provider's keys are.
    pub(super) fn jwks_uri(&self) -> Option<&Url> {
        match &self.says {
            Says::IdToken(id_tokens) => Some(&id_tokens.jwks_uri),
            Says::UserApi { .. } => None,
        }
    }

    /// Whether the provider says the same as before.
    pub(super) fn is_unchanged(&self, before: &Self) -> bool {
        self.metadata == before.metadata
    }

    fn check(plan: &ProviderPlan, document: Document, at: Option<Timestamp>) -> Result<Self, DiscoveryError> {
        let metadata = document.read(plan)?;
        let missing = DiscoveryError::Missing;
        let authorization_endpoint =
            metadata.authorization_endpoint.clone().ok_or(missing("authorization_endpoint"))?;
        let token_endpoint = metadata.token_endpoint.clone().ok_or(missing("token_endpoint"))?;
        let endpoints = [
            ("authorization_endpoint", Some(&authorization_endpoint)),
            ("token_endpoint", Some(&token_endpoint)),
            ("jwks_uri", metadata.jwks_uri.as_ref()),
            ("userinfo_endpoint", metadata.userinfo_endpoint.as_ref()),
            ("revocation_endpoint", metadata.revocation_endpoint.as_ref()),
            ("introspection_endpoint", metadata.introspection_endpoint.as_ref()),
        ];
        for (member, url) in endpoints {
            if let Some(url) = url.filter(|url| !may_be_used(url, plan.allow_insecure_http)) {
                return Err(DiscoveryError::Insecure { member, url: url.clone() });
            }
        }
        let iss = match (metadata.authorization_response_iss_parameter_supported, &metadata.issuer) {
            (Some(true), _) => Iss::Required,
            (_, Some(_)) => Iss::Checked,
            (_, None) => Iss::Unknown,
        };
        let issuer = metadata.issuer.clone();
        let issuer = issuer.unwrap_or_else(|| authorization_endpoint.origin().ascii_serialization());
        let issuer = IssuerUrl::new(issuer).map_err(|error| DiscoveryError::NoUrl("issuer", error))?;
        let auth = ClientAuth::choose(plan, &metadata);
        let callback = RedirectUrl::new(plan.callback_url.as_str().to_owned())
            .map_err(|error| DiscoveryError::NoUrl("callback URL", error))?;
        let authorization_endpoint = AuthUrl::from_url(authorization_endpoint);
        let client_id = ClientId::new(plan.client_id.clone());
        let client: Client<EndpointNotSet, EndpointNotSet> =
            Client::new(client_id.clone(), issuer.clone(), JsonWebKeySet::default());
        let mut client = client
            .set_auth_type(auth.auth_type())
            .set_redirect_uri(callback.clone())
            .set_auth_uri(authorization_endpoint.clone())
            .set_token_uri(TokenUrl::from_url(token_endpoint));
        if let Some(secret) = auth.secret() {
            client = client.set_client_secret(secret);
        }
        let says = match (&metadata.jwks_uri, &metadata.userinfo_endpoint) {
            (Some(jwks_uri), _) => {
                Says::IdToken(IdTokens { algorithms: algorithms(plan, &metadata)?, jwks_uri: jwks_uri.clone() })
            }
            (None, Some(url)) => {
                let client =
                    BasicClient::new(client_id).set_auth_uri(authorization_endpoint).set_redirect_uri(callback);
                Says::UserApi { url: url.clone(), client: Box::new(client) }
            }
            (None, None) => return Err(DiscoveryError::Nobody),
        };
        Ok(Self {
            client,
            issuer,
            says,
            auth,
            userinfo_endpoint: metadata.userinfo_endpoint.clone(),
            revocation_endpoint: metadata.revocation_endpoint.clone(),
            introspection_endpoint: metadata.introspection_endpoint.clone(),
            iss,
            knows_offline_access: metadata
                .scopes_supported
                .as_ref()
                .is_some_and(|scopes| scopes.iter().any(|scope| scope == "offline_access")),
            at,
            document,
            metadata,
        })
    }
}

/// What the plan allows, else what the provider offers, else what OpenID Connect presumes (Core
/// section 3.1.3.7). `none` and the HMAC algorithms never verify an ID token here: with them the
/// application's secret, or the provider's public key used as one, would be enough to forge it.
fn algorithms(plan: &ProviderPlan, metadata: &Metadata) -> Result<HashSet<CoreJwsSigningAlgorithm>, DiscoveryError> {
    let chosen = &plan.protocol.algorithms;
    if !chosen.is_empty() {
        return Ok(chosen.iter().copied().map(algorithm).collect());
    }
    let Some(offered) = &metadata.id_token_signing_alg_values_supported else {
        return Ok(HashSet::from([algorithm(JwsAlgorithm::Rs256)]));
    };
    let is_offered = |one: &JwsAlgorithm| offered.iter().any(|name| name == one.as_str());
    let safe: HashSet<_> = JwsAlgorithm::ALL.into_iter().filter(is_offered).map(algorithm).collect();
    if safe.is_empty() { Err(DiscoveryError::NoAlgorithm) } else { Ok(safe) }
}

const fn algorithm(algorithm: JwsAlgorithm) -> CoreJwsSigningAlgorithm {
    match algorithm {
        JwsAlgorithm::Rs256 => CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
        JwsAlgorithm::Rs384 => CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
        JwsAlgorithm::Rs512 => CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
        JwsAlgorithm::Ps256 => CoreJwsSigningAlgorithm::RsaSsaPssSha256,
        JwsAlgorithm::Ps384 => CoreJwsSigningAlgorithm::RsaSsaPssSha384,
        JwsAlgorithm::Ps512 => CoreJwsSigningAlgorithm::RsaSsaPssSha512,
        JwsAlgorithm::Es256 => CoreJwsSigningAlgorithm::EcdsaP256Sha256,
        JwsAlgorithm::Es384 => CoreJwsSigningAlgorithm::EcdsaP384Sha384,
        JwsAlgorithm::EdDsa => CoreJwsSigningAlgorithm::EdDsa,
    }
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
