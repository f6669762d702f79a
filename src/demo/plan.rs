//! The demo's configuration: one provider and one route, all on loopback, in memory, with secrets
//! of this one start.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use http::HeaderName;
use url::Url;

use crate::{
    config::plan::{
        BackendAuthorization, BackendPlan, IdentityHeaders, Lifetimes, LimitsPlan, LogFormat, LogPlan, Plan,
        ProviderPlan, RoutePlan, SigningAlgorithm, StoragePlan,
    },
    oauth::{Issuer, ResourceUri, Scope, Scopes},
    seal::random_text,
    secret::Secret,
};

use super::{ADDRESS, identity_provider, mcp_server};

/// The provider's name in metrics and logs.
const NAME: &str = "demo";

/// Where the identity provider sends the browser back to.
const REDIRECT_PATH: &str = "/auth/callback";

const SCOPES: [&str; 3] = ["openid", "profile", "email"];

/// The MCP Inspector's page, which calls the gateway from the browser.
const INSPECTOR_ORIGINS: [&str; 2] = ["http://localhost:6274", "http://127.0.0.1:6274"];

/// Where the demo's three servers meet.
#[derive(Clone, Debug)]
pub(super) struct Places {
    /// `http://127.0.0.1:<port>/`
    public_url: Url,
    listen: SocketAddr,
    admin_listen: SocketAddr,
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
        let callback_url = public_url.join(REDIRECT_PATH)?;
        let at = |port| SocketAddr::new(IpAddr::V4(ADDRESS), port);
        Ok(Self { public_url, listen: at(port), admin_listen: at(admin_port), callback_url })
    }
}

/// The headers that tell the MCP server who calls.
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

/// The whole plan.
///
/// # Errors
/// If an address of a running server were no URL.
pub(super) fn compile(
    places: Places,
    provider: &identity_provider::Running,
    server: &mcp_server::Running,
) -> Result<Plan, url::ParseError> {
    let Places { public_url, listen, admin_listen, callback_url } = places;
    let scopes: Scopes = SCOPES.into_iter().filter_map(|scope| scope.parse::<Scope>().ok()).collect();
    let minute = Duration::from_mins(1);
    let day = Duration::from_hours(24);
    let route = RoutePlan {
        id: format!("{NAME}{}", mcp_server::PATH),
        provider: NAME.to_owned(),
        path: mcp_server::PATH.to_owned(),
        resource: ResourceUri::of_route(&public_url, mcp_server::PATH),
        backend: BackendPlan {
            url: Url::parse(&server.url())?,
            connect_timeout: Duration::from_secs(5),
            response_timeout: minute * 5,
        },
        required_scopes: scopes.clone(),
        max_body: 16 * 1024 * 1024,
        allowed_origins: INSPECTOR_ORIGINS.map(str::to_owned).to_vec(),
        identity_headers: identity_headers(),
        backend_authorization: BackendAuthorization::None,
    };
    let provider = ProviderPlan {
        name: NAME.to_owned(),
        display_name: "the demo identity provider".to_owned(),
        mount: "/".to_owned(),
        issuer: Issuer::new(&public_url, "/"),
        config_url: Url::parse(&provider.config_url())?,
        client_id: provider.client_id().to_owned(),
        client_secret: provider.client_secret().cloned(),
        token_endpoint_auth_method: None,
        audience: None,
        required_scopes: scopes.clone(),
        valid_scopes: scopes,
        redirect_path: REDIRECT_PATH.to_owned(),
        callback_url,
        extra_authorize_params: Vec::new(),
        extra_token_params: Vec::new(),
        offline_access: true,
        dynamic_registration: true,
        client_id_metadata_documents: true,
        private_use_schemes: None,
        clients: Vec::new(),
        lifetimes: Lifetimes {
            transaction: minute * 15,
            code: minute,
            access_token: minute * 15,
            refresh_token: day * 30,
            grant: day * 90,
            refresh_grace: minute,
        },
        timeout: Duration::from_secs(10),
        allow_insecure_http: true,
        routes: vec![Arc::new(route)],
    };
    Ok(Plan {
        public_url,
        allowed_hosts: Vec::new(),
        listen,
        admin_listen: Some(admin_listen),
        storage: StoragePlan::Memory,
        root_secrets: vec![Secret::new(random_text::<32>())],
        trusted_proxies: Vec::new(),
        limits: LimitsPlan {
            connections: 4096,
            header_timeout: Duration::from_secs(10),
            header_bytes: 64 * 1024,
            drain_timeout: Duration::from_secs(2),
            registrations_per_hour: 120,
            authorizations_per_minute: 120,
            token_requests_per_minute: 600,
        },
        signing: SigningAlgorithm::Es256,
        log: LogPlan { filter: "warn".to_owned(), format: LogFormat::Auto },
        providers: vec![Arc::new(provider)],
    })
}
