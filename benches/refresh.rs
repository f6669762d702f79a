//! What state costs: durable refreshes a second, and the memory of live grants, with each store.
//!
//! The whole way: HTTP, the check of the token, the rotation, sealing, the store's commit, a new access token. The
//! identity provider is not asked meanwhile, its tokens live for long. Gateway, store and clients share the machine.
//!
//! `cargo bench --bench refresh [grants] [folder]`; the folder's disk is what is measured (default: the system's folder for
//! temporary files).

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "a bench prints, and ends when something is missing"
)]

#[path = "../tests/flows/browser.rs"]
#[allow(dead_code)]
mod browser;
#[path = "../tests/flows/client.rs"]
#[allow(dead_code)]
mod client;
#[path = "support/process.rs"]
mod process;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use browser::Browser;
use client::{Client, REDIRECT_URI, Tokens};
use process::Running;
use vestibule::demo::identity_provider::{self, DemoIdentityProvider, Options};

const GATEWAY: u16 = 19_410;
const REDIS: u16 = 19_411;
const CALLERS: [usize; 3] = [1, 8, 64];
const TIME: Duration = Duration::from_secs(5);
const GRANTS: usize = 100_000;
const AT_ONCE: usize = 16;

#[derive(Clone, Copy)]
enum Store {
    Memory,
    Embedded,
    /// `appendfsync always`: durable before it answers, as the embedded store is.
    RedisAlways,
    /// `appendfsync everysec`, the default of Redis.
    RedisEverySecond,
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if !arguments.iter().any(|argument| argument == "--bench") {
        // `cargo test --benches` runs this too; nothing is measured there.
        println!("run with `cargo bench`");
        return;
    }
    let mut own = arguments.iter().filter(|argument| *argument != "--bench");
    let grants = own.next().map_or(GRANTS, |count| count.parse().expect("a number of grants"));
    let folder = own.next().map_or_else(env::temp_dir, PathBuf::from);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    for store in [Store::Memory, Store::Embedded, Store::RedisAlways, Store::RedisEverySecond] {
        if store.fsync().is_some() && !is_installed("redis-server") {
            println!("\n{}: redis-server is not installed, left out", store.title());
            continue;
        }
        let folder = tempfile::tempdir_in(&folder).unwrap();
        runtime.block_on(measure(store, grants, folder.path()));
    }
}

async fn measure(store: Store, grants: usize, folder: &Path) {
    println!("\n{}", store.title());
    let _redis = store.fsync().map(|fsync| redis(fsync, folder));
    let provider = DemoIdentityProvider::start(Options::default()).await.unwrap();
    let config = folder.join("vestibule.yaml");
    fs::write(&config, configuration(&provider, &store.storage(folder))).unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_vestibule"));
    program.args(["serve", "--config"]).arg(&config);
    let gateway = Running::start(program, GATEWAY);
    let client = Client::discover(&format!("http://127.0.0.1:{GATEWAY}/mcp")).await;

    println!("  {:>8} {:>12} {:>10} {:>10}", "callers", "refreshes/s", "p50", "p99");
    for callers in CALLERS {
        let mut tasks = Vec::new();
        for _ in 0..callers {
            tasks.push(sign_in(&client, &Browser::new()).await);
        }
        let begun = Instant::now();
        let tasks = tasks.into_iter().map(|tokens| tokio::spawn(refresh(client.clone(), tokens, begun)));
        let mut times: Vec<Duration> = Vec::new();
        for result in futures_util::future::join_all(tasks).await {
            times.extend(result.unwrap());
        }
        let seconds = begun.elapsed().as_secs_f64();
        times.sort_unstable();
        let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
        let rate = f64::from(u32::try_from(times.len()).unwrap()) / seconds;
        println!("  {callers:>8} {rate:>12.0} {:>10.2?} {:>10.2?}", at(50), at(99));
    }

    let before = gateway.resident_mib();
    let (begun, left) = (Instant::now(), Arc::new(AtomicUsize::new(grants)));
    let tasks = (0..AT_ONCE).map(|_| tokio::spawn(sign_in_often(client.clone(), Arc::clone(&left))));
    for result in futures_util::future::join_all(tasks).await {
        result.unwrap();
    }
    let after = gateway.resident_mib();
    println!("  {grants} grants more (in {:.0?}): {before:.1} MiB resident before, {after:.1} after", begun.elapsed());
    println!("  {}", store.size(folder));
}

/// Refreshes one grant again and again; returns how long each took.
async fn refresh(client: Client, mut tokens: Tokens, begun: Instant) -> Vec<Duration> {
    let mut times = Vec::new();
    while begun.elapsed() < TIME {
        let asked = Instant::now();
        tokens = Tokens::read(client.refresh(tokens.refresh_token()).await).await;
        times.push(asked.elapsed());
    }
    times
}

async fn sign_in_often(client: Client, left: Arc<AtomicUsize>) {
    let browser = Browser::new();
    while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
        sign_in(&client, &browser).await;
    }
}

/// Nobody is asked for consent here.
async fn sign_in(client: &Client, browser: &Browser) -> Tokens {
    let attempt = client.attempt();
    let page = browser.open(attempt.url.as_str(), REDIRECT_URI).await;
    let back = browser.submit(&page.form(), Some(("person", "ada")), REDIRECT_URI).await;
    let code = client.code(&attempt, &back.location().unwrap_or_else(|| panic!("{} {}", back.status, back.html)));
    Tokens::read(client.exchange(&attempt, &code).await).await
}

fn configuration(provider: &identity_provider::Running, storage: &str) -> String {
    format!(
        "public_url: http://127.0.0.1:{GATEWAY}\nlisten: 127.0.0.1:{GATEWAY}\nadmin_listen: off\n\
         secret: a-root-secret-for-nothing-but-this-bench\nstorage: {storage}\nlog: {{ filter: error }}\n\
         limits: {{ authorizations_per_minute: 1000000, token_requests_per_minute: 1000000 }}\nproviders:\n  demo:\n    \
         config_url: {}\n    client_id: {}\n    client_secret: {}\n    require_authorization_consent: false\n    routes:\n      \
         - {{ path: /mcp, backend: 'http://127.0.0.1:9/mcp' }}\n",
        provider.config_url(),
        provider.client_id(),
        provider.client_secret().unwrap().expose(),
    )
}

// === impl Store ===

impl Store {
    fn title(self) -> &'static str {
        match self {
            Self::Memory => "memory (nothing is durable)",
            Self::Embedded => "embedded",
            Self::RedisAlways => "redis, appendfsync always",
            Self::RedisEverySecond => "redis, appendfsync everysec",
        }
    }

    fn storage(self, folder: &Path) -> String {
        match self {
            Self::Memory => "{ backend: memory }".to_owned(),
            Self::Embedded => format!("{{ backend: embedded, path: {} }}", folder.join("state").display()),
            Self::RedisAlways | Self::RedisEverySecond => {
                format!("{{ backend: redis, url: 'redis://127.0.0.1:{REDIS}' }}")
            }
        }
    }

    /// What Redis is to do before it answers; `None`: there is no Redis.
    fn fsync(self) -> Option<&'static str> {
        match self {
            Self::Memory | Self::Embedded => None,
            Self::RedisAlways => Some("always"),
            Self::RedisEverySecond => Some("everysec"),
        }
    }

    fn size(self, folder: &Path) -> String {
        match self {
            Self::Memory => String::new(),
            Self::Embedded => {
                let bytes = fs::metadata(folder.join("state").join("vestibule.redb")).unwrap().len();
                format!("the file has {} MiB", bytes / 1024 / 1024)
            }
            Self::RedisAlways | Self::RedisEverySecond => {
                let port = REDIS.to_string();
                let told = Command::new("redis-cli").args(["-p", &port, "info", "memory"]).output().unwrap();
                let told = String::from_utf8(told.stdout).unwrap();
                let used = told.lines().find_map(|line| line.strip_prefix("used_memory_human:")).unwrap();
                format!("redis uses {}", used.trim())
            }
        }
    }
}

fn redis(fsync: &str, folder: &Path) -> Running {
    let mut program = Command::new("redis-server");
    program.args(["--port", &REDIS.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"]);
    program.args(["--appendfsync", fsync, "--dir"]).arg(folder);
    Running::start(program, REDIS)
}

fn is_installed(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok()
}
