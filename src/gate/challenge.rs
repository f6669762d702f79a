//! The answers of a gate that stays shut: 401 and 403 with `WWW-Authenticate` (RFC 6750 section 3,
//! RFC 9728 section 5.1), each with a JSON body.

use http::{
    HeaderValue, Response, StatusCode,
    header::{RETRY_AFTER, WWW_AUTHENTICATE},
};

use crate::{
    answer,
    body::Body,
    oauth::{ResourceUri, Scopes},
};

/// What all challenges of one route have in common.
#[derive(Clone, Debug)]
pub(super) struct Challenge {
    /// `resource_metadata="…"`, absolute; `scope="…"` if the route demands any.
    parameters: String,
    resource_metadata: String,
    /// The usual answer, made once.
    bare: HeaderValue,
}

/// Why a request may not pass; [`Refusal::into_response`] is the whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    kind: Kind,
    /// `None`: the fault is ours, and no other token would help.
    challenge: Option<HeaderValue>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// No token was presented: no `error` then (W7).
    Missing,
    /// The credentials cannot be read.
    InvalidRequest(&'static str),
    /// RFC 6750 section 3.1.
    InvalidToken(&'static str),
    /// RFC 6750 section 3.1.
    InsufficientScope,
    Forbidden,
    /// The store or the provider does not answer.
    Unavailable(&'static str),
}

// === impl Challenge ===

impl Challenge {
    pub(super) fn new(resource: &ResourceUri, required: &Scopes) -> Self {
        let resource_metadata = format!("resource_metadata=\"{}\"", resource.metadata_url());
        let scope = if required.is_empty() { String::new() } else { format!(", scope=\"{required}\"") };
        let parameters = format!("{resource_metadata}{scope}");
        let bare = value(&format!("Bearer {parameters}"));
        Self { parameters, resource_metadata, bare }
    }

    /// RS-2, W7.
    pub(super) fn missing(&self) -> Refusal {
        Refusal { kind: Kind::Missing, challenge: Some(self.bare.clone()) }
    }

    /// RS-10: the request itself is malformed.
    pub(super) fn invalid_request(&self, description: &'static str) -> Refusal {
        self.refuse(Kind::InvalidRequest(description), "invalid_request", description)
    }

    /// RS-10, RS-20.
    pub(super) fn invalid_token(&self, description: &'static str) -> Refusal {
        self.refuse(Kind::InvalidToken(description), "invalid_token", description)
    }

    /// RS-6: names the scopes to come back with.
    pub(super) fn insufficient_scope(&self, needed: &Scopes) -> Refusal {
        let text = format!(
            "Bearer error=\"insufficient_scope\", error_description=\"{INSUFFICIENT}\", {}, scope=\"{needed}\"",
            self.resource_metadata
        );
        Refusal { kind: Kind::InsufficientScope, challenge: Some(value(&text)) }
    }

    /// The person may not pass. No new token would help, so none is asked for: clients that read a
    /// challenge would sign in again and again.
    pub(super) fn forbidden() -> Refusal {
        Refusal { kind: Kind::Forbidden, challenge: None }
    }

    /// Our fault: a client must not throw its token away for it.
    pub(super) fn unavailable(description: &'static str) -> Refusal {
        Refusal { kind: Kind::Unavailable(description), challenge: None }
    }

    fn refuse(&self, kind: Kind, error: &str, description: &str) -> Refusal {
        let text = format!("Bearer error=\"{error}\", error_description=\"{description}\", {}", self.parameters);
        Refusal { kind, challenge: Some(value(&text)) }
    }
}

const INSUFFICIENT: &str = "The access token does not cover what this server demands";
const FORBIDDEN: &str = "This account may not use this server; ask its operator";
const MISSING: &str = "This server needs an access token; its WWW-Authenticate header says where to get one";

// === impl Refusal ===

impl Refusal {
    /// The answer; nothing in it comes from the request.
    pub fn into_response(self) -> Response<Body> {
        let (status, error, description) = match self.kind {
            Kind::Missing => (StatusCode::UNAUTHORIZED, "unauthorized", MISSING),
            Kind::InvalidRequest(text) => (StatusCode::BAD_REQUEST, "invalid_request", text),
            Kind::InvalidToken(text) => (StatusCode::UNAUTHORIZED, "invalid_token", text),
            Kind::InsufficientScope => (StatusCode::FORBIDDEN, "insufficient_scope", INSUFFICIENT),
            Kind::Forbidden => (StatusCode::FORBIDDEN, "access_denied", FORBIDDEN),
            Kind::Unavailable(text) => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", text),
        };
        let mut response = answer::error(status, error, description);
        match self.challenge {
            Some(challenge) => response.headers_mut().insert(WWW_AUTHENTICATE, challenge),
            None if status == StatusCode::FORBIDDEN => None,
            None => response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5")),
        };
        response
    }
}

/// Scopes and URLs of the configuration are visible ASCII without quotes, so this always succeeds.
fn value(text: &str) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("Bearer"))
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;

    fn challenge(path: &str, required: &str) -> Challenge {
        let url = Url::parse("https://g.example/").unwrap();
        Challenge::new(&ResourceUri::of_route(&url, path), &Scopes::parse(required).unwrap())
    }

    fn answer(refusal: Refusal) -> (u16, String) {
        let response = refusal.into_response();
        assert_eq!(response.headers()["content-type"], "application/json");
        let header = response.headers().get(WWW_AUTHENTICATE).map(|value| value.to_str().unwrap().to_owned());
        (response.status().as_u16(), header.unwrap_or_default())
    }

    /// RS-2, RS-5, W6, W7: where to go and what to ask for, and no `error`.
    #[test]
    fn rs2_rs5_w7_no_token() {
        for (path, required, expected) in [
            (
                "/app/mcp",
                "mcp read",
                "Bearer resource_metadata=\"https://g.example/.well-known/oauth-protected-resource/app/mcp\", \
                 scope=\"mcp read\"",
            ),
            ("/", "", "Bearer resource_metadata=\"https://g.example/.well-known/oauth-protected-resource\""),
        ] {
            assert_eq!(answer(challenge(path, required).missing()), (401, expected.to_owned()));
        }
    }

    /// RS-6, RS-10: a presented token is told what is wrong with it.
    #[test]
    fn rs6_rs10_a_bad_token() {
        let challenge = challenge("/mcp", "mcp");
        let rest = "resource_metadata=\"https://g.example/.well-known/oauth-protected-resource/mcp\", scope=\"mcp\"";
        assert_eq!(
            answer(challenge.invalid_token("Expired")),
            (401, format!("Bearer error=\"invalid_token\", error_description=\"Expired\", {rest}"))
        );
        assert_eq!(
            answer(challenge.invalid_request("Twice")),
            (400, format!("Bearer error=\"invalid_request\", error_description=\"Twice\", {rest}"))
        );
        let (status, header) = answer(challenge.insufficient_scope(&Scopes::parse("mcp write").unwrap()));
        assert_eq!(status, 403);
        assert!(header.starts_with("Bearer error=\"insufficient_scope\", "), "{header}");
        assert!(header.contains("resource_metadata=\"https://g.example/.well-known/oauth-protected-resource/mcp\""));
        assert!(header.ends_with("scope=\"mcp write\""), "{header}");
    }

    /// T3: our own trouble never looks like a bad token.
    #[test]
    fn t3_trouble_of_ours_is_503() {
        let response = Challenge::unavailable("The store does not answer").into_response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[RETRY_AFTER], "5");
        assert!(!response.headers().contains_key(WWW_AUTHENTICATE));
    }
}
