//! What a token must carry to pass. Decides on the matched route and the token's scopes, and on
//! nothing else of the request.

use crate::oauth::{Scope, Scopes};

/// What a route demands.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    required: Scopes,
}

/// The token is good, but not for this. Names everything that a new one should carry: what it had
/// and what is missing (RS-7), since clients replace their scopes by these (S7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Insufficient {
    pub(super) needed: Scopes,
}

// === impl Policy ===

impl Policy {
    pub(super) fn new(required: &Scopes) -> Self {
        Self { required: required.without(Scope::OFFLINE_ACCESS) }
    }

    /// The least that opens the route, for the challenge (RS-5). Never `offline_access` (RS-9).
    pub(super) fn required(&self) -> &Scopes {
        &self.required
    }

    pub(super) fn check(&self, granted: &Scopes) -> Result<(), Insufficient> {
        if self.required.is_subset(granted) {
            return Ok(());
        }
        Err(Insufficient { needed: granted.without(Scope::OFFLINE_ACCESS).union(&self.required) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(required: &str, granted: &str) -> Result<(), String> {
        let scopes = |text| Scopes::parse(text).unwrap();
        Policy::new(&scopes(required)).check(&scopes(granted)).map_err(|refused| refused.needed.to_string())
    }

    /// S30, S7, RS-9: it denies, and names granted and required.
    #[test]
    fn s7_s30_rs9_scopes() {
        for (required, granted, expected) in [
            ("mcp", "mcp", Ok(())),
            ("mcp", "read mcp", Ok(())),
            ("", "", Ok(())),
            ("offline_access", "", Ok(())),
            ("mcp", "", Err("mcp")),
            ("mcp write", "mcp read", Err("mcp read write")),
            ("mcp", "MCP", Err("MCP mcp")),
            ("mcp offline_access", "read offline_access", Err("read mcp")),
        ] {
            assert_eq!(check(required, granted), expected.map_err(str::to_owned), "{required} | {granted}");
        }
    }
}
