//! Oracle Cloud Infrastructure, identity domains.
//! <https://docs.oracle.com/en/cloud/paas/identity-cloud/rest-api/OpenIDConnect.html>

use super::{Kind, Parameter, Preset};

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
    quirks: "All domains have one issuer, which is not the domain's address; the keys are the domain's own. If an \
             administrator changed the issuer, write it as `issuer`, with or without the slash at its end, as the document has it.",
    ..Preset::GENERIC
};
