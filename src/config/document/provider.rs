//! One OIDC upstream as written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    introspection::Introspection,
    kind::{Algorithms, Consent, Duration, Member, MemberOrSwitch, Seconds, Switch, UrlPath, WebUrl},
    policy::Policy,
    route::Route,
    value::{List, Params, Scalar, SecretSource},
};
use crate::config::preset;

/// An application at an identity provider, and what is mounted for it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a mapping with `config_url:`, `client_id:`, `routes:` …")]
pub struct Provider {
    /// What is known about [this provider](providers.md), put below what is written here; default `oidc`.
    #[schemars(extend("enum" = preset::ALL.map(|preset| preset.name)))]
    pub preset: Option<String>,
    /// With `auth0`, `okta`, `oci`: where it is. With `gitlab` and `descope`: your own host, if there is one.
    pub domain: Option<String>,
    /// With `entra`: the id of the one tenant whose people may sign in; default: none, or with `allowed_tenants`
    /// the place that they share.
    pub tenant_id: Option<String>,
    /// With `entra`: the ids of the tenants whose people may sign in, if they are
    /// [several](providers.md#several-tenants-of-entra).
    pub allowed_tenants: Option<List>,
    /// With `entra`: the host to sign in at; default: the preset's.
    pub base_authority: Option<String>,
    /// With `entra`: what its scopes begin with there, or `off`; default: `api://` with `client_id`.
    pub identifier_uri: Option<String>,
    /// With `okta`: the custom authorization server; default: the preset's.
    pub authorization_server: Option<String>,
    /// With `keycloak`: its address without `/realms`.
    #[schemars(with = "WebUrl")]
    pub server_url: Option<String>,
    /// With `keycloak`: the realm.
    pub realm: Option<String>,
    /// With `cognito`: the user pool.
    pub user_pool_id: Option<String>,
    /// With `cognito`: where the pool is; default: what its id begins with.
    pub aws_region: Option<String>,
    /// With `workos`: where people sign in.
    pub authkit_domain: Option<String>,
    /// With `scalekit`: the environment.
    #[schemars(with = "WebUrl")]
    pub environment_url: Option<String>,
    /// With `descope`: the project.
    pub project_id: Option<String>,
    /// With `supabase`: the project.
    #[schemars(with = "WebUrl")]
    pub project_url: Option<String>,
    /// Names of other providers: people choose where they [sign in](choice.md). Keys
    /// about an identity provider are written there, the other ones here; default: none, this is
    /// a provider itself.
    pub choice: Option<List>,
    /// Who registers clients and issues their tokens: `proxy`, Vestibule, or `remote`, the
    /// [provider itself](#the-providers-own-tokens); default `proxy`.
    #[schemars(extend("enum" = ["proxy", "remote"]))]
    pub mode: Option<String>,
    /// What people read on the consent page; default: the preset's, else the provider's name.
    pub display_name: Option<String>,
    /// Prefix of everything of this provider; default: `/` for one provider, `/<name>` for several.
    #[schemars(with = "UrlPath")]
    pub mount: Option<String>,
    /// [Our issuer](#issuer-and-resources), as clients read it in the metadata, in `iss` and in tokens;
    /// default: `public_url` with `mount`. Where the endpoints are does not change.
    #[schemars(with = "WebUrl")]
    pub issuer_url: Option<String>,
    /// What stands before a route's `path` in the URL that clients type and tokens are for; default:
    /// `public_url` with `mount`. See [issuer and resources](#issuer-and-resources).
    #[schemars(with = "WebUrl")]
    pub resource_base_url: Option<String>,
    /// A page for people who write clients, named in our metadata.
    #[schemars(with = "WebUrl")]
    pub service_documentation_url: Option<String>,
    /// The discovery document; ends in `/.well-known/openid-configuration`. Required, or the endpoints
    /// below.
    #[schemars(with = "WebUrl")]
    pub config_url: Option<String>,
    /// The document must have all that OpenID Connect Discovery demands; default `true`. With `false`,
    /// `authorization_endpoint` and `token_endpoint` are enough, and `jwks_uri` or `userinfo_endpoint`.
    #[schemars(with = "Switch")]
    pub strict: Option<Scalar>,
    /// The *provider's* issuer, byte for byte; default: the document's, else the origin of
    /// `authorization_endpoint`. Ours is `issuer_url`.
    #[schemars(with = "WebUrl")]
    pub issuer: Option<String>,
    /// Where people sign in; default: the document's. This and the next four correct the document, or
    /// [stand instead of it](#providers-without-a-discovery-document).
    #[schemars(with = "WebUrl")]
    pub authorization_endpoint: Option<String>,
    /// Where codes and refresh tokens are exchanged; default: the document's.
    #[schemars(with = "WebUrl")]
    pub token_endpoint: Option<String>,
    /// User info, or an API that tells about the holder of an access token; default: the document's.
    #[schemars(with = "WebUrl")]
    pub userinfo_endpoint: Option<String>,
    /// Where tokens are revoked (RFC 7009); default: the document's.
    #[schemars(with = "WebUrl")]
    pub revocation_endpoint: Option<String>,
    /// Where the keys of ID tokens and of access tokens are; default: the document's.
    #[schemars(with = "WebUrl")]
    pub jwks_uri: Option<String>,
    /// What ID tokens and access tokens may be signed with; default: the asymmetric ones that the provider offers. Never
    /// `none` or `HS256`: who can verify those can forge them.
    #[schemars(with = "Algorithms")]
    pub algorithm: Option<List>,
    /// Who signed in, in the answer of the user API of a
    /// [provider without ID tokens](#providers-without-a-discovery-document).
    pub identity: IdentityMembers,
    /// The application's identifier. Required, except with `mode: remote`.
    pub client_id: Option<String>,
    /// The application's secret; default: none, a public application.
    pub client_secret: Option<SecretSource>,
    /// How we authenticate at the provider's token endpoint; default: by the provider's metadata,
    /// basic first.
    #[schemars(extend("enum" = ["client_secret_basic", "client_secret_post", "none"]))]
    pub token_endpoint_auth_method: Option<String>,
    /// For whom the provider's [access tokens](#the-providers-own-tokens) must be. Sent as `audience`
    /// at sign-in, exchange and refresh, and checked in what comes back; default: none, access tokens
    /// are not looked at. Required for `auth0`. With `mode: remote` one or several are accepted, and
    /// without it the route's own URL.
    pub audience: Option<List>,
    /// What says for whom the provider's access tokens are; default: the preset's, else `aud`. With
    /// `client_id`, a token that has no `aud` is for the application that it was given to, and
    /// `audience` names applications.
    #[schemars(extend("enum" = ["aud", "client_id"]))]
    pub audience_claim: Option<String>,
    /// Rely on the ID token alone, the access token may be opaque; default: no, if there is an
    /// `audience`.
    #[schemars(with = "Switch")]
    pub verify_id_token: Option<Scalar>,
    /// Claims of the provider's access tokens that hold scopes, with `mode: remote`; default:
    /// `scope` and `scp`.
    pub scope_claims: Option<List>,
    /// Ask the provider about access tokens (RFC 7662) instead of reading them as JWTs.
    pub introspection: Option<Introspection>,
    /// Asked for at every sign-in and demanded of what was granted; default `[openid]`. `openid` is
    /// always added where there are ID tokens; without them the default is empty.
    pub required_scopes: Option<List>,
    /// Everything that clients may ask for; default: the required ones and those of the routes.
    pub valid_scopes: Option<List>,
    /// Where the provider sends the browser back to, below the mount; default `/auth/callback`. In a
    /// `choice` the name of each provider follows, `/auth/callback/entra`.
    #[schemars(with = "UrlPath")]
    pub redirect_path: Option<String>,
    /// Sent to the authorization endpoint in addition, such as `{prompt: login}`. As a variable:
    /// `prompt=login&connection=x`, or a JSON object.
    pub extra_authorize_params: Option<Params>,
    /// Sent to the token endpoint in addition, at exchange and refresh.
    pub extra_token_params: Option<Params>,
    /// Ask the provider for a refresh token, if it knows `offline_access`; default `true`.
    #[schemars(with = "Switch")]
    pub offline_access: Option<Scalar>,
    /// Clients may register themselves (RFC 7591); default `true`.
    #[schemars(with = "Switch")]
    pub dynamic_registration: Option<Scalar>,
    /// Clients may be described by a document at the URL that is their identifier; default `true`.
    #[schemars(with = "Switch")]
    pub enable_cimd: Option<Scalar>,
    /// Schemes of applications (`cursor`) that clients may redirect to; default: all harmless ones.
    pub private_use_schemes: Option<List>,
    /// [Patterns](#where-clients-may-be-answered) of redirect URIs: where clients that register
    /// themselves or have a document may be answered; default: wherever they registered. An empty list
    /// is nowhere.
    pub allowed_client_redirect_uris: Option<List>,
    /// Whether [people are asked](#consent) before a client may act for them: each time, once
    /// (`remember`), elsewhere (`external`), or never (`false`); default `true`.
    #[schemars(with = "Consent")]
    pub require_authorization_consent: Option<Scalar>,
    /// Clients that need no registration.
    pub clients: Vec<Client>,
    /// How long what is handed out lives.
    pub lifetimes: Lifetimes,
    /// Asked for at sign-in only, such as those of another API at the same provider. They are not
    /// demanded of what is granted, and clients can neither ask for nor get them.
    pub additional_authorize_scopes: Option<List>,
    /// Protect the way to the provider by PKCE, with a pair of our own; default `true`. `false` is for
    /// providers that refuse parameters they do not know. Clients have to use PKCE in any case.
    #[schemars(with = "Switch")]
    pub forward_pkce: Option<Scalar>,
    /// Send the route's URL as `resource` (RFC 8707) to the provider's authorization endpoint; default
    /// `false`. A provider that understands it would make a token for that URL and not for
    /// `audience`.
    #[schemars(with = "Switch")]
    pub forward_resource: Option<Scalar>,
    /// Life of an access token if the provider does not say it; default: one hour, or without end if
    /// a user API tells whether the token [still counts](#how-long-a-sign-in-lasts).
    #[schemars(with = "Seconds")]
    pub fallback_access_token_expiry_seconds: Option<Scalar>,
    /// Life of a refresh token if the provider does not say it; default: until the provider refuses
    /// it.
    #[schemars(with = "Seconds")]
    pub fallback_refresh_token_expiry_seconds: Option<Scalar>,
    /// So long before the end of its access token the provider is asked for the next one, but not in
    /// the first half of its life; default `0`, when it is needed.
    #[schemars(with = "Seconds")]
    pub token_expiry_threshold_seconds: Option<Scalar>,
    /// Deadline of one request to the provider; default `10`.
    #[schemars(with = "Seconds")]
    pub timeout_seconds: Option<Scalar>,
    /// The provider may be reached by plain http and at private addresses; default `false`. For a
    /// provider on the same machine or in the same cluster only.
    #[schemars(with = "Switch")]
    pub allow_insecure_http: Option<Scalar>,
    /// Who may pass, on every route of this provider; default: everybody who can sign in there
    /// ([policy](policy.md)).
    pub policy: Policy,
    /// What is protected. Required, except for a provider that is offered in a `choice`.
    pub routes: Vec<Route>,
}

/// Which members of a user API's answer say who signed in; `user.id` is a member of a member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a mapping such as `subject: id` and `email: email`")]
pub struct IdentityMembers {
    /// What never changes about a person: a text or a whole number; default `sub`. Not a login name,
    /// which can be given to somebody else.
    #[schemars(with = "Member")]
    pub subject: Option<String>,
    /// The e-mail address; default `email`.
    #[schemars(with = "Member")]
    pub email: Option<String>,
    /// Whether the address is theirs; default `email_verified`.
    #[schemars(with = "MemberOrSwitch")]
    pub email_verified: Option<Scalar>,
    /// A name for people to read; default `name`.
    #[schemars(with = "Member")]
    pub name: Option<String>,
    /// A member that has to be our `client_id`; if it is another one, the sign-in ends.
    #[schemars(with = "Member")]
    pub client_id: Option<String>,
    /// A list of addresses with `email`, `primary` and `verified`. Then the address is the primary one
    /// that is verified, and no other.
    #[schemars(with = "WebUrl")]
    pub email_endpoint: Option<String>,
}

/// A client that needs no registration.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a mapping with `client_id:` and `redirect_uris:`")]
pub struct Client {
    /// Its identifier. Required.
    pub client_id: Option<String>,
    /// What people read on the consent page; default: the identifier.
    pub name: Option<String>,
    /// Its secret; default: none, a public client.
    pub secret: Option<SecretSource>,
    /// Where it may be answered; `https`, `http` on loopback (any port), or an application's
    /// scheme. Required.
    pub redirect_uris: Option<List>,
    /// You vouch for it: no consent page; default `false`.
    #[schemars(with = "Switch")]
    pub skip_consent: Option<Scalar>,
}

/// How long what is handed out lives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a mapping of lifetimes such as `access_token: 15m`")]
pub struct Lifetimes {
    /// From the authorization request to the return from the provider; default `15m`.
    #[schemars(with = "Duration")]
    pub transaction: Option<Scalar>,
    /// An authorization code; default `60s`.
    #[schemars(with = "Duration")]
    pub code: Option<Scalar>,
    /// An access token; default `15m`. It is shorter when the provider's token ends sooner and
    /// cannot be refreshed.
    #[schemars(with = "Duration")]
    pub access_token: Option<Scalar>,
    /// A refresh token that is not used; default `30d`.
    #[schemars(with = "Duration")]
    pub refresh_token: Option<Scalar>,
    /// A grant, however often it is refreshed; default `90d`. Then people sign in again.
    #[schemars(with = "Duration")]
    pub grant: Option<Scalar>,
    /// How long a replaced refresh token still gets the same successor, for answers that were lost;
    /// default `60s`.
    #[schemars(with = "Duration")]
    pub refresh_grace: Option<Scalar>,
    /// With `require_authorization_consent: remember`, how long a browser remembers an approval;
    /// default `30d`.
    #[schemars(with = "Duration")]
    pub consent: Option<Scalar>,
}
