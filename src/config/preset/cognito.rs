//! Amazon Cognito user pools.
//! <https://docs.aws.amazon.com/cognito/latest/developerguide/federation-endpoints.html>

use super::{AudienceClaim, Kind, Parameter, Preset, Setting};

pub(super) const PRESET: Preset = Preset {
    name: "cognito",
    title: "Amazon Cognito",
    parameters: &[
        Parameter {
            key: "user_pool_id",
            kind: Kind::UserPool,
            example: "eu-central-1_Ab1Cd2Ef3",
            find: "in the AWS console under Cognito > User pools > Overview",
        },
        Parameter {
            key: "aws_region",
            kind: Kind::Segment,
            example: "eu-central-1",
            find: "at the beginning of the user pool's id",
        },
    ],
    defaults: &[
        ("aws_region", "{user_pool_id.region}"),
        (
            "config_url",
            "https://cognito-idp.{aws_region}.amazonaws.com/{user_pool_id}/.well-known/openid-configuration",
        ),
    ],
    hosts: &["cognito-idp."],
    audience_claim: AudienceClaim::ClientId,
    console: "Allowed callback URLs of the app client, under Login pages; grant type Authorization code; the pool needs a \
              domain for its sign-in page",
    places: &[
        (Setting::Address, "User pools > the pool > Overview > User pool ID"),
        (Setting::Application, "User pools > the pool > App clients > Create app client > Traditional web application"),
        (
            Setting::CallbackUrl,
            "User pools > the pool > App clients > the client > Login pages > Allowed callback URLs",
        ),
        (Setting::Grants, "User pools > the pool > App clients > the client > Login pages > OAuth grant types"),
        (Setting::Secret, "User pools > the pool > App clients > the client > App client information > Client secret"),
        (
            Setting::Scopes,
            "User pools > the pool > App clients > the client > Login pages > OpenID Connect scopes and Custom scopes; new ones under Branding > Domain > Resource servers",
        ),
    ],
    quirks: "The discovery document is in the region, the sign-in page at the pool's domain, which the document names. Access \
             tokens have no `aud` unless the client asked for a `resource`, but `client_id`: `audience` names app clients. \
             Without it the ID token says who signed in. A refresh token comes without `offline_access`. `email_verified` may be a text.",
    ..Preset::GENERIC
};
