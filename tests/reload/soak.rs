//! S83: a thousand reloads under load lose no request and leave nothing behind.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::StatusCode;

use crate::{
    client::{Client, Tokens},
    process::Program,
    world::{Place, replace},
};

/// How many. They take half a minute on two idle cores.
const RELOADS: usize = 1000;
/// Something hangs if they take longer than this.
const BOUND: Duration = Duration::from_mins(4);
/// What the resident memory may grow by over the soak after its first part, in KiB. Allocators
/// keep what they once had; a leak of a runtime per reload is many times this.
const MEMORY: u64 = 24 * 1024;

/// What a process holds.
#[derive(Clone, Copy, Debug)]
struct Held {
    descriptors: usize,
    threads: u64,
    resident: u64,
}

impl Held {
    fn by(process: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let number = |name: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim_start_matches(':').split_whitespace().next().unwrap().parse().unwrap()
        };
        Self {
            descriptors: fs::read_dir(format!("/proc/{process}/fd")).unwrap().count(),
            threads: number("Threads"),
            resident: number("VmRSS"),
        }
    }
}

/// S83
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s83_reloads_under_load() {
    let place = Place::new().await;
    fs::write(place.config(), place.text(&["/mcp"])).unwrap();
    let program = Program::start(place).await;
    let client = Client::discover(&program.place.url("/mcp")).await;
    let tokens = client.tokens("ada").await;
    let stop = Arc::new(AtomicBool::new(false));
    let done: [Arc<AtomicUsize>; 3] = Default::default();
    let mut load = Vec::new();
    for _ in 0..2 {
        let (stop, done, token, url) =
            (Arc::clone(&stop), Arc::clone(&done[0]), tokens.access.clone(), program.place.url("/mcp"));
        load.push(tokio::spawn(async move {
            let http = crate::client::http();
            while !stop.load(Ordering::Relaxed) {
                let answer = http.get(&url).bearer_auth(&token).send().await.unwrap();
                assert_eq!(answer.status(), StatusCode::OK);
                assert_eq!(answer.text().await.unwrap(), "hello");
                done.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    {
        let (stop, done, token, url) =
            (Arc::clone(&stop), Arc::clone(&done[1]), tokens.access.clone(), program.place.url("/mcp/events"));
        load.push(tokio::spawn(async move {
            let http = crate::client::http();
            // One stream over all of it, and short ones.
            let mut long = http.get(&url).bearer_auth(&token).send().await.unwrap();
            while !stop.load(Ordering::Relaxed) {
                let mut short = http.get(&url).bearer_auth(&token).send().await.unwrap();
                assert_eq!(short.status(), StatusCode::OK);
                assert!(short.chunk().await.unwrap().is_some());
                assert!(long.chunk().await.unwrap().is_some());
                done.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    {
        let (stop, done, client, url) =
            (Arc::clone(&stop), Arc::clone(&done[2]), client.clone(), program.place.url("/mcp"));
        load.push(tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let tokens = client.tokens("grace").await;
                let refreshed = Tokens::read(client.refresh(tokens.refresh_token()).await).await;
                let answer = client.http.get(&url).bearer_auth(&refreshed.access).send().await.unwrap();
                assert_eq!(answer.status(), StatusCode::OK);
                done.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }

    let http = crate::client::http();
    let reload = format!("http://127.0.0.1:{}/reload", program.place.admin);
    // Every part of the plan takes its turn: a route, a provider, its secret's neighbour, a limit.
    let other = program.place.block("other", "mount: /other", &["/mcp"]);
    let base = program.place.text(&["/mcp"]);
    let nested = base.replace("    routes:", "    mount: /\n    routes:");
    let texts = [
        program.place.text(&["/mcp", "/more"]),
        base.replace("    routes:", "    display_name: Another\n    routes:"),
        base.replace("registrations_per_hour: 1000000", "registrations_per_hour: 999999"),
        base.replace("    routes:", "    timeout_seconds: 9\n    routes:"),
        nested + &other,
        base.clone(),
    ];
    let begun = Instant::now();
    let mut reloads = 0;
    let mut early = None;
    while reloads < RELOADS && begun.elapsed() < BOUND {
        replace(&program.place.config(), &texts[reloads % texts.len()]);
        let answer = http.post(&reload).send().await.unwrap();
        let status = answer.status();
        assert_eq!(status, StatusCode::OK, "{}", answer.text().await.unwrap());
        reloads += 1;
        if reloads == RELOADS / 4 {
            early = Some(Held::by(program.id()));
        }
    }
    let took = begun.elapsed();
    stop.store(true, Ordering::Relaxed);
    for task in load {
        task.await.expect("no request failed");
    }
    // Idle connections to the backend go after some seconds.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(reloads, RELOADS, "in {took:?}");
    let (early, late) = (early.unwrap(), Held::by(program.id()));
    let done = done.map(|done| done.load(Ordering::Relaxed));
    println!("{reloads} reloads in {took:?}; requests, streams, sign-ins: {done:?}; {early:?} -> {late:?}");
    assert!(done.iter().all(|done| *done > 3), "{done:?}");
    assert!(late.descriptors <= early.descriptors + 16, "{early:?} -> {late:?}");
    assert!(late.threads <= early.threads + 4, "{early:?} -> {late:?}");
    assert!(late.resident <= early.resident + MEMORY, "{early:?} -> {late:?}");
}
