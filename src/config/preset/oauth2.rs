//! Any provider that speaks OAuth 2.0 without OpenID Connect. <https://www.rfc-editor.org/rfc/rfc6749>

use super::Preset;

pub(super) const PRESET: Preset = Preset {
    name: "oauth2",
    quirks: "No discovery and no ID tokens: `authorization_endpoint`, `token_endpoint`, `userinfo_endpoint` and `identity` \
             say where and who.",
    ..Preset::GENERIC
};
