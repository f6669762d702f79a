//! What a client is told by way of the browser: the authorization response (RFC 6749 sections
//! 4.1.2 and 4.1.2.1), always with `iss` (RFC 9207).

use std::fmt;

use url::Url;

use crate::{
    oauth::{Issuer, RedirectUri},
    seal::sha256,
};

/// An authorization response and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAnswer {
    pub(super) redirect_uri: RedirectUri,
    pub(super) issuer: Issuer,
    pub(super) state: Option<String>,
    pub(super) outcome: AnswerOutcome,
}

/// The two kinds of authorization response.
#[derive(Clone, PartialEq, Eq)]
pub enum AnswerOutcome {
    /// An authorization code of ours.
    Code(String),
    /// Nothing was granted.
    Error {
        /// What the client's program reads.
        code: AnswerError,
        /// What its developer reads; printable ASCII without quotes.
        description: String,
    },
}

/// `error` of an authorization response (RFC 6749 section 4.1.2.1, RFC 8707 section 2, OpenID
/// Connect Core section 3.1.2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named by its text")]
pub enum AnswerError {
    InvalidRequest,
    UnauthorizedClient,
    AccessDenied,
    UnsupportedResponseType,
    InvalidScope,
    InvalidTarget,
    ServerError,
    TemporarilyUnavailable,
    InteractionRequired,
    RequestNotSupported,
    RequestUriNotSupported,
}

// === impl ClientAnswer ===

impl ClientAnswer {
    /// The URL to send the browser to: the redirect URI with its own query kept, and `code` or
    /// `error`, `state` (only if the client sent one) and `iss` added. Visible ASCII.
    pub fn to_url(&self) -> String {
        // A redirect URI is an absolute URL; it was parsed when it was made.
        let Ok(mut url) = Url::parse(self.redirect_uri.as_str()) else { return self.redirect_uri.to_string() };
        {
            let mut query = url.query_pairs_mut();
            match &self.outcome {
                AnswerOutcome::Code(code) => {
                    query.append_pair("code", code);
                }
                AnswerOutcome::Error { code, description } => {
                    query.append_pair("error", code.as_str());
                    query.append_pair("error_description", description);
                }
            }
            if let Some(state) = &self.state {
                query.append_pair("state", state);
            }
            query.append_pair("iss", self.issuer.as_str());
        }
        url.into()
    }

    /// Where it goes, for the page that names the target host.
    pub fn redirect_uri(&self) -> &RedirectUri {
        &self.redirect_uri
    }

    /// What the code is found by; `None` for an error.
    pub fn code_digest(&self) -> Option<[u8; 32]> {
        match &self.outcome {
            AnswerOutcome::Code(code) => Some(sha256(code.as_bytes())),
            AnswerOutcome::Error { .. } => None,
        }
    }

    /// With a name in an error's description, by which the operator finds what happened.
    #[must_use]
    pub fn naming(mut self, flow: &str) -> Self {
        if let AnswerOutcome::Error { description, .. } = &mut self.outcome {
            *description = format!("{description} (flow {flow})");
        }
        self
    }

    /// The error, if it is one.
    pub fn error(&self) -> Option<AnswerError> {
        match &self.outcome {
            AnswerOutcome::Code(_) => None,
            AnswerOutcome::Error { code, .. } => Some(*code),
        }
    }
}

// === impl AnswerOutcome ===

impl fmt::Debug for AnswerOutcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(_) => formatter.write_str("Code([redacted])"),
            Self::Error { code, description } => {
                formatter.debug_struct("Error").field("code", code).field("description", description).finish()
            }
        }
    }
}

// === impl AnswerError ===

impl AnswerError {
    /// The text in the response.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::AccessDenied => "access_denied",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::InteractionRequired => "interaction_required",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(redirect: &str, state: Option<&str>, outcome: AnswerOutcome) -> String {
        let issuer = Issuer::new(&Url::parse("https://g.example").unwrap(), "/auth0");
        let redirect_uri = RedirectUri::parse(redirect).unwrap();
        ClientAnswer { redirect_uri, issuer, state: state.map(str::to_owned), outcome }.to_url()
    }

    fn code() -> AnswerOutcome {
        AnswerOutcome::Code("c".into())
    }

    /// AS-45, W9: `iss` on success and on errors; U6: `state` exactly as it came, or not at all.
    #[test]
    fn as45_u6_answers_name_the_issuer_and_echo_the_state() {
        let iss = "iss=https%3A%2F%2Fg.example%2Fauth0";
        let url = answer("https://a.example/cb", Some("x y&z=é"), code());
        assert_eq!(url, format!("https://a.example/cb?code=c&state=x+y%26z%3D%C3%A9&{iss}"));
        let denied = AnswerOutcome::Error { code: AnswerError::AccessDenied, description: "no".into() };
        let url = answer("https://a.example/cb", None, denied);
        assert_eq!(url, format!("https://a.example/cb?error=access_denied&error_description=no&{iss}"));
    }

    /// RFC 6749 section 3.1.2: the query of a redirect URI is kept.
    #[test]
    fn a_query_of_the_redirect_uri_is_kept() {
        assert!(
            answer("https://a.example/cb?x=%2f+1", None, code()).starts_with("https://a.example/cb?x=%2f+1&code=c&")
        );
        assert!(answer("cursor://h/cb", None, code()).starts_with("cursor://h/cb?code=c&"));
        assert!(answer("com.example.app:/cb", None, code()).starts_with("com.example.app:/cb?code=c&"));
        assert!(answer("http://127.0.0.1:33418", None, code()).starts_with("http://127.0.0.1:33418/?code=c&"));
    }

    #[test]
    fn a_code_is_not_printed() {
        assert!(!format!("{:?}", AnswerOutcome::Code("hunter2".into())).contains("hunter2"));
    }
}
