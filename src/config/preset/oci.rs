//! Oracle Cloud Infrastructure, identity domains.
//! <https://docs.oracle.com/en/cloud/paas/identity-cloud/rest-api/OpenIDConnect.html>

use super::{Kind, Parameter, Preset, Setting};

pub(super) const PRESET: Preset = Preset {
    name: "oci",
    title: "Oracle Cloud",
    parameters: &[Parameter {
        key: "domain",
        kind: Kind::Host,
        example: "idcs-a83e4de370ea4db1b8c703a0b742ce74.identity.oraclecloud.com",
        find: "in the OCI console under Identity & Security > Domains, the Domain URL",
    }],
    defaults: &[
        ("config_url", "https://{domain}/.well-known/openid-configuration"),
        ("issuer", "https://identity.oraclecloud.com/"),
    ],
    hosts: &["identity.oraclecloud.com"],
    console: "Redirect URL of a Confidential Application; grant types Authorization code and Refresh token; Configure client \
              access for the domain's signing certificate",
    places: &[
        (Setting::Address, "Identity & Security > Domains > the domain > Domain information > Domain URL"),
        (
            Setting::Application,
            "Identity & Security > Domains > the domain > Integrated applications > Add application > Confidential Application",
        ),
        (
            Setting::CallbackUrl,
            "Identity & Security > Domains > the domain > Integrated applications > the application > OAuth configuration > Redirect URL",
        ),
        (
            Setting::Grants,
            "Identity & Security > Domains > the domain > Integrated applications > the application > OAuth configuration > Allowed grant types",
        ),
        (
            Setting::Secret,
            "Identity & Security > Domains > the domain > Integrated applications > the application > OAuth configuration > Client secret",
        ),
        (
            Setting::Keys,
            "Identity & Security > Domains > the domain > Settings > Domain settings > Configure client access",
        ),
    ],
    quirks: "All domains have one issuer, which is not the domain's address; the keys are the domain's own. If an \
             administrator changed the issuer, write it as `issuer`, with or without the slash at its end, as the document has it.",
    ..Preset::GENERIC
};
