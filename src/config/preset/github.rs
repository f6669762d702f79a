//! GitHub, which has no OpenID Connect for people.
//! <https://docs.github.com/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps>

use super::{Audience, Preset, Setting};

pub(super) const PRESET: Preset = Preset {
    name: "github",
    title: "GitHub",
    defaults: &[
        ("authorization_endpoint", "https://github.com/login/oauth/authorize"),
        ("token_endpoint", "https://github.com/login/oauth/access_token"),
        ("userinfo_endpoint", "https://api.github.com/user"),
        ("identity.subject", "id"),
        ("identity.name", "login"),
        ("identity.email_endpoint", "https://api.github.com/user/emails"),
        ("required_scopes", "read:user user:email"),
    ],
    hosts: &["github.com"],
    audience: Audience::Never { why: "GitHub's access tokens are opaque" },
    console: "Authorization callback URL of an OAuth app",
    places: &[
        (Setting::Application, "Settings > Developer settings > OAuth Apps > New OAuth App"),
        (
            Setting::CallbackUrl,
            "Settings > Developer settings > OAuth Apps > the application > Authorization callback URL",
        ),
        (
            Setting::Secret,
            "Settings > Developer settings > OAuth Apps > the application > Client secrets > Generate a new client secret",
        ),
    ],
    quirks: "OAuth 2.0 alone: the API `/user` says who signed in, by the number `id` (a login can be given to somebody else). \
             The address is the primary verified one of `/user/emails`. Tokens of an OAuth app have no end; whether they still count \
             is asked. For GitHub Enterprise Server write the three endpoints and `identity.email_endpoint`.",
    ..Preset::GENERIC
};
