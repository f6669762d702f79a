//! Answers of token endpoints that are older than RFC 6749, or never read it, as the standard has
//! them: openidconnect understands nothing else.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use openidconnect::{
    EmptyAdditionalClaims, ExtraTokenFields, IdTokenFields, StandardTokenResponse,
    core::{CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreTokenType},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A token response (RFC 6749 section 5.1, OpenID Connect Core section 3.1.3.3).
pub(super) type TokenAnswer = StandardTokenResponse<
    IdTokenFields<
        EmptyAdditionalClaims,
        RefreshLifetime,
        CoreGenderClaim,
        CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm,
    >,
    CoreTokenType,
>;

/// How long the refresh token lives: no standard says how to say it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct RefreshLifetime {
    /// Keycloak; 0 is no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_expires_in: Option<Value>,
    /// GitHub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_token_expires_in: Option<Value>,
}

/// Members that are numbers, and that some write as texts.
const NUMBERS: [&str; 3] = ["expires_in", "refresh_expires_in", "refresh_token_expires_in"];

// === impl RefreshLifetime ===

impl ExtraTokenFields for RefreshLifetime {}

impl RefreshLifetime {
    /// What the provider says, if it is a time.
    pub(super) fn refresh_lifetime(&self) -> Option<Duration> {
        let said = self.refresh_expires_in.as_ref().or(self.refresh_token_expires_in.as_ref());
        said.and_then(Value::as_u64).filter(|seconds| *seconds > 0).map(Duration::from_secs)
    }
}

/// The same answer in the words of RFC 6749 sections 5.1 and 5.2; one that is in them, or that
/// nobody understands, stays as it is.
pub(super) fn standard(mut answer: Response<Bytes>) -> Response<Bytes> {
    let is_form = is_form(answer.headers());
    let Some(mut members) = members(&answer, is_form) else { return answer };
    let mut changed = is_form;
    for name in NUMBERS {
        if let Some(number) = members.get(name).and_then(Value::as_str).and_then(|text| text.trim().parse::<u64>().ok())
        {
            members.insert(name.to_owned(), Value::from(number));
            changed = true;
        }
    }
    if let Some(scopes) = members.get("scope").and_then(scopes) {
        members.insert("scope".to_owned(), Value::from(scopes));
        changed = true;
    }
    // GitHub: an error is a success that says so.
    if answer.status() == StatusCode::OK && members.contains_key("error") && !members.contains_key("access_token") {
        *answer.status_mut() = StatusCode::BAD_REQUEST;
    }
    if changed && let Ok(body) = serde_json::to_vec(&members) {
        *answer.body_mut() = Bytes::from(body);
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    answer
}

fn is_form(headers: &HeaderMap) -> bool {
    let essence = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    essence
        .split(';')
        .next()
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}

fn members(answer: &Response<Bytes>, is_form: bool) -> Option<Map<String, Value>> {
    if is_form {
        let pairs = form_urlencoded::parse(answer.body()).into_owned();
        return Some(pairs.map(|(name, value)| (name, Value::from(value))).collect());
    }
    serde_json::from_slice(answer.body()).ok()
}

/// Scopes that are a list, or separated by commas; `None` if they are as the standard says. No scope
/// that a configuration can name has a comma in it.
fn scopes(scope: &Value) -> Option<String> {
    match scope {
        Value::String(text) if text.contains(',') => {
            let parts: Vec<&str> = text.split([',', ' ']).filter(|part| !part.is_empty()).collect();
            Some(parts.join(" "))
        }
        Value::Array(list) => Some(list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answered(status: u16, content_type: &str, body: &str) -> (u16, String) {
        let answer = Response::builder().status(status).header("content-type", content_type);
        let answer = standard(answer.body(Bytes::copy_from_slice(body.as_bytes())).unwrap());
        (answer.status().as_u16(), String::from_utf8(answer.body().to_vec()).unwrap())
    }

    #[test]
    fn a_form_becomes_json() {
        let (status, body) = answered(
            200,
            "application/x-www-form-urlencoded; charset=utf-8",
            "access_token=a%20b&token_type=bearer&scope=repo%2Cgist&expires_in=28800",
        );
        let expected =
            json!({ "access_token": "a b", "token_type": "bearer", "scope": "repo gist", "expires_in": 28800 });
        assert_eq!((status, serde_json::from_str::<Value>(&body).unwrap()), (200, expected));
        let (status, _) = answered(200, "application/x-www-form-urlencoded", "error=bad_verification_code");
        assert_eq!(status, 400);
    }

    #[test]
    fn an_error_with_status_200_is_an_error() {
        let error = r#"{"error":"bad_verification_code"}"#;
        assert_eq!(answered(200, "application/json", error), (400, error.to_owned()));
        let both = r#"{"error":"x","access_token":"a"}"#;
        assert_eq!(answered(200, "application/json", both), (200, both.to_owned()));
    }

    #[test]
    fn scopes_and_numbers_are_read_as_they_are_meant() {
        for (written, expected) in [
            (json!({ "scope": "a,b , c" }), json!({ "scope": "a b c" })),
            (json!({ "scope": ["a", "b"] }), json!({ "scope": "a b" })),
            (json!({ "expires_in": "3600" }), json!({ "expires_in": 3600 })),
            (json!({ "expires_in": "-1" }), json!({ "expires_in": "-1" })),
        ] {
            let (_, body) = answered(200, "application/json", &written.to_string());
            assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_standard_or_nonsense_stays_byte_for_byte() {
        for body in [r#"{"access_token": "a",  "scope": "a b", "expires_in": 1}"#, "<p>", "", "[]", "null"] {
            assert_eq!(answered(200, "application/json", body), (200, body.to_owned()));
        }
    }
}
