//! Disks that are full, and folders that cannot be used: what is said, who goes on, and that it ends by itself.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::StatusCode;
use serde_json::json;
use vestibule::seal::{random_text, sha256};

use crate::{
    gateway::{Gateway, Place, REDIRECT_URI},
    wire::{self, Reply, ask},
};

/// What the file may grow to: a few hundred grants.
const FULL: usize = 1_100 * 1024;
/// Sign-ins after which the disk must be full, or the limit does not work.
const MOST: usize = 3_000;

/// A program that signs people in.
struct Client<'a> {
    place: &'a Place,
    http: reqwest::Client,
    id: String,
}

struct Tokens {
    access: String,
    refresh: String,
}

/// No file of the process may be longer than that: what a full disk is, without one.
fn with_a_full_disk(place: &Place) -> Gateway {
    let mut command = Command::new("prlimit");
    command.arg(format!("--fsize={FULL}:")).args(["env", "--ignore-signal=XFSZ", env!("CARGO_BIN_EXE_vestibule")]);
    place.run({
        command.args(["serve", "--config"]).arg(place.config());
        command
    })
}

#[tokio::test]
async fn a_full_disk_burns_no_token_and_ends_by_itself() {
    let place = Place::new().await;
    let mut gateway = with_a_full_disk(&place);
    gateway.until_ready().await;
    let client = Client::register(&place).await;
    let first = client.tokens(&client.sign_in().await).await.unwrap();
    assert_eq!(client.call(&first.access).await, StatusCode::OK);
    assert!(client.readiness().await.0);

    let mut refused = None;
    for _ in 0..MOST {
        let back = client.sign_in().await;
        if let Err(reply) = client.tokens(&back).await {
            refused = Some((back, reply));
            break;
        }
    }
    // The exact error of the standard, and when to come back.
    let (back, reply) = refused.expect("the disk was never full");
    if back.location().is_some() {
        demand_later(&reply);
    } else {
        assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{reply:?}");
        assert!(reply.text.contains("<html") && reply.headers.contains_key("retry-after"), "{reply:?}");
    }
    let refresh = client.refresh(&first.refresh).await;
    demand_later(&refresh);

    // Who is in stays in, and whoever watches is told.
    assert_eq!(client.call(&first.access).await, StatusCode::OK);
    let (ready, why) = client.readiness().await;
    assert!(!ready && why.contains("no space is left") && why.contains("make room"), "{why}");
    client.until_metric("vestibule_store_ready{backend=\"embedded\"} 0").await;
    assert!(gateway.log().contains("make room, the store goes on by itself"), "{}", gateway.log());

    // Somebody makes room. Nothing is restarted, and what was refused works: no code and no token was used up.
    let room = Command::new("prlimit").args(["--fsize=unlimited:", "--pid", &gateway.id().to_string()]).status();
    assert!(room.unwrap().success());
    let begun = Instant::now();
    while !client.readiness().await.0 {
        assert!(begun.elapsed() < Duration::from_secs(20), "{}", gateway.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    if back.location().is_some() {
        assert!(client.tokens(&back).await.is_ok(), "the code was burnt");
    }
    let again = client.refresh(&first.refresh).await;
    assert_eq!(again.status, StatusCode::OK, "the refresh token was burnt: {again:?}");
    assert!(client.tokens(&client.sign_in().await).await.is_ok());
    gateway.demand_running();
    gateway.kill();
}

/// A full disk does not keep a process from starting with what it has.
#[tokio::test]
async fn it_starts_on_a_full_disk() {
    let place = Place::new().await;
    let mut gateway = place.start();
    gateway.until_ready().await;
    let client = Client::register(&place).await;
    let tokens = client.tokens(&client.sign_in().await).await.unwrap();
    gateway.kill();
    let length = fs::metadata(place.state().join("vestibule.redb")).unwrap().len();
    assert!(length <= u64::try_from(FULL).unwrap(), "{length}");
    let mut gateway = with_a_full_disk(&place);
    gateway.until_ready().await;
    assert_eq!(client.call(&tokens.access).await, StatusCode::OK);
    gateway.kill();
}

/// A start that cannot keep anything says what is wrong with which path, what to do, and ends with `EX_UNAVAILABLE`.
#[tokio::test]
async fn folders_that_cannot_be_used_are_refused_with_what_to_do() {
    let place = Place::new().await;
    let program = for_everybody(&place);
    let file = place.folder.path().join("a-file");
    fs::write(&file, "x").unwrap();
    let foreign = place.folder.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::set_permissions(&foreign, fs::Permissions::from_mode(0o555)).unwrap();
    for (path, says) in [
        (&file, "not a folder; name a folder for the store"),
        (&file.join("below"), "not a folder; name a folder for the store"),
        (&foreign.join("state"), "permission denied; the user that runs this program must own the folder"),
    ] {
        fs::write(place.config(), place.text(&format!("{{ path: {} }}", path.display()))).unwrap();
        let output = as_nobody(&program).args(["serve", "--config"]).arg(place.config()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(69), "{}: {said}", path.display());
        let last = said.lines().last().unwrap_or_default();
        assert!(last.contains(says) && last.contains(&*path.parent().unwrap().to_string_lossy()), "{last}");
    }
}

/// The program where another user can run it.
fn for_everybody(place: &Place) -> PathBuf {
    let program = place.folder.path().join("vestibule");
    fs::copy(env!("CARGO_BIN_EXE_vestibule"), &program).unwrap();
    fs::set_permissions(place.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    program
}

/// Permissions mean nothing to root.
fn as_nobody(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program);
    command
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").unwrap().uid() == 0
}

fn demand_later(reply: &Reply) {
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{reply:?}");
    assert_eq!(reply.json()["error"], "temporarily_unavailable", "{reply:?}");
    assert!(reply.headers.contains_key("retry-after"), "{reply:?}");
}

// === impl Client ===

impl<'a> Client<'a> {
    async fn register(place: &'a Place) -> Self {
        let http = wire::http();
        let metadata = json!({ "redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": "none" });
        let registered = ask(http.post(place.url("/register")).json(&metadata)).await.unwrap();
        let id = registered.json()["client_id"].as_str().unwrap().to_owned();
        Self { place, http, id }
    }

    /// As far as the answer that has the code, or is a page that says why there is none. The verifier is in front of it.
    async fn sign_in(&self) -> Reply {
        let verifier = random_text::<32>();
        let challenge = URL_SAFE_NO_PAD.encode(sha256(verifier.as_bytes()));
        let resource = self.place.url("/mcp");
        let query = [
            ("response_type", "code"),
            ("client_id", &self.id),
            ("redirect_uri", REDIRECT_URI),
            ("state", &verifier),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("resource", &resource),
        ];
        let begun = ask(self.http.get(self.place.url("/authorize")).query(&query)).await.unwrap();
        let form = self.place.provider.sign_in_form(&begun.location().unwrap_or_else(|| panic!("{begun:?}")), "ada");
        let answered = ask(self.http.post(form.action).form(&form.fields)).await.unwrap();
        ask(self.http.get(answered.location().unwrap()).header("cookie", begun.cookies())).await.unwrap()
    }

    async fn tokens(&self, back: &Reply) -> Result<Tokens, Reply> {
        let Some(url) = back.location() else { return Err(back.clone()) };
        let get = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        // The client keeps its verifier in `state`: there is no better place in a test.
        let (code, verifier) = (get("code").unwrap_or_else(|| panic!("{url}")), get("state").unwrap());
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", REDIRECT_URI),
            ("code_verifier", &verifier),
            ("client_id", &self.id),
        ];
        let reply = ask(self.http.post(self.place.url("/token")).form(&form)).await.unwrap();
        if reply.status != StatusCode::OK {
            return Err(reply);
        }
        let text = |name: &str| reply.json()[name].as_str().unwrap().to_owned();
        Ok(Tokens { access: text("access_token"), refresh: text("refresh_token") })
    }

    async fn refresh(&self, token: &str) -> Reply {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", &self.id)];
        ask(self.http.post(self.place.url("/token")).form(&form)).await.unwrap()
    }

    async fn call(&self, token: &str) -> StatusCode {
        ask(self.http.get(self.place.url("/mcp")).bearer_auth(token)).await.unwrap().status
    }

    /// Whether it is ready, and everything that it says about that.
    async fn readiness(&self) -> (bool, String) {
        let url = format!("http://127.0.0.1:{}/readyz", self.place.admin);
        let reply = ask(self.http.get(url)).await.unwrap();
        assert_eq!(reply.status == StatusCode::OK, reply.json()["ready"] == true, "{reply:?}");
        (reply.status == StatusCode::OK, reply.text)
    }

    async fn until_metric(&self, line: &str) {
        let (url, begun) = (format!("http://127.0.0.1:{}/metrics", self.place.admin), Instant::now());
        while !ask(self.http.get(&url)).await.unwrap().text.lines().any(|own| own == line) {
            assert!(begun.elapsed() < Duration::from_secs(20), "{line} does not come");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
