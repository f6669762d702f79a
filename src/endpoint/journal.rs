//! What each step of a sign-in leaves behind: a step in its flow, a line in the audit log.

use std::net::IpAddr;

use super::{Asked, Mount};
use crate::{
    audit::{Entry, Event},
    authority::{Parameters, Registered, RegistrationError, TokenResponse, Transaction},
    flow::{Beginning, FlowId, StepKind},
    metrics::outcome::{Authorize, Callback, Consent, GrantType, Registration, RegistrationMethod, TokenRequest},
    provider::Provider,
    seal::sha256,
};

// === impl Mount ===

impl Mount {
    /// A good authorization request.
    pub(super) fn flow_begins(&self, asked: &Asked, parameters: &Parameters, transaction: &Transaction) -> FlowId {
        let resource = transaction.resource.as_str();
        let id = self.begin(asked, Some(transaction.client_id.as_str()), Some(resource));
        let name = transaction.client_name.as_str();
        self.flows.change(&id, |flow| flow.client_name = Some(name.to_owned()));
        let kind = transaction.client_kind.label().as_str();
        let text = format!("\"{name}\" ({kind} client) asked for {} at {resource}", transaction.scopes);
        self.flows.step(&id, StepKind::Asked, text);
        for repair in repairs(parameters, transaction) {
            self.flows.step(&id, StepKind::Repaired, repair);
        }
        id
    }

    /// An authorization request that leads nowhere.
    pub(super) fn flow_refused(
        &self,
        asked: &Asked,
        parameters: &Parameters,
        outcome: Authorize,
        reason: &str,
    ) -> FlowId {
        let of = |name| parameters.get(name).ok().flatten();
        let client_id = of("client_id");
        let id = self.begin(asked, client_id, of("resource"));
        self.flows.step(&id, StepKind::Refused, format!("the authorization request was refused: {reason}"));
        self.flows.change(&id, |flow| flow.end(outcome.as_str()));
        Entry { client_id, reason: Some(reason), ..self.entry(Some(&id)) }.tell(Event::Authorization, outcome.as_str());
        id
    }

    fn begin(&self, asked: &Asked, client_id: Option<&str>, resource: Option<&str>) -> FlowId {
        let beginning = Beginning {
            provider: &self.plan.name,
            address: asked.address,
            client_id,
            resource,
            lifetime: self.plan.lifetimes.transaction,
        };
        let id = self.flows.begin(&beginning);
        id.name_request();
        id
    }

    /// The flow that came with this form, `state`, code or token.
    pub(super) fn flow_of(&self, carried: &str) -> Option<FlowId> {
        let id = self.flows.find(&sha256(carried.as_bytes()))?;
        id.name_request();
        Some(id)
    }

    /// Whoever comes with this goes on with the flow.
    pub(super) fn carry(&self, flow: Option<&FlowId>, carried: &str) {
        if let Some(id) = flow {
            self.flows.link(sha256(carried.as_bytes()), id);
        }
    }

    /// Something happened.
    pub(super) fn step(&self, flow: Option<&FlowId>, kind: StepKind, text: impl AsRef<str>) {
        if let Some(id) = flow {
            self.flows.step(id, kind, text);
        }
    }

    /// The person answered the consent page; with a provider, it is where they sign in now.
    pub(super) fn consented(&self, flow: Option<&FlowId>, transaction: &Transaction, approved: Option<&Provider>) {
        let (kind, text, outcome) = if approved.is_some() {
            (StepKind::Approved, "the person allowed the client to ask for a sign-in", "approved")
        } else {
            (StepKind::Denied, "the person said no on our page", "denied")
        };
        self.step(flow, kind, text);
        if approved.is_none() && flow.is_none_or(|id| self.flows.end(id, Callback::Denied.as_str(), None)) {
            self.metrics.login(Callback::Denied, None);
        }
        let identity_provider = approved.and_then(|provider| self.told_of(provider));
        self.about(flow, transaction, |entry| Entry { identity_provider, ..entry }.tell(Event::Consent, outcome));
    }

    /// The person signs in there now; nothing to tell if there was no choice.
    pub(super) fn chosen(&self, flow: Option<&FlowId>, provider: &Provider) {
        let Some(name) = self.told_of(provider) else { return };
        let display_name = &provider.plan().display_name;
        self.step(flow, StepKind::Chosen, format!("the person chose {display_name} ({name})"));
        if let Some(id) = flow {
            self.flows.change(id, |flow| flow.identity_provider = Some(name.to_owned()));
        }
    }

    /// An answer to the consent page that does not count.
    pub(super) fn consent_refused(&self, flow: Option<&FlowId>, outcome: Consent, reason: &str) {
        let reason = Some(reason).filter(|reason| !reason.is_empty());
        Entry { reason, ..self.entry(flow) }.tell(Event::Consent, outcome.as_str());
    }

    /// The person could not be sent to the provider; they may try again.
    pub(super) fn sign_in_not_begun(
        &self,
        flow: Option<&FlowId>,
        transaction: &Transaction,
        provider: &Provider,
        reason: &str,
    ) {
        self.step(flow, StepKind::Refused, format!("the sign-in could not begin: {reason}"));
        if flow.is_none_or(|id| self.flows.end(id, Authorize::ProviderNotReady.as_str(), None)) {
            self.metrics.login(Callback::ProviderUnavailable, None);
        }
        let identity_provider = self.told_of(provider);
        let tell = |entry: Entry<'_>| {
            Entry { identity_provider, reason: Some(reason), ..entry }
                .tell(Event::SignIn, Authorize::ProviderNotReady.as_str());
        };
        self.about(flow, transaction, tell);
    }

    /// The browser remembers that the person approved the same before.
    pub(super) fn consent_remembered(&self, flow: Option<&FlowId>, transaction: &Transaction) {
        let text = "nobody was asked: the browser remembers that its person allowed this client the same before";
        self.step(flow, StepKind::Approved, text);
        self.about(flow, transaction, |entry| entry.tell(Event::Consent, Consent::Remembered.as_str()));
    }

    /// The browser came back from the provider. Whether the sign-in ended by that: whoever loads the page
    /// again changes nothing.
    pub(super) fn returned(
        &self,
        flow: Option<&FlowId>,
        provider: &Provider,
        transaction: Option<&Transaction>,
        subject: Option<&str>,
        outcome: Callback,
        reason: Option<&str>,
    ) -> bool {
        let ended = match flow {
            // The first return is still being answered, or its end stays as it is.
            Some(_) if outcome == Callback::StateReplayed => false,
            Some(id) => self.flows.end(id, outcome.as_str(), subject),
            // A sign-in that is not remembered any more; without one, nothing was there to end.
            None => transaction.is_some(),
        };
        let good = outcome == Callback::Ok;
        let identity_provider = self.told_of(provider);
        let place = identity_provider.map_or("the provider", |_| provider.plan().display_name.as_str());
        let what = match (good, ended) {
            (true, _) => format!("the person signed in at {place}; the client gets a code"),
            (false, true) => format!("the sign-in failed ({})", outcome.as_str()),
            (false, false) => format!("the browser came back once more, which changed nothing ({})", outcome.as_str()),
        };
        let text = match reason.filter(|_| !good) {
            Some(reason) => format!("{what}: {reason}"),
            None => what,
        };
        self.step(flow, if good { StepKind::SignedIn } else { StepKind::Refused }, text);
        let tell = |entry: Entry<'_>| {
            Entry { identity_provider, subject, reason, ..entry }.tell(Event::SignIn, outcome.as_str());
        };
        match transaction {
            Some(transaction) => self.about(flow, transaction, tell),
            None => tell(self.entry(flow)),
        }
        ended
    }

    /// Tokens were handed out; what comes with them belongs to the flow.
    pub(super) fn tokens_issued(&self, flow: Option<&FlowId>, grant_type: GrantType, response: &TokenResponse) {
        self.carry(flow, &response.access_token);
        if let Some(refresh_token) = &response.refresh_token {
            self.carry(flow, refresh_token);
        }
        let (kind, text) = if grant_type == GrantType::RefreshToken {
            (StepKind::Refreshed, "the client renewed its tokens")
        } else {
            (StepKind::TokenIssued, "the client exchanged its code for tokens")
        };
        self.step(flow, kind, format!("{text}: {} s, {}", response.expires_in, response.scope));
        let (facts, scopes) = (&response.about, response.scope.to_string());
        let entry = Entry {
            client_id: Some(facts.client_id.as_str()),
            subject: Some(&facts.subject),
            grant: Some(facts.grant.as_str()),
            resource: Some(&facts.resource),
            scopes: Some(&scopes),
            by: Some(grant_type.as_str()),
            ..self.entry(flow)
        };
        entry.tell(Event::Token, TokenRequest::Ok.as_str());
    }

    /// A client registered itself.
    pub(super) fn registered(&self, registered: &Registered) {
        let client_id = registered.client_id().as_str();
        self.flows.registered(client_id, registered.name());
        self.registration(Some(client_id), None, Registration::Created.as_str());
    }

    /// A client could not register itself.
    pub(super) fn registration_refused(&self, error: RegistrationError) {
        self.registration(None, Some(&error.to_string()), error.code());
    }

    /// Somebody registers too often.
    pub(super) fn registration_limited(&self, address: IpAddr) {
        if self.limiters.registrations.is_news(address) {
            self.registration(None, None, Registration::RateLimited.as_str());
        }
    }

    /// Somebody asks for authorization too often.
    pub(super) fn authorization_limited(&self, address: IpAddr, client_id: Option<&str>) {
        if self.limiters.authorizations.is_news(address) {
            Entry { client_id, ..self.entry(None) }.tell(Event::Authorization, Authorize::RateLimited.as_str());
        }
    }

    /// A token request was refused.
    pub(super) fn token_refused(
        &self,
        flow: Option<&FlowId>,
        grant_type: GrantType,
        client_id: Option<&str>,
        outcome: TokenRequest,
        reason: &str,
    ) {
        if let Some(id) = flow {
            let text = format!("a token request ({}) was refused: {reason}", grant_type.as_str());
            self.flows.refuse(id, outcome.as_str(), &text);
        }
        Entry { client_id, by: Some(grant_type.as_str()), reason: Some(reason), ..self.entry(flow) }
            .tell(Event::Token, outcome.as_str());
    }

    /// A client's request to end its access was refused.
    pub(super) fn revocation_refused(
        &self,
        flow: Option<&FlowId>,
        client_id: Option<&str>,
        outcome: TokenRequest,
        reason: &str,
    ) {
        Entry { client_id, reason: Some(reason), ..self.entry(flow) }.tell(Event::Revocation, outcome.as_str());
    }

    fn registration(&self, client_id: Option<&str>, reason: Option<&str>, outcome: &str) {
        let by = Some(RegistrationMethod::Dynamic.as_str());
        Entry { client_id, by, reason, ..self.entry(None) }.tell(Event::Registration, outcome);
    }

    /// What every entry of this mount says.
    fn entry<'a>(&'a self, flow: Option<&'a FlowId>) -> Entry<'a> {
        Entry { provider: Some(&self.plan.name), flow: flow.map(FlowId::as_str), ..Entry::default() }
    }

    fn about(&self, flow: Option<&FlowId>, transaction: &Transaction, tell: impl FnOnce(Entry<'_>)) {
        let scopes = transaction.scopes.to_string();
        tell(Entry {
            client_id: Some(transaction.client_id.as_str()),
            resource: Some(transaction.resource.as_str()),
            scopes: Some(&scopes),
            ..self.entry(flow)
        });
    }
}

/// What a lenient reading made of the request.
fn repairs(parameters: &Parameters, transaction: &Transaction) -> Vec<String> {
    let of = |name| parameters.get(name).ok().flatten().filter(|value| !value.is_empty());
    let mut repairs = Vec::new();
    match of("scope") {
        None => repairs.push(format!("no scope was asked for: taken as {}", transaction.scopes)),
        Some(scope) => {
            let granted =
                |name: &&str| transaction.scopes.contains(name) || *name == crate::oauth::Scope::OFFLINE_ACCESS;
            let left_out: Vec<&str> = scope.split(' ').filter(|name| !name.is_empty() && !granted(name)).collect();
            if !left_out.is_empty() {
                repairs.push(format!("scopes that are not known here were left out: {}", left_out.join(" ")));
            }
        }
    }
    match of("resource") {
        None => repairs.push(format!("no resource was named: taken as {}", transaction.resource)),
        Some(resource) if resource != transaction.resource.as_str() => {
            repairs.push(format!("the resource was written as {resource}: taken as {}", transaction.resource));
        }
        Some(_) => {}
    }
    repairs
}
