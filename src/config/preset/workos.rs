//! `WorkOS` Connect (`AuthKit`). <https://workos.com/docs/reference/workos-connect>

use super::{Kind, Parameter, Preset, Setting};

pub(super) const PRESET: Preset = Preset {
    name: "workos",
    title: "WorkOS",
    parameters: &[Parameter {
        key: "authkit_domain",
        kind: Kind::Host,
        example: "example.authkit.app",
        find: "in the WorkOS dashboard under Domains > AuthKit",
    }],
    defaults: &[("config_url", "https://{authkit_domain}/.well-known/openid-configuration")],
    hosts: &["authkit.app"],
    console: "Redirect URIs of a Connect OAuth application",
    places: &[
        (Setting::Address, "Domains > AuthKit domain"),
        (Setting::Application, "Connect > Applications > Create application > OAuth"),
        (Setting::CallbackUrl, "Connect > Applications > the application > Redirect URIs"),
        (Setting::Secret, "Connect > Applications > the application > Credentials"),
    ],
    quirks: "The application is a Connect OAuth application, not the environment's own. No `audience` is needed.",
    ..Preset::GENERIC
};
