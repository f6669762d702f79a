//! The authorization endpoint (RFC 6749 section 3.1): from a client's request to the consent page,
//! or straight to the provider for clients that the operator vouches for.

use std::sync::Arc;

use http::{HeaderValue, StatusCode};

use super::{
    Asked, Mount,
    answer::{self, Answer, Referrer},
    consent::{self, Approved},
    cookies::Jar,
    limiter::Limited,
    problem::{Problem, target},
    same_origin,
};
use crate::{
    authority::{AuthorizeError, BrowserBinding, Parameters, Transaction},
    flow::{FlowId, StepKind},
    metrics::outcome::{Authorize, ClientType, Consent, Limiter},
    oauth::Scope,
    page::{
        choice::{Choice as ChoicePage, Way},
        consent::{Consent as ConsentPage, Origin},
    },
};

/// Answers an authorization request. Twice is as good as once (B1): nothing is kept here.
pub(super) async fn answer(mount: Arc<Mount>, asked: Asked, parameters: Parameters) -> Answer {
    if let Err(limited) = mount.limiters.authorizations.address(asked.address) {
        return limited_page(&mount, &asked, &parameters, ClientType::Unknown, limited);
    }
    let jar = Jar::read(&asked.headers);
    let browser = mount.cookies().browsers(&jar).into_iter().next().unwrap_or_else(BrowserBinding::random);
    match mount.authority.begin(&parameters, &browser).await {
        Ok(transaction) => begun(&mount, &asked, &parameters, &jar, &browser, &transaction).await,
        Err(error) => refused(&mount, &asked, &parameters, &error),
    }
}

async fn begun(
    mount: &Mount,
    asked: &Asked,
    parameters: &Parameters,
    jar: &Jar,
    browser: &BrowserBinding,
    transaction: &Transaction,
) -> Answer {
    let client_type = transaction.client_kind.label();
    let client_id = transaction.client_id.as_str().as_bytes();
    if let Err(limited) = mount.limiters.authorizations.client(asked.address, client_id) {
        return limited_page(mount, asked, parameters, client_type, limited);
    }
    let flow = mount.flow_begins(asked, parameters, transaction);
    let approved = if transaction.needs_consent() {
        approved_before(mount, asked, parameters, jar, transaction)
    } else {
        Some(Approved::Unasked)
    };
    let (Some(provider), Some(approved)) = (mount.only_provider(), approved) else {
        mount.metrics.authorize(client_type, Authorize::Ok);
        let mut answer = ask(mount, transaction, Some(&flow));
        answer::set_cookies(&mut answer, browser_cookie(mount, browser));
        return answer;
    };
    let is_remembered = matches!(approved, Approved::Before(_));
    match consent::begin_login(mount, provider, jar, transaction, approved, Some(&flow)).await {
        Ok(approval) => {
            mount.metrics.authorize(client_type, Authorize::Ok);
            if is_remembered {
                mount.metrics.consent(Consent::Remembered);
                mount.consent_remembered(Some(&flow), transaction);
            }
            let mut answer = approval.answer();
            // If somebody else signs in, they are asked, and then the request has to be this browser's.
            answer::set_cookies(&mut answer, browser_cookie(mount, browser).filter(|_| is_remembered));
            answer
        }
        Err(error) => error.problem(mount, provider).of(Some(&flow)).answer(mount, &asked.headers),
    }
}

fn browser_cookie(mount: &Mount, browser: &BrowserBinding) -> Option<HeaderValue> {
    mount.cookies().set_browser(browser, mount.plan.lifetimes.transaction)
}

/// Who approved the same before in this browser, and would be asked again for nothing (B4). Never when
/// another site led the browser here: it could do so without the person's will, and a click is what it
/// cannot do.
fn approved_before(
    mount: &Mount,
    asked: &Asked,
    parameters: &Parameters,
    jar: &Jar,
    transaction: &Transaction,
) -> Option<Approved> {
    let prompt = parameters.get("prompt").ok().flatten().unwrap_or_default();
    let wants_page = prompt.split(' ').any(|wish| wish == "consent");
    if wants_page || !mount.authority.remembers() || !same_origin::is_opened_by_the_person(&asked.headers) {
        return None;
    }
    let sealed = mount.cookies().consents(jar, mount.plan.issuer.as_str())?;
    let remembered = mount.authority.open_remembered(sealed);
    mount.authority.approver(&remembered, transaction).map(Approved::Before)
}

/// The page that asks what is to be asked, with the request sealed anew.
pub(super) fn ask(mount: &Mount, transaction: &Transaction, flow: Option<&FlowId>) -> Answer {
    let sealed = mount.authority.seal_transaction(transaction);
    mount.carry(flow, &sealed);
    let ways = ways(mount);
    if transaction.needs_consent() {
        mount.metrics.consent(Consent::Shown);
        mount.step(flow, StepKind::ConsentShown, "the person was asked whether the client may sign in for them");
        consent_page(mount, transaction, &sealed, &ways)
    } else {
        mount.step(flow, StepKind::ChoiceShown, "the person was asked where to sign in");
        choice_page(mount, transaction, &sealed, &ways)
    }
}

/// What people choose from. While nothing is ready everything can be tried: whoever chooses it makes
/// us look again.
fn ways(mount: &Mount) -> Vec<Way<'_>> {
    if !mount.plan.is_choice() {
        return Vec::new();
    }
    let ready: Vec<bool> = mount.providers.iter().map(|provider| provider.readiness().ready).collect();
    let none = !ready.contains(&true);
    let plans = mount.providers.iter().map(|provider| provider.plan());
    plans
        .zip(ready)
        .map(|(plan, ready)| Way { name: &plan.name, display_name: &plan.display_name, is_available: ready || none })
        .collect()
}

fn choice_page(mount: &Mount, transaction: &Transaction, sealed: &str, ways: &[Way<'_>]) -> Answer {
    let facts = transaction.consent_facts();
    let page = ChoicePage {
        public_url: &mount.server.public_url,
        client_name: facts.client_name,
        redirect_uri: facts.redirect_uri,
        ways,
        provider_by_http: provider_by_http(mount),
        action: &mount.plan.path("/consent"),
        transaction: sealed,
    }
    .page();
    answer::page(StatusCode::OK, page, Referrer::OurselvesOnly)
}

fn provider_by_http(mount: &Mount) -> bool {
    mount.plan.identity_providers().iter().any(|plan| plan.allow_insecure_http)
}

fn consent_page(mount: &Mount, transaction: &Transaction, sealed: &str, ways: &[Way<'_>]) -> Answer {
    let facts = transaction.consent_facts();
    let offline = facts.scopes.union(&offline_access(facts.offline));
    let page = ConsentPage {
        public_url: &mount.server.public_url,
        client_name: facts.client_name,
        origin: match facts.client_host {
            Some(host) => Origin::Document { host },
            None if facts.is_configured => Origin::Operator,
            None => Origin::Registered,
        },
        redirect_uri: facts.redirect_uri,
        target: target(&transaction.redirect_uri),
        resource: facts.resource.as_str(),
        scopes: &offline,
        provider: &mount.plan.display_name,
        ways,
        provider_by_http: provider_by_http(mount),
        action: &mount.plan.path("/consent"),
        transaction: sealed,
        // Where there is a choice, this page is where people choose: it is always shown.
        remembered_for: Some(mount.plan.lifetimes.consent)
            .filter(|_| mount.authority.remembers() && !mount.plan.is_choice()),
    }
    .page();
    answer::page(StatusCode::OK, page, Referrer::OurselvesOnly)
}

fn offline_access(asked: bool) -> crate::oauth::Scopes {
    asked.then_some(Scope::OFFLINE_ACCESS).into_iter().filter_map(|scope| scope.parse().ok()).collect()
}

fn refused(mount: &Mount, asked: &Asked, parameters: &Parameters, error: &AuthorizeError) -> Answer {
    if let Err(limited) = mount.limiters.authorizations.unknown(asked.address) {
        return limited_page(mount, asked, parameters, error.client_type(), limited);
    }
    mount.metrics.authorize(error.client_type(), error.outcome());
    let flow = mount.flow_refused(asked, parameters, error.outcome(), &error.to_string());
    match error {
        AuthorizeError::Page { reason, .. } => {
            Problem::authorization(reason).of(Some(&flow)).answer(mount, &asked.headers)
        }
        AuthorizeError::Answer(refused) if refused.redirects_at_once() => {
            answer::see_other(&refused.answer.clone().naming(flow.as_str()).to_url())
        }
        AuthorizeError::Answer(refused) => {
            Problem::refused(refused, flow.as_str()).of(Some(&flow)).answer(mount, &asked.headers)
        }
    }
}

fn limited_page(mount: &Mount, asked: &Asked, parameters: &Parameters, client: ClientType, limited: Limited) -> Answer {
    mount.metrics.all().rate_limited(Limiter::Authorize);
    mount.metrics.authorize(client, Authorize::RateLimited);
    mount.authorization_limited(asked.address, parameters.get("client_id").ok().flatten());
    Problem::limited(limited.retry_after).answer(mount, &asked.headers)
}
