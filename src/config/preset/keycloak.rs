//! Keycloak. <https://www.keycloak.org/securing-apps/oidc-layers>

use super::{Kind, Parameter, Preset, Setting};

pub(super) const PRESET: Preset = Preset {
    name: "keycloak",
    title: "Keycloak",
    parameters: &[
        Parameter {
            key: "server_url",
            kind: Kind::Url,
            example: "https://keycloak.example.com",
            find: "in the browser when you administer it, up to `/realms` or `/admin`; old ones have `/auth` at the end",
        },
        Parameter {
            key: "realm",
            kind: Kind::Segment,
            example: "staff",
            find: "in Keycloak's admin console, above the menu",
        },
    ],
    defaults: &[("config_url", "{server_url}/realms/{realm}/.well-known/openid-configuration")],
    console: "Valid redirect URIs of an OpenID Connect client with Client authentication and Standard flow",
    places: &[
        (Setting::Address, "Realm settings > General > Endpoints > OpenID Endpoint Configuration"),
        (Setting::Application, "Clients > the client > Settings > Capability config > Client authentication"),
        (Setting::CallbackUrl, "Clients > the client > Settings > Access settings > Valid redirect URIs"),
        (
            Setting::Grants,
            "Clients > the client > Settings > Capability config > Standard flow; for refresh tokens Clients > the client > Advanced > OpenID Connect Compatibility Modes > Use refresh tokens",
        ),
        (Setting::Secret, "Clients > the client > Credentials > Client Authenticator"),
        (Setting::Scopes, "Clients > the client > Client scopes > Add client scope"),
        (Setting::Audience, "Clients > the client > Client scopes > the dedicated scope > Add mapper > Audience"),
        (
            Setting::Keys,
            "Realm settings > Keys, and Clients > the client > Advanced > Fine grain OpenID Connect configuration > ID token signature algorithm",
        ),
        (Setting::Registration, "Clients > Client registration"),
    ],
    quirks: "`offline_access` makes sessions without end there; `offline_access: false` keeps refresh tokens within the \
             session. An `audience` needs an audience mapper of the client.",
    ..Preset::GENERIC
};
