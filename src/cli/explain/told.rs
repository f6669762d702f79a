//! What a backend would hear about a caller: the headers that the gate would make, and those that it
//! would leave out.

use std::fmt;

use http::HeaderName;
use serde::Serialize;

use crate::{
    config::plan::{BackendAuthorization, HeaderSource, RoutePlan},
    gate,
    identity::Identity,
};

/// One header.
#[derive(Debug, Serialize)]
pub(super) struct Told {
    name: String,
    /// `None`: it is left out, or depends on the request.
    value: Option<String>,
    /// Why there is no value, or what stands behind one that is not shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

// === impl Told ===

impl fmt::Display for Told {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, value, note } = self;
        match (value, note) {
            (Some(value), _) => write!(formatter, "{name}: {value}"),
            (None, note) => write!(formatter, "{name} ({})", note.as_deref().unwrap_or_default()),
        }
    }
}

/// Every header that the route may set. A sign-in tells scopes and client; those that the route
/// demands stand for the scopes.
pub(super) fn headers(route: &RoutePlan, identity: &Identity) -> Vec<Told> {
    let made = gate::told(route, identity, None, &route.required_scopes);
    let value = |name: &HeaderName| {
        let value = made.iter().find(|(own, _)| own == name).map(|(_, value)| value);
        value.and_then(|value| value.to_str().ok()).map(str::to_owned)
    };
    let told = |name: &HeaderName, value: Option<String>, note: &str| Told {
        name: name.to_string(),
        note: value.is_none().then(|| note.to_owned()),
        value,
    };
    let names = &route.identity_headers;
    let identity = [
        (&names.subject, "left out"),
        (&names.email, "left out: there is no address that the provider says is verified"),
        (&names.scopes, "left out: none were granted"),
        (&names.client, "the client's identifier"),
        (&names.assertion, "a JWT of ours"),
    ];
    let identity =
        identity.into_iter().filter_map(|(name, note)| name.as_ref().map(|name| told(name, value(name), note)));
    let set = route.set_headers.iter().map(|header| match &header.value {
        HeaderSource::Fixed(_) => told(&header.name, None, "as it is written; it may be a secret"),
        HeaderSource::Claim(claim) => {
            let note = format!("left out: no claim {claim} that a header could hold");
            told(&header.name, value(&header.name), &note)
        }
    });
    let authorization = match route.backend_authorization {
        BackendAuthorization::None => None,
        BackendAuthorization::ProviderToken => Some("the provider's access token"),
        BackendAuthorization::Assertion => Some("a JWT of ours"),
    };
    let authorization = authorization.map(|note| told(&http::header::AUTHORIZATION, None, note));
    identity.chain(set).chain(authorization).collect()
}
