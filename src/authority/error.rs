//! Why requests are refused: each reason once, with its OAuth error, its HTTP status and the
//! outcome that is counted. Nothing a stranger sent is part of a message.

mod authorize;
mod token;

use std::time::Duration;

pub use authorize::{AuthorizeError, PageError, Refused, RequestError};
pub use token::TokenError;

/// How long a client waits before it asks again when something behind us does not answer.
const RETRY_AFTER: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{authority::Duplicate, store::StoreError};

    /// T3, T5: the error classes that clients act on.
    #[test]
    fn t3_t5_error_classes() {
        for (error, code, status, retry) in [
            (TokenError::UnknownClient, "invalid_client", 401, false),
            (TokenError::RefreshUnknown, "invalid_grant", 400, false),
            (TokenError::RefreshExpired, "invalid_grant", 400, false),
            (TokenError::ProviderEnded, "invalid_grant", 400, false),
            (TokenError::ProviderUnavailable, "temporarily_unavailable", 503, true),
            (TokenError::Store(StoreError::Unavailable("x".into())), "temporarily_unavailable", 503, true),
            (TokenError::UnsupportedGrantType, "unsupported_grant_type", 400, false),
            (TokenError::UnauthorizedClient, "unauthorized_client", 400, false),
        ] {
            assert_eq!((error.code(), error.status(), error.retry_after().is_some()), (code, status, retry), "{error}");
        }
    }

    /// RFC 6749 section 5.2: an `error_description` is printable ASCII without `"` and `\`.
    #[test]
    fn messages_may_be_descriptions() {
        let texts = [
            TokenError::Missing("code").to_string(),
            TokenError::Duplicate(Duplicate("code")).to_string(),
            TokenError::Store(StoreError::Unavailable("disk \"x\"".into())).to_string(),
            RequestError::InvalidScope.to_string(),
            RequestError::PkceMethod.to_string(),
        ];
        for text in texts {
            assert!(text.bytes().all(|byte| matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e)), "{text}");
        }
    }
}
