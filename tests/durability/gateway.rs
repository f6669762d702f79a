//! The real program with its state in a folder, and everything around it that outlives it.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use vestibule::demo::identity_provider::{self, DemoIdentityProvider, Lifetimes, Options, RefreshTokens};

use crate::{backend::Backend, port::free_port, wire};

/// Where a client of these tests says it listens; nobody does.
pub const REDIRECT_URI: &str = "http://127.0.0.1:7777/callback";

/// How long a replaced refresh token still gets the same successor.
pub const GRACE: Duration = Duration::from_secs(20);

/// Folder, providers, backend, ports.
pub struct Place {
    pub folder: TempDir,
    /// At `/`. Its tokens live for an hour.
    pub provider: identity_provider::Running,
    /// At `/brief`. Its tokens live for a second, so that every refresh of ours asks it too, and its
    /// refresh tokens stay the same.
    pub brief: identity_provider::Running,
    backend: Backend,
    pub port: u16,
    pub admin: u16,
}

/// A process that serves a place.
pub struct Gateway {
    process: Child,
    log: PathBuf,
    url: String,
}

// === impl Place ===

impl Place {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let own = Options { record_requests: false, refresh_tokens: RefreshTokens::Always, ..Options::default() };
        let lifetimes = Lifetimes { access_token: Duration::from_secs(1), ..Lifetimes::default() };
        let brief = Options { lifetimes, rotate_refresh_tokens: false, ..own.clone() };
        let place = Self {
            folder,
            provider: DemoIdentityProvider::start(own).await.unwrap(),
            brief: DemoIdentityProvider::start(brief).await.unwrap(),
            backend: Backend::start().await,
            port: free_port(),
            admin: free_port(),
        };
        let state = place.state();
        fs::write(place.config(), place.text(&format!("{{ path: {} }}", state.display()))).unwrap();
        place
    }

    /// The store's folder.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub fn config(&self) -> PathBuf {
        self.folder.path().join("vestibule.yaml")
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Whom people sign in with at a mount.
    pub fn provider_at(&self, mount: &str) -> &identity_provider::Running {
        if mount.is_empty() { &self.provider } else { &self.brief }
    }

    /// Nobody is asked for consent: that is a page more, and leaves nothing in the store.
    pub fn text(&self, storage: &str) -> String {
        let blocks = [("plain", "/", &self.provider), ("brief", "/brief", &self.brief)].map(|(name, mount, provider)| {
            format!(
                "  {name}:\n    mount: {mount}\n    config_url: {}\n    client_id: {}\n    client_secret: {}\n    \
                 required_scopes: [openid, profile, email]\n    require_authorization_consent: false\n    \
                 lifetimes: {{ code: 10m, refresh_grace: {}s }}\n    routes:\n      - {{ path: /mcp, backend: \"http://127.0.0.1:{}\" }}\n",
                provider.config_url(),
                provider.client_id(),
                provider.client_secret().unwrap().expose(),
                GRACE.as_secs(),
                self.backend.port,
            )
        });
        format!(
            "public_url: http://127.0.0.1:{port}\nlisten: 127.0.0.1:{port}\nadmin_listen: 127.0.0.1:{}\nstorage: {storage}\n\
             log: {{ filter: warn }}\nlimits: {{ authorizations_per_minute: 1000000, registrations_per_hour: 1000000, \
             token_requests_per_minute: 1000000 }}\nproviders:\n{}",
            self.admin,
            blocks.concat(),
            port = self.port,
        )
    }

    /// Starts a process; it is not ready yet.
    pub fn start(&self) -> Gateway {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
        command.args(["serve", "--config"]).arg(self.config());
        self.run(command)
    }

    /// As [`Place::start`], by a command that becomes the program.
    pub fn run(&self, mut command: Command) -> Gateway {
        let log = self.folder.path().join("log");
        let output = fs::File::create(&log).unwrap();
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(output).spawn().unwrap();
        Gateway { process, log, url: self.url("/.well-known/oauth-authorization-server") }
    }
}

// === impl Gateway ===

impl Gateway {
    /// Until it answers.
    pub async fn until_ready(&mut self) {
        let (http, begun) = (wire::http(), Instant::now());
        while wire::ask(http.get(&self.url)).await.is_err() {
            assert!(begun.elapsed() < Duration::from_mins(1), "it did not start: {}", self.log());
            self.demand_running();
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// It has not ended by itself.
    pub fn demand_running(&mut self) {
        let ended = self.process.try_wait().unwrap();
        assert!(ended.is_none(), "it ended by itself ({ended:?}): {}", self.log());
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// SIGKILL, at once.
    pub fn kill(mut self) {
        self.demand_running();
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// What it said.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
