//! A world for one test: demo provider, demo MCP server and the gateway between them.

use std::{
    fs,
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use http::HeaderName;
use tempfile::TempDir;
use vestibule::{
    config::{self, plan::IdentityHeaders},
    demo::{
        identity_provider::{self, DemoIdentityProvider, Endpoint, Fault, Lifetimes, Options},
        mcp_server::{self, DemoMcpServer},
    },
    server,
};

use crate::client::http;

/// The `audience` of every stage's configuration.
const AUDIENCE: &str = "https://api.example.com";

/// The gateway in this process, its state in memory.
pub struct Stage {
    /// `http://127.0.0.1:port`, also the issuer with one provider.
    pub origin: String,
    /// The protected URL that people type.
    pub resource: String,
    provider: identity_provider::Running,
    others: Vec<identity_provider::Running>,
    _backend: mcp_server::Running,
    gateway: server::Running,
}

/// The gateway as a process of its own with its state on disk, to be killed.
pub struct ProcessStage {
    pub resource: String,
    provider: identity_provider::Running,
    _backend: mcp_server::Running,
    folder: TempDir,
    config: PathBuf,
    origin: String,
    process: Child,
}

impl Stage {
    pub async fn start() -> Self {
        Self::with(Options::default(), true).await
    }

    /// The provider's access tokens live one second: they are due at every refresh of ours.
    pub async fn start_with_short_provider_tokens() -> Self {
        let lifetimes = Lifetimes { access_token: Duration::from_secs(1), ..Lifetimes::default() };
        Self::with(Options { lifetimes, ..Options::default() }, true).await
    }

    pub async fn start_with_provider_down() -> Self {
        Self::with(Options::default(), false).await
    }

    async fn with(options: Options, up: bool) -> Self {
        let provider = DemoIdentityProvider::start(options).await.unwrap();
        if !up {
            provider.down();
        }
        let backend = backend().await;
        let port = free_port();
        let block = provider_block("demo", &provider, &backend);
        let gateway = server::start(plan(port, "{ backend: memory }", &block)).await.unwrap();
        let origin = format!("http://127.0.0.1:{port}");
        let stage = Self {
            resource: format!("{origin}/mcp"),
            origin,
            provider,
            others: Vec::new(),
            _backend: backend,
            gateway,
        };
        if up {
            stage.until_ready().await;
        }
        stage
    }

    /// One provider at `/` with these further lines in its block (indented by four); they get the
    /// demo MCP server's URL and say the routes, the first of them `/mcp`.
    pub async fn configured(lines: impl FnOnce(&str) -> String) -> Self {
        let scopes = vec!["read".to_owned(), "write".to_owned()];
        let provider = DemoIdentityProvider::start(Options { scopes, ..Options::default() }).await.unwrap();
        let backend = backend().await;
        let port = free_port();
        let block = format!("{}{}", application("demo", &provider), lines(&backend.url()));
        let gateway = server::start(plan(port, "{ backend: memory }", &block)).await.unwrap();
        let origin = format!("http://127.0.0.1:{port}");
        let resource = format!("{origin}/mcp");
        let stage = Self { origin, resource, provider, others: Vec::new(), _backend: backend, gateway };
        stage.until_ready().await;
        stage
    }

    /// One provider at `/` that speaks OAuth 2.0 alone, with these further lines in its block (indented
    /// by four).
    pub async fn start_without_openid(options: Options, lines: &str) -> Self {
        let provider = DemoIdentityProvider::start(options).await.unwrap();
        let backend = backend().await;
        let port = free_port();
        let origin = provider.issuer();
        let block = format!(
            "  demo:\n    authorization_endpoint: {origin}/authorize\n    token_endpoint: {origin}/token\n    \
             userinfo_endpoint: {origin}/userinfo\n    revocation_endpoint: {origin}/revoke\n    client_id: {}\n    \
             client_secret: {}\n{lines}    routes:\n      - path: /mcp\n        backend: {}\n",
            provider.client_id(),
            provider.client_secret().unwrap().expose(),
            backend.url(),
        );
        let gateway = server::start(plan(port, "{ backend: memory }", &block)).await.unwrap();
        let origin = format!("http://127.0.0.1:{port}");
        let resource = format!("{origin}/mcp");
        Self { origin, resource, provider, others: Vec::new(), _backend: backend, gateway }
    }

    /// A gateway that a `.env` file alone describes, written from the provider, `public_url` and the demo MCP
    /// server's URL. What this machine is like (ports, state in memory) is in the process's environment.
    pub async fn from_env_file(text: impl FnOnce(&identity_provider::Running, &str, &str) -> String) -> Self {
        let provider = DemoIdentityProvider::start(Options::default()).await.unwrap();
        let backend = backend().await;
        let port = free_port();
        let origin = format!("http://127.0.0.1:{port}");
        let folder = tempfile::tempdir().unwrap();
        let env_file = folder.path().join(".env");
        fs::write(&env_file, text(&provider, &origin, &backend.url())).unwrap();
        let listen = format!("127.0.0.1:{port}");
        let environment = [
            ("VESTIBULE_LISTEN", listen.as_str()),
            ("VESTIBULE_ADMIN_LISTEN", "127.0.0.1:0"),
            ("VESTIBULE_STORAGE", "memory"),
        ];
        let environment = environment.into_iter().collect();
        let sources = config::Sources { env_file: Some(env_file), environment, ..config::Sources::default() };
        let loaded = config::load(&sources).unwrap_or_else(|found| panic!("{found}"));
        let gateway = server::start(loaded.plan).await.unwrap();
        let resource = format!("{origin}/mcp");
        let stage = Self { origin, resource, provider, others: Vec::new(), _backend: backend, gateway };
        stage.until_ready().await;
        stage
    }

    /// From now on an endpoint of the provider does this; `None`: its job again.
    pub fn provider_does(&self, endpoint: Endpoint, fault: Option<Fault>) {
        match fault {
            Some(fault) => self.provider.faults().set(endpoint, fault),
            None => self.provider.faults().clear(endpoint),
        }
    }

    /// One provider in `mode: remote` with these further lines in its block (indented by four).
    pub async fn remote(
        options: Options,
        up: bool,
        lines: impl FnOnce(&identity_provider::Running, &str) -> String,
    ) -> Self {
        let provider = DemoIdentityProvider::start(options).await.unwrap();
        if !up {
            provider.down();
        }
        let backend = backend().await;
        let port = free_port();
        let lines = lines(&provider, &backend.url());
        let block = format!("  demo:\n    mode: remote\n    config_url: {}\n{lines}", provider.config_url());
        let gateway = server::start(plan(port, "{ backend: memory }", &block)).await.unwrap();
        let origin = format!("http://127.0.0.1:{port}");
        let resource = format!("{origin}/mcp");
        let stage = Self { origin, resource, provider, others: Vec::new(), _backend: backend, gateway };
        if up {
            stage.until_ready().await;
        }
        stage
    }

    pub fn provider(&self) -> &identity_provider::Running {
        &self.provider
    }

    /// Two providers, mounted at `/first` and `/second`.
    pub async fn start_two_providers() -> Self {
        let first = DemoIdentityProvider::start(Options::default()).await.unwrap();
        let second = DemoIdentityProvider::start(Options::default()).await.unwrap();
        let backend = backend().await;
        let port = free_port();
        let blocks = [provider_block("first", &first, &backend), provider_block("second", &second, &backend)].concat();
        let gateway = server::start(plan(port, "{ backend: memory }", &blocks)).await.unwrap();
        let origin = format!("http://127.0.0.1:{port}");
        let resource = format!("{origin}/first/mcp");
        let stage = Self { origin, resource, provider: first, others: vec![second], _backend: backend, gateway };
        stage.until_ready().await;
        stage
    }

    /// A choice of two providers, `entra` and `google`, at `/` with the route `/mcp`; these lines
    /// (indented by four) are the choice's own. The second one does what `second` says.
    pub async fn start_choice(lines: &str, second: Options) -> Self {
        let stage = Self::choice("", lines, second, true).await;
        stage.until(&["entra", "google"]).await;
        stage
    }

    pub async fn start_choice_with_second_down() -> Self {
        let stage = Self::choice("", "", Options::default(), false).await;
        stage.until(&["entra"]).await;
        stage
    }

    /// `entra` has the route `/entra/mcp` besides.
    pub async fn start_choice_beside_a_member() -> Self {
        let own = "    mount: /entra\n    routes: [{ path: /mcp, backend: BACKEND }]\n";
        let stage = Self::choice(own, "    mount: /\n", Options::default(), true).await;
        stage.until(&["entra", "google"]).await;
        stage
    }

    /// Further lines of `entra`, and of the choice.
    pub async fn start_choice_with_rules(first: &str, of_choice: &str) -> Self {
        let stage = Self::choice(first, of_choice, Options::default(), true).await;
        stage.until(&["entra", "google"]).await;
        stage
    }

    async fn choice(first_lines: &str, lines: &str, second: Options, second_is_up: bool) -> Self {
        let first = DemoIdentityProvider::start(Options::default()).await.unwrap();
        let second = DemoIdentityProvider::start(second).await.unwrap();
        if !second_is_up {
            second.down();
        }
        let backend = backend().await;
        let port = free_port();
        let blocks = [
            application("entra", &first),
            format!("    display_name: Microsoft\n{}", first_lines.replace("BACKEND", &format!("{:?}", backend.url()))),
            application("google", &second),
            "    display_name: Google\n".to_owned(),
            format!("  staff:\n    choice: [entra, google]\n{lines}    routes:\n"),
            format!("      - path: /mcp\n        backend: {}\n", backend.url()),
        ];
        let gateway = server::start(plan(port, "{ backend: memory }", &blocks.concat())).await.unwrap();
        let origin = format!("http://127.0.0.1:{port}");
        let resource = format!("{origin}/mcp");
        Self { origin, resource, provider: first, others: vec![second], _backend: backend, gateway }
    }

    /// The second provider of a choice.
    pub fn second(&self) -> &identity_provider::Running {
        &self.others[0]
    }

    async fn until(&self, providers: &[&str]) {
        for _ in 0..200 {
            let metrics = self.metrics().await;
            if providers
                .iter()
                .all(|name| metrics.contains(&format!("vestibule_provider_ready{{provider=\"{name}\"}} 1")))
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("the gateway never became ready");
    }

    async fn until_ready(&self) {
        for _ in 0..200 {
            let metrics = self.metrics().await;
            if metrics.contains("vestibule_provider_ready")
                && !metrics.contains("vestibule_provider_ready{provider=\"demo\"} 0")
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("the gateway never became ready");
    }

    pub async fn stop(self) {
        self.gateway.stop().await;
    }

    /// The text of `/metrics`.
    pub async fn metrics(&self) -> String {
        self.admin("/metrics").await
    }

    /// The text of `/readyz`.
    pub async fn ready(&self) -> String {
        self.admin("/readyz").await
    }

    /// The sign-in that began last, as the admin listener tells it.
    pub async fn newest_flow(&self) -> serde_json::Value {
        let list: serde_json::Value = serde_json::from_str(&self.admin("/flows").await).unwrap();
        let id = list[0]["id"].as_str().unwrap();
        serde_json::from_str(&self.admin(&format!("/flows/{id}")).await).unwrap()
    }

    /// What the admin listener answers to a program.
    pub async fn admin(&self, path: &str) -> String {
        let url = format!("http://{}{path}", self.gateway.admin_address.unwrap());
        http().get(url).send().await.unwrap().text().await.unwrap()
    }

    /// What arrived at an endpoint of the provider, as parameters.
    pub fn provider_requests(&self, endpoint: Endpoint) -> Vec<Vec<(String, String)>> {
        self.provider.requests(endpoint).into_iter().map(|request| request.parameters).collect()
    }

    /// The provider's access tokens lived one second; now they are over.
    pub async fn until_provider_tokens_are_due(&self) {
        tokio::time::sleep(Duration::from_millis(1100)).await;
    }

    /// Refreshes that arrived at the provider.
    pub fn provider_renewals(&self) -> usize {
        let refresh = ("grant_type".to_owned(), "refresh_token".to_owned());
        self.provider_requests(Endpoint::Token).iter().filter(|parameters| parameters.contains(&refresh)).count()
    }

    pub fn provider_token_endpoint_fails(&self, fails: bool) {
        if fails {
            self.provider.faults().set(Endpoint::Token, Fault::Status(500));
        } else {
            self.provider.faults().clear(Endpoint::Token);
        }
    }

    pub fn provider_ends_grants(&self) {
        self.provider.end_all_grants();
    }

    pub fn provider_up(&self) {
        self.provider.up();
    }

    /// Every secret that passed between the gateway and the provider so far.
    pub fn provider_secrets(&self) -> Vec<String> {
        secrets_of(&self.provider)
    }
}

impl ProcessStage {
    pub async fn start() -> Self {
        let provider = DemoIdentityProvider::start(Options::default()).await.unwrap();
        let backend = backend().await;
        let folder = tempfile::tempdir().unwrap();
        let storage = format!("{{ backend: embedded, path: {} }}", folder.path().join("state").display());
        Self::start_in(folder, provider, backend, &storage, "").await
    }

    /// With another store; `more` is lines of the configuration.
    pub async fn start_on(storage: &str, more: &str) -> Self {
        let provider = DemoIdentityProvider::start(Options::default()).await.unwrap();
        let backend = backend().await;
        Self::start_in(tempfile::tempdir().unwrap(), provider, backend, storage, more).await
    }

    async fn start_in(
        folder: tempfile::TempDir,
        provider: identity_provider::Running,
        backend: mcp_server::Running,
        storage: &str,
        more: &str,
    ) -> Self {
        let port = free_port();
        let config = folder.path().join("vestibule.yaml");
        let text = yaml(port, storage, &provider_block("demo", &provider, &backend));
        fs::write(&config, more.to_owned() + &text).unwrap();
        let origin = format!("http://127.0.0.1:{port}");
        let stage = Self {
            resource: format!("{origin}/mcp"),
            process: run(&config),
            provider,
            _backend: backend,
            folder,
            config,
            origin,
        };
        stage.until_answering().await;
        stage
    }

    /// Ends it, and starts it again with this filter of the log; what it says is in the answer's file.
    pub async fn restart_logging(&mut self, filter: &str) -> PathBuf {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        let path = self.folder.path().join("log");
        let log = fs::File::create(&path).unwrap();
        self.process = Command::new(env!("CARGO_BIN_EXE_vestibule"))
            .args(["serve", "--config"])
            .arg(&self.config)
            .env("VESTIBULE_LOG", filter)
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.until_answering().await;
        path
    }

    /// The secrets of the provider's requests so far.
    pub fn provider_secrets(&self) -> Vec<String> {
        secrets_of(&self.provider)
    }

    /// SIGKILL, at once, and a new process on the same files.
    pub async fn kill_and_restart(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.process = run(&self.config);
        self.until_answering().await;
    }

    pub fn stop(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// The bytes of the store's file.
    pub fn store_bytes(&self) -> Vec<u8> {
        fs::read(self.folder.path().join("state").join("vestibule.redb")).unwrap()
    }

    async fn until_answering(&self) {
        let url = format!("{}/.well-known/oauth-authorization-server", self.origin);
        for _ in 0..400 {
            if http().get(&url).send().await.is_ok_and(|response| response.status().is_success()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("the gateway did not start");
    }
}

fn secrets_of(provider: &identity_provider::Running) -> Vec<String> {
    let mut secrets = vec![provider.client_secret().unwrap().expose().to_owned()];
    for endpoint in [Endpoint::Token, Endpoint::Revoke] {
        for (name, value) in provider.requests(endpoint).into_iter().flat_map(|request| request.parameters) {
            if matches!(name.as_str(), "code" | "refresh_token" | "token" | "code_verifier") {
                secrets.push(value);
            }
        }
    }
    secrets
}

fn run(config: &std::path::Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_vestibule"))
        .args(["serve", "--config"])
        .arg(config)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn plan(port: u16, storage: &str, providers: &str) -> config::plan::Plan {
    config::from_yaml(&yaml(port, storage, providers), &[]).unwrap_or_else(|diagnostics| panic!("{diagnostics}"))
}

fn yaml(port: u16, storage: &str, providers: &str) -> String {
    format!(
        "public_url: http://127.0.0.1:{port}\nlisten: 127.0.0.1:{port}\nadmin_listen: 127.0.0.1:0\nstorage: {storage}\nproviders:\n{providers}"
    )
}

fn provider_block(name: &str, provider: &identity_provider::Running, backend: &mcp_server::Running) -> String {
    format!("{}    routes:\n      - path: /mcp\n        backend: {}\n", application(name, provider), backend.url())
}

fn application(name: &str, provider: &identity_provider::Running) -> String {
    format!(
        "  {name}:\n    config_url: {}\n    client_id: {}\n    client_secret: {}\n    audience: {AUDIENCE}\n    required_scopes: [openid, profile, email]\n",
        provider.config_url(),
        provider.client_id(),
        provider.client_secret().unwrap().expose(),
    )
}

/// The demo MCP server, told by the default headers.
async fn backend() -> mcp_server::Running {
    let name = |text| Some(HeaderName::from_static(text));
    let identity_headers = IdentityHeaders {
        subject: name("x-vestibule-subject"),
        email: name("x-vestibule-email"),
        scopes: name("x-vestibule-scopes"),
        client: name("x-vestibule-client"),
        assertion: None,
    };
    DemoMcpServer::start(mcp_server::Options { port: 0, identity_headers }).await.unwrap()
}

/// A port that nobody listens on right now.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
