//! Scripted misbehaviour: what a test can make the provider do wrong.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::Method;

/// One of the provider's endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `/.well-known/openid-configuration`
    Discovery,
    /// `/jwks`
    Jwks,
    /// `/authorize`
    Authorize,
    /// `/sign-in`, where the sign-in page's forms go.
    SignIn,
    /// `/token`
    Token,
    /// `/userinfo`
    UserInfo,
    /// `/revoke`
    Revoke,
    /// `/introspect`
    Introspect,
}

/// What an endpoint does instead of its job.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// This status with an HTML page, as a broken proxy would answer.
    Status(u16),
    /// This status with an OAuth error as JSON.
    OAuthError {
        /// The HTTP status.
        status: u16,
        /// The `error` code.
        error: &'static str,
    },
    /// 400 `invalid_grant`.
    InvalidGrant,
    /// 429 with `Retry-After`.
    RateLimited {
        /// In whole seconds.
        retry_after: Duration,
    },
    /// 200 with this body: not JSON, half a document, far too much.
    Body {
        /// `Content-Type`
        content_type: &'static str,
        /// The whole body.
        body: Bytes,
    },
    /// The usual answer, later.
    Delay(Duration),
    /// No answer, ever; the connection stays open.
    Hang,
    /// The connection is closed without an answer, and nothing is done.
    Disconnect,
    /// The request is carried out (a refresh token is rotated, say) and the answer is lost.
    LoseAnswer,
}

/// What is wrong with the ID tokens that are made from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdTokenFault {
    /// The token response has none.
    Missing,
    /// Another `nonce`.
    WrongNonce,
    /// No `nonce` although one was sent.
    NoNonce,
    /// Another `iss`.
    WrongIssuer,
    /// Another application's `aud`.
    WrongAudience,
    /// Our `aud` and one nobody knows, without `azp`.
    SecondAudience,
    /// `exp` an hour ago.
    Expired,
    /// `iat` a day ahead.
    FromTheFuture,
    /// No `sub`.
    NoSubject,
    /// Somebody else's `sub` (at a refresh: OpenID Connect Core section 12.2).
    OtherSubject,
    /// An `at_hash` of another access token.
    WrongAccessTokenHash,
    /// Signed by a key that is not in the JWKS, under a `kid` that is not there either.
    UnknownKey,
    /// Signed by a key that is not in the JWKS, under the current `kid`.
    BadSignature,
    /// `alg: none`.
    Unsigned,
    /// HS256 with the client secret as key.
    SharedSecret,
}

/// What is wrong with the way back to the client's redirect URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallbackFault {
    /// Another `iss` (RFC 9207).
    WrongIssuer,
    /// No `iss` although the metadata promises it.
    NoIssuer,
    /// Another `state`.
    WrongState,
    /// No `state`.
    NoState,
    /// This `error` instead of a code.
    Error(&'static str),
    /// A code that was never issued.
    UnknownCode,
}

/// The switches of one provider; all off at the start.
#[derive(Debug, Default)]
pub struct Faults {
    endpoints: Mutex<HashMap<Endpoint, Scheduled>>,
    id_token: Mutex<Option<IdTokenFault>>,
    callback: Mutex<Option<CallbackFault>>,
}

#[derive(Debug)]
struct Scheduled {
    fault: Fault,
    /// `None`: until cleared.
    left: Option<u32>,
}

// === impl Endpoint ===

impl Endpoint {
    pub(super) fn methods(self) -> &'static [Method] {
        match self {
            Self::Discovery | Self::Jwks => &[Method::GET, Method::HEAD],
            Self::Authorize | Self::UserInfo => &[Method::GET, Method::POST],
            Self::SignIn | Self::Token | Self::Revoke | Self::Introspect => &[Method::POST],
        }
    }
}

// === impl Faults ===

impl Faults {
    /// From now on, until cleared, this endpoint does this.
    pub fn set(&self, endpoint: Endpoint, fault: Fault) {
        lock(&self.endpoints).insert(endpoint, Scheduled { fault, left: None });
    }

    /// The next `times` requests at this endpoint meet this.
    pub fn set_times(&self, endpoint: Endpoint, fault: Fault, times: u32) {
        lock(&self.endpoints).insert(endpoint, Scheduled { fault, left: Some(times) });
    }

    /// The endpoint does its job again.
    pub fn clear(&self, endpoint: Endpoint) {
        lock(&self.endpoints).remove(&endpoint);
    }

    /// Sets or ends what is wrong with ID tokens.
    pub fn set_id_token(&self, fault: Option<IdTokenFault>) {
        *lock(&self.id_token) = fault;
    }

    /// Sets or ends what is wrong with the way back to the client.
    pub fn set_callback(&self, fault: Option<CallbackFault>) {
        *lock(&self.callback) = fault;
    }

    /// Everything works again.
    pub fn clear_all(&self) {
        lock(&self.endpoints).clear();
        self.set_id_token(None);
        self.set_callback(None);
    }

    pub(super) fn id_token(&self) -> Option<IdTokenFault> {
        *lock(&self.id_token)
    }

    pub(super) fn callback(&self) -> Option<CallbackFault> {
        *lock(&self.callback)
    }

    /// What the request that just arrived meets; counts it.
    pub(super) fn take(&self, endpoint: Endpoint) -> Option<Fault> {
        let mut endpoints = lock(&self.endpoints);
        let scheduled = endpoints.get_mut(&endpoint)?;
        match &mut scheduled.left {
            None => Some(scheduled.fault.clone()),
            Some(0) => {
                endpoints.remove(&endpoint);
                None
            }
            Some(left) => {
                *left -= 1;
                Some(scheduled.fault.clone())
            }
        }
    }
}

/// A panic of one test's request must not take the others along.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
