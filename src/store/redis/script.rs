//! What the server runs for us: Lua, named by its SHA-1 after the first time.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

const PRELUDE: &str = include_str!("prelude.lua");

pub(super) static COMMIT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("commit.lua")));
pub(super) static LIST: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("list.lua")));
pub(super) static SWEEP: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("sweep.lua")));
pub(super) static DELETIONS: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("deletions.lua")));
pub(super) static PROBE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("probe.lua")));

/// A script with what all of them share.
#[derive(Debug)]
pub(super) struct Script {
    text: String,
    digest: String,
}

// === impl Script ===

impl Script {
    fn new(body: &str) -> Self {
        let text = [PRELUDE, body].concat();
        let mut name = String::new();
        for byte in digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()).as_ref() {
            name.extend([byte >> 4, byte & 15].into_iter().filter_map(|half| char::from_digit(half.into(), 16)));
        }
        Self { text, digest: name }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn digest(&self) -> &str {
        &self.digest
    }
}
