//! Microsoft Entra ID (Azure AD), endpoints of version 2.0.
//! <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow>

use super::{Kind, Parameter, Preset, ScopeNames, Setting, Tenants};

pub(super) const PRESET: Preset = Preset {
    name: "entra",
    title: "Microsoft Entra ID",
    parameters: &[
        Parameter {
            key: "tenant_id",
            kind: Kind::Tenant,
            example: "3d1e2f9a-5c1b-4e0e-9a53-6b1c4a0d8f11",
            find: "in the Entra admin centre under Overview > Tenant ID",
        },
        Parameter {
            key: "base_authority",
            kind: Kind::Host,
            example: "login.microsoftonline.us",
            find: "for national clouds, in Microsoft's list of authentication endpoints",
        },
        Parameter {
            key: "identifier_uri",
            kind: Kind::Identifier,
            example: "api://2f6c0b7e-8d53-4b1a-a6f1-0c9d2e4b7a35",
            find: "in the app registration under Expose an API > Application ID URI",
        },
    ],
    defaults: &[
        ("base_authority", "login.microsoftonline.com"),
        ("identifier_uri", "api://{client_id}"),
        ("config_url", "https://{base_authority}/{tenant_id}/v2.0/.well-known/openid-configuration"),
        ("extra_authorize_params.prompt", "select_account"),
    ],
    hosts: &["login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn"],
    refuses_resource: Some("Entra's endpoints of version 2.0 refuse `resource` together with scopes (AADSTS901002)"),
    // A code can be for Graph and the API, a token only for one of them (AADSTS28000, AADSTS28003).
    scopes: ScopeNames { prefix: Some("identifier_uri"), aliases: &[], at_token_endpoint: true },
    tenants: Some(Tenants {
        parameter: "tenant_id",
        shared: "organizations",
        with_personal: "common",
        personal: "9188040d-6c67-4c5b-b112-36a304b66dad",
        claim: "tid",
        placeholder: "{tenantid}",
    }),
    email_verified_claim: Some("xms_edov"),
    console: "Redirect URIs of the platform Web, under Authentication; a secret under Certificates & secrets; the scopes \
              under Expose an API",
    places: &[
        (Setting::Address, "Overview > Directory (tenant) ID"),
        (Setting::Application, "App registrations > the application > Authentication > Add a platform > Web"),
        (Setting::CallbackUrl, "App registrations > the application > Authentication > Web > Redirect URIs"),
        (Setting::Grants, "App registrations > the application > API permissions > Microsoft Graph > offline_access"),
        (Setting::Secret, "App registrations > the application > Certificates & secrets > Client secrets"),
        (Setting::Scopes, "App registrations > the application > Expose an API > Scopes defined by this API"),
        (
            Setting::Audience,
            "App registrations > the application > Expose an API > Application ID URI, and Manifest > requestedAccessTokenVersion: 2",
        ),
    ],
    quirks: "One tenant, by its id, or several: `allowed_tenants`. Without that list, `common`, `organizations` and `consumers` are \
             refused: anybody's tenant could say who signs in. Scopes other than OpenID Connect's are sent as `{identifier_uri}/scope` (default `api://{client_id}`; \
             `identifier_uri: off` sends them as they are) and come back short. The token endpoint is asked for the API's scopes \
             only, `additional_authorize_scopes` (Graph) are asked for at sign-in. `resource` is never sent. There is no \
             `email_verified`: an address counts as verified only with the optional claim `xms_edov`, so that without it no \
             address reaches the backend or satisfies a rule about addresses.",
    ..Preset::GENERIC
};
