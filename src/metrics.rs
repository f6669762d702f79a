//! The registry; every series is named once, here.
//!
//! Labels carry configured identifiers and closed sets only: never a path, a person, a client or
//! an error text. Counters of outcomes exist at zero from the start.

mod config;
mod http;
pub mod outcome;

use std::{collections::HashMap, sync::Arc, time::Duration};

use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
    core::{Collector as _, MetricVec, MetricVecBuilder},
};

pub use config::ConfigMetrics;
pub use http::HttpMetrics;

use outcome::{
    Authorize, Backend, Callback, ClientType, Consent, GrantType, JwksTrigger, Limiter, ProviderEndpoint,
    ProviderRefresh, Refresh, RefreshReuse, Registration, RegistrationMethod, RevocationInitiator, SealedKind,
    StoreOperation, StoreOutcome, StreamKind, TlsHandshake, TokenRequest, TokenType, Verification,
};

/// All families of one process. Cheap to share behind an `Arc`.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    authorize_requests: IntCounterVec,
    consents: IntCounterVec,
    idp_redirects: IntCounterVec,
    callbacks: IntCounterVec,
    idp_errors: IntCounterVec,
    logins: IntCounterVec,
    login_duration: HistogramVec,
    codes_issued: IntCounterVec,
    token_requests: IntCounterVec,
    tokens_issued: IntCounterVec,
    token_request_duration: HistogramVec,
    refresh_reuse: IntCounterVec,
    provider_refreshes: IntCounterVec,
    revocations: IntCounterVec,
    registrations: IntCounterVec,
    verifications: IntCounterVec,
    verification_duration: HistogramVec,
    http_requests: IntCounterVec,
    http_duration: HistogramVec,
    http_in_flight: IntGaugeVec,
    backend_requests: IntCounterVec,
    backend_head_duration: HistogramVec,
    backend_streams: IntGaugeVec,
    rate_limited: IntCounterVec,
    provider_requests: IntCounterVec,
    provider_request_duration: HistogramVec,
    provider_ready: IntGaugeVec,
    discovery_last_success: IntGaugeVec,
    jwks_last_success: IntGaugeVec,
    jwks_keys: IntGaugeVec,
    discovery_refreshes: IntCounterVec,
    jwks_refreshes: IntCounterVec,
    store_operations: IntCounterVec,
    store_duration: HistogramVec,
    store_ready: IntGaugeVec,
    decrypt_failures: IntCounterVec,
    config: ConfigMetrics,
    connections: IntGauge,
    tls_handshakes: IntCounterVec,
    tls_not_after: IntGaugeVec,
}

/// The handles of one provider.
#[derive(Clone, Debug)]
pub struct ProviderMetrics {
    all: Arc<Metrics>,
    name: Arc<str>,
    verifications: Arc<[IntCounter]>,
    verification_duration: prometheus::Histogram,
}

/// The handles of one route, resolved once.
#[derive(Clone, Debug)]
pub struct RouteMetrics {
    http: HttpMetrics,
    all: Arc<Metrics>,
    backend: Arc<[IntCounter]>,
    head_duration: prometheus::Histogram,
}

/// The handles of a TLS listener.
#[derive(Clone, Debug)]
pub struct TlsMetrics {
    handshakes: Arc<[IntCounter]>,
    not_after: IntGaugeVec,
}

/// Counts something as running until it is dropped.
#[derive(Debug)]
pub struct Running(IntGauge);

/// What the set-up of a family can only fail on: a bad or doubled name, found by any test.
fn counter(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, prometheus::Error> {
    let family = IntCounterVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(family.clone()))?;
    Ok(family)
}

fn gauge(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, prometheus::Error> {
    let family = IntGaugeVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(family.clone()))?;
    Ok(family)
}

fn histogram(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
    buckets: &[f64],
) -> Result<HistogramVec, prometheus::Error> {
    let family = HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), labels)?;
    registry.register(Box::new(family.clone()))?;
    Ok(family)
}

const REQUEST_BUCKETS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

// === impl Metrics ===

impl Metrics {
    /// Makes every family and registers it.
    ///
    /// # Errors
    /// Only for a bad or doubled family name, which any test of this crate would show.
    #[expect(clippy::too_many_lines, reason = "a list: one entry a family")]
    pub fn new() -> Result<Arc<Self>, prometheus::Error> {
        let registry = Registry::new();
        let r = &registry;
        registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        let build = gauge(r, "vestibule_build_info", "Always 1; the labels say what runs.", &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let connections = IntGauge::new("vestibule_connections_open", "Open connections on the public listener.")?;
        registry.register(Box::new(connections.clone()))?;
        Ok(Arc::new(Self {
            connections,
            authorize_requests: counter(
                r,
                "vestibule_auth_authorize_requests_total",
                "Authorization requests by outcome.",
                &["provider", "client_type", "outcome", "fault"],
            )?,
            consents: counter(
                r,
                "vestibule_auth_consents_total",
                "What happened to consent pages.",
                &["provider", "action"],
            )?,
            idp_redirects: counter(
                r,
                "vestibule_auth_idp_redirects_total",
                "Browsers sent to the identity provider.",
                &["provider"],
            )?,
            callbacks: counter(
                r,
                "vestibule_auth_callbacks_total",
                "Browsers back from the identity provider, by outcome.",
                &["provider", "outcome", "fault"],
            )?,
            idp_errors: counter(
                r,
                "vestibule_auth_idp_errors_total",
                "OAuth errors that the identity provider answered.",
                &["provider", "endpoint", "error"],
            )?,
            logins: counter(
                r,
                "vestibule_auth_logins_total",
                "Ended sign-ins by outcome.",
                &["provider", "outcome", "fault"],
            )?,
            login_duration: histogram(
                r,
                "vestibule_auth_login_duration_seconds",
                "From the authorization request to the issued code.",
                &["provider"],
                &[1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0],
            )?,
            codes_issued: counter(
                r,
                "vestibule_auth_codes_issued_total",
                "Authorization codes issued.",
                &["provider"],
            )?,
            token_requests: counter(
                r,
                "vestibule_token_requests_total",
                "Token requests by outcome.",
                &["provider", "grant_type", "outcome", "fault"],
            )?,
            tokens_issued: counter(
                r,
                "vestibule_tokens_issued_total",
                "Tokens handed to clients.",
                &["provider", "grant_type", "token_type"],
            )?,
            token_request_duration: histogram(
                r,
                "vestibule_token_request_duration_seconds",
                "Duration of token requests.",
                &["grant_type"],
                &REQUEST_BUCKETS,
            )?,
            refresh_reuse: counter(
                r,
                "vestibule_refresh_reuse_total",
                "Refresh tokens that were used twice.",
                &["provider", "action"],
            )?,
            provider_refreshes: counter(
                r,
                "vestibule_provider_refreshes_total",
                "Refreshes at the identity provider.",
                &["provider", "outcome"],
            )?,
            revocations: counter(
                r,
                "vestibule_revocations_total",
                "Ended grants by initiator.",
                &["provider", "initiator"],
            )?,
            registrations: counter(
                r,
                "vestibule_client_registrations_total",
                "Client registrations by outcome.",
                &["provider", "method", "outcome", "fault"],
            )?,
            verifications: counter(
                r,
                "vestibule_token_verifications_total",
                "Checked bearer tokens by outcome.",
                &["provider", "credential", "outcome", "fault"],
            )?,
            verification_duration: histogram(
                r,
                "vestibule_token_verification_duration_seconds",
                "Duration of token checks that were not answered by the cache.",
                &["provider", "credential"],
                &[0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0],
            )?,
            http_requests: counter(
                r,
                "vestibule_http_requests_total",
                "Answered requests.",
                &["route", "method", "code"],
            )?,
            http_duration: histogram(
                r,
                "vestibule_http_request_duration_seconds",
                "From the request's header to the response's header.",
                &["route", "method"],
                &REQUEST_BUCKETS,
            )?,
            http_in_flight: gauge(
                r,
                "vestibule_http_requests_in_flight",
                "Requests being answered, open streams included.",
                &["route"],
            )?,
            backend_requests: counter(
                r,
                "vestibule_backend_requests_total",
                "Forwarded requests by outcome.",
                &["route", "outcome"],
            )?,
            backend_head_duration: histogram(
                r,
                "vestibule_backend_response_head_duration_seconds",
                "From the forwarded request to the backend's response header.",
                &["route"],
                &REQUEST_BUCKETS,
            )?,
            backend_streams: gauge(
                r,
                "vestibule_backend_streams_open",
                "Open long-lived responses.",
                &["route", "kind"],
            )?,
            rate_limited: counter(r, "vestibule_rate_limited_total", "Requests refused by a limiter.", &["limiter"])?,
            provider_requests: counter(
                r,
                "vestibule_provider_requests_total",
                "Requests to the identity provider by result (status, or what went wrong).",
                &["provider", "endpoint", "result"],
            )?,
            provider_request_duration: histogram(
                r,
                "vestibule_provider_request_duration_seconds",
                "Duration of requests to the identity provider.",
                &["provider", "endpoint", "code_class"],
                &[0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0],
            )?,
            provider_ready: gauge(
                r,
                "vestibule_provider_ready",
                "1 when discovery and keys are usable.",
                &["provider"],
            )?,
            discovery_last_success: gauge(
                r,
                "vestibule_provider_discovery_last_success_timestamp_seconds",
                "When discovery last succeeded.",
                &["provider"],
            )?,
            jwks_last_success: gauge(
                r,
                "vestibule_provider_jwks_last_success_timestamp_seconds",
                "When the keys were last fetched.",
                &["provider"],
            )?,
            jwks_keys: gauge(r, "vestibule_provider_jwks_keys", "Keys of the identity provider.", &["provider"])?,
            discovery_refreshes: counter(
                r,
                "vestibule_provider_discovery_refreshes_total",
                "Fetches of the discovery document.",
                &["provider", "outcome"],
            )?,
            jwks_refreshes: counter(
                r,
                "vestibule_provider_jwks_refreshes_total",
                "Fetches of the provider's keys.",
                &["provider", "trigger", "outcome"],
            )?,
            store_operations: counter(
                r,
                "vestibule_store_operations_total",
                "Store operations by outcome.",
                &["backend", "operation", "outcome"],
            )?,
            store_duration: histogram(
                r,
                "vestibule_store_operation_duration_seconds",
                "Duration of store operations.",
                &["backend", "operation"],
                &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0],
            )?,
            store_ready: gauge(r, "vestibule_store_ready", "1 when the store answers.", &["backend"])?,
            decrypt_failures: counter(
                r,
                "vestibule_store_decrypt_failures_total",
                "Sealed values that no key opens.",
                &["kind"],
            )?,
            config: ConfigMetrics::new(r)?,
            tls_handshakes: counter(
                r,
                "vestibule_tls_handshakes_total",
                "TLS handshakes of clients by outcome.",
                &["outcome"],
            )?,
            tls_not_after: gauge(
                r,
                "vestibule_tls_certificate_not_after_timestamp_seconds",
                "When the certificate in use expires; the name is its file.",
                &["name"],
            )?,
            registry,
        }))
    }

    /// The text exposition.
    pub fn render(&self) -> String {
        let mut buffer = Vec::new();
        match TextEncoder::new().encode(&self.registry.gather(), &mut buffer) {
            Ok(()) => String::from_utf8(buffer).unwrap_or_default(),
            Err(error) => format!("# {error}\n"),
        }
    }

    /// The handles of a provider; its outcome counters exist at zero from now on.
    pub fn provider(self: &Arc<Self>, name: &str) -> ProviderMetrics {
        for outcome in Authorize::ALL {
            for client in ClientType::ALL {
                self.authorize_requests.with_label_values(&[
                    name,
                    client.as_str(),
                    outcome.as_str(),
                    outcome.fault().as_str(),
                ]);
            }
        }
        for action in Consent::ALL {
            self.consents.with_label_values(&[name, action.as_str()]);
        }
        self.idp_redirects.with_label_values(&[name]);
        self.codes_issued.with_label_values(&[name]);
        for outcome in Callback::ALL {
            self.callbacks.with_label_values(&[name, outcome.as_str(), outcome.fault().as_str()]);
            self.logins.with_label_values(&[name, outcome.as_str(), outcome.fault().as_str()]);
        }
        for grant in GrantType::ALL {
            for outcome in TokenRequest::ALL {
                self.token_requests.with_label_values(&[
                    name,
                    grant.as_str(),
                    outcome.as_str(),
                    outcome.fault().as_str(),
                ]);
            }
            for token in TokenType::ALL {
                self.tokens_issued.with_label_values(&[name, grant.as_str(), token.as_str()]);
            }
        }
        for action in RefreshReuse::ALL {
            self.refresh_reuse.with_label_values(&[name, action.as_str()]);
        }
        for outcome in ProviderRefresh::ALL {
            self.provider_refreshes.with_label_values(&[name, outcome.as_str()]);
        }
        for initiator in RevocationInitiator::ALL {
            self.revocations.with_label_values(&[name, initiator.as_str()]);
        }
        for method in RegistrationMethod::ALL {
            for outcome in Registration::ALL {
                self.registrations.with_label_values(&[
                    name,
                    method.as_str(),
                    outcome.as_str(),
                    outcome.fault().as_str(),
                ]);
            }
        }
        for outcome in Refresh::ALL {
            self.discovery_refreshes.with_label_values(&[name, outcome.as_str()]);
            for trigger in JwksTrigger::ALL {
                self.jwks_refreshes.with_label_values(&[name, trigger.as_str(), outcome.as_str()]);
            }
        }
        self.provider_ready.with_label_values(&[name]);
        ProviderMetrics {
            verifications: Verification::ALL
                .iter()
                .map(|o| self.verifications.with_label_values(&[name, "jwt", o.as_str(), o.fault().as_str()]))
                .collect(),
            verification_duration: self.verification_duration.with_label_values(&[name, "jwt"]),
            all: Arc::clone(self),
            name: name.into(),
        }
    }

    /// The handles of a route; its backend's outcome counters exist at zero from now on.
    pub fn route(self: &Arc<Self>, id: &str) -> RouteMetrics {
        RouteMetrics {
            http: self.http(id),
            backend: Backend::ALL.iter().map(|o| self.backend_requests.with_label_values(&[id, o.as_str()])).collect(),
            head_duration: self.backend_head_duration.with_label_values(&[id]),
            all: Arc::clone(self),
        }
    }

    /// The HTTP handles of an endpoint of ours, or of what belongs to no route.
    pub fn http(self: &Arc<Self>, id: &str) -> HttpMetrics {
        HttpMetrics::new(Arc::clone(self), id)
    }

    /// A limiter refused a request.
    pub fn rate_limited(&self, limiter: Limiter) {
        self.rate_limited.with_label_values(&[limiter.as_str()]).inc();
    }

    /// A store operation ended.
    pub fn store_operation(&self, backend: &str, operation: StoreOperation, outcome: StoreOutcome, took: Duration) {
        self.store_operations.with_label_values(&[backend, operation.as_str(), outcome.as_str()]).inc();
        self.store_duration.with_label_values(&[backend, operation.as_str()]).observe(took.as_secs_f64());
    }

    /// Whether the store answers.
    pub fn store_ready(&self, backend: &str, ready: bool) {
        self.store_ready.with_label_values(&[backend]).set(i64::from(ready));
    }

    /// A sealed value did not open.
    pub fn decrypt_failure(&self, kind: SealedKind) {
        self.decrypt_failures.with_label_values(&[kind.as_str()]).inc();
    }

    /// The series about the configuration.
    pub fn config(&self) -> &ConfigMetrics {
        &self.config
    }

    /// Drops every series of a provider that is gone.
    pub fn remove_provider(&self, name: &str) {
        for family in [
            &self.authorize_requests,
            &self.consents,
            &self.idp_redirects,
            &self.callbacks,
            &self.idp_errors,
            &self.logins,
            &self.codes_issued,
            &self.token_requests,
            &self.tokens_issued,
            &self.refresh_reuse,
            &self.provider_refreshes,
            &self.revocations,
            &self.registrations,
            &self.verifications,
            &self.provider_requests,
            &self.discovery_refreshes,
            &self.jwks_refreshes,
        ] {
            remove(family, "provider", name);
        }
        for family in [&self.provider_ready, &self.discovery_last_success, &self.jwks_last_success, &self.jwks_keys] {
            remove(family, "provider", name);
        }
        for family in [&self.login_duration, &self.verification_duration, &self.provider_request_duration] {
            remove(family, "provider", name);
        }
    }

    /// Drops every series of a route, or of an endpoint of ours, that is gone.
    pub fn remove_route(&self, id: &str) {
        for family in [&self.http_requests, &self.backend_requests] {
            remove(family, "route", id);
        }
        for family in [&self.http_in_flight, &self.backend_streams] {
            remove(family, "route", id);
        }
        for family in [&self.http_duration, &self.backend_head_duration] {
            remove(family, "route", id);
        }
    }

    /// The handles of a TLS listener; its outcome counters exist at zero from now on.
    pub fn tls(&self) -> TlsMetrics {
        TlsMetrics {
            handshakes: TlsHandshake::ALL
                .iter()
                .map(|o| self.tls_handshakes.with_label_values(&[o.as_str()]))
                .collect(),
            not_after: self.tls_not_after.clone(),
        }
    }

    /// Counts an open connection until the result is dropped.
    pub fn connection(&self) -> Running {
        Running::new(&self.connections)
    }
}

// === impl ProviderMetrics ===

impl ProviderMetrics {
    /// An authorization request ended.
    pub fn authorize(&self, client: ClientType, outcome: Authorize) {
        self.all
            .authorize_requests
            .with_label_values(&[&self.name, client.as_str(), outcome.as_str(), outcome.fault().as_str()])
            .inc();
    }

    /// Something happened to a consent page.
    pub fn consent(&self, action: Consent) {
        self.all.consents.with_label_values(&[&*self.name, action.as_str()]).inc();
    }

    /// A browser was sent to the provider.
    pub fn idp_redirect(&self) {
        self.all.idp_redirects.with_label_values(&[&self.name]).inc();
    }

    /// A browser came back; the sign-in ended with it. `since` is the authorization request, for
    /// sign-ins that went well.
    pub fn callback(&self, outcome: Callback, since: Option<Duration>) {
        let labels = [&*self.name, outcome.as_str(), outcome.fault().as_str()];
        self.all.callbacks.with_label_values(&labels).inc();
        self.all.logins.with_label_values(&labels).inc();
        if outcome == Callback::Ok {
            self.all.codes_issued.with_label_values(&[&self.name]).inc();
            if let Some(since) = since {
                self.all.login_duration.with_label_values(&[&self.name]).observe(since.as_secs_f64());
            }
        }
    }

    /// The provider answered with an OAuth error; unknown codes count as `other`.
    pub fn idp_error(&self, endpoint: &'static str, error: &str) {
        const KNOWN: [&str; 14] = [
            "invalid_request",
            "invalid_client",
            "invalid_grant",
            "unauthorized_client",
            "unsupported_grant_type",
            "unsupported_response_type",
            "invalid_scope",
            "invalid_target",
            "access_denied",
            "server_error",
            "temporarily_unavailable",
            "interaction_required",
            "login_required",
            "consent_required",
        ];
        let error = KNOWN.iter().find(|known| **known == error).copied().unwrap_or("other");
        self.all.idp_errors.with_label_values(&[&*self.name, endpoint, error]).inc();
    }

    /// A token request ended.
    pub fn token_request(&self, grant: GrantType, outcome: TokenRequest, took: Duration) {
        self.all
            .token_requests
            .with_label_values(&[&*self.name, grant.as_str(), outcome.as_str(), outcome.fault().as_str()])
            .inc();
        self.all.token_request_duration.with_label_values(&[grant.as_str()]).observe(took.as_secs_f64());
    }

    /// A token was handed out.
    pub fn token_issued(&self, grant: GrantType, token: TokenType) {
        self.all.tokens_issued.with_label_values(&[&*self.name, grant.as_str(), token.as_str()]).inc();
    }

    /// A used refresh token came again.
    pub fn refresh_reuse(&self, action: RefreshReuse) {
        self.all.refresh_reuse.with_label_values(&[&*self.name, action.as_str()]).inc();
    }

    /// A refresh at the provider ended.
    pub fn provider_refresh(&self, outcome: ProviderRefresh) {
        self.all.provider_refreshes.with_label_values(&[&*self.name, outcome.as_str()]).inc();
    }

    /// A grant ended before its time.
    pub fn revocation(&self, initiator: RevocationInitiator) {
        self.all.revocations.with_label_values(&[&*self.name, initiator.as_str()]).inc();
    }

    /// A registration ended.
    pub fn registration(&self, method: RegistrationMethod, outcome: Registration) {
        self.all
            .registrations
            .with_label_values(&[&*self.name, method.as_str(), outcome.as_str(), outcome.fault().as_str()])
            .inc();
    }

    /// A bearer token was checked. On the hot path: one atomic increment.
    pub fn verification(&self, outcome: Verification) {
        if let Some(counter) = position(Verification::ALL, outcome).and_then(|index| self.verifications.get(index)) {
            counter.inc();
        }
    }

    /// A check that the cache could not answer took this long.
    pub fn verification_duration(&self, took: Duration) {
        self.verification_duration.observe(took.as_secs_f64());
    }

    /// A request to the provider ended; `result` is a status code or a fixed word (`timeout`).
    pub fn provider_request(&self, endpoint: ProviderEndpoint, result: &str, took: Duration) {
        let class = match result.as_bytes().first() {
            Some(b'2' | b'3') => "2xx",
            Some(b'4') => "4xx",
            Some(b'5') => "5xx",
            _ => "error",
        };
        self.all.provider_requests.with_label_values(&[&*self.name, endpoint.as_str(), result]).inc();
        self.all
            .provider_request_duration
            .with_label_values(&[&*self.name, endpoint.as_str(), class])
            .observe(took.as_secs_f64());
    }

    /// Whether discovery and keys are usable.
    pub fn ready(&self, ready: bool) {
        self.all.provider_ready.with_label_values(&[&self.name]).set(i64::from(ready));
    }

    /// A fetch of the discovery document ended at `now` (seconds since the epoch).
    pub fn discovery(&self, outcome: Refresh, now: u64) {
        self.all.discovery_refreshes.with_label_values(&[&*self.name, outcome.as_str()]).inc();
        if matches!(outcome, Refresh::Ok | Refresh::Unchanged) {
            self.all
                .discovery_last_success
                .with_label_values(&[&self.name])
                .set(i64::try_from(now).unwrap_or_default());
        }
    }

    /// A fetch of the keys ended at `now`; `keys` is how many there are now.
    pub fn jwks(&self, trigger: JwksTrigger, outcome: Refresh, now: u64, keys: usize) {
        self.all.jwks_refreshes.with_label_values(&[&*self.name, trigger.as_str(), outcome.as_str()]).inc();
        if matches!(outcome, Refresh::Ok | Refresh::Unchanged) {
            self.all.jwks_last_success.with_label_values(&[&self.name]).set(i64::try_from(now).unwrap_or_default());
            self.all.jwks_keys.with_label_values(&[&self.name]).set(i64::try_from(keys).unwrap_or_default());
        }
    }

    /// The family, for what is not about this provider.
    pub fn all(&self) -> &Arc<Metrics> {
        &self.all
    }
}

// === impl RouteMetrics ===

impl RouteMetrics {
    /// The series that a route shares with our own endpoints.
    pub fn http(&self) -> &HttpMetrics {
        &self.http
    }

    /// A forwarded request ended.
    pub fn backend(&self, outcome: Backend) {
        if let Some(counter) = position(Backend::ALL, outcome).and_then(|index| self.backend.get(index)) {
            counter.inc();
        }
    }

    /// The backend's response header came after `took`.
    pub fn backend_head(&self, took: Duration) {
        self.head_duration.observe(took.as_secs_f64());
    }

    /// Counts a long-lived response as open until the result is dropped.
    pub fn stream(&self, kind: StreamKind) -> Running {
        Running::new(&self.all.backend_streams.with_label_values(&[self.http.id(), kind.as_str()]))
    }
}

// === impl TlsMetrics ===

impl TlsMetrics {
    /// A handshake ended.
    pub fn handshake(&self, outcome: TlsHandshake) {
        if let Some(counter) = position(TlsHandshake::ALL, outcome).and_then(|index| self.handshakes.get(index)) {
            counter.inc();
        }
    }

    /// Another certificate is in use; `not_after` in seconds since the epoch.
    pub fn certificate(&self, name: &str, not_after: u64) {
        self.not_after.reset();
        self.not_after.with_label_values(&[name]).set(i64::try_from(not_after).unwrap_or(i64::MAX));
    }
}

// === impl Running ===

impl Running {
    fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Drops the series of a family in which a label has this value.
fn remove<B: MetricVecBuilder>(family: &MetricVec<B>, label: &str, value: &str) {
    for collected in family.collect() {
        for series in collected.get_metric() {
            let labels: HashMap<&str, &str> =
                series.get_label().iter().map(|pair| (pair.name(), pair.value())).collect();
            if labels.get(label) == Some(&value) && family.remove(&labels).is_err() {
                tracing::trace!(label, value, "a series was gone already");
            }
        }
    }
}

fn position<T: PartialEq + Copy>(all: &[T], value: T) -> Option<usize> {
    all.iter().position(|one| *one == value)
}

#[cfg(test)]
mod tests {
    use super::{outcome::Fault, *};

    #[test]
    fn outcomes_exist_at_zero_and_count() {
        let metrics = Metrics::new().unwrap();
        let provider = metrics.provider("auth0");
        let zero = "vestibule_auth_callbacks_total{fault=\"none\",outcome=\"ok\",provider=\"auth0\"} 0";
        assert!(metrics.render().contains(zero));
        provider.callback(Callback::Ok, Some(Duration::from_secs(3)));
        let one = "vestibule_auth_callbacks_total{fault=\"none\",outcome=\"ok\",provider=\"auth0\"} 1";
        assert!(metrics.render().contains(one));
        assert_eq!(Callback::Ok.fault(), Fault::None);
    }

    #[test]
    fn what_runs_is_counted_down_again() {
        let metrics = Metrics::new().unwrap();
        let route = metrics.route("auth0/mcp");
        let open = route.http().in_flight();
        assert!(metrics.render().contains("vestibule_http_requests_in_flight{route=\"auth0/mcp\"} 1"));
        drop(open);
        assert!(metrics.render().contains("vestibule_http_requests_in_flight{route=\"auth0/mcp\"} 0"));
    }
}
