//! A world for one test: a folder with the configuration's files, demo providers, a backend, and the
//! gateway that follows the files.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use reqwest::{Response, StatusCode};
use tempfile::TempDir;
use vestibule::{
    config::{self, Sources},
    demo::identity_provider::{self, DemoIdentityProvider, Options},
    reload::{ReloadOutcome, ReloadReport, ReloadTrigger, Source},
    server,
};

use crate::{backend::Backend, client::http, port::free_port};

/// So long that a test which needs the poll would fail.
pub const NEVER: Duration = Duration::from_hours(1);
const SOON: Duration = Duration::from_secs(10);

/// The gateway in this process.
pub struct World {
    pub place: Place,
    pub gateway: server::Running,
}

/// Everything around the gateway.
pub struct Place {
    pub folder: TempDir,
    pub provider: identity_provider::Running,
    pub backend: Backend,
    pub port: u16,
    pub admin: u16,
}

impl Place {
    pub async fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            provider: DemoIdentityProvider::start(Options::default()).await.unwrap(),
            backend: Backend::start().await,
            port: free_port(),
            admin: free_port(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn config(&self) -> PathBuf {
        self.path("vestibule.yaml")
    }

    /// One provider `demo` at `/` with these routes.
    pub fn text(&self, routes: &[&str]) -> String {
        self.head() + &self.block("demo", "", routes)
    }

    /// Everything but the providers.
    pub fn head(&self) -> String {
        self.head_at(self.port, self.admin)
    }

    pub fn head_at(&self, port: u16, admin: u16) -> String {
        format!(
            "public_url: http://127.0.0.1:{}\nlisten: 127.0.0.1:{port}\nadmin_listen: 127.0.0.1:{admin}\n\
             storage: {{ path: {} }}\nlimits: {{ drain_timeout: 2s, authorizations_per_minute: 1000000, \
             registrations_per_hour: 1000000, token_requests_per_minute: 1000000 }}\nproviders:\n",
            self.port,
            self.path("state").display()
        )
    }

    /// A provider; `more` is lines of its own.
    pub fn block(&self, name: &str, more: &str, routes: &[&str]) -> String {
        let secret = self.provider.client_secret().unwrap().expose().to_owned();
        self.block_with_secret(name, &secret, more, routes)
    }

    pub fn block_with_secret(&self, name: &str, secret: &str, more: &str, routes: &[&str]) -> String {
        let routes: String = routes
            .iter()
            .map(|path| format!("      - {{ path: {path}, backend: \"http://127.0.0.1:{}\" }}\n", self.backend.port))
            .collect::<Vec<_>>()
            .concat();
        let more = if more.is_empty() { String::new() } else { format!("    {more}\n") };
        format!(
            "  {name}:\n    config_url: {}\n    client_id: {}\n    client_secret: {secret}\n    audience: https://api.example.com\n    \
             required_scopes: [openid, profile, email]\n{more}    routes:\n{routes}",
            self.provider.config_url(),
            self.provider.client_id(),
        )
    }

    pub fn sources(&self) -> Sources {
        Sources { config: Some(self.config()), ..Sources::default() }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub async fn status(&self, path: &str) -> StatusCode {
        http().get(self.url(path)).send().await.unwrap().status()
    }

    /// A request with a token.
    pub async fn get(&self, path: &str, token: &str) -> Response {
        http().get(self.url(path)).bearer_auth(token).send().await.unwrap()
    }

    pub async fn metrics(&self) -> String {
        http().get(format!("http://127.0.0.1:{}/metrics", self.admin)).send().await.unwrap().text().await.unwrap()
    }

    /// The value of a series, as it stands in the exposition.
    pub async fn metric(&self, series: &str) -> Option<String> {
        let metrics = self.metrics().await;
        metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ').map(str::to_owned))
    }

    /// Waits until a series has this value.
    pub async fn until_metric(&self, series: &str, value: &str) {
        let mut seen = None;
        for _ in 0..400 {
            seen = self.metric(series).await;
            if seen.as_deref() == Some(value) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("{series} is {seen:?} and not {value}");
    }
}

impl World {
    /// A gateway with one provider and the route `/mcp`.
    pub async fn start() -> Self {
        let place = Place::new().await;
        fs::write(place.config(), place.text(&["/mcp"])).unwrap();
        Self::follow(place, NEVER).await
    }

    /// A gateway on the files of a place.
    pub async fn follow(place: Place, poll: Duration) -> Self {
        Self::follow_sources(place.sources(), place, poll).await
    }

    pub async fn follow_sources(sources: Sources, place: Place, poll: Duration) -> Self {
        let loaded = config::load(&sources).unwrap_or_else(|found| panic!("{found}"));
        let source = Source { sources, files: loaded.files, poll, log: None };
        let gateway = server::follow(loaded.plan, source).await.unwrap();
        Self { place, gateway }
    }

    pub fn last(&self) -> Arc<ReloadReport> {
        self.gateway.reloader().last()
    }

    /// Replaces the file in one step, and asks for a reload.
    pub async fn apply(&self, text: &str) -> Arc<ReloadReport> {
        replace(&self.place.config(), text);
        self.gateway.reloader().reload(ReloadTrigger::Api).await
    }

    /// As [`World::apply`], and it has to succeed.
    pub async fn applied(&self, text: &str) -> Arc<ReloadReport> {
        let report = self.apply(text).await;
        assert_eq!(report.outcome, ReloadOutcome::Applied, "{report:?}");
        report
    }

    /// Waits until the last report is like this.
    pub async fn until(&self, what: impl Fn(&ReloadReport) -> bool) -> Arc<ReloadReport> {
        let waiting = async {
            loop {
                let last = self.last();
                if what(&last) {
                    return last;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let waited = tokio::time::timeout(SOON, waiting).await;
        waited.unwrap_or_else(|_| panic!("the last report is still {:?}", self.last()))
    }

    /// Waits until a path is protected: there is a route now.
    pub async fn until_protected(&self, path: &str) {
        let mut left = 400;
        while self.place.status(path).await != StatusCode::UNAUTHORIZED {
            left -= 1;
            assert!(left > 0, "{path} is not there; the last report is {:?}", self.last());
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }

    pub async fn stop(self) {
        self.gateway.stop().await;
    }

    /// Stops the gateway alone.
    pub async fn stop_and_keep(self) -> Place {
        self.gateway.stop().await;
        for port in [self.place.port, self.place.admin] {
            // Its tasks end a moment later.
            while tokio::net::TcpListener::bind(("127.0.0.1", port)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        self.place
    }
}

/// Another file in the place of this one, in one step.
pub fn replace(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    fs::write(&beside, text).unwrap();
    fs::rename(&beside, path).unwrap();
}
