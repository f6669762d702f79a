//! The demo's configuration: one provider and one route, all on loopback, in memory, with secrets
//! of this one start. Written as YAML and read like any other.

use std::net::{IpAddr, SocketAddr};

use http::HeaderName;
use url::Url;

use crate::{
    config::{
        self, Diagnostics,
        plan::{IdentityHeaders, Plan},
    },
    seal::random_text,
    secret::Secret,
};

use super::{ADDRESS, identity_provider, mcp_server};

/// Where the demo's three servers meet.
#[derive(Clone, Debug)]
pub(super) struct Places {
    /// `http://127.0.0.1:<port>/`
    public_url: Url,
    listen: SocketAddr,
    admin_listen: SocketAddr,
    /// What is registered at the identity provider.
    pub(super) callback_url: Url,
}

// === impl Places ===

impl Places {
    /// The gateway's ports; everything follows from them.
    ///
    /// # Errors
    /// If the address made no URL.
    pub(super) fn new(port: u16, admin_port: u16) -> Result<Self, url::ParseError> {
        let public_url = Url::parse(&format!("http://{ADDRESS}:{port}/"))?;
        let callback_url = public_url.join("/auth/callback")?;
        let at = |port| SocketAddr::new(IpAddr::V4(ADDRESS), port);
        Ok(Self { public_url, listen: at(port), admin_listen: at(admin_port), callback_url })
    }
}

/// The headers that tell the MCP server who calls: the gateway's defaults.
pub(super) fn identity_headers() -> IdentityHeaders {
    let name = |name| Some(HeaderName::from_static(name));
    IdentityHeaders {
        subject: name("x-vestibule-subject"),
        email: name("x-vestibule-email"),
        scopes: name("x-vestibule-scopes"),
        client: name("x-vestibule-client"),
        assertion: None,
    }
}

/// The whole plan. No variable of the environment changes it.
///
/// # Errors
/// [`Diagnostics`] if the text below were wrong, which a test would show.
pub(super) fn compile(
    places: &Places,
    provider: &identity_provider::Running,
    server: &mcp_server::Running,
) -> Result<Plan, Diagnostics> {
    let Places { public_url, listen, admin_listen, callback_url } = places;
    let text = format!(
        r#"
version: 1
public_url: {public_url}
listen: {listen}
admin_listen: {admin_listen}
storage: memory
secret: "{secret}"
limits: {{ drain_timeout: 2s }}
log: warn
providers:
  demo:
    display_name: the demo identity provider
    config_url: {config_url}
    client_id: {client_id}
    client_secret: "{client_secret}"
    required_scopes: [openid, profile, email]
    redirect_path: {redirect_path}
    allow_insecure_http: true
    routes:
      - path: {path}
        backend: {backend}
        # The MCP Inspector's page, which calls the gateway from the browser.
        allowed_origins: [http://localhost:6274, http://127.0.0.1:6274]
"#,
        secret = random_text::<32>(),
        config_url = provider.config_url(),
        client_id = provider.client_id(),
        client_secret = provider.client_secret().map_or("", Secret::expose),
        redirect_path = callback_url.path(),
        path = mcp_server::PATH,
        backend = server.url(),
    );
    config::from_yaml(&text, &[])
}
