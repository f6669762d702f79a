//! Supabase Auth as OAuth 2.1 server. <https://supabase.com/docs/guides/auth/oauth-server>

use super::{Kind, Parameter, Preset, Setting};

pub(super) const PRESET: Preset = Preset {
    name: "supabase",
    title: "Supabase",
    parameters: &[Parameter {
        key: "project_url",
        kind: Kind::Url,
        example: "https://abcdefghijklmnopqrst.supabase.co",
        find: "in the Supabase dashboard under Project Settings > API",
    }],
    defaults: &[("config_url", "{project_url}/auth/v1/.well-known/openid-configuration")],
    hosts: &["supabase.co"],
    console: "Redirect URIs of an OAuth app, under Authentication > OAuth Apps; the OAuth server has to be enabled",
    places: &[
        (Setting::Address, "Project Settings > Data API > Project URL"),
        (Setting::Application, "Authentication > OAuth Server > Enable the Supabase OAuth Server"),
        (Setting::CallbackUrl, "Authentication > OAuth Apps > the application > Redirect URIs"),
        (Setting::Secret, "Authentication > OAuth Apps > the application > Client secret"),
        (Setting::Keys, "Project Settings > JWT Keys > JWT Signing Keys"),
        (Setting::Registration, "Authentication > OAuth Server > Allow Dynamic OAuth Apps"),
    ],
    quirks: "The project needs an asymmetric signing key (JWT Signing Keys): HS256 is never accepted. `aud` of access tokens \
             is `authenticated` for every server of the project, so that an `audience` would tell nothing.",
    ..Preset::GENERIC
};
