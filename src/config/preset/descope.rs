//! Descope. <https://docs.descope.com/identity-federation>

use super::{Kind, Parameter, Preset, Setting};

pub(super) const PRESET: Preset = Preset {
    name: "descope",
    title: "Descope",
    parameters: &[
        Parameter {
            key: "project_id",
            kind: Kind::Segment,
            example: "P2abcdefghijklmnopqrstuvwxyz1",
            find: "in the Descope console under Project > Settings",
        },
        Parameter {
            key: "domain",
            kind: Kind::Host,
            example: "auth.example.com",
            find: "in the Descope console under Project > Settings > Custom domain, if there is one",
        },
    ],
    defaults: &[
        ("domain", "api.descope.com"),
        ("config_url", "https://{domain}/{project_id}/.well-known/openid-configuration"),
    ],
    hosts: &["descope.com"],
    console: "Redirect URLs of an OIDC application, under Applications",
    places: &[
        (Setting::Address, "Project > Settings > Project ID"),
        (Setting::CallbackUrl, "Applications > the application > OIDC > Redirect URLs"),
        (Setting::Secret, "Company > Access Keys"),
    ],
    quirks: "The project's own application (`client_id` is the project's id, the secret an access key). For an inbound app, or \
             an MCP server, write the discovery URL that the console shows as `config_url`.",
    ..Preset::GENERIC
};
