//! The application at the identity provider: how it is known there, what is sent along.

use super::{
    report::Report,
    value::{self, Refusal},
};
use crate::{
    config::{
        document::{Params, Provider},
        origin::child,
        plan::ClientAuthMethod,
    },
    secret::Secret,
};

/// Parameters that this gateway sets itself, and what to write instead.
const OWN_AUTHORIZE: [(&str, &str); 12] = [
    ("audience", "write it as `audience` of the provider"),
    ("client_id", "write it as `client_id` of the provider"),
    ("code_challenge", "remove it: it is different at every sign-in"),
    ("code_challenge_method", "remove it: it is always S256"),
    ("nonce", "remove it: it is different at every sign-in"),
    ("redirect_uri", "write its path as `redirect_path` of the provider"),
    ("request", "remove it"),
    ("request_uri", "remove it"),
    ("response_mode", "remove it: the answer is read from the query"),
    ("response_type", "remove it: it is always `code`"),
    ("scope", "write it as `required_scopes` of the provider"),
    ("state", "remove it: it is different at every sign-in"),
];
const OWN_TOKEN: [(&str, &str); 8] = [
    ("audience", "write it as `audience` of the provider"),
    ("client_id", "write it as `client_id` of the provider"),
    ("client_secret", "write it as `client_secret` of the provider"),
    ("code", "remove it"),
    ("code_verifier", "remove it"),
    ("grant_type", "remove it"),
    ("redirect_uri", "write its path as `redirect_path` of the provider"),
    ("refresh_token", "remove it"),
];

pub(super) fn client_id(at: &str, provider: &Provider, report: &mut Report<'_>) -> Option<String> {
    let Some(text) = &provider.client_id else {
        report.missing(at, "tv2ObNgaZAWWhhycr7Bz1LU2mxlnsmsB");
        return None;
    };
    identifier(at, text, report)
}

pub(super) fn identifier(at: &str, text: &str, report: &mut Report<'_>) -> Option<String> {
    report.read(at, text.trim(), |text| {
        let visible = text.bytes().all(|byte| (0x20..=0x7e).contains(&byte));
        match text {
            "" => Err(Refusal::new("is empty", "write the application's identifier, as the provider shows it")),
            _ if !visible => {
                Err(Refusal::new("holds characters that no identifier has", "copy it once more from the provider"))
            }
            _ => Ok(text.to_owned()),
        }
    })
}

/// The secret and the method, which have to fit each other.
pub(super) fn client_authentication(
    at: &str,
    provider: &Provider,
    report: &mut Report<'_>,
) -> (Option<Secret>, Option<ClientAuthMethod>) {
    let secret_at = child(at, "client_secret");
    let secret = provider.client_secret.as_ref().and_then(|source| report.secret(&secret_at, source));
    let method_at = child(at, "token_endpoint_auth_method");
    let choices = [
        ("client_secret_basic", ClientAuthMethod::Basic),
        ("client_secret_post", ClientAuthMethod::Post),
        ("none", ClientAuthMethod::None),
    ];
    let written = provider.token_endpoint_auth_method.as_deref();
    let method = written.and_then(|text| report.read(&method_at, text.trim(), |text| value::choice(text, &choices)));
    match (method, &provider.client_secret) {
        (Some(ClientAuthMethod::None), Some(_)) => {
            report
                .error(&method_at, "does not use the `client_secret` that is written, too")
                .offending("none")
                .help("remove one of the two");
        }
        (Some(ClientAuthMethod::Basic | ClientAuthMethod::Post), None) => {
            report
                .error(&method_at, "needs a `client_secret`")
                .offending(written.unwrap_or_default())
                .help("add `client_secret`, or write `none` for a public application");
        }
        _ => {}
    }
    (secret, method)
}

/// Parameters in the order written.
type Pairs = Vec<(String, String)>;

/// For the authorization endpoint, and for the token endpoint.
pub(super) fn extra_params(at: &str, provider: &Provider, report: &mut Report<'_>) -> (Pairs, Pairs) {
    let (authorize, token) = (provider.extra_authorize_params.as_ref(), provider.extra_token_params.as_ref());
    let authorize = params(&child(at, "extra_authorize_params"), authorize, &OWN_AUTHORIZE, report);
    let token = params(&child(at, "extra_token_params"), token, &OWN_TOKEN, report);
    (authorize, token)
}

fn params(at: &str, params: Option<&Params>, own: &[(&str, &str)], report: &mut Report<'_>) -> Pairs {
    let Some(params) = params else { return Vec::new() };
    let entries = match value::params(params) {
        Ok(entries) => entries,
        Err(refusal) => {
            let diagnostic = report.error(at, refusal.message);
            if let Some(help) = refusal.help {
                diagnostic.help(help);
            }
            return Vec::new();
        }
    };
    for (name, _) in &entries {
        let at = if matches!(params, Params::Entries(_)) { child(at, name) } else { at.to_owned() };
        if name.is_empty() {
            report.error(&at, "holds a parameter without a name").help("write `name: value`");
        }
        if let Some((name, help)) = own.iter().find(|(own, _)| own == name) {
            report.key_error(&at, format!("`{name}` is set by this gateway itself")).help(*help);
        }
    }
    entries
}
