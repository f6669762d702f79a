//! Error answers that the gateway itself makes: JSON in OAuth's shape, never cached, never empty.

use http::{
    HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};

use crate::body::{self, Body};

/// An error answer. `error` is a fixed word, `description` one sentence for a person; neither
/// repeats anything from the request.
pub fn error(status: StatusCode, error: &'static str, description: &str) -> Response<Body> {
    let text = serde_json::json!({ "error": error, "error_description": description }).to_string();
    let mut response = Response::new(body::full(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
