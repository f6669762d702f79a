//! Whether this process should be sent requests, and what is wrong.

use serde::Serialize;

/// Everything that may not be ready.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// The process is on its way out.
    pub draining: bool,
    /// The store.
    pub store: Part,
    /// Each provider by its name. One that is down does not make us unready: whoever is signed in
    /// goes on (S76).
    pub providers: Vec<NamedPart>,
}

/// One thing that may be ready or not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Part {
    /// It can be used.
    pub ready: bool,
    /// Why not; for an operator, without secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One of several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NamedPart {
    /// Its name in the configuration.
    pub name: String,
    /// How it is.
    #[serde(flatten)]
    pub state: Part,
}

/// What `/readyz` answers.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) ready: bool,
    #[serde(flatten)]
    readiness: Readiness,
}

// === impl Readiness ===

impl Readiness {
    /// Whether requests should come here.
    pub fn is_ready(&self) -> bool {
        !self.draining && self.store.ready
    }

    pub(super) fn report(self) -> Report {
        Report { ready: self.is_ready(), readiness: self }
    }
}
