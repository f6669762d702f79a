//! How providers speak that know OAuth 2.0 but not OpenID Connect: what they leave out, and what they
//! write in their own way.

use http::{HeaderMap, Response, StatusCode, header};
use serde_json::{Value, json};

use crate::{body::Body, seal::sha256};

use super::{Provider, answer, grant::Grant, person::Person};

/// What a provider speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// OpenID Connect, by the book.
    #[default]
    OpenIdConnect,
    /// As GitHub's OAuth applications: forms unless JSON is asked for, errors with status 200, scopes
    /// with commas, tokens without an end, a user with a number and without an address.
    GitHub,
    /// As Discord: JSON by the book, and an API that names the application besides the user.
    Discord,
}

// === impl Dialect ===

impl Dialect {
    /// There are ID tokens, a discovery document, keys, and `iss` in answers.
    pub(super) fn is_openid(self) -> bool {
        self == Self::OpenIdConnect
    }

    /// A token response, with what this provider does not say left out.
    pub(super) fn token_response(self, mut members: Value) -> Value {
        if let (Self::GitHub, Some(fields)) = (self, members.as_object_mut()) {
            for name in ["expires_in", "refresh_token"] {
                fields.remove(name);
            }
            fields.insert("token_type".into(), json!("bearer"));
            if let Some(scopes) = fields.get("scope").and_then(Value::as_str).map(|scopes| scopes.replace(' ', ",")) {
                fields.insert("scope".into(), json!(scopes));
            }
        }
        members
    }

    /// How the token endpoint answers these members, or this error.
    pub(super) fn answer(self, status: StatusCode, members: &Value, headers: &HeaderMap) -> Response<Body> {
        if self != Self::GitHub {
            return answer::json(status, members);
        }
        let accepts = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
        if accepts.contains("json") {
            return answer::json(StatusCode::OK, members);
        }
        let pairs = members.as_object().into_iter().flatten();
        let pairs = pairs.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)));
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        answer::bytes(StatusCode::OK, "application/x-www-form-urlencoded; charset=utf-8", form)
    }

    /// What the user API says of an access token's holder.
    pub(super) fn user(self, provider: &Provider, grant: &Grant) -> Value {
        let person = &grant.person;
        match self {
            Self::OpenIdConnect => {
                let mut claims = person.claims_for(&grant.scopes);
                claims.insert("sub".into(), json!(person.subject));
                Value::Object(claims)
            }
            Self::GitHub => json!({
                "id": number(person), "login": person.key, "name": person.name, "email": null, "type": "User",
            }),
            Self::Discord => json!({
                "application": { "id": provider.options.client_id, "name": "Vestibule" },
                "scopes": grant.scopes,
                "user": { "id": number(person).to_string(), "username": person.key, "global_name": person.name },
            }),
        }
    }
}

/// A person's number, the same one every time.
pub(super) fn number(person: &Person) -> u64 {
    let digest = sha256(person.subject.as_bytes());
    digest.iter().take(6).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    async fn answered(dialect: Dialect, status: StatusCode, accept: &'static str) -> (u16, String, String) {
        let headers = HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
        let answer = dialect.answer(status, &json!({ "error": "bad code" }), &headers);
        let content_type = answer.headers()["content-type"].to_str().unwrap().to_owned();
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, content_type, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn github_answers_forms_and_errors_with_status_200() {
        let (status, content_type, body) = answered(Dialect::GitHub, StatusCode::BAD_REQUEST, "*/*").await;
        assert_eq!((status, body.as_str()), (200, "error=bad+code"));
        assert!(content_type.starts_with("application/x-www-form-urlencoded"));
        let (status, content_type, _) = answered(Dialect::GitHub, StatusCode::BAD_REQUEST, "application/json").await;
        assert_eq!((status, content_type.as_str()), (200, "application/json"));
        let (status, content_type, _) = answered(Dialect::Discord, StatusCode::BAD_REQUEST, "*/*").await;
        assert_eq!((status, content_type.as_str()), (400, "application/json"));
    }

    #[test]
    fn github_says_neither_end_nor_refresh_token() {
        let members = json!({ "access_token": "a", "expires_in": 1, "refresh_token": "r", "scope": "a b" });
        let said = json!({ "access_token": "a", "token_type": "bearer", "scope": "a,b" });
        assert_eq!(Dialect::GitHub.token_response(members.clone()), said);
        assert_eq!(Dialect::Discord.token_response(members.clone()), members);
    }
}
