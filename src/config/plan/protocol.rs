//! How a provider is spoken to: where its endpoints are, what it may sign with, and how people are
//! recognised if it gives no ID tokens.

use std::time::Duration;

use url::Url;

use crate::{
    identity::MemberPath,
    oauth::{JwsAlgorithm, Scopes},
};

/// How a provider is spoken to. The default is what OpenID Connect says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtocolPlan {
    /// The preset that stands below what is written.
    pub preset: &'static str,
    /// How the provider names scopes.
    pub scope_names: ScopeNames,
    /// The organisations whose people may sign in, of a provider that serves many from one place.
    pub tenants: Option<TenantsPlan>,
    /// The claim of ID tokens that says whether an e-mail address is verified, besides
    /// `email_verified`.
    pub email_verified_claim: Option<&'static str>,
    /// What the configuration says of the provider itself: instead of its discovery document, or
    /// over it.
    pub endpoints: EndpointsPlan,
    /// The discovery document must have everything that OpenID Connect Discovery demands.
    pub strict: bool,
    /// What the provider may sign with; empty: the asymmetric algorithms that it offers.
    pub algorithms: Vec<JwsAlgorithm>,
    /// Who signed in, in the answer of the user API. For providers without ID tokens.
    pub identity: IdentityPlan,
    /// Asked for at sign-in only: not demanded of what is granted, not for clients.
    pub additional_authorize_scopes: Scopes,
    /// Our own PKCE S256 pair goes to the provider.
    pub forward_pkce: bool,
    /// The client's resource (RFC 8707) goes to the provider's authorization endpoint.
    pub forward_resource: bool,
    /// The life of an access token of which the provider does not say it.
    pub fallback_access_token_lifetime: Option<Duration>,
    /// The life of a refresh token of which the provider does not say it.
    pub fallback_refresh_token_lifetime: Option<Duration>,
    /// So long before its end an access token is renewed.
    pub renew_ahead: Duration,
}

/// Which organisations may say who signs in. Each has an issuer of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantsPlan {
    /// The claim that names a token's organisation.
    pub claim: &'static str,
    /// What stands for it in the provider's issuer.
    pub placeholder: &'static str,
    /// Never empty.
    pub allowed: Vec<String>,
}

/// How a provider names scopes. The default: as everybody does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScopeNames {
    /// Stands before every scope that is not OpenID Connect's, at the provider; ends with a slash.
    pub prefix: Option<String>,
    /// Ours, and the name under which it may be granted.
    pub aliases: Vec<(&'static str, &'static str)>,
    /// The token endpoint is told which scopes the token is for.
    pub at_token_endpoint: bool,
}

/// The provider's own metadata as far as they are configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointsPlan {
    /// Its issuer, byte for byte.
    pub issuer: Option<String>,
    /// Where people sign in.
    pub authorization_endpoint: Option<Url>,
    /// Where codes and refresh tokens are exchanged.
    pub token_endpoint: Option<Url>,
    /// User info, or an API that tells about the holder of an access token.
    pub userinfo_endpoint: Option<Url>,
    /// RFC 7009.
    pub revocation_endpoint: Option<Url>,
    /// The keys that ID tokens are signed with.
    pub jwks_uri: Option<Url>,
}

/// Which members of a user API's answer say who signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityPlan {
    /// What never changes about a person: text or whole number.
    pub subject: MemberPath,
    /// An e-mail address.
    pub email: MemberPath,
    /// Whether that address is theirs.
    pub email_verified: EmailVerified,
    /// A name for people to read.
    pub name: MemberPath,
    /// A member that has to be our `client_id`: the token was made for this application.
    pub client_id: Option<MemberPath>,
    /// Where a list of addresses with `email`, `primary` and `verified` is; then `email` comes only
    /// from there.
    pub email_endpoint: Option<Url>,
}

/// What is known of an e-mail address in a user API's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EmailVerified {
    /// A member says it.
    Member(MemberPath),
    /// The provider checks every address, or none.
    Always(bool),
}

// === impl ProtocolPlan ===

impl Default for ProtocolPlan {
    fn default() -> Self {
        Self {
            preset: "oidc",
            scope_names: ScopeNames::default(),
            tenants: None,
            email_verified_claim: None,
            endpoints: EndpointsPlan::default(),
            strict: true,
            algorithms: Vec::new(),
            identity: IdentityPlan::default(),
            additional_authorize_scopes: Scopes::default(),
            forward_pkce: true,
            forward_resource: false,
            fallback_access_token_lifetime: None,
            fallback_refresh_token_lifetime: None,
            renew_ahead: Duration::ZERO,
        }
    }
}

// === impl IdentityPlan ===

/// The names of OpenID Connect's user info.
impl Default for IdentityPlan {
    fn default() -> Self {
        Self {
            subject: MemberPath::named("sub"),
            email: MemberPath::named("email"),
            email_verified: EmailVerified::Member(MemberPath::named("email_verified")),
            name: MemberPath::named("name"),
            client_id: None,
            email_endpoint: None,
        }
    }
}
