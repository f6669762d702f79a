//! The series of one provider: the sign-in funnel, tokens, clients, checks, and its requests.

use std::{sync::Arc, time::Duration};

use prometheus::{Histogram, IntCounter};

use super::{
    Metrics,
    families::Families,
    outcome::{
        Authorize, Callback, ClientType, CodeClass, Consent, Credential, Denial, GrantType, JwksTrigger,
        ProviderEndpoint, ProviderRefresh, Refresh, RefreshReuse, Registration, RegistrationMethod, Revocation,
        RevocationInitiator, TokenRequest, TokenType, Verification,
    },
    owner::Owner,
    position,
};

/// The handles of one provider.
#[derive(Clone, Debug)]
pub struct ProviderMetrics {
    owner: Arc<Owner>,
    /// In the order of [`Credential::ALL`].
    verifications: Arc<[(Vec<IntCounter>, Histogram)]>,
}

// === impl ProviderMetrics ===

impl ProviderMetrics {
    /// Its counters exist at zero from now on.
    pub(super) fn new(all: &Arc<Metrics>, name: &str) -> Self {
        let owner = Owner::new(all, "provider", name);
        let families = owner.families();
        families.begin("provider", name);
        families.provider_ready.with_label_values(&[name]);
        families.flows_in_progress.with_label_values(&[name]);
        let handles = |credential: &Credential| {
            let credential = credential.as_str();
            let counter = |outcome: &Verification| {
                let labels = [name, credential, outcome.as_str(), outcome.fault().as_str()];
                families.verifications.with_label_values(&labels)
            };
            let duration = families.verification_duration.with_label_values(&[name, credential]);
            (Verification::ALL.iter().map(counter).collect(), duration)
        };
        Self { verifications: Credential::ALL.iter().map(handles).collect(), owner }
    }

    /// An authorization request ended.
    pub fn authorize(&self, client: ClientType, outcome: Authorize) {
        self.families()
            .authorize_requests
            .with_label_values(&[self.name(), client.as_str(), outcome.as_str(), outcome.fault().as_str()])
            .inc();
    }

    /// Something happened to a consent page.
    pub fn consent(&self, action: Consent) {
        self.families().consents.with_label_values(&[self.name(), action.as_str()]).inc();
    }

    /// A browser was sent to the provider.
    pub fn idp_redirect(&self) {
        self.families().idp_redirects.with_label_values(&[self.name()]).inc();
    }

    /// A browser came back from the provider, whether or not a sign-in ended with it. Counted where it was
    /// sent to.
    pub fn callback(&self, outcome: Callback) {
        let labels = [self.name(), outcome.as_str(), outcome.fault().as_str()];
        self.families().callbacks.with_label_values(&labels).inc();
    }

    /// A sign-in ended; to be counted once for each. `since` is the authorization request, for
    /// sign-ins that went well.
    pub fn login(&self, outcome: Callback, since: Option<Duration>) {
        let labels = [self.name(), outcome.as_str(), outcome.fault().as_str()];
        self.families().logins.with_label_values(&labels).inc();
        if outcome == Callback::Ok {
            self.families().codes_issued.with_label_values(&[self.name()]).inc();
            if let Some(since) = since {
                self.families().login_duration.with_label_values(&[self.name()]).observe(since.as_secs_f64());
            }
        }
    }

    /// A policy refused a person.
    pub fn denied(&self, rule: Denial) {
        self.families().denials.with_label_values(&[self.name(), rule.as_str()]).inc();
    }

    /// A person did not come back from the provider in time.
    pub fn abandoned(&self) {
        self.login(Callback::Abandoned, None);
    }

    /// So many grants are live.
    pub fn sessions_active(&self, count: usize) {
        let gauge = self.families().sessions_active.with_label_values(&[self.name()]);
        gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// So many sign-ins are under way.
    pub fn flows_in_progress(&self, count: usize) {
        let gauge = self.families().flows_in_progress.with_label_values(&[self.name()]);
        gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
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
        self.families().idp_errors.with_label_values(&[self.name(), endpoint, error]).inc();
    }

    /// A token request ended.
    pub fn token_request(&self, grant: GrantType, outcome: TokenRequest, took: Duration) {
        self.families()
            .token_requests
            .with_label_values(&[self.name(), grant.as_str(), outcome.as_str(), outcome.fault().as_str()])
            .inc();
        self.families().token_request_duration.with_label_values(&[grant.as_str()]).observe(took.as_secs_f64());
    }

    /// A token was handed out.
    pub fn token_issued(&self, grant: GrantType, token: TokenType) {
        self.families().tokens_issued.with_label_values(&[self.name(), grant.as_str(), token.as_str()]).inc();
    }

    /// A used refresh token came again.
    pub fn refresh_reuse(&self, action: RefreshReuse) {
        self.families().refresh_reuse.with_label_values(&[self.name(), action.as_str()]).inc();
    }

    /// A refresh at the provider ended.
    pub fn provider_refresh(&self, outcome: ProviderRefresh) {
        self.families().provider_refreshes.with_label_values(&[self.name(), outcome.as_str()]).inc();
    }

    /// A grant ended before its time, or could not be ended.
    pub fn revocation(&self, initiator: RevocationInitiator, outcome: Revocation) {
        self.families().revocations.with_label_values(&[self.name(), initiator.as_str(), outcome.as_str()]).inc();
    }

    /// A registration ended.
    pub fn registration(&self, method: RegistrationMethod, outcome: Registration) {
        self.families()
            .registrations
            .with_label_values(&[self.name(), method.as_str(), outcome.as_str(), outcome.fault().as_str()])
            .inc();
    }

    /// A bearer token was checked. On the hot path: one atomic increment.
    pub fn verification(&self, credential: Credential, outcome: Verification) {
        let of_credential = position(Credential::ALL, credential).and_then(|index| self.verifications.get(index));
        let counter = |(counters, _): &(Vec<IntCounter>, Histogram)| {
            counters.get(position(Verification::ALL, outcome)?).map(IntCounter::inc)
        };
        of_credential.and_then(counter);
    }

    /// A check that the cache could not answer took this long.
    pub fn verification_duration(&self, credential: Credential, took: Duration) {
        if let Some((_, duration)) =
            position(Credential::ALL, credential).and_then(|index| self.verifications.get(index))
        {
            duration.observe(took.as_secs_f64());
        }
    }

    /// A request to the provider ended; `result` is a status code or a fixed word (`timeout`).
    pub fn provider_request(&self, endpoint: ProviderEndpoint, result: &str, took: Duration) {
        let class = match result.as_bytes().first() {
            Some(b'2' | b'3') => CodeClass::Success,
            Some(b'4') => CodeClass::Refused,
            Some(b'5') => CodeClass::Failed,
            _ => CodeClass::Error,
        };
        self.families().provider_requests.with_label_values(&[self.name(), endpoint.as_str(), result]).inc();
        self.families()
            .provider_request_duration
            .with_label_values(&[self.name(), endpoint.as_str(), class.as_str()])
            .observe(took.as_secs_f64());
    }

    /// Whether discovery and keys are usable.
    pub fn ready(&self, ready: bool) {
        self.families().provider_ready.with_label_values(&[self.name()]).set(i64::from(ready));
    }

    /// A fetch of the discovery document ended at `now` (seconds since the epoch).
    pub fn discovery(&self, outcome: Refresh, now: u64) {
        self.families().discovery_refreshes.with_label_values(&[self.name(), outcome.as_str()]).inc();
        if matches!(outcome, Refresh::Ok | Refresh::Unchanged) {
            self.families()
                .discovery_last_success
                .with_label_values(&[self.name()])
                .set(i64::try_from(now).unwrap_or_default());
        }
    }

    /// A fetch of the keys ended at `now`; `keys` is how many there are now.
    pub fn jwks(&self, trigger: JwksTrigger, outcome: Refresh, now: u64, keys: usize) {
        self.families().jwks_refreshes.with_label_values(&[self.name(), trigger.as_str(), outcome.as_str()]).inc();
        if matches!(outcome, Refresh::Ok | Refresh::Unchanged) {
            self.families()
                .jwks_last_success
                .with_label_values(&[self.name()])
                .set(i64::try_from(now).unwrap_or_default());
            self.families().jwks_keys.with_label_values(&[self.name()]).set(i64::try_from(keys).unwrap_or_default());
        }
    }

    /// The family, for what is not about this provider.
    pub fn all(&self) -> &Arc<Metrics> {
        self.owner.all()
    }

    fn name(&self) -> &str {
        self.owner.value()
    }

    fn families(&self) -> &Families {
        self.owner.families()
    }
}
