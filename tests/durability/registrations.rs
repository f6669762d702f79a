//! Registrations by the hundred thousand leave the store as it was, and the process about as large.

use std::{fs, sync::Arc};

use reqwest::StatusCode;
use serde_json::json;
use tokio::task::JoinSet;

use crate::{
    chance::number,
    gateway::{Gateway, Place, REDIRECT_URI},
    wire::{self, ask},
};

/// How many there are; `DURABILITY_REGISTRATIONS` says another number.
const REGISTRATIONS: usize = 20_000;
const AT_ONCE: usize = 8;

/// One client registers again and again, half of the times as somebody new.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registrations_without_end_leave_the_store_small() {
    let registrations = number("DURABILITY_REGISTRATIONS").unwrap_or(REGISTRATIONS);
    let place = Arc::new(Place::new().await);
    let mut gateway = place.start();
    gateway.until_ready().await;
    register(&place, 0, AT_ONCE * 10).await;
    let (file, memory) = (file(&place), resident_kib(&gateway));
    let mut tasks = JoinSet::new();
    for task in 0..AT_ONCE {
        let place = Arc::clone(&place);
        tasks.spawn(async move { register(&place, task, registrations / AT_ONCE).await });
    }
    tasks.join_all().await;
    let grown = resident_kib(&gateway).saturating_sub(memory);
    println!("{registrations} registrations: {grown} KiB more in memory");
    assert!(self::file(&place) == file, "the store was written to");
    // The limiter remembers what it has seen, up to a bound: repeated registrations are free.
    assert!(grown < 64 * 1024, "{grown} KiB more");
    gateway.kill();
}

async fn register(place: &Place, task: usize, count: usize) {
    let http = wire::http();
    for index in 0..count {
        let name = if index % 2 == 0 { "The same client".to_owned() } else { format!("Client {task} {index}") };
        let metadata =
            json!({ "client_name": name, "redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": "none" });
        let reply = ask(http.post(place.url("/register")).json(&metadata)).await.unwrap();
        assert_eq!(reply.status, StatusCode::CREATED, "{reply:?}");
    }
}

/// What its health check writes now and then is one small value, in the same place.
fn file(place: &Place) -> u64 {
    fs::metadata(place.state().join("vestibule.redb")).unwrap().len()
}

fn resident_kib(gateway: &Gateway) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", gateway.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse().unwrap()
}
