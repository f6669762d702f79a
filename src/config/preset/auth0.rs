//! Auth0. <https://auth0.com/docs/get-started/applications>

use super::{Audience, Kind, Parameter, Preset, Setting};

pub(super) const PRESET: Preset = Preset {
    name: "auth0",
    title: "Auth0",
    parameters: &[Parameter {
        key: "domain",
        kind: Kind::Host,
        example: "example.eu.auth0.com",
        find: "in Auth0 under Applications > Applications > Settings; a custom domain will do, too",
    }],
    defaults: &[("config_url", "https://{domain}/.well-known/openid-configuration")],
    hosts: &["auth0.com"],
    audience: Audience::Required {
        why: "without it, Auth0 gives opaque tokens that no API can check",
        help: "add `audience: https://api.example.com`, the identifier of the API in Auth0 (Applications > \
               APIs), or `verify_id_token: true` to rely on the ID token alone",
    },
    console: "Allowed Callback URLs of a Regular Web Application; grant types Authorization Code and Refresh Token; \
              Allow Offline Access of the API",
    places: &[
        (Setting::Address, "Applications > Applications > the application > Settings > Domain"),
        (Setting::Application, "Applications > Applications > Create Application > Regular Web Application"),
        (Setting::CallbackUrl, "Applications > Applications > the application > Settings > Allowed Callback URLs"),
        (
            Setting::Grants,
            "Applications > Applications > the application > Settings > Advanced Settings > Grant Types; for refresh tokens also Applications > APIs > the API > Settings > Allow Offline Access",
        ),
        (Setting::Secret, "Applications > Applications > the application > Credentials > Authentication Method"),
        (Setting::Scopes, "Applications > APIs > the API > Permissions"),
        (Setting::Audience, "Applications > APIs > the API > Settings > Identifier"),
        (
            Setting::Keys,
            "Applications > Applications > the application > Settings > Advanced Settings > OAuth > JSON Web Token Signature Algorithm",
        ),
        (Setting::Registration, "Settings > Advanced > OIDC Dynamic Application Registration"),
    ],
    quirks: "`audience` is required, or `verify_id_token: true`: without it access tokens are opaque. The issuer ends with a \
             slash, and is compared so.",
    ..Preset::GENERIC
};
