//! Where the consent page's form goes, and from there to the provider.
//!
//! The form proves itself three times: the browser says that it comes from our page, its sealed
//! request can only be ours, and the cookie shows that it is the browser which asked (S02, D-3).

use std::sync::Arc;

use http::HeaderValue;
use serde::{Deserialize, Serialize};

use super::{
    Asked, Mount,
    answer::{self, Answer},
    cookies::Jar,
    memory::{Decided, Decision},
    problem::Problem,
    same_origin,
};
use crate::{
    authority::{AnswerError, Approver, Parameters, Transaction, TransactionError},
    flow::{Flow, FlowId, StepKind},
    metrics::outcome::{Authorize, Consent},
    provider::{Login, Provider, Wishes},
    seal::{Purpose, sha256},
};

/// When to try again while the provider is not there.
const PROVIDER_RETRY: std::time::Duration = std::time::Duration::from_secs(10);

/// A sign-in under way at the provider, as the browser carries it, sealed.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PendingLogin {
    pub(super) login: Login,
    pub(super) transaction: Transaction,
    #[serde(default)]
    pub(super) approved: Approved,
}

/// Who approved the sign-in.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) enum Approved {
    /// Nobody was asked.
    #[default]
    Unasked,
    /// Whoever sat at the browser, on our page, just now.
    Now,
    /// This person, and the browser remembers it.
    Before(Approver),
}

/// What an approval led to.
#[derive(Clone)]
pub(super) struct Approval {
    location: String,
    cookies: Vec<HeaderValue>,
}

/// Why an approval led nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ApprovalError {
    #[error("the identity provider is not available")]
    ProviderUnavailable,
    #[error("the request does not fit into cookies")]
    TooLong,
    #[error("the request was decided before")]
    AlreadyDecided,
}

/// Answers the form.
pub(super) async fn answer(mount: Arc<Mount>, asked: Asked, parameters: Parameters) -> Answer {
    let flow = parameters.get("transaction").ok().flatten().and_then(|sealed| mount.flow_of(sealed));
    match decide(&mount, &asked, &parameters, flow.as_ref()).await {
        Ok(answer) => answer,
        Err(problem) => problem.of(flow.as_ref()).answer(&mount, &asked.headers),
    }
}

async fn decide(
    mount: &Mount,
    asked: &Asked,
    parameters: &Parameters,
    flow: Option<&FlowId>,
) -> Result<Answer, Box<Problem>> {
    if !same_origin::is_ours(&asked.headers, &mount.server.public_url) {
        return Err(refused(mount, flow, Consent::CsrfRejected, Problem::cross_origin()));
    }
    let jar = Jar::read(&asked.headers);
    let sealed = parameters.get("transaction").ok().flatten().unwrap_or_default();
    let transaction = open(mount, &jar, sealed, flow)?;
    if !mount.authority.may_be_answered(&transaction) {
        mount.step(flow, StepKind::Refused, "the client may not be answered at its address any more");
        return Err(Box::new(Problem::address_not_allowed()));
    }
    let digest = sha256(sealed.as_bytes());
    let value = |name| parameters.get(name).ok().flatten();
    let provider = match value("decision") {
        Some("deny") => return deny(mount, &transaction, digest, flow),
        Some("approve") => mount.only_provider(),
        _ => value("provider").and_then(|name| mount.chosen_provider(name)),
    };
    let provider = provider.ok_or_else(|| Box::new(Problem::no_decision()))?;
    approve(mount, provider, &jar, &transaction, digest, flow).await
}

/// The request that the form is about, if this browser asked for it.
fn open(mount: &Mount, jar: &Jar, sealed: &str, flow: Option<&FlowId>) -> Result<Transaction, Box<Problem>> {
    let browsers = mount.cookies().browsers(jar);
    let mut error = TransactionError::OtherBrowser;
    for browser in &browsers {
        match mount.authority.open_transaction(sealed, browser) {
            Ok(transaction) => return Ok(transaction),
            Err(TransactionError::OtherBrowser) => {}
            Err(other) => error = other,
        }
    }
    let outcome = match error {
        TransactionError::Expired => Consent::Expired,
        TransactionError::Invalid | TransactionError::OtherBrowser => Consent::CsrfRejected,
    };
    Err(refused(mount, flow, outcome, Problem::transaction(error)))
}

/// An answer that does not count.
fn refused(mount: &Mount, flow: Option<&FlowId>, outcome: Consent, problem: Problem) -> Box<Problem> {
    mount.metrics.consent(outcome);
    mount.consent_refused(flow, outcome, problem.reason());
    Box::new(problem)
}

/// Once: a second time, within seconds, gets the same answer (a double click), later none. Nor does
/// somebody who chose one identity provider get to another one.
async fn approve(
    mount: &Mount,
    provider: &Provider,
    jar: &Jar,
    transaction: &Transaction,
    digest: [u8; 32],
    flow: Option<&FlowId>,
) -> Result<Answer, Box<Problem>> {
    let first = async {
        if mount.memory.decision(digest).is_some() {
            return Err(ApprovalError::AlreadyDecided);
        }
        if transaction.needs_consent() {
            mount.metrics.consent(Consent::Approved);
            mount.consented(flow, transaction, Some(provider));
        }
        mount.chosen(flow, provider);
        let approval = begin_login(mount, provider, jar, transaction, Approved::Now, flow).await?;
        if mount.memory.decide(digest, Decision::Approved) != Decided::Now {
            return Err(ApprovalError::AlreadyDecided);
        }
        Ok(Arc::new(approval))
    };
    let approval = sha256(&[&digest, provider.plan().name.as_bytes()].concat());
    match mount.memory.approvals.try_get_with(approval, first).await {
        Ok(approval) => Ok(approval.answer()),
        Err(error) => Err(Box::new(error.problem(mount, provider))),
    }
}

/// A client that the operator vouches for is told at once; about the others the person decides
/// (D-12: nobody has signed in yet).
fn deny(
    mount: &Mount,
    transaction: &Transaction,
    digest: [u8; 32],
    flow: Option<&FlowId>,
) -> Result<Answer, Box<Problem>> {
    match mount.memory.decide(digest, Decision::Denied) {
        Decided::Now => {
            mount.metrics.consent(Consent::Denied);
            mount.consented(flow, transaction, None);
        }
        Decided::Before(Decision::Denied) => {}
        Decided::Before(Decision::Approved) => return Err(Box::new(Problem::already_answered())),
    }
    let declined = mount.authority.decline(transaction, AnswerError::AccessDenied, "the person said no");
    if transaction.consent_facts().is_configured {
        Ok(answer::see_other(&declined.to_url()))
    } else {
        Err(Box::new(Problem::denied(&transaction.client_name, &declined)))
    }
}

/// Begins a sign-in at the provider: where to go, and the cookies that bring it back.
pub(super) async fn begin_login(
    mount: &Mount,
    provider: &Provider,
    jar: &Jar,
    transaction: &Transaction,
    approved: Approved,
    flow: Option<&FlowId>,
) -> Result<Approval, ApprovalError> {
    // Always with a refresh token, if the plan wants any: our own can live only as long as the
    // provider's grant, and clients expect one without asking (S4).
    let wishes = Wishes { resource: Some(&transaction.resource), hints: Some(&transaction.hints) };
    let begun = provider.begin_login(&transaction.scopes, true, wishes).await;
    let (location, login) = begun.map_err(|error| {
        tracing::warn!(provider = provider.plan().name, %error, "a sign-in could not begin");
        mount.metrics.authorize(transaction.client_kind.label(), Authorize::ProviderNotReady);
        mount.sign_in_not_begun(flow, transaction, provider, &error.to_string());
        ApprovalError::ProviderUnavailable
    })?;
    let cookies = mount.cookies();
    let state = login.state.clone();
    mount.carry(flow, &state);
    let to = location.host_str().unwrap_or_default();
    mount.step(flow, StepKind::SentToProvider, format!("the browser was sent to {to}"));
    if let Some(id) = flow {
        mount.flows.change(id, Flow::resume);
    }
    let pending = PendingLogin { login, transaction: transaction.clone(), approved };
    let json = serde_json::to_vec(&pending).map_err(|_| ApprovalError::TooLong)?;
    let context = mount.login_context(provider, &state);
    let sealed = mount.sealer.seal_text(Purpose::Login, &context, &json);
    let cookies = cookies
        .set_login(jar, &state, &sealed, mount.plan.lifetimes.transaction)
        .map_err(|_| ApprovalError::TooLong)?;
    provider.metrics().idp_redirect();
    Ok(Approval { location: location.into(), cookies })
}

// === impl Approval ===

impl Approval {
    /// To the provider.
    pub(super) fn answer(&self) -> Answer {
        let mut answer = answer::see_other(&self.location);
        answer::set_cookies(&mut answer, self.cookies.iter().cloned());
        answer
    }
}

impl std::fmt::Debug for Approval {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Approval([redacted])")
    }
}

// === impl ApprovalError ===

impl ApprovalError {
    /// What the person reads.
    pub(super) fn problem(self, mount: &Mount, provider: &Provider) -> Problem {
        match self {
            Self::ProviderUnavailable => {
                let has_others = mount.plan.is_choice();
                Problem::provider_unavailable(&provider.plan().display_name, has_others, PROVIDER_RETRY)
            }
            Self::TooLong => Problem::too_long(),
            Self::AlreadyDecided => Problem::already_answered(),
        }
    }
}
