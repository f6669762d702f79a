//! The documents that clients discover us by: RFC 8414 and its OpenID Connect form, RFC 9728,
//! and our public keys. No authentication, and there while the provider is down (W3); only in
//! `mode: remote`, where they say where the provider is, they wait until that is known.

use std::time::Duration;

use http::StatusCode;

use super::{
    Mount,
    answer::{self, Answer, Keep},
};
use crate::config::plan::Mode;

/// A provider is asked again within this time.
const SOON: Duration = Duration::from_secs(5);

/// Authorization server metadata, in every place where clients look (W1). In `mode: remote` the
/// provider's own: clients of 2025-03-26 look nowhere but at the resource's origin. It was fetched in
/// the background, never for this request.
pub(super) fn server(mount: &Mount) -> Answer {
    match mount.plan.mode {
        Mode::Proxy => answer::json(StatusCode::OK, &mount.authority.metadata(), Keep::Minutes),
        Mode::Remote => match mount.only_provider().and_then(|provider| provider.metadata()) {
            Some(metadata) => answer::json(StatusCode::OK, &metadata, Keep::Minutes),
            None => not_known(),
        },
    }
}

/// Protected resource metadata of one of the mount's routes.
pub(super) fn resource(mount: &Mount, route: usize) -> Answer {
    let Some(route) = mount.plan.routes.get(route) else {
        return answer::oauth_error(StatusCode::NOT_FOUND, "not_found", "there is no such resource");
    };
    let issuer = match mount.plan.mode {
        Mode::Proxy => Some(mount.plan.issuer.to_string()),
        Mode::Remote => mount.only_provider().and_then(|provider| provider.issuer()),
    };
    match issuer {
        Some(issuer) => answer::json(StatusCode::OK, &mount.authority.resource_metadata(route, &issuer), Keep::Minutes),
        None => not_known(),
    }
}

/// RFC 7517 section 5.
pub(super) fn jwks(mount: &Mount) -> Answer {
    answer::json(StatusCode::OK, &mount.keys.jwks(), Keep::Minutes)
}

/// A wrong document would be kept; a client that waits for the right one loses nothing.
fn not_known() -> Answer {
    let mut answer = answer::oauth_error(
        StatusCode::SERVICE_UNAVAILABLE,
        "temporarily_unavailable",
        "the identity provider does not answer yet",
    );
    answer::retry_after(&mut answer, SOON);
    answer
}
