//! Scalekit. <https://docs.scalekit.com/>

use super::{Kind, Parameter, Preset};

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
    quirks: "As far as it speaks OpenID Connect. With `mode: remote`, `audience` is the id of the resource (`res_…`).",
    ..Preset::GENERIC
};
