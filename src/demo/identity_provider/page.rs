//! The sign-in page and the error page: plain HTML, no scripts, one style sheet.

use std::sync::LazyLock;

use askama::Template;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderValue, Response, StatusCode, header};

use crate::{body::Body, seal::sha256};

use super::{Options, Provider, answer, person::Person};

const STYLE: &str = include_str!("../../../templates/demo/style.css");

/// No `form-action`: Chromium applies it to every redirect after the form, and those end at
/// whatever client the gateway serves.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(sha256(STYLE.as_bytes()));
    format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; frame-ancestors 'none'")
});

#[derive(Template)]
#[template(path = "demo/sign_in.html")]
struct SignIn<'a> {
    style: &'static str,
    client: &'a str,
    target: &'a str,
    people: &'a [Person],
    /// Whom the application expects (`login_hint`).
    name: &'a str,
    request: &'a str,
}

#[derive(Template)]
#[template(path = "demo/error.html")]
struct Error<'a> {
    style: &'static str,
    text: &'a str,
}

/// Who are you? `target` is where the browser goes back to, `query` the authorization request,
/// carried along in the forms.
pub(super) fn sign_in(provider: &Provider, target: &str, name: &str, query: &str) -> Response<Body> {
    let Options { client_id: client, people, .. } = &provider.options;
    html(StatusCode::OK, SignIn { style: STYLE, client, target, people, name, request: query }.render())
}

/// Something is wrong, and nobody can be sent back.
pub(super) fn error(status: StatusCode, text: &str) -> Response<Body> {
    html(status, Error { style: STYLE, text }.render())
}

fn html(status: StatusCode, page: Result<String, askama::Error>) -> Response<Body> {
    // Rendering into memory fails only with the memory.
    let Ok(text) = page else { return answer::empty(StatusCode::INTERNAL_SERVER_ERROR) };
    let mut response = answer::bytes(status, "text/html; charset=utf-8", text);
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&POLICY) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
