//! The token, user info and revocation endpoints, and how the application proves itself there.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use http::{HeaderMap, Response, StatusCode, header};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::{
    body::Body,
    seal::{random_text, sha256},
    secret::Secret,
};

use super::{
    AccessTokens, Provider, RefreshTokens, answer,
    fault::lock,
    form::{Parameters, Repeated},
    grant::{Grant, GrantKey},
    id_token,
    key::KeyError,
};

/// Why a token request is refused (RFC 6749 section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Refusal {
    #[error(transparent)]
    Repeated(#[from] Repeated),
    #[error("`{0}` is missing")]
    Missing(&'static str),
    #[error("the client is authenticated in more than one way")]
    TwoMethods,
    #[error("the client is not known, its secret is wrong, or the method is not enabled")]
    Client { basic: bool },
    #[error("the code is unknown, expired or spent, or belongs to another redirect URI or verifier")]
    Code,
    #[error("the refresh token is unknown, expired or spent")]
    RefreshToken,
    #[error("only authorization_code and refresh_token are supported")]
    GrantType,
    #[error(transparent)]
    Key(#[from] KeyError),
}

// === impl Refusal ===

impl Refusal {
    fn into_response(self, provider: &Provider, headers: &HeaderMap) -> Response<Body> {
        let (status, code) = match self {
            Self::Repeated(_) | Self::Missing(_) | Self::TwoMethods => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::Client { .. } => (StatusCode::UNAUTHORIZED, "invalid_client"),
            Self::Code | Self::RefreshToken => (StatusCode::BAD_REQUEST, "invalid_grant"),
            Self::GrantType => (StatusCode::BAD_REQUEST, "unsupported_grant_type"),
            Self::Key(_) => (StatusCode::INTERNAL_SERVER_ERROR, "server_error"),
        };
        let error = json!({ "error": code, "error_description": self.to_string() });
        let mut response = provider.options.dialect.answer(status, &error, headers);
        if matches!(self, Self::Client { basic: true }) {
            let challenge = header::HeaderValue::from_static(r#"Basic realm="demo""#);
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// POST `/token`.
pub(super) fn token(provider: &Provider, headers: &HeaderMap, form: &Parameters) -> Response<Body> {
    let answered = authenticate(provider, headers, form).and_then(|()| match form.get("grant_type")? {
        Some("authorization_code") => exchange(provider, form),
        Some("refresh_token") => refresh(provider, form),
        Some(_) => Err(Refusal::GrantType),
        None => Err(Refusal::Missing("grant_type")),
    });
    match answered {
        Ok(tokens) => {
            let dialect = provider.options.dialect;
            dialect.answer(StatusCode::OK, &dialect.token_response(tokens), headers)
        }
        Err(refusal) => refusal.into_response(provider, headers),
    }
}

/// POST `/revoke` (RFC 7009): 200 whether or not the token was known.
pub(super) fn revoke(provider: &Provider, headers: &HeaderMap, form: &Parameters) -> Response<Body> {
    let token =
        authenticate(provider, headers, form).and_then(|()| form.get("token")?.ok_or(Refusal::Missing("token")));
    match token {
        Ok(token) => {
            lock(&provider.grants).revoke(token);
            answer::empty(StatusCode::OK)
        }
        Err(refusal) => refusal.into_response(provider, headers),
    }
}

/// POST `/introspect` (RFC 7662): about access tokens, opaque and signed ones alike.
pub(super) fn introspect(provider: &Provider, headers: &HeaderMap, form: &Parameters) -> Response<Body> {
    let token =
        authenticate(provider, headers, form).and_then(|()| form.get("token")?.ok_or(Refusal::Missing("token")));
    let token = match token {
        Ok(token) => token,
        Err(refusal) => return refusal.into_response(provider, headers),
    };
    let Some((grant, expires_at)) = lock(&provider.grants).access_token(token) else {
        return answer::json(StatusCode::OK, &json!({ "active": false }));
    };
    let mut described = json!({
        "active": true,
        "iss": provider.issuer,
        "sub": grant.person.subject,
        "client_id": provider.options.client_id,
        "scope": grant.scopes.join(" "),
        "exp": expires_at,
        "token_type": "Bearer",
    });
    if let (Some(fields), Some(audience)) = (described.as_object_mut(), grant.audience) {
        fields.insert("aud".into(), json!(audience));
    }
    answer::json(StatusCode::OK, &described)
}

/// GET or POST `/userinfo` (OpenID Connect Core section 5.3).
pub(super) fn user_info(provider: &Provider, headers: &HeaderMap) -> Response<Body> {
    let token = credentials(headers, "Bearer");
    let grant = token.as_deref().and_then(|token| lock(&provider.grants).by_access_token(token));
    let Some(grant) = grant else {
        let mut response = answer::empty(StatusCode::UNAUTHORIZED);
        let challenge = if token.is_some() { r#"Bearer error="invalid_token""# } else { "Bearer" };
        response.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static(challenge));
        return response;
    };
    answer::json(StatusCode::OK, &provider.options.dialect.user(provider, &grant))
}

/// RFC 6749 section 2.3: exactly one way, and one that is enabled.
fn authenticate(provider: &Provider, headers: &HeaderMap, form: &Parameters) -> Result<(), Refusal> {
    let basic = credentials(headers, "Basic");
    let posted_id = form.get("client_id")?;
    let posted_secret = form.get("client_secret")?;
    if basic.is_some() && posted_secret.is_some() {
        return Err(Refusal::TwoMethods);
    }
    let refusal = Refusal::Client { basic: headers.contains_key(header::AUTHORIZATION) };
    let (method, id, secret) = match (&basic, posted_id, posted_secret) {
        (Some(encoded), _, _) => {
            let (id, secret) = basic_pair(encoded).ok_or(refusal)?;
            ("client_secret_basic", id, Some(secret))
        }
        (None, Some(id), Some(secret)) => ("client_secret_post", id.to_owned(), Some(secret.to_owned())),
        (None, Some(id), None) => ("none", id.to_owned(), None),
        (None, None, _) => return Err(refusal),
    };
    let enabled = provider.options.token_endpoint_auth_methods.contains(&method);
    let proven = match (&provider.options.client_secret, secret) {
        (Some(own), Some(secret)) => own.matches(&secret),
        (None, None) => true,
        _ => false,
    };
    if enabled && proven && id == provider.options.client_id { Ok(()) } else { Err(refusal) }
}

/// What follows the scheme in `Authorization`.
fn credentials(headers: &HeaderMap, scheme: &str) -> Option<String> {
    let (own, rest) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    own.eq_ignore_ascii_case(scheme).then(|| rest.trim().to_owned())
}

/// Both halves are form-encoded inside the base64 (RFC 6749 section 2.3.1).
fn basic_pair(encoded: &str) -> Option<(String, String)> {
    let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let decode = |part: &str| {
        let spaced = part.replace('+', " ");
        percent_decode_str(&spaced).decode_utf8().ok().map(std::borrow::Cow::into_owned)
    };
    Some((decode(id)?, decode(secret)?))
}

fn exchange(provider: &Provider, form: &Parameters) -> Result<Value, Refusal> {
    let text = form.get("code")?.ok_or(Refusal::Missing("code"))?;
    let verifier = form.get("code_verifier")?.ok_or(Refusal::Missing("code_verifier"))?;
    let redirect_uri = form.get("redirect_uri")?.ok_or(Refusal::Missing("redirect_uri"))?;
    let (key, grant) = {
        let mut grants = lock(&provider.grants);
        let code = grants.code(text).ok_or(Refusal::Code)?;
        let challenge = Secret::new(code.challenge);
        if code.redirect_uri != redirect_uri || !challenge.matches(&URL_SAFE_NO_PAD.encode(sha256(verifier.as_bytes())))
        {
            return Err(Refusal::Code);
        }
        grants.spend_code(text).ok_or(Refusal::Code)?
    };
    let refresh_token = match provider.options.refresh_tokens {
        RefreshTokens::Always => true,
        RefreshTokens::WhenAsked => grant.scopes.iter().any(|scope| scope == "offline_access"),
        RefreshTokens::Never => false,
    };
    tokens(provider, &key, &grant, grant.nonce.as_deref(), refresh_token)
}

fn refresh(provider: &Provider, form: &Parameters) -> Result<Value, Refusal> {
    let text = form.get("refresh_token")?.ok_or(Refusal::Missing("refresh_token"))?;
    let rotate = provider.options.rotate_refresh_tokens;
    let (key, grant) = lock(&provider.grants).take_refresh_token(text, rotate).ok_or(Refusal::RefreshToken)?;
    tokens(provider, &key, &grant, None, rotate)
}

/// A token response (RFC 6749 section 5.1, OpenID Connect Core section 3.1.3.3).
fn tokens(
    provider: &Provider,
    key: &GrantKey,
    grant: &Grant,
    nonce: Option<&str>,
    with_refresh_token: bool,
) -> Result<Value, Refusal> {
    let lifetimes = provider.lifetimes();
    let access_token = access_token(provider, grant)?;
    let mut response = json!({
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": lifetimes.access_token.as_secs(),
        "scope": grant.scopes.join(" "),
    });
    if provider.options.dialect.is_openid()
        && grant.scopes.iter().any(|scope| scope == "openid")
        && let Some(id_token) = id_token::make(provider, grant, &access_token, nonce)?
        && let Some(fields) = response.as_object_mut()
    {
        fields.insert("id_token".into(), json!(id_token));
    }
    let mut grants = lock(&provider.grants);
    grants.put_access_token(&access_token, key, lifetimes.access_token);
    if with_refresh_token && let Some(fields) = response.as_object_mut() {
        fields.insert("refresh_token".into(), json!(grants.issue_refresh_token(key, lifetimes.refresh_token)));
    }
    Ok(response)
}

/// As real providers do: a JWT for the API that `audience` named, else an opaque text.
pub(super) fn access_token(provider: &Provider, grant: &Grant) -> Result<String, KeyError> {
    let audience = grant.audience.as_ref().filter(|_| provider.options.access_tokens == AccessTokens::Jwt);
    let Some(audience) = audience else { return Ok(format!("demo-access-{}", random_text::<24>())) };
    let now = provider.clock.now();
    let claims = json!({
        "iss": provider.issuer,
        "aud": audience,
        "sub": grant.person.subject,
        "client_id": provider.options.client_id,
        "scope": grant.scopes.join(" "),
        "iat": now,
        "exp": now.plus(provider.lifetimes().access_token),
        "jti": random_text::<16>(),
    });
    lock(&provider.keys).current().sign("at+jwt", &claims)
}
