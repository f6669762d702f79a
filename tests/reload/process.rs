//! The real program: signals (S84), `.env` beside it, the log line of a reload.

use std::{
    fs,
    os::unix::net::UnixDatagram,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use reqwest::StatusCode;

use crate::{
    client::Client,
    world::{Place, replace},
};

/// The program on a place's files, in that folder.
pub struct Program {
    pub place: Place,
    child: Child,
}

impl Program {
    pub async fn start(place: Place) -> Self {
        Self::start_with(place, Stdio::null()).await
    }

    /// With this as its standard output.
    pub async fn start_with(place: Place, stdout: Stdio) -> Self {
        let child = spawn(&place, &[], stdout);
        let program = Self { place, child };
        program.wait_ready().await;
        program
    }

    /// Ends it as an operator does, and starts it again on what the files say now.
    async fn restart(&mut self) {
        self.signal("TERM");
        assert!(self.ended(Duration::from_secs(5)).await.success());
        self.child = spawn(&self.place, &[], Stdio::null());
        self.wait_ready().await;
    }

    async fn wait_ready(&self) {
        for _ in 0..400 {
            let url = format!("http://127.0.0.1:{}/metrics", self.place.admin);
            if let Ok(response) = crate::client::http().get(url).send().await
                && response
                    .text()
                    .await
                    .is_ok_and(|text| text.contains("vestibule_provider_ready{provider=\"demo\"} 1"))
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("the gateway did not start: {}", self.log());
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.place.path("log")).unwrap()
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    pub async fn until_protected(&self, path: &str) {
        for _ in 0..400 {
            if self.place.status(path).await == StatusCode::UNAUTHORIZED {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("{path} is not there: {}", self.log());
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub async fn ended(&mut self, within: Duration) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < within, "still running: {}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn spawn(place: &Place, environment: &[(&str, &str)], stdout: Stdio) -> Child {
    let log = fs::File::create(place.path("log")).unwrap();
    Command::new(env!("CARGO_BIN_EXE_vestibule"))
        .args(["serve", "--config", "vestibule.yaml"])
        .envs(environment.iter().copied())
        .current_dir(place.folder.path())
        .stdout(stdout)
        .stderr(log)
        .spawn()
        .unwrap()
}

/// A provider that is removed while the program does not run takes its grants along too.
#[tokio::test]
async fn a_provider_removed_between_two_runs() {
    let place = Place::new().await;
    let one = place.head() + &place.block("demo", "mount: /demo", &["/mcp"]);
    let both = one.clone() + &place.block("goes", "mount: /goes", &["/mcp"]);
    fs::write(place.config(), &both).unwrap();
    let mut program = Program::start(place).await;
    let kept = Client::discover(&program.place.url("/demo/mcp")).await.tokens("ada").await;
    let gone = Client::discover(&program.place.url("/goes/mcp")).await.tokens("ada").await;
    for (text, status) in [(&both, StatusCode::OK), (&one, StatusCode::NOT_FOUND), (&both, StatusCode::UNAUTHORIZED)] {
        replace(&program.place.config(), text);
        program.restart().await;
        assert_eq!(program.place.get("/demo/mcp", &kept.access).await.status(), StatusCode::OK);
        assert_eq!(program.place.get("/goes/mcp", &gone.access).await.status(), status);
    }
}

/// systemd hears of the start, of each attempt and of the end.
#[tokio::test]
async fn systemd_is_told() {
    let place = Place::new().await;
    fs::write(place.config(), place.text(&["/mcp"])).unwrap();
    let path = place.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let heard = || {
        let mut buffer = [0; 512];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    let child = spawn(&place, &[("NOTIFY_SOCKET", path.to_str().unwrap())], Stdio::null());
    let mut program = Program { place, child };
    program.wait_ready().await;
    assert!(heard().contains("READY=1"));
    program.signal("HUP");
    let reloading = heard();
    assert!(reloading.contains("RELOADING=1") && reloading.contains("MONOTONIC_USEC="), "{reloading}");
    assert!(heard().contains("READY=1"));
    program.signal("TERM");
    assert!(heard().contains("STOPPING=1"));
    assert!(program.ended(Duration::from_secs(5)).await.success());
}

/// S84: SIGHUP reads the file, good or bad, and never ends the process; SIGTERM drains with a
/// stream open, and ends within the deadline with 0.
#[tokio::test]
async fn s84_signals() {
    let place = Place::new().await;
    fs::write(place.config(), place.text(&["/mcp"])).unwrap();
    let mut program = Program::start(place).await;
    for _ in 0..3 {
        program.signal("HUP");
    }
    let by_signal = |outcome| format!("vestibule_config_reloads_total{{outcome=\"{outcome}\",trigger=\"signal\"}}");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_ne!(program.place.metric(&by_signal("unchanged")).await.as_deref(), Some("0"));
    fs::write(program.place.config(), "").unwrap();
    program.signal("HUP");
    program.place.until_metric("vestibule_config_last_reload_successful", "0").await;
    assert!(program.is_running());
    replace(&program.place.config(), &program.place.text(&["/mcp", "/more"]));
    program.signal("HUP");
    program.until_protected("/more").await;

    let client = Client::discover(&program.place.url("/mcp")).await;
    let tokens = client.tokens("ada").await;
    let mut events = program.place.get("/mcp/events", &tokens.access).await;
    assert!(events.chunk().await.unwrap().is_some());
    program.signal("TERM");
    tokio::time::sleep(Duration::from_millis(300)).await;
    let ready = crate::client::http().get(format!("http://127.0.0.1:{}/readyz", program.place.admin));
    assert_eq!(ready.send().await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(events.chunk().await.unwrap().is_some(), "the stream goes on while it drains");
    program.signal("HUP");
    assert!(program.is_running(), "SIGHUP ends nothing, not even now");
    assert!(program.ended(Duration::from_secs(5)).await.success());
    let log = program.log();
    assert!(log.contains("the new configuration runs") && log.contains("/more"), "{log}");
    assert!(log.contains("was refused; the old one runs on"), "{log}");
    let secret = program.place.provider.client_secret().unwrap().expose().to_owned();
    assert!(!log.contains(&secret));
}

/// A `.env` file beside the process is read from the moment on in which it appears; the log's
/// filter changes live.
#[tokio::test]
async fn an_environment_file_appears() {
    let place = Place::new().await;
    fs::write(place.config(), place.text(&["/mcp"])).unwrap();
    let program = Program::start(place).await;
    assert!(!program.log().contains("DEBUG"));
    fs::write(program.place.path(".env"), "VESTIBULE_LOG=vestibule=debug\n").unwrap();
    program.place.until_metric("vestibule_config_reloads_total{outcome=\"applied\",trigger=\"file\"}", "1").await;
    assert_eq!(program.place.status("/mcp").await, StatusCode::UNAUTHORIZED);
    let marker = program.log().len();
    replace(&program.place.path(".env"), "VESTIBULE_LOG=error\n");
    program.place.until_metric("vestibule_config_reloads_total{outcome=\"applied\",trigger=\"file\"}", "2").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let quiet = program.log().len();
    assert!(quiet >= marker);
    program.place.status("/mcp").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(program.log().len(), quiet, "only errors are logged now");
}
