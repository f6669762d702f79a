//! Google. <https://developers.google.com/identity/openid-connect/openid-connect>

use super::{Preset, ScopeNames, Setting};

pub(super) const PRESET: Preset = Preset {
    name: "google",
    title: "Google",
    defaults: &[
        ("config_url", "https://accounts.google.com/.well-known/openid-configuration"),
        ("extra_authorize_params.access_type", "offline"),
        ("extra_authorize_params.prompt", "consent"),
    ],
    hosts: &["accounts.google.com"],
    scopes: ScopeNames {
        prefix: None,
        aliases: &[
            ("email", "https://www.googleapis.com/auth/userinfo.email"),
            ("profile", "https://www.googleapis.com/auth/userinfo.profile"),
        ],
        at_token_endpoint: false,
    },
    console: "Authorised redirect URIs of an OAuth client of the type Web application",
    places: &[
        (Setting::Application, "Google Auth Platform > Clients > Create client > Web application"),
        (Setting::CallbackUrl, "Google Auth Platform > Clients > the client > Authorised redirect URIs"),
        (Setting::Secret, "Google Auth Platform > Clients > the client > Client secrets"),
        (Setting::Scopes, "Google Auth Platform > Data Access > Add or remove scopes"),
    ],
    quirks: "`email` and `profile` are granted under long names, both are understood. No `offline_access`: \
             `access_type=offline` with `prompt=consent` brings the refresh token. Access tokens are opaque, the ID token says \
             who signed in.",
    ..Preset::GENERIC
};
