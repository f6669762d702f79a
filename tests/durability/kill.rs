//! `kill -9` at any moment, under load, again and again: what a client was told holds.

use std::{
    panic::resume_unwind,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use redb::Database;
use tokio::task::JoinSet;
use vestibule::{
    store::{Store as _, Table, redb::EmbeddedStore},
    time::Clock,
};

use crate::{
    chance::{Chance, number},
    gateway::{Gateway, Place},
    person::{Person, Tally},
};

/// How often it is killed; `DURABILITY_KILLS` says another number.
const KILLS: usize = 200;
/// It is killed within this time after it has begun to answer,
const SERVING: Duration = Duration::from_millis(250);
/// or, once in a while, after it was started.
const STARTING: Duration = Duration::from_millis(120);
/// People at once; one in three at the provider whose tokens live for a second.
const PEOPLE: usize = 9;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_was_told_survives_kill_minus_nine() {
    let kills = number("DURABILITY_KILLS").unwrap_or(KILLS);
    let mut chance = Chance::new();
    let (place, tally) = (Arc::new(Place::new().await), Tally::default());
    let stop = Arc::new(AtomicBool::new(false));
    let mut people = JoinSet::new();
    for number in 0..PEOPLE {
        let mount = if number % 3 == 2 { "/brief" } else { "" };
        let person = Person::new(&place, mount, format!("program {number}"), chance.fork(), &tally);
        people.spawn(person.live(Arc::clone(&stop)));
    }

    for number in 0..kills {
        let mut gateway = place.start();
        // The first ones have no file yet.
        if number < 3 || chance.one_in(8) {
            tokio::time::sleep(chance.within(STARTING)).await;
        } else {
            gateway.until_ready().await;
            tokio::time::sleep(chance.within(SERVING)).await;
        }
        if let Some(wrong) = people.try_join_next() {
            failed(wrong, number, &gateway);
        }
        gateway.kill();
    }

    let mut gateway = place.start();
    gateway.until_ready().await;
    stop.store(true, Ordering::SeqCst);
    let mut settled = JoinSet::new();
    while let Some(person) = people.join_next().await {
        match person {
            Ok(person) => _ = settled.spawn(person.settle()),
            wrong => failed(wrong, kills, &gateway),
        }
    }
    let mut grants = 0;
    while let Some(count) = settled.join_next().await {
        match count {
            Ok(count) => grants += count,
            wrong => failed(wrong, kills, &gateway),
        }
    }
    gateway.kill();
    tally.tell();

    let file = place.state().join("vestibule.redb");
    assert!(Database::open(&file).unwrap().check_integrity().unwrap(), "the file had to be repaired twice");
    let store = EmbeddedStore::open(&place.state(), Clock::system()).unwrap();
    let stored = store.list(Table::Grant).await.unwrap().len();
    assert_eq!(stored, grants, "grants that nobody has");
    // It was no idle process that was killed.
    for what in [
        "codes redeemed",
        "redemptions whose answer was lost: spent",
        "rotations with an answer that was lost",
        "grants revoked",
        "ended grants looked at again",
    ] {
        assert!(tally.of(what) * 50 >= kills, "{what}: only {} in {kills} kills", tally.of(what));
    }
}

/// Tells why, and what the gateway said.
fn failed<T>(wrong: Result<T, tokio::task::JoinError>, kills: usize, gateway: &Gateway) -> ! {
    println!("after {kills} kills; the gateway said: {}", gateway.log());
    match wrong {
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        _ => panic!("somebody stopped"),
    }
}
