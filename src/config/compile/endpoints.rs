//! Where the provider is: its discovery document, or its endpoints one by one, or both.

use url::Url;

use super::{
    report::Report,
    value::{self, Refusal},
};
use crate::{
    config::{
        document::{Provider, keys},
        origin::child,
        plan::EndpointsPlan,
    },
    oauth::redirect_uri::is_loopback,
};

/// What every discovery document's URL ends with (OpenID Connect Discovery section 4).
const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// Where a provider is, as far as it could be understood.
pub(super) struct Place {
    pub(super) config_url: Option<Url>,
    pub(super) endpoints: EndpointsPlan,
    /// Plain http may be spoken to it.
    pub(super) allow_insecure_http: bool,
    /// What has to be written is written.
    pub(super) is_complete: bool,
}

/// Where who signed in is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// In an ID token.
    IdToken,
    /// In the user API's answer.
    UserApi,
    /// The discovery document decides.
    Document,
}

// === impl Place ===

impl Place {
    /// The host that people sign in at.
    pub(super) fn host(&self) -> Option<String> {
        let url = self.config_url.as_ref().or(self.endpoints.authorization_endpoint.as_ref())?;
        url.host_str().map(ToOwned::to_owned)
    }
}

// === impl Says ===

impl Says {
    /// What a provider with these keys will do.
    pub(super) fn of(provider: &Provider, strict: bool) -> Self {
        match (&provider.config_url, &provider.jwks_uri) {
            (_, Some(_)) => Self::IdToken,
            (Some(_), None) if strict => Self::IdToken,
            (Some(_), None) => Self::Document,
            (None, None) if provider.authorization_endpoint.is_none() && provider.token_endpoint.is_none() => {
                Self::IdToken
            }
            (None, None) => Self::UserApi,
        }
    }
}

pub(super) fn compile(at: &str, provider: &Provider, says: Says, allowed: bool, report: &mut Report<'_>) -> Place {
    // What is on this machine crosses no network.
    let first = provider.config_url.as_ref().or(provider.authorization_endpoint.as_ref());
    let local =
        first.and_then(|text| Url::parse(text.trim()).ok()).is_some_and(|url| is_plain(&url) && is_loopback(&url));
    let allow_insecure_http = allowed || local;
    let written = provider.config_url.as_ref();
    let config_url = written.and_then(|text| {
        report.read(&child(at, "config_url"), text.trim(), |text| document(text, allow_insecure_http))
    });
    let mut is_complete = config_url.is_some() == written.is_some();
    let mut endpoint = |key: &str, text: Option<&String>| {
        let text = text?;
        let url = report.read(&child(at, key), text.trim(), |text| {
            let url = value::web_url(text)?;
            if is_plain(&url) && !allow_insecure_http { Err(insecure()) } else { Ok(url) }
        });
        is_complete &= url.is_some();
        url
    };
    let endpoints = EndpointsPlan {
        authorization_endpoint: endpoint("authorization_endpoint", provider.authorization_endpoint.as_ref()),
        token_endpoint: endpoint("token_endpoint", provider.token_endpoint.as_ref()),
        userinfo_endpoint: endpoint("userinfo_endpoint", provider.userinfo_endpoint.as_ref()),
        revocation_endpoint: endpoint("revocation_endpoint", provider.revocation_endpoint.as_ref()),
        jwks_uri: endpoint("jwks_uri", provider.jwks_uri.as_ref()),
        issuer: provider.issuer.as_ref().and_then(|text| report.read(&child(at, "issuer"), text.trim(), issuer)),
    };
    is_complete &= endpoints.issuer.is_some() == provider.issuer.is_some();
    if provider.config_url.is_none() {
        is_complete &= without_document(at, provider, says, report);
    }
    Place { config_url, endpoints, allow_insecure_http, is_complete }
}

/// What has to be written if there is no document that says it.
fn without_document(at: &str, provider: &Provider, says: Says, report: &mut Report<'_>) -> bool {
    let (authorization, token) = (&provider.authorization_endpoint, &provider.token_endpoint);
    if authorization.is_none() && token.is_none() {
        report.missing(&child(at, "config_url"), &format!("https://example.eu.auth0.com{WELL_KNOWN}"));
        return false;
    }
    let mut is_complete = true;
    let mut demand = |key: &str, is_there: bool, example: &str| {
        if !is_there {
            report.missing(&child(at, key), example);
            is_complete = false;
        }
    };
    demand("authorization_endpoint", authorization.is_some(), "https://github.com/login/oauth/authorize");
    demand("token_endpoint", token.is_some(), "https://github.com/login/oauth/access_token");
    if says == Says::IdToken {
        // ID tokens are only worth something from a known issuer.
        demand("issuer", provider.issuer.is_some(), "https://idp.example.com");
    } else if provider.userinfo_endpoint.is_none() {
        let at = child(at, "userinfo_endpoint");
        let variable = keys::variable(&at).unwrap_or_default();
        report.key_error(&at, "is missing: nothing would tell who signed in").help(format!(
            "add `userinfo_endpoint: https://api.github.com/user`, or set {variable}; \
             for a provider that gives ID tokens, add `config_url`, or `issuer` and `jwks_uri`"
        ));
        is_complete = false;
    }
    is_complete
}

fn document(text: &str, allow_insecure_http: bool) -> Result<Url, Refusal> {
    let url = value::web_url(text)?;
    if !url.path().ends_with(WELL_KNOWN) {
        // A slip in the last part, or all of it missing.
        let path = url.path().split("/.well-known").next().unwrap_or_default().trim_end_matches('/');
        let base = format!("{}{path}", url.origin().ascii_serialization());
        return Err(Refusal::new(format!("does not end in {WELL_KNOWN}"), format!("write `{base}{WELL_KNOWN}`")));
    }
    if is_plain(&url) && !allow_insecure_http { Err(insecure()) } else { Ok(url) }
}

/// An issuer is compared byte for byte, so it is kept as it is written.
fn issuer(text: &str) -> Result<String, Refusal> {
    let url = value::web_url(text)?;
    if url.query().is_some() {
        return Err(Refusal::new("holds a query", "remove the `?` and what follows: an issuer has none"));
    }
    if url.path().ends_with(WELL_KNOWN) {
        let issuer = text.trim_end_matches(WELL_KNOWN);
        return Err(Refusal::new(
            "is the discovery document",
            format!("write it as `config_url`, or `issuer: {issuer}`"),
        ));
    }
    Ok(text.to_owned())
}

fn is_plain(url: &Url) -> bool {
    url.scheme() == "http"
}

fn insecure() -> Refusal {
    Refusal::new(
        "is plain http to another machine: whoever sits between could replace the provider",
        "write `https://…`, or `allow_insecure_http: true` if the network between is yours",
    )
}
