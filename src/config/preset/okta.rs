//! Okta, custom authorization servers. <https://developer.okta.com/docs/concepts/auth-servers/>

use super::{Kind, Parameter, Preset, Setting};

pub(super) const PRESET: Preset = Preset {
    name: "okta",
    title: "Okta",
    parameters: &[
        Parameter {
            key: "domain",
            kind: Kind::Host,
            example: "example.okta.com",
            find: "in the Okta admin console, in the menu below your name; without `-admin`",
        },
        Parameter {
            key: "authorization_server",
            kind: Kind::Segment,
            example: "aus9o8wvkhockw9TL0h7",
            find: "in Okta under Security > API > Authorization Servers, the end of the Issuer URI",
        },
    ],
    defaults: &[
        ("authorization_server", "default"),
        ("config_url", "https://{domain}/oauth2/{authorization_server}/.well-known/openid-configuration"),
    ],
    hosts: &["okta.com", "oktapreview.com", "okta-emea.com"],
    console: "Sign-in redirect URIs of an OIDC Web Application; grant types Authorization Code and Refresh Token; an access \
              policy of the authorization server",
    places: &[
        (Setting::Address, "Security > API > Authorization Servers > the server > Settings > Metadata URI"),
        (Setting::Application, "Applications > Applications > Create App Integration > OIDC, Web Application"),
        (
            Setting::CallbackUrl,
            "Applications > Applications > the application > General > Login > Sign-in redirect URIs",
        ),
        (
            Setting::Grants,
            "Applications > Applications > the application > General > General Settings > Grant type, and Security > API > Authorization Servers > the server > Access Policies",
        ),
        (
            Setting::Secret,
            "Applications > Applications > the application > General > Client Credentials > Client authentication",
        ),
        (Setting::Scopes, "Security > API > Authorization Servers > the server > Scopes"),
        (Setting::Audience, "Security > API > Authorization Servers > the server > Settings > Audience"),
        (Setting::Keys, "Applications > Applications > the application > Sign On > OpenID Connect ID Token"),
    ],
    quirks: "A custom authorization server, `default` if none is named. The org server (`config_url: \
             https://{domain}/.well-known/openid-configuration`) makes access tokens that only Okta can check, so that \
             no `audience` can be written with it.",
    ..Preset::GENERIC
};
