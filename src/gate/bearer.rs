//! The token in the `Authorization` header (RFC 6750 section 2.1), and nowhere else: one in the
//! query or the body is not looked at (RS-12, S54).

use http::{
    HeaderMap,
    header::{AUTHORIZATION, HeaderValue},
};

/// Why a request's credentials cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BearerError {
    /// More than one `Authorization` header (S41).
    #[error("the request has more than one Authorization header")]
    Repeated,
    /// Not `Bearer` followed by one token of RFC 6750's characters.
    #[error("the Authorization header is malformed")]
    Malformed,
}

/// The token, if there is one. Another scheme is like no credentials at all: the answer then says
/// which scheme is understood.
///
/// # Errors
/// [`BearerError`] if the header is there but cannot be read.
pub(super) fn token(headers: &HeaderMap) -> Result<Option<&str>, BearerError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(BearerError::Repeated);
    }
    parse(value)
}

fn parse(value: &HeaderValue) -> Result<Option<&str>, BearerError> {
    let text = value.to_str().map_err(|_| BearerError::Malformed)?.trim();
    let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Ok(None);
    }
    let token = rest.trim_start();
    if token.is_empty() {
        // A client whose token is an empty variable: it needs the challenge, not a reproof.
        return Ok(None);
    }
    if is_token(token) { Ok(Some(token)) } else { Err(BearerError::Malformed) }
}

/// `b64token` of RFC 6750 section 2.1.
fn is_token(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    !body.is_empty() && body.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&'static str]) -> Result<Option<String>, BearerError> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_static(value));
        }
        token(&headers).map(|token| token.map(str::to_owned))
    }

    /// RS-13: the scheme is a word without case.
    #[test]
    fn rs13_the_scheme_has_no_case() {
        for value in ["Bearer a.b-c_~+/==", "bearer a.b-c_~+/==", "BEARER   a.b-c_~+/=="] {
            assert_eq!(read(&[value]), Ok(Some("a.b-c_~+/==".to_owned())), "{value}");
        }
    }

    /// RS-10: no credentials, or ones that we do not understand.
    #[test]
    fn rs10_no_token() {
        for values in [&[][..], &["Basic dTpw"], &["Bearer"], &["Bearer "], &["Bearerx y"], &[""]] {
            assert_eq!(read(values), Ok(None), "{values:?}");
        }
    }

    /// S41, RS-10: what cannot be read is an error of its own.
    #[test]
    fn s41_unreadable_credentials() {
        assert_eq!(read(&["Bearer a", "Bearer a"]), Err(BearerError::Repeated));
        assert_eq!(read(&["Bearer a", "Basic b"]), Err(BearerError::Repeated));
        for value in ["Bearer a b", "Bearer a,b", "Bearer \"a\"", "Bearer =", "Bearer a=b"] {
            assert_eq!(read(&[value]), Err(BearerError::Malformed), "{value}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_bytes(b"Bearer \xff").unwrap());
        assert_eq!(token(&headers), Err(BearerError::Malformed));
    }
}
