//! A form that an application sends to one of the provider's endpoints, with its credentials
//! (RFC 6749 section 2.3.1). For what openidconnect has no request for, or refuses plain http.

use base64::{Engine, prelude::BASE64_STANDARD};
use form_urlencoded::{Serializer, byte_serialize};
use http::{
    Method, Request,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE},
};
use openidconnect::HttpRequest;
use url::Url;

use super::client_auth::ClientAuth;

/// The request.
pub(super) fn post(
    url: &Url,
    client_id: &str,
    auth: &ClientAuth,
    pairs: &[(&str, &str)],
) -> Result<HttpRequest, http::Error> {
    let mut form = Serializer::new(String::new());
    form.extend_pairs(pairs);
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(url.as_str())
        .header(ACCEPT, "application/json")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    match auth {
        ClientAuth::Basic(secret) => {
            let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
            let pair = format!("{}:{}", encoded(client_id), encoded(secret.expose()));
            request = request.header(AUTHORIZATION, format!("Basic {}", BASE64_STANDARD.encode(pair)));
        }
        ClientAuth::Post(secret) => {
            form.append_pair("client_id", client_id).append_pair("client_secret", secret.expose());
        }
        ClientAuth::None => {
            form.append_pair("client_id", client_id);
        }
    }
    request.body(form.finish().into_bytes())
}
