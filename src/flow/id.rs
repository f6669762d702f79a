//! A flow's name: short enough to be read out, and no secret.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::seal;

/// Without vowels and look-alikes: no words, no misreading.
const ALPHABET: [char; 20] =
    ['B', 'C', 'D', 'F', 'G', 'H', 'J', 'K', 'L', 'M', 'N', 'P', 'Q', 'R', 'S', 'T', 'V', 'W', 'X', 'Z'];
const LENGTH: usize = 8;

/// Names one sign-in. Random; it opens nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FlowId(String);

/// The text names no flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a flow's name has eight capital letters, such as BCDFGHJK; it is on the error page and in the log")]
pub struct NoFlowId;

// === impl FlowId ===

impl FlowId {
    /// A new name.
    pub fn random() -> Self {
        let mut bytes = [0; LENGTH];
        seal::fill(&mut bytes);
        Self(bytes.iter().filter_map(|byte| ALPHABET.get(usize::from(*byte) % ALPHABET.len())).collect())
    }

    /// The name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Every line that the current request writes into the log from now on names the flow.
    pub fn name_request(&self) {
        tracing::Span::current().record("flow", self.as_str());
    }
}

impl FromStr for FlowId {
    type Err = NoFlowId;

    fn from_str(text: &str) -> Result<Self, NoFlowId> {
        let text = text.trim().to_ascii_uppercase();
        let known = text.chars().count() == LENGTH && text.chars().all(|char| ALPHABET.contains(&char));
        if known { Ok(Self(text)) } else { Err(NoFlowId) }
    }
}

impl fmt::Display for FlowId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
