//! GitLab, gitlab.com or one's own. <https://docs.gitlab.com/integration/openid_connect_provider/>

use super::{Audience, Kind, Parameter, Preset, Setting};

pub(super) const PRESET: Preset = Preset {
    name: "gitlab",
    title: "GitLab",
    parameters: &[Parameter {
        key: "domain",
        kind: Kind::Host,
        example: "gitlab.example.com",
        find: "in the browser: the host of your own GitLab",
    }],
    defaults: &[("domain", "gitlab.com"), ("config_url", "https://{domain}/.well-known/openid-configuration")],
    hosts: &["gitlab.com"],
    audience: Audience::Never { why: "GitLab's access tokens are opaque" },
    console: "Redirect URI of an application with Confidential ticked, and the scopes openid, profile, email",
    places: &[
        (Setting::Application, "Edit profile > Applications > the application > Confidential"),
        (Setting::CallbackUrl, "Edit profile > Applications > the application > Redirect URI"),
        (Setting::Secret, "Edit profile > Applications > the application > Renew secret"),
        (Setting::Scopes, "Edit profile > Applications > the application > Scopes"),
    ],
    quirks: "Access tokens are opaque; the ID token says who signed in. A refresh token comes without `offline_access`. \
             Every scope has to be ticked in the application.",
    ..Preset::GENERIC
};
