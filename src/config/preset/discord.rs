//! Discord. <https://docs.discord.com/developers/topics/oauth2>

use super::{Audience, Preset, Setting};

pub(super) const PRESET: Preset = Preset {
    name: "discord",
    title: "Discord",
    defaults: &[
        ("authorization_endpoint", "https://discord.com/oauth2/authorize"),
        ("token_endpoint", "https://discord.com/api/oauth2/token"),
        ("revocation_endpoint", "https://discord.com/api/oauth2/token/revoke"),
        ("userinfo_endpoint", "https://discord.com/api/users/@me"),
        ("identity.subject", "id"),
        ("identity.email_verified", "verified"),
        ("identity.name", "username"),
        ("required_scopes", "identify email"),
    ],
    hosts: &["discord.com"],
    audience: Audience::Never { why: "Discord's access tokens are opaque" },
    console: "Redirects of the application, under OAuth2",
    places: &[
        (Setting::Application, "Developer Portal > Applications > the application > OAuth2 > Client information"),
        (Setting::CallbackUrl, "Developer Portal > Applications > the application > OAuth2 > Redirects"),
        (
            Setting::Secret,
            "Developer Portal > Applications > the application > OAuth2 > Client information > Reset Secret",
        ),
    ],
    quirks: "OAuth 2.0 alone: the API `/users/@me` says who signed in. `verified` says whether the address is theirs.",
    ..Preset::GENERIC
};
