//! Keycloak. <https://www.keycloak.org/securing-apps/oidc-layers>

use super::{Kind, Parameter, Preset};

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
    quirks: "`offline_access` makes sessions without end there; `offline_access: false` keeps refresh tokens within the \
             session. An `audience` needs an audience mapper of the client.",
    ..Preset::GENERIC
};
