//! What a backend is told about a caller: plain headers, and if the route wants it, a short-lived
//! JWT that we sign for exactly this backend.

use std::{borrow::Cow, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use http::{HeaderName, HeaderValue};
use serde::Serialize;

use super::{Access, cache::Verified, identity};
use crate::{
    config::plan::{BackendAuthorization, IdentityHeaders, RoutePlan, SetHeader},
    keys::{KeyError, KeyRing},
    oauth::{ClientId, Issuer, Scopes},
    time::Timestamp,
};

/// Not `at+jwt`: what we sign for a backend opens no route of ours (S52).
const ASSERTION_TYPE: &str = "JWT";

/// How long an assertion lives; it is renewed after half of it.
const LIFETIME: Duration = Duration::from_mins(2);

/// Headers for one caller, ready to be set.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    pub(super) identity: Arc<[(HeaderName, HeaderValue)]>,
    pub(super) authorization: Option<HeaderValue>,
    /// From then on an assertion has to be made (anew); `None`: there is none.
    renew_at: Option<Timestamp>,
}

/// Makes them for one route.
#[derive(Debug)]
pub(super) struct Composer {
    names: IdentityHeaders,
    set: Vec<SetHeader>,
    issuer: Issuer,
    audience: String,
    keys: Arc<KeyRing>,
    assertion_as_authorization: bool,
}

/// The claims of an assertion.
#[derive(Serialize)]
struct Assertion<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a ClientId>,
    scope: &'a Scopes,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    iat: Timestamp,
    exp: Timestamp,
}

// === impl Composer ===

impl Composer {
    pub(super) fn new(plan: &RoutePlan, issuer: Issuer, keys: Arc<KeyRing>) -> Self {
        Self {
            names: plan.identity_headers.clone(),
            set: plan.set_headers.clone(),
            issuer,
            audience: plan.backend.url.to_string(),
            keys,
            assertion_as_authorization: plan.backend_authorization == BackendAuthorization::Assertion,
        }
    }

    /// The headers of a token that was just verified, still without an assertion.
    pub(super) fn first(&self, access: &Access, scopes: &Scopes) -> ArcSwap<Outgoing> {
        let identity = access.identity();
        let mut headers = identity::headers(&self.names, &identity, access.client_id(), scopes);
        headers.extend(identity::set(&self.set, &identity));
        let asserts = self.assertion_as_authorization || self.names.assertion.is_some();
        let renew_at = asserts.then_some(Timestamp(0));
        ArcSwap::from_pointee(Outgoing { identity: headers.into(), authorization: None, renew_at })
    }

    /// The headers for a request at `now`.
    pub(super) fn compose(&self, verified: &Verified, now: Timestamp) -> Result<Arc<Outgoing>, KeyError> {
        let outgoing = verified.outgoing.load_full();
        if outgoing.renew_at.is_none_or(|renew_at| now < renew_at) {
            return Ok(outgoing);
        }
        let fresh = Arc::new(self.with_assertion(&outgoing, verified, now)?);
        verified.outgoing.store(Arc::clone(&fresh));
        Ok(fresh)
    }

    fn with_assertion(&self, before: &Outgoing, verified: &Verified, now: Timestamp) -> Result<Outgoing, KeyError> {
        let assertion = self.sign(verified, now)?;
        let mut identity = before.identity.to_vec();
        if let Some(name) = &self.names.assertion {
            identity.retain(|(own, _)| own != name);
            identity.push((name.clone(), sensitive(&assertion)));
        }
        Ok(Outgoing {
            identity: identity.into(),
            authorization: self.assertion_as_authorization.then(|| bearer(&assertion)),
            renew_at: Some(now.plus(LIFETIME / 2)),
        })
    }

    fn sign(&self, verified: &Verified, now: Timestamp) -> Result<String, KeyError> {
        let identity = verified.access.identity();
        let claims = Assertion {
            iss: self.issuer.as_str(),
            aud: &self.audience,
            sub: identity.subject_here(),
            client_id: verified.access.client_id(),
            scope: &verified.scopes,
            email: identity.email.as_deref().filter(|_| identity.email_verified),
            name: identity.name.as_deref(),
            iat: now,
            exp: now.plus(LIFETIME),
        };
        self.keys.sign(ASSERTION_TYPE, &claims)
    }
}

/// A credential for the backend.
pub(super) fn bearer(token: &str) -> HeaderValue {
    sensitive(&format!("Bearer {token}"))
}

/// Kept out of debug output and of HTTP/2's header tables. A token that is no header value cannot
/// be sent; the backend then gets an empty one and refuses.
fn sensitive(text: &str) -> HeaderValue {
    let mut value = HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}
