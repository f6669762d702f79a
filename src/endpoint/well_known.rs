//! The documents that clients discover us by: RFC 8414 and its OpenID Connect form, RFC 9728,
//! and our public keys. No authentication, and there while the provider is down (W3).

use http::StatusCode;

use super::{
    Mount,
    answer::{self, Answer, Keep},
};

/// Authorization server metadata, in every place where clients look (W1).
pub(super) fn server(mount: &Mount) -> Answer {
    answer::json(StatusCode::OK, &mount.authority.metadata(), Keep::Minutes)
}

/// Protected resource metadata of one of the mount's routes.
pub(super) fn resource(mount: &Mount, route: usize) -> Answer {
    match mount.plan.routes.get(route) {
        Some(route) => answer::json(StatusCode::OK, &mount.authority.resource_metadata(route), Keep::Minutes),
        None => answer::oauth_error(StatusCode::NOT_FOUND, "not_found", "there is no such resource"),
    }
}

/// RFC 7517 section 5.
pub(super) fn jwks(mount: &Mount) -> Answer {
    answer::json(StatusCode::OK, &mount.keys.jwks(), Keep::Minutes)
}
