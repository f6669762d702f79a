//! New connections to backends: plain or TLS, with one deadline for both steps.

use std::{
    fmt, io,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier, crypto::aws_lc_rs};
use tower_service::Service;

use crate::{body::BoxError, config::plan::BackendPlan};

/// A quiet connection to a vanished backend is noticed by the operating system.
const KEEPALIVE: Duration = Duration::from_mins(1);

/// The machine's trust in certificates could not be read.
#[derive(Clone, Debug, thiserror::Error)]
#[error("TLS to a backend cannot be set up: {0}")]
pub struct TlsError(String);

/// TLS settings, made when first needed and then shared.
#[derive(Default)]
pub(super) struct Tls(OnceLock<ClientConfig>);

/// Opens connections; part of every backend's pool.
#[derive(Clone)]
pub(super) struct Connector {
    inner: HttpsConnector<HttpConnector>,
    timeout: Duration,
}

type Stream = <HttpsConnector<HttpConnector> as Service<Uri>>::Response;

// === impl Tls ===

impl Tls {
    /// The connector of one backend.
    pub(super) fn connector(&self, backend: &BackendPlan) -> Result<Connector, TlsError> {
        let config = if backend.url.scheme() == "https" { self.config()? } else { trusting_nobody()? };
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_keepalive(Some(KEEPALIVE));
        let inner = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .wrap_connector(http);
        Ok(Connector { inner, timeout: backend.connect_timeout })
    }

    fn config(&self) -> Result<ClientConfig, TlsError> {
        if let Some(config) = self.0.get() {
            return Ok(config.clone());
        }
        let config = builder()?.try_with_platform_verifier().map_err(TlsError::new)?.with_no_client_auth();
        Ok(self.0.get_or_init(|| config).clone())
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tls").field("loaded", &self.0.get().is_some()).finish()
    }
}

// === impl TlsError ===

impl TlsError {
    fn new(error: impl fmt::Display) -> Self {
        Self(error.to_string())
    }
}

// === impl Connector ===

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connect = tokio::time::timeout(self.timeout, self.inner.call(uri));
        Box::pin(async move { connect.await.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into())) })
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Connector").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

fn builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, TlsError> {
    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::new)
}

/// For a plain backend: the machine's certificates need not even exist.
fn trusting_nobody() -> Result<ClientConfig, TlsError> {
    Ok(builder()?.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}
