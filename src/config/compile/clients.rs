//! Which clients nobody vouches for may come, and where they may be answered.

use super::{
    report::Report,
    server::list,
    value::{self, Refusal},
};
use crate::{
    config::{
        document::{Provider, Scalar},
        origin::child,
        plan::ConsentPlan,
    },
    oauth::{RedirectPattern, RedirectPatternError, RedirectUri},
};

/// What holds for them.
pub(super) struct Strangers {
    pub(super) dynamic_registration: bool,
    pub(super) enable_cimd: bool,
    pub(super) private_use_schemes: Option<Vec<String>>,
    pub(super) allowed_redirect_uris: Option<Vec<RedirectPattern>>,
    pub(super) consent: ConsentPlan,
}

// === impl Strangers ===

impl Strangers {
    pub(super) fn compile(at: &str, provider: &Provider, report: &mut Report<'_>) -> Self {
        let mut switch =
            |key: &str, scalar: Option<&Scalar>| report.scalar(&child(at, key), scalar, true, value::switch);
        let dynamic_registration = switch("dynamic_registration", provider.dynamic_registration.as_ref());
        let enable_cimd = switch("enable_cimd", provider.enable_cimd.as_ref());
        let may_come = dynamic_registration || enable_cimd;
        Self {
            dynamic_registration,
            enable_cimd,
            private_use_schemes: private_use_schemes(at, provider, report),
            allowed_redirect_uris: allowed_redirect_uris(at, provider, may_come, report),
            consent: consent(at, provider, report),
        }
    }
}

fn private_use_schemes(at: &str, provider: &Provider, report: &mut Report<'_>) -> Option<Vec<String>> {
    let schemes = provider.private_use_schemes.as_ref()?;
    Some(list(&child(at, "private_use_schemes"), Some(schemes), report, private_use_scheme))
}

fn private_use_scheme(text: &str) -> Result<String, Refusal> {
    let scheme = text.trim_end_matches("://").trim_end_matches(':').to_ascii_lowercase();
    let usable = RedirectUri::parse(&format!("{scheme}://callback")).is_ok_and(|uri| uri.is_private_use());
    if usable {
        Ok(scheme)
    } else {
        Err(Refusal::new("is no scheme of an application", "write only the scheme: `cursor`, `com.example.app`"))
    }
}

/// The patterns. An empty list is no mistake (FastMCP's `[]`), but it is told.
fn allowed_redirect_uris(
    at: &str,
    provider: &Provider,
    strangers_may_come: bool,
    report: &mut Report<'_>,
) -> Option<Vec<RedirectPattern>> {
    let at = child(at, "allowed_client_redirect_uris");
    let written = provider.allowed_client_redirect_uris.as_ref()?;
    let found = report.mistakes();
    let patterns = list(&at, Some(written), report, pattern);
    if report.mistakes() > found {
        return Some(patterns);
    }
    if patterns.is_empty() {
        report
            .warning(&at, "is empty: no client that registers itself or has a document can sign in")
            .help("write patterns such as `http://localhost:*`, or remove it to allow whatever clients register");
    } else if !strangers_may_come {
        report
            .warning(&at, "decides nothing: clients can neither register themselves nor be described by documents")
            .help("remove it; where static clients may be answered is in their `redirect_uris`");
    }
    Some(patterns)
}

/// FastMCP's four modes.
fn consent(at: &str, provider: &Provider, report: &mut Report<'_>) -> ConsentPlan {
    let at = child(at, "require_authorization_consent");
    let choices = [
        ("true", ConsentPlan::Always),
        ("remember", ConsentPlan::Remember),
        ("external", ConsentPlan::External),
        ("false", ConsentPlan::Off),
    ];
    let consent = report.scalar(&at, provider.require_authorization_consent.as_ref(), ConsentPlan::Always, |text| {
        match value::switch(text) {
            Ok(true) => Ok(ConsentPlan::Always),
            Ok(false) => Ok(ConsentPlan::Off),
            Err(_) => value::choice(text, &choices)
                .map_err(|Refusal { help, .. }| Refusal { message: "is no mode of consent".to_owned(), help }),
        }
    });
    if consent == ConsentPlan::Off {
        report
            .warning(&at, "asks nobody: who follows a stranger's link may give a program access without noticing")
            .help("write `true` or `remember`, or `external` if people are asked before they come here");
    }
    consent
}

fn pattern(text: &str) -> Result<RedirectPattern, Refusal> {
    use RedirectPatternError as E;
    RedirectPattern::parse(text).map_err(|error| {
        let (_, rest) = text.split_once("://").unwrap_or(("", text));
        let help = match error {
            E::NoScheme if text.is_empty() || text.starts_with('*') => {
                "write the address of a client: `https://claude.ai/api/mcp/auth_callback`, `http://localhost:*`"
                    .to_owned()
            }
            E::NoScheme if ["localhost", "127.0.0.1", "[::1]"].iter().any(|host| text.starts_with(host)) => {
                format!("write `http://{text}`")
            }
            E::NoScheme => {
                format!("write `https://{text}`; for applications `cursor://*` or `com.example.app:/callback`")
            }
            E::SchemeWildcard => format!("write `https://{rest}`, and one pattern more for each other scheme"),
            E::DangerousScheme => "remove it: a browser would run or open it itself".to_owned(),
            E::InsecureHttp => format!("write `https://{rest}`; plain http is for localhost, 127.0.0.1 and [::1]"),
            E::UserInfo => "remove what stands before `@`".to_owned(),
            E::Fragment => "remove the `#` and what follows".to_owned(),
            E::HostWildcard => {
                "write `*.` and the name below which every host is yours: `https://*.example.com/callback`".to_owned()
            }
            E::TooWide => "name a host, or a domain that is yours alone: `https://*.example.com/callback`".to_owned(),
            E::Port => "write a number, or `*` for any port: `http://localhost:*`".to_owned(),
            _ => "write `https://client.example.com/callback`, `https://*.example.com/*` or `http://localhost:*`"
                .to_owned(),
        };
        Refusal::new(error.to_string(), help)
    })
}
