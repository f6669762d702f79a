//! The token endpoint (RFC 6749 section 3.2), and what it shares with revocation: who asks, how
//! often, and how an error is told.

use std::{sync::Arc, time::Instant};

use http::{HeaderValue, StatusCode, header};

use super::{
    Asked, Mount,
    answer::{self, Answer, Keep},
    limiter::Limited,
};
use crate::{
    authority::{Client, ClientCredentials, GrantRequest, Parameters, TokenError, TokenResponse},
    flow::FlowId,
    metrics::outcome::{GrantType, Limiter, TokenRequest, TokenType},
};

/// Why a token or revocation request gets no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error(transparent)]
    Limited(#[from] Limited),
    #[error(transparent)]
    Token(#[from] TokenError),
}

/// Exchanges a code or a refresh token.
pub(super) async fn answer(mount: Arc<Mount>, asked: Asked, parameters: Parameters) -> Answer {
    let begun = Instant::now();
    let grant_type = GrantRequest::label(&parameters);
    let carried = ["code", "refresh_token"].into_iter().find_map(|name| parameters.get(name).ok().flatten());
    let flow = carried.and_then(|carried| mount.flow_of(carried));
    let result = exchange(&mount, &asked, &parameters).await;
    let outcome = result.as_ref().map_or_else(Refusal::outcome, |_| TokenRequest::Ok);
    mount.metrics.token_request(grant_type, outcome, begun.elapsed());
    match result {
        Ok(response) => {
            issued(&mount, grant_type, &response, flow.as_ref());
            answer::json(StatusCode::OK, &response, Keep::Never)
        }
        Err(refusal) => {
            if refusal.is_news(&mount, &asked) {
                let client_id = parameters.get("client_id").ok().flatten();
                mount.token_refused(flow.as_ref(), grant_type, client_id, outcome, &refusal.to_string());
            }
            refused(&mount, &refusal, flow.as_ref())
        }
    }
}

async fn exchange(mount: &Mount, asked: &Asked, parameters: &Parameters) -> Result<TokenResponse, Refusal> {
    let client = client(mount, asked, parameters).await?;
    Ok(match GrantRequest::parse(parameters)? {
        GrantRequest::Code(request) => mount.authority.exchange_code(&client, &request).await?,
        GrantRequest::Refresh(request) => mount.authority.refresh(&client, &request).await?,
    })
}

fn issued(mount: &Mount, grant_type: GrantType, response: &TokenResponse, flow: Option<&FlowId>) {
    mount.tokens_issued(flow, grant_type, response);
    mount.metrics.token_issued(grant_type, TokenType::Access);
    if response.refresh_token.is_some() {
        mount.metrics.token_issued(grant_type, TokenType::Refresh);
    }
}

/// The client that asks, authenticated and within its quota. Those that fail share one quota of
/// their address.
pub(super) async fn client(mount: &Mount, asked: &Asked, parameters: &Parameters) -> Result<Client, Refusal> {
    let limiter = &mount.limiters.token_requests;
    limiter.address(asked.address)?;
    match authenticated(mount, asked, parameters).await {
        Ok(client) => {
            limiter.client(asked.address, client.id.as_str().as_bytes())?;
            Ok(client)
        }
        Err(error) => {
            limiter.unknown(asked.address)?;
            Err(error.into())
        }
    }
}

async fn authenticated(mount: &Mount, asked: &Asked, parameters: &Parameters) -> Result<Client, TokenError> {
    let mut values = asked.headers.get_all(header::AUTHORIZATION).iter();
    let authorization = match (values.next(), values.next()) {
        (None, _) => None,
        (Some(value), None) => Some(value.to_str().map_err(|_| TokenError::ClientAuthentication)?),
        // S41, S54
        (Some(_), Some(_)) => return Err(TokenError::SeveralCredentials),
    };
    let credentials = ClientCredentials::read(authorization, parameters)?;
    mount.authority.authenticate_client(&credentials).await
}

/// An error as RFC 6749 section 5.2 and RFC 7009 section 2.2.1 have it.
pub(super) fn refused(mount: &Mount, refusal: &Refusal, flow: Option<&FlowId>) -> Answer {
    let error = match refusal {
        Refusal::Limited(limited) => {
            mount.metrics.all().rate_limited(Limiter::Token);
            return answer::too_many_requests(limited.retry_after);
        }
        Refusal::Token(error) => error,
    };
    if let TokenError::Store(source) = error {
        tracing::error!(provider = mount.plan.name, error = %source, "the store did not answer a token request");
    }
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let description = match flow {
        Some(flow) => format!("{error} (flow {flow})"),
        None => error.to_string(),
    };
    let mut answer = answer::oauth_error(status, error.code(), &description);
    if let Some(after) = error.retry_after() {
        answer::retry_after(&mut answer, after);
    }
    if status == StatusCode::UNAUTHORIZED {
        // RFC 9110 section 15.5.2 wants a challenge with every 401; AS-60.
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"token\""));
    }
    answer
}

// === impl Refusal ===

impl Refusal {
    /// Whether it is told: always, but for whoever asks too often.
    pub(super) fn is_news(&self, mount: &Mount, asked: &Asked) -> bool {
        matches!(self, Self::Token(_)) || mount.limiters.token_requests.is_news(asked.address)
    }

    pub(super) fn outcome(&self) -> TokenRequest {
        match self {
            Self::Limited(_) => TokenRequest::RateLimited,
            Self::Token(error) => error.outcome(),
        }
    }
}
