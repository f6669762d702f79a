//! Responses in the shapes that OAuth asks for.

use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use crate::body::{self, Body};

/// JSON that nobody keeps (RFC 6749 section 5.1).
pub(super) fn json(status: StatusCode, value: &Value) -> Response<Body> {
    bytes(status, "application/json", value.to_string())
}

/// RFC 6749 section 5.2.
pub(super) fn oauth_error(status: StatusCode, error: &str, description: &str) -> Response<Body> {
    json(status, &json!({ "error": error, "error_description": description }))
}

/// 303: the browser follows with GET and leaves the form behind.
pub(super) fn see_other(location: &str) -> Response<Body> {
    let mut response = empty(StatusCode::SEE_OTHER);
    // A parsed URL is visible ASCII.
    if let Ok(value) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    response
}

/// A status alone.
pub(super) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(body::empty());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Any complete body.
pub(super) fn bytes(status: StatusCode, content_type: &'static str, text: impl Into<bytes::Bytes>) -> Response<Body> {
    let mut response = Response::new(body::full(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
