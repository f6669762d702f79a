//! Any OpenID provider. <https://openid.net/specs/openid-connect-discovery-1_0.html>

use super::Preset;

pub(super) const PRESET: Preset =
    Preset { quirks: "What the standards say and nothing else. The default.", ..Preset::GENERIC };
