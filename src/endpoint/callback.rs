//! Where an identity provider sends the browser back to: from there to the client, with a code of ours or
//! with an error.
//!
//! The order matters. First whether this browser began this sign-in and has not used it yet (S01),
//! only then what the provider says; the state is spent before anything is asked of the provider.

use std::{sync::Arc, time::Duration};

use http::HeaderValue;

use super::{
    Asked, Mount,
    answer::{self, Answer},
    authorize,
    consent::{Approved, PendingLogin},
    cookies::Jar,
    problem::Problem,
};
use crate::{
    authority::{AnswerError, ClientAnswer, Duplicate, IssueError, Parameters, Transaction},
    metrics::outcome::{Callback, Denial},
    provider::{CallbackParameters, LoginError, Provider, tokens::GivenBy},
    seal::Purpose,
    secret::equal,
};

/// Of a repeated `state`, so many are burnt.
const MAX_STATES: usize = 4;

/// When a person may reload the page, if the store does not answer.
const STORE_RETRY: Duration = Duration::from_secs(5);

/// How a callback ends, besides what is counted.
enum End {
    /// The client is told.
    Client(ClientAnswer),
    /// A person reads about it; the client cannot be told, or there is nothing to tell.
    Person(Box<Problem>),
    /// Not the person who approved before: they are asked themselves.
    Ask(Box<Transaction>),
}

/// What an operator may know of the end, besides.
#[derive(Default)]
struct Told {
    subject: Option<String>,
    reason: Option<String>,
    /// The approval of this sign-in, for the browser to remember.
    consent: Option<HeaderValue>,
}

/// What the provider's authorization response says, once it is known to be for this browser.
enum Response {
    Code(CallbackParameters),
    Error { code: String, description: String },
    Neither,
}

/// Answers the browser's return.
pub(super) async fn answer(mount: Arc<Mount>, provider: Arc<Provider>, asked: Asked, parameters: Parameters) -> Answer {
    let jar = Jar::read(&asked.headers);
    // Whatever comes of it, the cookies of every state that is named have done their work.
    let cleared: Vec<HeaderValue> =
        parameters.all("state").take(MAX_STATES).flat_map(|state| mount.cookies().clear_login(&jar, state)).collect();
    let flow = parameters.all("state").take(MAX_STATES).find_map(|state| mount.flow_of(state));
    let flow = flow.as_ref();
    let mut told = Told::default();
    let pending = match pending(&mount, &provider, &jar, &parameters) {
        Ok(pending) => match spend(&mount, &pending).await {
            Ok(()) => Ok(pending),
            // Neither the state nor the provider's code was used: the same request works later.
            Err((outcome, problem)) if outcome == Callback::StoreError => {
                provider.metrics().callback(outcome);
                return problem.of(flow).answer(&mount, &asked.headers);
            }
            Err(refused) => Err(refused),
        },
        // At another replica the browser's cookie was taken back, and here nothing is known of it.
        Err((Callback::StateUnknown, problem)) => match parameters.get("state") {
            Ok(Some(state)) if mount.authority.is_spent(state).await => {
                Err((Callback::StateReplayed, Box::new(Problem::already_signed_in())))
            }
            _ => Err((Callback::StateUnknown, problem)),
        },
        Err(refused) => Err(refused),
    };
    let (outcome, end) = match pending {
        Ok(pending) => {
            let since = mount.clock.now().since(pending.transaction.started_at);
            let (outcome, end) = finish(&mount, &provider, &pending, &parameters, &mut told).await;
            if outcome == Callback::Ok && matches!(pending.approved, Approved::Now) {
                told.consent = remember(&mount, &jar, &pending.transaction, told.subject.as_deref());
            }
            let (subject, reason) = (told.subject.as_deref(), told.reason.as_deref());
            let is_over = mount.returned(flow, &provider, Some(&pending.transaction), subject, outcome, reason);
            // Whoever is asked now goes on from there.
            if is_over && outcome != Callback::ConsentNeeded {
                mount.metrics.login(outcome, Some(since));
            }
            (outcome, end)
        }
        Err((outcome, problem)) => {
            if mount.returned(flow, &provider, None, None, outcome, Some(problem.reason())) {
                mount.metrics.login(outcome, None);
            }
            (outcome, End::Person(problem))
        }
    };
    provider.metrics().callback(outcome);
    let mut answer = match end {
        End::Client(answer) => {
            if let (Some(flow), Some(digest)) = (flow, answer.code_digest()) {
                mount.flows.link(digest, flow);
            }
            answer::see_other(&flow.into_iter().fold(answer, |answer, flow| answer.naming(flow.as_str())).to_url())
        }
        End::Person(problem) => problem.of(flow).answer(&mount, &asked.headers),
        End::Ask(transaction) => authorize::ask(&mount, &transaction, flow),
    };
    answer::set_cookies(&mut answer, cleared.into_iter().chain(told.consent));
    answer
}

/// What the browser remembers from now on, if the plan wants that.
fn remember(mount: &Mount, jar: &Jar, transaction: &Transaction, subject: Option<&str>) -> Option<HeaderValue> {
    let subject = subject.filter(|_| mount.authority.remembers())?;
    let (cookies, issuer) = (mount.cookies(), mount.plan.issuer.as_str());
    let mut remembered =
        cookies.consents(jar, issuer).map(|sealed| mount.authority.open_remembered(sealed)).unwrap_or_default();
    mount.authority.remember(&mut remembered, transaction, subject);
    cookies.set_consents(issuer, &mount.authority.seal_remembered(&remembered), mount.plan.lifetimes.consent)
}

/// The sign-in that this browser began, now used up.
fn pending(
    mount: &Mount,
    provider: &Provider,
    jar: &Jar,
    parameters: &Parameters,
) -> Result<PendingLogin, (Callback, Box<Problem>)> {
    let state = match parameters.get("state") {
        Ok(Some(state)) => state,
        Ok(None) => {
            return Err((Callback::StateMissing, Box::new(Problem::callback("the parameter state is missing"))));
        }
        Err(Duplicate(_)) => {
            parameters.all("state").take(MAX_STATES).for_each(|state| mount.memory.burn(state));
            return Err((Callback::DuplicateParam, Box::new(Problem::callback("the parameter state is there twice"))));
        }
    };
    let Some(sealed) = mount.cookies().login(jar, state) else {
        if mount.memory.is_spent(state) {
            return Err((Callback::StateReplayed, Box::new(Problem::already_signed_in())));
        }
        mount.memory.burn(state);
        return Err((Callback::StateUnknown, Box::new(Problem::cookie_missing())));
    };
    let Some(pending) = open(mount, provider, state, &sealed) else {
        // Anybody can make up a cookie: this says nothing about our keys.
        mount.memory.burn(state);
        return Err((Callback::CookieMismatch, Box::new(Problem::cookie_missing())));
    };
    if mount.memory.is_known(state) {
        return Err((Callback::StateReplayed, Box::new(Problem::already_signed_in())));
    }
    if pending.transaction.is_expired(mount.clock.now()) {
        return Err((Callback::StateExpired, Box::new(Problem::login_expired())));
    }
    Ok(pending)
}

/// Uses up the state, for every replica.
async fn spend(mount: &Mount, pending: &PendingLogin) -> Result<(), (Callback, Box<Problem>)> {
    let state = &pending.login.state;
    match mount.authority.spend(state, &pending.transaction).await {
        // Both: what a stranger burnt meanwhile is known to this process alone.
        Ok(true) if mount.memory.spend(state) => Ok(()),
        Ok(_) => Err((Callback::StateReplayed, Box::new(Problem::already_signed_in()))),
        Err(error) => {
            tracing::error!(provider = mount.plan.name, %error, "a sign-in has to wait for the store");
            Err((Callback::StoreError, Box::new(Problem::store_unavailable(STORE_RETRY))))
        }
    }
}

fn open(mount: &Mount, provider: &Provider, state: &str, sealed: &str) -> Option<PendingLogin> {
    let context = mount.login_context(provider, state);
    let json = mount.sealer.open_text(Purpose::Login, &context, sealed).ok()?;
    let pending: PendingLogin = serde_json::from_slice(&json).ok()?;
    equal(pending.login.state.as_bytes(), state.as_bytes()).then_some(pending)
}

/// From here on the person has approved on our page, so the client is told at once.
async fn finish(
    mount: &Mount,
    provider: &Provider,
    pending: &PendingLogin,
    parameters: &Parameters,
    told: &mut Told,
) -> (Callback, End) {
    let decline = |outcome, code, description: &str| {
        (outcome, End::Client(mount.authority.decline(&pending.transaction, code, description)))
    };
    if !mount.authority.may_be_answered(&pending.transaction) {
        told.reason = Some("the client may not be answered at its address any more".to_owned());
        return (Callback::PolicyDenied, End::Person(Box::new(Problem::address_not_allowed())));
    }
    match read(parameters) {
        Err(Duplicate(_)) => {
            let problem = Problem::callback("a parameter of the authorization response is there twice");
            (Callback::DuplicateParam, End::Person(Box::new(problem)))
        }
        Ok(Response::Neither) => decline(
            Callback::CodeMissing,
            AnswerError::ServerError,
            "the identity provider answered with neither a code nor an error",
        ),
        Ok(Response::Error { code, description }) => {
            provider.metrics().idp_error("authorize", &code);
            tracing::warn!(
                provider = provider.plan().name,
                error = answer::describe(&code),
                description = answer::describe(&description),
                "the identity provider refused a sign-in"
            );
            let (outcome, error) = provider_error(&code);
            let said = answer::describe(&format!("the identity provider said {code}: {description}"));
            told.reason = Some(said.clone());
            decline(outcome, error, said.trim_end_matches([':', ' ']))
        }
        Ok(Response::Code(callback)) => match signed_in(mount, provider, pending, &callback, told).await {
            Ok(answer) => (Callback::Ok, End::Client(answer)),
            Err(Failure::Login(error @ LoginError::ForeignTenant(_))) => {
                mount.metrics.denied(Denial::Claim);
                told.reason = Some(error.to_string());
                (error.outcome(), may_not_pass(mount, provider, pending, &error.to_string()))
            }
            Err(Failure::Login(error)) => {
                tracing::warn!(provider = provider.plan().name, %error, "a sign-in failed");
                told.reason = Some(error.to_string());
                let (code, description) = login_error(&error);
                decline(error.outcome(), code, description)
            }
            Err(Failure::OtherPerson) => {
                told.reason = Some("not the person who approved before signed in, and is asked".to_owned());
                (Callback::ConsentNeeded, End::Ask(Box::new(pending.transaction.clone())))
            }
            Err(Failure::Issue(error)) => {
                told.reason = Some(error.to_string());
                issue_failed(mount, provider, pending, &error)
            }
        },
    }
}

enum Failure {
    Login(LoginError),
    OtherPerson,
    Issue(IssueError),
}

async fn signed_in(
    mount: &Mount,
    provider: &Provider,
    pending: &PendingLogin,
    callback: &CallbackParameters,
    told: &mut Told,
) -> Result<ClientAnswer, Failure> {
    let finished = provider.finish_login(&pending.login, callback).await;
    let (mut identity, mut tokens) = finished.map_err(Failure::Login)?;
    if let Some(name) = mount.told_of(provider) {
        identity.provider = Some(name.to_owned());
        tokens.given_by = Some(GivenBy::of(provider.plan()));
    }
    let subject = identity.subject_here().into_owned();
    let is_other = matches!(&pending.approved, Approved::Before(approver) if !approver.is(&subject));
    told.subject = Some(subject);
    if is_other {
        return Err(Failure::OtherPerson);
    }
    mount.authority.issue_code(&pending.transaction, identity, tokens).await.map_err(Failure::Issue)
}

fn issue_failed(mount: &Mount, provider: &Provider, pending: &PendingLogin, error: &IssueError) -> (Callback, End) {
    let decline = |outcome, code| {
        (
            outcome,
            End::Client(mount.authority.decline(&pending.transaction, code, &answer::describe(&error.to_string()))),
        )
    };
    match error {
        IssueError::Expired => (Callback::StateExpired, End::Person(Box::new(Problem::login_expired()))),
        // Its redirect URI is not known to be good any more: nobody is sent there (AS-43).
        IssueError::ClientGone => (Callback::PolicyDenied, End::Person(Box::new(Problem::client_gone()))),
        IssueError::Denied(denied) => (Callback::PolicyDenied, may_not_pass(mount, provider, pending, &denied.reason)),
        IssueError::ResourceGone => decline(Callback::PolicyDenied, AnswerError::InvalidTarget),
        error => {
            tracing::error!(provider = mount.plan.name, %error, "no code could be issued");
            (
                Callback::StoreError,
                End::Client(mount.authority.decline(
                    &pending.transaction,
                    AnswerError::TemporarilyUnavailable,
                    "the server cannot finish the sign-in right now",
                )),
            )
        }
    }
}

/// Somebody signed in, and is none of those who may.
fn may_not_pass(mount: &Mount, provider: &Provider, pending: &PendingLogin, reason: &str) -> End {
    let declined = mount.authority.decline(
        &pending.transaction,
        AnswerError::AccessDenied,
        "this account may not use this server",
    );
    End::Person(Box::new(Problem::may_not_pass(&provider.plan().display_name, reason, &declined)))
}

/// RFC 6749 sections 4.1.2 and 4.1.2.1, RFC 9207.
fn read(parameters: &Parameters) -> Result<Response, Duplicate> {
    let owned = |name| Ok::<_, Duplicate>(parameters.get(name)?.map(str::to_owned));
    let (code, error, iss) = (owned("code")?, owned("error")?, owned("iss")?);
    Ok(match (error, code) {
        (Some(code), _) => {
            let description = parameters.get("error_description").ok().flatten().unwrap_or_default().to_owned();
            Response::Error { code, description }
        }
        (None, Some(code)) => Response::Code(CallbackParameters { code, iss }),
        (None, None) => Response::Neither,
    })
}

/// What the client hears of a provider's `error`: what a person did stays what it is, what is
/// wrong between us and the provider is our fault.
fn provider_error(code: &str) -> (Callback, AnswerError) {
    match code {
        "access_denied"
        | "login_required"
        | "consent_required"
        | "interaction_required"
        | "account_selection_required" => (Callback::AccessDenied, AnswerError::AccessDenied),
        "temporarily_unavailable" => (Callback::IdpError, AnswerError::TemporarilyUnavailable),
        _ => (Callback::IdpError, AnswerError::ServerError),
    }
}

/// What the client hears of a failed sign-in; the reason itself is in our log.
const fn login_error(error: &LoginError) -> (AnswerError, &'static str) {
    match error {
        LoginError::Unavailable(_) => {
            (AnswerError::TemporarilyUnavailable, "the identity provider cannot be reached right now")
        }
        LoginError::ForeignTenant(_) => (AnswerError::AccessDenied, "this account may not use this server"),
        LoginError::PolicyDenied { .. } => {
            (AnswerError::AccessDenied, "the identity provider did not grant what this server requires")
        }
        LoginError::IssMismatch
        | LoginError::ExchangeFailed(_)
        | LoginError::IdTokenInvalid(_)
        | LoginError::AccessTokenInvalid(_)
        | LoginError::NonceMismatch
        | LoginError::UserinfoFailed
        | LoginError::UserApi(_) => {
            (AnswerError::ServerError, "the sign-in at the identity provider could not be completed")
        }
    }
}
