//! What is remembered of one flow.

use serde::{Deserialize, Serialize};

use super::{Beginning, FlowId, advice::advice};
use crate::{printable::bounded, time::Timestamp};

/// Steps of one flow; a client that refreshes for days fills no memory.
const MOST_STEPS: usize = 64;
/// So many of them are the first ones, which tell most; the others are the newest.
const FIRST_STEPS: usize = 48;

/// One sign-in and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// Its name.
    pub id: FlowId,
    /// The provider's name.
    pub provider: String,
    /// Where the person signs in, if `provider` is a choice and one was picked.
    pub identity_provider: Option<String>,
    /// When the client asked.
    pub started_at: Timestamp,
    /// Where it asked from.
    pub address: String,
    /// What the client calls itself.
    pub client_name: Option<String>,
    /// The client's identifier.
    pub client_id: Option<String>,
    /// What it asked access to.
    pub resource: Option<String>,
    /// Who signed in: the provider's stable id.
    pub subject: Option<String>,
    /// How the sign-in ended, a word of docs/metrics.md; `None` while it is under way.
    pub outcome: Option<String>,
    /// What somebody could do about that.
    pub advice: Option<String>,
    /// What went wrong last after the sign-in: a token request or a call was refused.
    pub trouble: Option<Trouble>,
    /// In the order in which they happened.
    pub steps: Vec<Step>,
    /// Steps between the first ones and the last ones that were not kept; see [`Flow::parts`].
    pub left_out: usize,
}

/// Something that came out badly after the sign-in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// When.
    pub at: Timestamp,
    /// A word of docs/metrics.md.
    pub outcome: String,
    /// What somebody could do about it.
    pub advice: Option<String>,
}

/// One line of a list of flows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {
    /// Its name.
    pub id: FlowId,
    /// The provider's name.
    pub provider: String,
    /// When the client asked.
    pub started_at: Timestamp,
    /// What the client calls itself.
    pub client_name: Option<String>,
    /// How the sign-in ended.
    pub outcome: Option<String>,
    /// How the last thing came out that went wrong after it.
    pub trouble: Option<String>,
    /// The last thing that happened.
    pub last: Option<StepKind>,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// When.
    pub at: Timestamp,
    /// What kind of thing.
    pub kind: StepKind,
    /// For a person.
    pub text: String,
}

/// What can happen in a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// A request without a token was refused with 401.
    Challenged,
    /// The client registered itself.
    Registered,
    /// The client asked for authorization.
    Asked,
    /// Something in the request was not right and was understood all the same.
    Repaired,
    /// The consent page was shown.
    ConsentShown,
    /// The person approved.
    Approved,
    /// The person refused.
    Denied,
    /// The page was shown on which people choose where they sign in.
    ChoiceShown,
    /// The person chose an identity provider.
    Chosen,
    /// The browser was sent to the provider.
    SentToProvider,
    /// The browser came back and the sign-in is good.
    SignedIn,
    /// A code was exchanged for tokens.
    TokenIssued,
    /// A call with its token passed the gate.
    Accepted,
    /// Tokens were renewed.
    Refreshed,
    /// Something was refused.
    Refused,
    /// The access ended.
    Revoked,
}

// === impl Flow ===

impl Flow {
    pub(super) fn new(beginning: &Beginning<'_>, now: Timestamp) -> Self {
        let text = |text: Option<&str>| text.map(bounded);
        Self {
            id: FlowId::random(),
            provider: beginning.provider.to_owned(),
            identity_provider: None,
            started_at: now,
            address: beginning.address.to_string(),
            client_name: None,
            client_id: text(beginning.client_id),
            resource: text(beginning.resource),
            subject: None,
            outcome: None,
            advice: None,
            trouble: None,
            steps: Vec::new(),
            left_out: 0,
        }
    }

    /// Adds a step. When it is full, one in the middle goes.
    pub fn add(&mut self, step: Step) {
        if self.steps.len() >= MOST_STEPS {
            self.steps.remove(FIRST_STEPS);
            self.left_out += 1;
        }
        self.steps.push(step);
    }

    /// Something was refused after the sign-in. Again and again the same is one step.
    pub(super) fn refuse(&mut self, at: Timestamp, outcome: &str, text: &str) {
        let step = Step::new(at, StepKind::Refused, text);
        self.trouble = Some(Trouble { at, outcome: outcome.to_owned(), advice: advice(outcome).map(str::to_owned) });
        if self.steps.last().is_none_or(|last| (last.kind, &last.text) != (step.kind, &step.text)) {
            self.add(step);
        }
    }

    /// The steps before and after those that were not kept.
    pub fn parts(&self) -> (&[Step], &[Step]) {
        let first = if self.left_out == 0 { self.steps.len() } else { FIRST_STEPS };
        self.steps.split_at_checked(first).unwrap_or((&self.steps, &[]))
    }

    /// How it ended, in a few words.
    pub fn summary(&self) -> String {
        summary(self.outcome.as_deref(), self.trouble.as_ref().map(|trouble| trouble.outcome.as_str()))
    }

    /// What somebody could do about what went wrong last.
    pub fn what_to_do(&self) -> Option<&str> {
        self.trouble.as_ref().map_or(self.advice.as_deref(), |trouble| trouble.advice.as_deref())
    }

    /// The sign-in ended.
    pub fn end(&mut self, outcome: &str) {
        self.outcome = Some(outcome.to_owned());
        self.advice = advice(outcome).map(str::to_owned);
    }

    /// The sign-in goes on after all: somebody tried again what did not begin.
    pub fn resume(&mut self) {
        self.outcome = None;
        self.advice = None;
    }

    /// Whether somebody is expected back.
    pub fn is_under_way(&self) -> bool {
        self.outcome.is_none()
    }

    pub(super) fn overview(&self) -> Overview {
        Overview {
            id: self.id.clone(),
            provider: self.provider.clone(),
            started_at: self.started_at,
            client_name: self.client_name.clone(),
            outcome: self.outcome.clone(),
            trouble: self.trouble.as_ref().map(|trouble| trouble.outcome.clone()),
            last: self.steps.last().map(|step| step.kind),
        }
    }
}

// === impl Overview ===

impl Overview {
    /// How it ended, in a few words.
    pub fn summary(&self) -> String {
        summary(self.outcome.as_deref(), self.trouble.as_deref())
    }
}

fn summary(outcome: Option<&str>, trouble: Option<&str>) -> String {
    let outcome = outcome.unwrap_or("under way");
    trouble.map_or_else(|| outcome.to_owned(), |trouble| format!("{outcome}, then {trouble}"))
}

// === impl Step ===

impl Step {
    pub(super) fn new(at: Timestamp, kind: StepKind, text: &str) -> Self {
        Self { at, kind, text: bounded(text) }
    }
}

// === impl StepKind ===

impl StepKind {
    /// As it is written in lists.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Challenged => "challenged",
            Self::Registered => "registered",
            Self::Asked => "asked",
            Self::Repaired => "repaired",
            Self::ConsentShown => "consent shown",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::ChoiceShown => "choice shown",
            Self::Chosen => "chosen",
            Self::SentToProvider => "sent to provider",
            Self::SignedIn => "signed in",
            Self::TokenIssued => "token issued",
            Self::Accepted => "accepted",
            Self::Refreshed => "refreshed",
            Self::Refused => "refused",
            Self::Revoked => "revoked",
        }
    }
}
