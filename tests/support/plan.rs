//! Plans for tests, by hand: what the compiler of configurations would make of a few words.

use std::{sync::Arc, time::Duration};

use url::Url;
use vestibule::{
    config::plan::{
        AuditPlan, BackendAuthorization, BackendPlan, ConsentPlan, IdentityHeaders, Lifetimes, LimitsPlan, LogFormat,
        LogPlan, Mode, PathMatch, Plan, PolicyPlan, ProtocolPlan, ProviderPlan, RoutePlan, SigningAlgorithm,
        SigningPlan, StoragePlan,
    },
    oauth::{Issuer, ResourceUri, Scopes},
};

/// Providers as (name, mount, route paths); every backend is `http://127.0.0.1:9/`.
pub(crate) fn plan(public_url: &str, providers: &[(&str, &str, &[&str])]) -> Plan {
    let public_url = Url::parse(public_url).unwrap();
    Plan {
        allowed_hosts: Vec::new(),
        listen: ([127, 0, 0, 1], 0).into(),
        admin_listen: None,
        tls: None,
        storage: StoragePlan::Memory,
        root_secrets: Vec::new(),
        trusted_proxies: Vec::new(),
        limits: LimitsPlan {
            connections: 1000,
            header_timeout: Duration::from_secs(10),
            header_bytes: 64 * 1024,
            drain_timeout: Duration::from_secs(1),
            registrations_per_hour: 100,
            authorizations_per_minute: 100,
            token_requests_per_minute: 100,
        },
        signing: SigningPlan::made_here(SigningAlgorithm::Es256),
        log: LogPlan { filter: "info".to_owned(), format: LogFormat::Text },
        audit: AuditPlan::Off,
        providers: providers
            .iter()
            .map(|(name, mount, routes)| Arc::new(provider(&public_url, name, mount, routes)))
            .collect(),
        public_url,
    }
}

/// One provider with its routes.
pub(crate) fn provider(public_url: &Url, name: &str, mount: &str, routes: &[&str]) -> ProviderPlan {
    let issuer = Issuer::new(public_url, mount);
    ProviderPlan {
        name: name.to_owned(),
        display_name: name.to_owned(),
        mount: mount.to_owned(),
        service_documentation: None,
        config_url: Some(Url::parse("https://idp.example/.well-known/openid-configuration").unwrap()),
        protocol: ProtocolPlan::default(),
        choice: Vec::new(),
        client_id: "vestibule".to_owned(),
        client_secret: None,
        token_endpoint_auth_method: None,
        mode: Mode::Proxy,
        access_tokens: None,
        audience: None,
        required_scopes: Scopes::parse("mcp").unwrap(),
        valid_scopes: Scopes::parse("mcp read write").unwrap(),
        redirect_path: "/auth/callback".to_owned(),
        callback_url: Url::parse(&issuer.endpoint("/auth/callback")).unwrap(),
        extra_authorize_params: Vec::new(),
        extra_token_params: Vec::new(),
        offline_access: true,
        dynamic_registration: true,
        enable_cimd: false,
        private_use_schemes: None,
        allowed_client_redirect_uris: None,
        consent: ConsentPlan::Always,
        clients: Vec::new(),
        lifetimes: Lifetimes {
            transaction: Duration::from_mins(10),
            code: Duration::from_mins(1),
            access_token: Duration::from_hours(1),
            refresh_token: Duration::from_hours(24),
            grant: Duration::from_hours(240),
            refresh_grace: Duration::from_secs(30),
            consent: Duration::from_hours(24 * 30),
        },
        timeout: Duration::from_secs(5),
        allow_insecure_http: false,
        policy: PolicyPlan::default(),
        needed_claims: Vec::new(),
        routes: routes.iter().map(|path| Arc::new(route(public_url, name, path, "http://127.0.0.1:9/"))).collect(),
        issuer,
    }
}

/// One route with its backend.
pub(crate) fn route(public_url: &Url, provider: &str, path: &str, backend: &str) -> RoutePlan {
    let header = |name: &'static str| Some(http::HeaderName::from_static(name));
    RoutePlan {
        id: format!("{provider}{path}"),
        provider: provider.to_owned(),
        path: path.to_owned(),
        matches: PathMatch::Prefix,
        audiences: vec![ResourceUri::of_route(public_url, path).to_string()],
        resource: ResourceUri::of_route(public_url, path),
        backend: BackendPlan {
            url: Url::parse(backend).unwrap(),
            connect_timeout: Duration::from_secs(2),
            response_timeout: Duration::from_secs(2),
            idle_timeout: None,
        },
        required_scopes: Scopes::parse("mcp").unwrap(),
        policy: PolicyPlan::default(),
        max_body: 1024 * 1024,
        allowed_origins: Vec::new(),
        identity_headers: IdentityHeaders {
            subject: header("x-user-subject"),
            email: header("x-user-email"),
            scopes: header("x-user-scopes"),
            client: header("x-user-client"),
            assertion: None,
        },
        set_headers: Vec::new(),
        pass_headers: None,
        backend_authorization: BackendAuthorization::None,
    }
}
