//! Query and form parameters, read with a bound; a repeated one is an error (RFC 6749 section 3.1).

use http::{HeaderMap, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;

/// Bytes of a form; token requests with a JWT or two stay far below.
const MAX_FORM: usize = 64 * 1024;

/// The pairs as they came.
#[derive(Clone, Debug, Default)]
pub(super) struct Parameters(Vec<(String, String)>);

/// A parameter was given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the parameter `{0}` was given more than once")]
pub(super) struct Repeated(pub(super) &'static str);

/// A body that is no form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FormError {
    /// Another `Content-Type`.
    #[error("the body must be application/x-www-form-urlencoded")]
    MediaType,
    /// Longer than [`MAX_FORM`], or it broke off.
    #[error("the body is too long or incomplete")]
    Unreadable,
}

// === impl Parameters ===

impl Parameters {
    /// From a query or a form.
    pub(super) fn parse(text: &[u8]) -> Self {
        Self(form_urlencoded::parse(text).into_owned().collect())
    }

    /// The form in a request's body.
    ///
    /// # Errors
    /// [`FormError`] for another media type, or more than 64 KiB.
    pub(super) async fn read(headers: &HeaderMap, body: Incoming) -> Result<Self, FormError> {
        let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = media_type.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(FormError::MediaType);
        }
        let bytes = Limited::new(body, MAX_FORM).collect().await.map_err(|_| FormError::Unreadable)?.to_bytes();
        Ok(Self::parse(&bytes))
    }

    /// The one value of `name`; empty counts as absent.
    ///
    /// # Errors
    /// [`Repeated`] if there are several.
    pub(super) fn get(&self, name: &'static str) -> Result<Option<&str>, Repeated> {
        let mut values = self.0.iter().filter(|(own, _)| own == name).map(|(_, value)| value.as_str());
        let first = values.next();
        if values.next().is_some() {
            return Err(Repeated(name));
        }
        Ok(first.filter(|value| !value.is_empty()))
    }

    /// All pairs.
    pub(super) fn into_pairs(self) -> Vec<(String, String)> {
        self.0
    }

    /// Written as a query again.
    pub(super) fn to_query(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }
}
