//! Scalekit. <https://docs.scalekit.com/>

use super::{Kind, Parameter, Preset, Setting};

pub(super) const PRESET: Preset = Preset {
    name: "scalekit",
    title: "Scalekit",
    parameters: &[Parameter {
        key: "environment_url",
        kind: Kind::Url,
        example: "https://example.scalekit.com",
        find: "in the Scalekit dashboard under Settings > API Credentials",
    }],
    defaults: &[("config_url", "{environment_url}/.well-known/openid-configuration")],
    hosts: &["scalekit.com", "scalekit.dev", "scalekit.cloud"],
    console: "Allowed callback URLs, under Redirects",
    places: &[
        (Setting::Address, "Settings > API Credentials > Environment URL"),
        (Setting::CallbackUrl, "Authentication > Redirects > Allowed callback URLs"),
        (Setting::Secret, "Settings > API Credentials > Client secret"),
        (Setting::Audience, "MCP Servers > the server > Resource ID"),
    ],
    quirks: "As far as it speaks OpenID Connect. With `mode: remote`, `audience` is the id of the resource (`res_…`).",
    ..Preset::GENERIC
};
