//! Who signed in, in the answer of a user API.

use super::{
    endpoints::Says,
    report::Report,
    value::{self, Refusal},
};
use crate::{
    config::{
        document::IdentityMembers,
        origin::child,
        plan::{EmailVerified, IdentityPlan},
    },
    identity::MemberPath,
};

pub(super) fn compile(
    at: &str,
    written: &IdentityMembers,
    says: Says,
    allow_insecure_http: bool,
    report: &mut Report<'_>,
) -> IdentityPlan {
    let default = IdentityPlan::default();
    let mut read =
        |key: &str, text: Option<&String>| text.and_then(|text| report.read(&child(at, key), text.trim(), member));
    let (subject, email) = (read("subject", written.subject.as_ref()), read("email", written.email.as_ref()));
    let (name, client_id) = (read("name", written.name.as_ref()), read("client_id", written.client_id.as_ref()));
    let email_verified =
        report.scalar(&child(at, "email_verified"), written.email_verified.as_ref(), default.email_verified, |text| {
            match text {
                "true" => Ok(EmailVerified::Always(true)),
                "false" => Ok(EmailVerified::Always(false)),
                text => member(text).map(EmailVerified::Member),
            }
        });
    let email_endpoint = written.email_endpoint.as_ref().and_then(|text| {
        report.read(&child(at, "email_endpoint"), text.trim(), |text| {
            let url = value::web_url(text)?;
            if url.scheme() == "http" && !allow_insecure_http {
                return Err(Refusal::new("is plain http: whoever sits between reads the token", "write `https://…`"));
            }
            Ok(url)
        })
    });
    let identity = IdentityPlan {
        subject: subject.unwrap_or(default.subject),
        email: email.unwrap_or(default.email),
        email_verified,
        name: name.unwrap_or(default.name),
        client_id,
        email_endpoint,
    };
    if says == Says::IdToken && identity != IdentityPlan::default() {
        report
            .key_error(at, "has no effect here: who signed in is read in the ID token")
            .help("remove it; it is for providers without ID tokens, which have neither `config_url` nor `jwks_uri`");
    }
    identity
}

fn member(text: &str) -> Result<MemberPath, Refusal> {
    text.parse().map_err(|_| Refusal::new("names no member of a JSON object", "write its name: `id`, or `user.id`"))
}
