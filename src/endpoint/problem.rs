//! What a person reads (or a program that asks for JSON) when a request at one of the browser's
//! endpoints cannot go on.

use std::time::Duration;

use http::{HeaderMap, StatusCode};

use super::{
    Mount,
    answer::{self, Answer, Referrer},
};
use crate::{
    authority::{ClientAnswer, PageError, Refused, TransactionError},
    flow::FlowId,
    oauth::RedirectUri,
    page::{
        Target,
        notice::{Link, Notice},
        text,
    },
    request_id::X_REQUEST_ID,
};

/// Start over: the advice for everything that is over.
const START_AGAIN: &str = "Go back to your program and start the sign-in again.";

/// One problem and what to do about it.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    /// `error` for programs.
    code: &'static str,
    title: &'static str,
    what: String,
    steps: Vec<String>,
    /// The reason in technical words; nothing secret.
    detail: String,
    link: Option<Link>,
    retry_after: Option<Duration>,
    /// The sign-in that it ends.
    flow: Option<FlowId>,
}

// === impl Problem ===

impl Problem {
    fn new(status: StatusCode, code: &'static str, title: &'static str, what: impl Into<String>) -> Self {
        Self {
            status,
            code,
            title,
            what: what.into(),
            steps: Vec::new(),
            detail: String::new(),
            link: None,
            retry_after: None,
            flow: None,
        }
    }

    fn bad_request(title: &'static str, what: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", title, what)
    }

    fn step(mut self, step: impl Into<String>) -> Self {
        self.steps.push(step.into());
        self
    }

    fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    fn retry_after(mut self, after: Option<Duration>) -> Self {
        self.retry_after = after;
        self
    }

    /// An authorization request that has no good address to answer to (AS-43, D7).
    pub(super) fn authorization(reason: &PageError) -> Self {
        let status = StatusCode::from_u16(reason.status()).unwrap_or(StatusCode::BAD_REQUEST);
        let code = reason.code();
        let problem = match reason {
            PageError::UnknownClient => Self::new(
                status,
                code,
                "This server does not know the program",
                "The program that sent you here is not registered with this server, or not any more.",
            )
            .step("In the program, remove this server and add it again. It then registers anew."),
            PageError::ClientDocument(_) => Self::new(
                status,
                code,
                "The program's description cannot be used",
                "The program names a web address that should describe it, and what is there does not.",
            )
            .step("Tell the people who make the program.")
            .step("Or ask the operator of this server for a client identifier."),
            PageError::ClientDocumentUnavailable | PageError::ClientDocumentBusy => Self::new(
                status,
                code,
                "The program's description cannot be read",
                "The program names a web address that should describe it. It does not answer right now.",
            )
            .step("Wait a moment, then reload this page."),
            PageError::RedirectUriMismatch { registered } => Self::new(
                status,
                code,
                "The program asks for an answer at an unknown address",
                match registered.as_slice() {
                    [] => "It did not register any address that this server may send you to.".to_owned(),
                    some => format!("It registered: {}.", some.join(", ")),
                },
            )
            .step("If you trust the program: remove this server there and add it again.")
            .step("If you came here by a link in a message or on a page, close this window."),
            PageError::RedirectUriNotAllowed => Self::new(
                status,
                code,
                "The program may not be answered at its address",
                "The operator of this server decides to which addresses people may be sent, and the program's is not \
                 among them. Nothing was shared.",
            )
            .step("If you trust the program, ask the operator of this server to allow its address.")
            .step("If you came here by a link in a message or on a page, close this window."),
            PageError::TooLong => {
                Self::new(status, code, "The request is too long", "The program sent more than a sign-in can carry.")
                    .step("Tell the people who make the program.")
            }
            _ => Self::new(
                status,
                code,
                "The sign-in request is not complete",
                "The program that sent you here left something out, or sent it twice.",
            )
            .step(START_AGAIN)
            .step("If this comes again, tell the people who make the program."),
        };
        problem.detail(format!("{code}: {reason}")).retry_after(reason.retry_after())
    }

    /// A request that the client is told about only if the person follows the link (AS-44).
    pub(super) fn refused(refused: &Refused, flow: &str) -> Self {
        let name = text::name(&refused.client_name);
        Self::new(
            StatusCode::BAD_REQUEST,
            refused.reason.code().as_str(),
            "The request cannot be granted",
            format!("{name} asked for something that this server does not do. Nothing was shared."),
        )
        .detail(format!("{}: {}", refused.reason.code().as_str(), refused.reason))
        .link(&refused.answer.clone().naming(flow))
    }

    /// The person said no (D-12).
    pub(super) fn denied(client_name: &str, answer: &ClientAnswer) -> Self {
        let name = text::name(client_name);
        Self::new(
            StatusCode::OK,
            "access_denied",
            "Access denied",
            format!("You said no. {name} got no access, and nothing was shared."),
        )
        .step("You can close this window. The link tells the program about your decision.")
        .link(answer)
    }

    /// The person signed in, and may not pass.
    pub(super) fn may_not_pass(provider: &str, reason: &str, answer: &ClientAnswer) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "access_denied",
            "This account may not use this server",
            format!("You signed in with {provider}, but its operator has not opened this server to your account. Nothing was shared."),
        )
        .step("If you have another account, sign out at the identity provider, then start the sign-in again in your program.")
        .step("If this account should have access, tell the operator of this server the reference below.")
        .detail(format!("policy_denied: {reason}"))
        .link(answer)
    }

    /// The sealed request of a consent form cannot go on.
    pub(super) fn transaction(error: TransactionError) -> Self {
        match error {
            TransactionError::Expired => Self::bad_request(
                "This took too long",
                "For your safety a sign-in request is good for some minutes only, and this one is older.",
            )
            .step(START_AGAIN),
            TransactionError::OtherBrowser => Self::cookie_missing(),
            TransactionError::Invalid => Self::bad_request(
                "This request was not made here",
                "What your browser sent does not come from a page of this server, or it was changed on the way.",
            )
            .step(START_AGAIN),
        }
        .detail(error.to_string())
    }

    /// B3: the browser does not have the cookie of this sign-in.
    pub(super) fn cookie_missing() -> Self {
        Self::bad_request(
            "This sign-in belongs to another browser",
            "It was begun in another browser or in a private window, or your browser does not keep cookies \
             for this site. So nothing was done.",
        )
        .step("Allow cookies for this site.")
        .step("If this page is shown inside another application, have the link opened in your usual browser.")
        .step(START_AGAIN)
        .detail("the cookie of this sign-in is missing or does not fit")
    }

    /// A form from somewhere else (S02).
    pub(super) fn cross_origin() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "access_denied",
            "This did not come from our page",
            "Another site tried to answer for you. So nothing was done.",
        )
        .step("If you were about to sign in, go back to your program and start again.")
        .step("If not, close this window.")
        .detail("the form was sent by another origin")
    }

    /// The form was answered before (B2).
    pub(super) fn already_answered() -> Self {
        Self::bad_request(
            "You have already answered this",
            "Each request can be answered once, and this one was. Your answer stands.",
        )
        .step("If your program is still waiting, start the sign-in again there.")
        .detail("the authorization request was decided before")
    }

    /// The callback was loaded before (B2).
    pub(super) fn already_signed_in() -> Self {
        Self::bad_request(
            "This sign-in is already finished",
            "The page that you loaded again works once only. What came of it the first time stays as it is.",
        )
        .step("You can close this window.")
        .step("If your program is still waiting, start the sign-in again there.")
        .detail("the state was used before")
    }

    /// The sign-in at the provider took too long.
    pub(super) fn login_expired() -> Self {
        Self::transaction(TransactionError::Expired)
    }

    /// The provider sent the browser back with something that makes no sense.
    pub(super) fn callback(what: &'static str) -> Self {
        Self::bad_request(
            "The sign-in did not come back whole",
            "What the sign-in page sent with you cannot be understood. So nothing was done.",
        )
        .step(START_AGAIN)
        .detail(what)
    }

    /// The client disappeared while the person signed in.
    pub(super) fn client_gone() -> Self {
        Self::authorization(&PageError::UnknownClient)
    }

    /// The operator does not allow the client's address any more.
    pub(super) fn address_not_allowed() -> Self {
        Self::authorization(&PageError::RedirectUriNotAllowed)
    }

    /// A consent form without a decision.
    pub(super) fn no_decision() -> Self {
        Self::bad_request("No answer was chosen", "The form came without a choice.")
            .step("Go back and choose one of the two buttons.")
            .detail("the parameter decision is missing or not known")
    }

    /// Nothing is known of the provider yet, or it is down.
    pub(super) fn provider_unavailable(display_name: &str, has_others: bool, after: Duration) -> Self {
        let problem = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "temporarily_unavailable",
            "Sign-in is not available right now",
            format!("{display_name}, where you would sign in, cannot be reached at the moment."),
        );
        let problem = if has_others { problem.step("Go back and choose another way to sign in.") } else { problem };
        problem
            .step("Wait a moment, then go back and try again.")
            .step("If it stays so, tell the operator of this server.")
            .detail("the identity provider is not available")
            .retry_after(Some(after))
    }

    /// Nothing can be kept right now. The page can be loaded again.
    pub(super) fn store_unavailable(after: Duration) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "temporarily_unavailable",
            "This server cannot finish the sign-in right now",
            "You are signed in, but the server cannot keep that at the moment. Nothing was lost.",
        )
        .step(format!("Wait {} seconds, then reload this page.", after.as_secs().max(1)))
        .step("If it stays so, tell the operator of this server.")
        .detail("the store is not available")
        .retry_after(Some(after))
    }

    /// Too many requests (S75).
    pub(super) fn limited(after: Duration) -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "temporarily_unavailable",
            "Too many requests",
            "Very many sign-ins were started from your network in a short time.",
        )
        .step(format!("Wait {} seconds, then reload this page.", after.as_secs().max(1)))
        .detail("rate limited")
        .retry_after(Some(after))
    }

    /// The request does not fit into cookies.
    pub(super) fn too_long() -> Self {
        Self::authorization(&PageError::TooLong)
    }

    /// A body that was not read, a method that is not known: what HTTP itself refuses.
    pub(super) fn http(status: StatusCode, reason: &str) -> Self {
        Self::new(
            status,
            "invalid_request",
            "This request cannot be answered",
            "Your browser sent something unexpected.",
        )
        .step(START_AGAIN)
        .detail(reason)
    }

    fn link(mut self, answer: &ClientAnswer) -> Self {
        self.link = Some(Link { href: answer.to_url(), target: target(answer.redirect_uri()) });
        self
    }

    /// The sign-in that it ends, if it is known.
    pub(super) fn of(mut self, flow: Option<&FlowId>) -> Self {
        self.flow = flow.cloned();
        self
    }

    /// The reason in technical words; nothing secret.
    pub(super) fn reason(&self) -> &str {
        &self.detail
    }

    /// The response, and a line in the log under the same reference: the flow's name, or the request's
    /// where there is no flow that anybody could look up.
    pub(super) fn answer(self, mount: &Mount, headers: &HeaderMap) -> Answer {
        let request = headers.get(X_REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default();
        let (kind, reference) = match &self.flow {
            Some(flow) => ("flow", flow.as_str()),
            None => ("request", request),
        };
        let status = self.status;
        tracing::info!(
            provider = mount.plan.name,
            reference,
            status = status.as_u16(),
            reason = self.detail,
            "{}",
            self.title
        );
        let mut answer = if answer::prefers_json(headers) {
            // T5: what is an error to a program never has a good status.
            let status = if status.is_success() { StatusCode::FORBIDDEN } else { status };
            let detail = if self.detail.is_empty() { self.title } else { &self.detail };
            let named = if reference.is_empty() { String::new() } else { format!(" ({kind} {reference})") };
            answer::oauth_error(status, self.code, &format!("{detail}{named}"))
        } else {
            let page = Notice {
                public_url: &mount.server.public_url,
                title: self.title,
                what: &self.what,
                steps: &self.steps,
                link: self.link,
                detail: Some(self.detail).filter(|detail| !detail.is_empty()),
                reference,
            }
            .page();
            answer::page(status, page, Referrer::Nobody)
        };
        if let Some(after) = self.retry_after {
            answer::retry_after(&mut answer, after);
        }
        answer
    }
}

/// A redirect URI as a person reads it.
pub(super) fn target(uri: &RedirectUri) -> Target {
    Target::of(uri.display_host(), uri.is_loopback(), uri.is_private_use())
}
