//! Dynamic client registration (RFC 7591 section 3).

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;

use super::{
    Asked, Mount,
    answer::{self, Answer, Keep},
    limiter::Limited,
};
use crate::{
    authority::{Registered, RegistrationError, RegistrationRequest},
    metrics::outcome::{Limiter, Registration, RegistrationMethod},
};

/// Registers a client. Nothing is stored; what is limited is the work.
pub(super) async fn answer(mount: Arc<Mount>, asked: Asked, body: Bytes) -> Answer {
    match register(&mount, &asked, &body) {
        Ok(Ok(registered)) => {
            mount.registered(&registered);
            answer::json(StatusCode::CREATED, &registered, Keep::Never)
        }
        Ok(Err(error)) => {
            mount.registration_refused(error);
            let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
            answer::oauth_error(status, error.code(), &error.to_string())
        }
        Err(limited) => {
            mount.metrics.all().rate_limited(Limiter::Register);
            mount.metrics.registration(RegistrationMethod::Dynamic, Registration::RateLimited);
            mount.registration_limited(asked.address);
            answer::too_many_requests(limited.retry_after)
        }
    }
}

fn register(mount: &Mount, asked: &Asked, body: &[u8]) -> Result<Result<Registered, RegistrationError>, Limited> {
    let limiter = &mount.limiters.registrations;
    limiter.address(asked.address)?;
    let registered = RegistrationRequest::parse(body).and_then(|request| mount.authority.register(&request));
    match &registered {
        Ok(registered) => limiter.newcomer(asked.address, registered.client_id().as_str().as_bytes())?,
        Err(_) => limiter.unknown(asked.address)?,
    }
    Ok(registered)
}
