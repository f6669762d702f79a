//! Every family, once: its name, its meaning, its kind, and its labels with their closed sets of
//! values. Registration, the zeros from the start, the end of a provider's series and the tables of
//! docs/metrics.md all come from this list.

use std::collections::HashMap;

use prometheus::{
    HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry,
    core::{Collector as _, MetricVec, MetricVecBuilder},
};

use super::outcome::{
    Authorize, Backend, Callback, ClientType, CodeClass, ConfigObject, Consent, Credential, Denial, GrantType,
    JwksTrigger, KeyUse, Limiter, Method, ProviderEndpoint, ProviderRefresh, Refresh, RefreshReuse, Registration,
    RegistrationMethod, ReloadOutcome, ReloadTrigger, Revocation, RevocationInitiator, SealedKind, StoreOperation,
    StoreOutcome, StreamKind, TlsHandshake, TokenRequest, TokenType, Verification,
};

/// The label that follows from the outcome beside it.
const FAULT: &str = "fault";

/// From a hundredth of a millisecond to a second: what does not leave the machine.
const LOCAL: &[f64] = &[0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0];
/// From five milliseconds to half a minute: a request that somebody waits for.
const REQUEST: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// A request over the Internet.
const REMOTE: &[f64] = &[0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0];
/// A person who signs in.
const PERSON: &[f64] = &[1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0];
/// An operation of the store.
const STORE: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0];
/// A reload.
const RELOAD: &[f64] = &[0.01, 0.05, 0.1, 0.5, 1.0, 5.0];

/// A family as it is documented.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// The full name, unit and `_total` included.
    pub name: &'static str,
    /// What it counts or measures.
    pub help: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// In the order in which values are given.
    pub labels: &'static [Label],
}

/// A label of a family.
#[derive(Clone, Copy, Debug)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// Every value, if they are a closed set; empty for names from the configuration and the like.
    pub values: &'static [&'static str],
    /// For outcomes, whose fault each of `values` is.
    pub faults: &'static [&'static str],
}

/// What families of every kind can do.
trait Series {
    /// Makes one series exist.
    fn touch(&self, values: &[&str]);
    /// Drops the series in which a label has this value.
    fn forget(&self, label: &str, value: &str);
}

macro_rules! families {
    ($($field:ident: $kind:ident $(($buckets:ident))? $name:literal [$($label:ident $(: $set:ident)?),*] $help:literal;)*) => {
        /// Every family of the program itself; `process_*` comes from the collector of that name.
        pub const FAMILIES: &[Family] = &[$(Family {
            name: $name,
            help: $help,
            kind: stringify!($kind),
            labels: &[$(families!(@label $label $($set)?)),*],
        }),*];

        /// The handles of all families.
        #[derive(Debug)]
        pub(super) struct Families {
            $(pub(super) $field: families!(@type $kind)),*
        }

        impl Families {
            /// Makes and registers all of them.
            ///
            /// # Errors
            /// Only for a bad or doubled name, which any test of this crate would show.
            pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
                $(
                    let labels: &[&str] = &[$(stringify!($label)),*];
                    let $field = families!(@new $kind $(($buckets))? $name, $help, labels)?;
                    registry.register(Box::new($field.clone()))?;
                )*
                Ok(Self { $($field),* })
            }

            fn all(&self) -> impl Iterator<Item = (&'static Family, &dyn Series)> {
                let series: [&dyn Series; FAMILIES.len()] = [$(&self.$field),*];
                FAMILIES.iter().zip(series)
            }
        }
    };
    (@label $label:ident) => { Label { name: stringify!($label), values: &[], faults: &[] } };
    (@label $label:ident $set:ident) => {
        Label { name: stringify!($label), values: $set::LABELS, faults: $set::FAULTS }
    };
    (@type counter) => { IntCounterVec };
    (@type gauge) => { IntGaugeVec };
    (@type histogram) => { HistogramVec };
    (@new counter $name:literal, $help:literal, $labels:ident) => { IntCounterVec::new(Opts::new($name, $help), $labels) };
    (@new gauge $name:literal, $help:literal, $labels:ident) => { IntGaugeVec::new(Opts::new($name, $help), $labels) };
    (@new histogram ($buckets:ident) $name:literal, $help:literal, $labels:ident) => {
        HistogramVec::new(HistogramOpts::new($name, $help).buckets($buckets.to_vec()), $labels)
    };
}

families! {
    // Sign-in, in the order in which it happens.
    authorize_requests: counter "vestibule_auth_authorize_requests_total"
        [provider, client_type: ClientType, outcome: Authorize, fault]
        "Authorization requests by outcome.";
    consents: counter "vestibule_auth_consents_total" [provider, action: Consent]
        "What happened to consent pages.";
    idp_redirects: counter "vestibule_auth_idp_redirects_total" [provider]
        "Browsers sent to the identity provider.";
    callbacks: counter "vestibule_auth_callbacks_total" [provider, outcome: Callback, fault]
        "Browsers back from the identity provider, by outcome.";
    idp_errors: counter "vestibule_auth_idp_errors_total" [provider, endpoint, error]
        "OAuth errors that the identity provider answered.";
    logins: counter "vestibule_auth_logins_total" [provider, outcome: Callback, fault]
        "Ended sign-ins by outcome, each once; a refused authorization request began none.";
    denials: counter "vestibule_auth_denials_total" [provider, rule: Denial]
        "People whom a policy refused, at sign-in and at refresh, by kind of rule.";
    flows_in_progress: gauge "vestibule_auth_flows_in_progress" [provider]
        "Sign-ins under way, of the last 2,000 that began.";
    login_duration: histogram (PERSON) "vestibule_auth_login_duration_seconds" [provider]
        "From the authorization request to the issued code.";
    codes_issued: counter "vestibule_auth_codes_issued_total" [provider]
        "Authorization codes issued.";

    // Tokens and clients.
    token_requests: counter "vestibule_token_requests_total"
        [provider, grant_type: GrantType, outcome: TokenRequest, fault]
        "Token requests by outcome.";
    tokens_issued: counter "vestibule_tokens_issued_total" [provider, grant_type: GrantType, token_type: TokenType]
        "Tokens handed to clients.";
    token_request_duration: histogram (REQUEST) "vestibule_token_request_duration_seconds" [grant_type: GrantType]
        "Duration of token requests.";
    refresh_reuse: counter "vestibule_refresh_reuse_total" [provider, action: RefreshReuse]
        "Refresh tokens that were used twice.";
    provider_refreshes: counter "vestibule_provider_refreshes_total" [provider, outcome: ProviderRefresh]
        "Refreshes at the identity provider.";
    sessions_active: gauge "vestibule_sessions_active" [provider]
        "Live grants, counted in the store every minute; replicas share it, so take the maximum.";
    revocations: counter "vestibule_revocations_total"
        [provider, initiator: RevocationInitiator, outcome: Revocation]
        "Grants that somebody ended, by initiator; with `store_error` they go on.";
    registrations: counter "vestibule_client_registrations_total"
        [provider, method: RegistrationMethod, outcome: Registration, fault]
        "Client registrations by outcome.";

    // The gate and what is behind it.
    verifications: counter "vestibule_token_verifications_total"
        [provider, credential: Credential, outcome: Verification, fault]
        "Checked bearer tokens by outcome.";
    verification_duration: histogram (LOCAL) "vestibule_token_verification_duration_seconds"
        [provider, credential: Credential]
        "Duration of token checks that were not answered by the cache.";
    http_requests: counter "vestibule_http_requests_total" [route, method: Method, code]
        "Answered requests.";
    http_duration: histogram (REQUEST) "vestibule_http_request_duration_seconds" [route, method: Method]
        "From the request's header to the response's header.";
    http_in_flight: gauge "vestibule_http_requests_in_flight" [route]
        "Requests being answered, open streams included.";
    http_request_bytes: counter "vestibule_http_request_body_bytes_total" [route]
        "Bytes of forwarded request bodies.";
    http_response_bytes: counter "vestibule_http_response_body_bytes_total" [route]
        "Bytes of forwarded response bodies, event streams included, WebSockets not.";
    backend_requests: counter "vestibule_backend_requests_total" [route, outcome: Backend]
        "Forwarded requests by outcome.";
    backend_head_duration: histogram (REQUEST) "vestibule_backend_response_head_duration_seconds" [route]
        "From the forwarded request to the backend's response header.";
    backend_streams: gauge "vestibule_backend_streams_open" [route, kind: StreamKind]
        "Open long-lived responses.";
    rate_limited: counter "vestibule_rate_limited_total" [limiter: Limiter]
        "Requests refused by a limiter.";

    // The identity provider.
    provider_requests: counter "vestibule_provider_requests_total" [provider, endpoint: ProviderEndpoint, result]
        "Requests to the identity provider by result (status, or what went wrong).";
    provider_request_duration: histogram (REMOTE) "vestibule_provider_request_duration_seconds"
        [provider, endpoint: ProviderEndpoint, code_class: CodeClass]
        "Duration of requests to the identity provider.";
    provider_ready: gauge "vestibule_provider_ready" [provider]
        "1 when discovery and keys are usable.";
    discovery_last_success: gauge "vestibule_provider_discovery_last_success_timestamp_seconds" [provider]
        "When discovery last succeeded.";
    jwks_last_success: gauge "vestibule_provider_jwks_last_success_timestamp_seconds" [provider]
        "When the keys were last fetched.";
    jwks_keys: gauge "vestibule_provider_jwks_keys" [provider]
        "Keys of the identity provider.";
    discovery_refreshes: counter "vestibule_provider_discovery_refreshes_total" [provider, outcome: Refresh]
        "Fetches of the discovery document.";
    jwks_refreshes: counter "vestibule_provider_jwks_refreshes_total"
        [provider, trigger: JwksTrigger, outcome: Refresh]
        "Fetches of the provider's keys.";

    // The store.
    store_operations: counter "vestibule_store_operations_total"
        [backend, operation: StoreOperation, outcome: StoreOutcome]
        "Store operations by outcome.";
    store_duration: histogram (STORE) "vestibule_store_operation_duration_seconds" [backend, operation: StoreOperation]
        "Duration of store operations.";
    store_ready: gauge "vestibule_store_ready" [backend]
        "1 when the store answers.";
    decrypt_failures: counter "vestibule_store_decrypt_failures_total" [kind: SealedKind]
        "Values in the store that no key opens.";
    signing_keys: gauge "vestibule_signing_keys" [state: KeyUse]
        "Our published signing keys: one signs, one may wait for its time, the rest verify.";
    signing_since: gauge "vestibule_signing_key_since_timestamp_seconds" []
        "Since when the key that signs now has been signing.";

    // The configuration.
    config_reloads: counter "vestibule_config_reloads_total" [trigger: ReloadTrigger, outcome: ReloadOutcome]
        "Attempts to read the configuration, the start included, by trigger and outcome.";
    config_reload_duration: histogram (RELOAD) "vestibule_config_reload_duration_seconds" []
        "From the first look at the files to the end of the attempt.";
    config_last_successful: gauge "vestibule_config_last_reload_successful" []
        "1 when what was last read is good, 0 when it was refused; one that waits for a restart is good.";
    config_restart_required: gauge "vestibule_config_restart_required" []
        "1 when the configuration holds a change that only a restart can apply.";
    config_last_attempt: gauge "vestibule_config_last_reload_attempt_timestamp_seconds" []
        "When the configuration was last read.";
    config_last_success: gauge "vestibule_config_last_reload_success_timestamp_seconds" []
        "When the configuration was last read and found good.";
    config_objects: gauge "vestibule_config_objects" [kind: ConfigObject]
        "Configured objects.";
    config_info: gauge "vestibule_config_info" [sha256]
        "Always 1; the label is a hash of the running configuration without its secrets.";

    // The process.
    connections: gauge "vestibule_connections_open" []
        "Open connections on the public listener.";
    audit_dropped: counter "vestibule_audit_events_dropped_total" []
        "Audit events that were lost: the queue was full, or the file could not be written.";
    tls_handshakes: counter "vestibule_tls_handshakes_total" [outcome: TlsHandshake]
        "TLS handshakes of clients by outcome.";
    tls_not_after: gauge "vestibule_tls_certificate_not_after_timestamp_seconds" [name]
        "When the certificate in use expires; the name is its file.";
    build_info: gauge "vestibule_build_info" [version, revision, rustc]
        "Always 1; the labels say what runs.";
}

// === impl Families ===

impl Families {
    /// Makes the counters of the whole process exist at zero, and what has no labels.
    pub(super) fn start(&self) {
        self.zero(None);
    }

    /// Makes all counters exist at zero in which `label` is the only open one.
    pub(super) fn begin(&self, label: &str, value: &str) {
        self.zero(Some((label, value)));
    }

    fn zero(&self, owner: Option<(&str, &str)>) {
        for (family, series) in self.all() {
            let concerned = owner.is_none_or(|(label, _)| family.labels.iter().any(|own| own.name == label));
            if !concerned || (family.kind != "counter" && !family.labels.is_empty()) {
                continue;
            }
            for values in family.combinations(owner) {
                series.touch(&values);
            }
        }
    }

    /// Drops every series in which `label` has this value.
    pub(super) fn end(&self, label: &str, value: &str) {
        for (family, series) in self.all() {
            if family.labels.iter().any(|own| own.name == label) {
                series.forget(label, value);
            }
        }
    }
}

// === impl Family ===

impl Family {
    /// Every combination of the closed labels, with `owner` for the open one; none if another label
    /// is open, too.
    fn combinations<'v>(&self, owner: Option<(&str, &'v str)>) -> Vec<Vec<&'v str>> {
        // A row, and the fault that follows from the outcome in it.
        let mut rows: Vec<(Vec<&'v str>, &'static str)> = vec![(Vec::new(), "")];
        for label in self.labels {
            let known = owner.filter(|(name, _)| *name == label.name).map(|(_, value)| value);
            let mut longer = Vec::with_capacity(rows.len() * label.values.len().max(1));
            for (row, fault) in rows {
                let with = |value: &'v str| row.iter().copied().chain([value]).collect::<Vec<_>>();
                match known {
                    Some(value) => longer.push((with(value), fault)),
                    None if label.name == FAULT => longer.push((with(fault), fault)),
                    None => longer.extend(
                        label
                            .values
                            .iter()
                            .enumerate()
                            .map(|(index, value)| (with(value), label.faults.get(index).copied().unwrap_or(fault))),
                    ),
                }
            }
            rows = longer;
        }
        rows.into_iter().map(|(row, _)| row).collect()
    }
}

// === impl Series ===

impl Series for IntCounterVec {
    fn touch(&self, values: &[&str]) {
        self.with_label_values(values);
    }

    fn forget(&self, label: &str, value: &str) {
        forget(self, label, value);
    }
}

impl Series for IntGaugeVec {
    fn touch(&self, values: &[&str]) {
        self.with_label_values(values);
    }

    fn forget(&self, label: &str, value: &str) {
        forget(self, label, value);
    }
}

impl Series for HistogramVec {
    fn touch(&self, values: &[&str]) {
        self.with_label_values(values);
    }

    fn forget(&self, label: &str, value: &str) {
        forget(self, label, value);
    }
}

fn forget<B: MetricVecBuilder>(family: &MetricVec<B>, label: &str, value: &str) {
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
