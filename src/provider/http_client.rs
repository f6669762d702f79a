//! The egress client as openidconnect wants it, counted by endpoint.

use std::{future::Future, pin::Pin, time::Instant};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header::ACCEPT};
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};
use url::Url;

use super::token_answer;
use crate::{
    egress::{Egress, EgressError},
    metrics::{ProviderMetrics, outcome::ProviderEndpoint},
};

/// Requests to one provider.
#[derive(Clone, Debug)]
pub(super) struct Http {
    egress: Egress,
    metrics: ProviderMetrics,
}

/// Requests to one of its endpoints, which answers with tokens.
#[derive(Debug)]
pub(super) struct HttpEndpoint<'p> {
    http: &'p Http,
    endpoint: ProviderEndpoint,
}

// === impl Http ===

impl Http {
    pub(super) fn new(egress: Egress, metrics: ProviderMetrics) -> Self {
        Self { egress, metrics }
    }

    /// A client for openidconnect.
    pub(super) fn endpoint(&self, endpoint: ProviderEndpoint) -> HttpEndpoint<'_> {
        HttpEndpoint { http: self, endpoint }
    }

    /// Fetches JSON; anything but 200 is an error.
    pub(super) async fn get_json(&self, endpoint: ProviderEndpoint, url: &Url) -> Result<Bytes, EgressError> {
        let request = Request::get(url.as_str()).header(ACCEPT, "application/json").body(Vec::new())?;
        let answer = self.counted(endpoint, request).await?;
        if answer.status() == StatusCode::OK {
            Ok(answer.into_body())
        } else {
            Err(EgressError::Status(answer.status()))
        }
    }

    /// Sends a request; only answers that say nothing about it are errors.
    pub(super) async fn send(
        &self,
        endpoint: ProviderEndpoint,
        request: HttpRequest,
    ) -> Result<Response<Bytes>, EgressError> {
        let answer = self.counted(endpoint, request).await?;
        if is_useful(answer.status()) { Ok(answer) } else { Err(EgressError::Status(answer.status())) }
    }

    async fn counted(&self, endpoint: ProviderEndpoint, request: HttpRequest) -> Result<Response<Bytes>, EgressError> {
        let begin = Instant::now();
        let answer = self.egress.send(request).await;
        let result = match &answer {
            Ok(answer) => answer.status().as_str().to_owned(),
            Err(error) => error.word().to_owned(),
        };
        self.metrics.provider_request(endpoint, &result, begin.elapsed());
        answer
    }
}

// === impl HttpEndpoint ===

impl<'c> AsyncHttpClient<'c> for HttpEndpoint<'_> {
    type Error = EgressError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, EgressError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let answer = self.http.send(self.endpoint, request).await?;
            Ok(token_answer::standard(answer).map(Into::into))
        })
    }
}

/// A 5xx or a 429 says nothing about the request, whatever its body claims, and redirects are not
/// followed: only the rest is handed on.
fn is_useful(status: StatusCode) -> bool {
    status.is_success() || (status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS)
}
