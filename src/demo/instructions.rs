//! What the demo tells whoever started it.

use std::fmt;

/// The text for the terminal, by [`fmt::Display`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instructions {
    pub(super) port: Port,
    pub(super) admin_port: Port,
}

/// A port that was asked for, and the one that was to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Port {
    pub(super) wanted: u16,
    pub(super) taken: u16,
}

// === impl Instructions ===

impl Instructions {
    /// What to enter into an MCP client.
    pub fn mcp_url(&self) -> String {
        format!("http://{}:{}{}", super::ADDRESS, self.port.taken, super::mcp_server::PATH)
    }

    /// The gateway's counters.
    pub fn metrics_url(&self) -> String {
        format!("http://{}:{}/metrics", super::ADDRESS, self.admin_port.taken)
    }
}

impl fmt::Display for Instructions {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mcp, metrics) = (self.mcp_url(), self.metrics_url());
        writeln!(out, "Vestibule demo: gateway, identity provider and MCP server, all on this machine.")?;
        writeln!(out, "No account needed; everything is forgotten when it stops.\n")?;
        for (what, Port { wanted, taken }) in [("the gateway is", self.port), ("the metrics are", self.admin_port)] {
            if wanted != 0 && wanted != taken {
                writeln!(out, "Port {wanted} is in use, so {what} on port {taken}.\n")?;
            }
        }
        writeln!(out, "  Protected MCP server   {mcp}")?;
        writeln!(out, "  Metrics                {metrics}\n")?;
        writeln!(out, "1. The door is closed. This is answered 401 and says where to sign in:\n")?;
        writeln!(out, "     curl -i {mcp}\n")?;
        writeln!(out, "2. Let a client in. It opens a browser: allow it, then choose who to be.\n")?;
        writeln!(out, "     Claude Code     claude mcp add --transport http vestibule-demo {mcp}")?;
        writeln!(out, "                     then /mcp inside Claude Code")?;
        writeln!(
            out,
            r#"     VS Code         code --add-mcp '{{"name":"vestibule-demo","type":"http","url":"{mcp}"}}'"#
        )?;
        writeln!(out, "     MCP Inspector   npx @modelcontextprotocol/inspector")?;
        writeln!(out, "                     then transport \"Streamable HTTP\" and the URL {mcp}\n")?;
        writeln!(out, "   Ask it to use the tools: whoami, echo, add, countdown (which streams).\n")?;
        writeln!(out, "3. See what happened:\n")?;
        writeln!(out, "     curl -s {metrics} | grep '^vestibule_auth'\n")?;
        writeln!(out, "Ctrl-C stops it.")
    }
}
