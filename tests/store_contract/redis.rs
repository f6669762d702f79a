//! The store of several replicas, on servers that are started here.

use std::{
    path::PathBuf,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use vestibule::{
    config::plan::{RedisNode, RedisPlan},
    secret::Secret,
    store::{CommitError, NEVER, Store, StoreError, Table, redis::RedisStore},
    time::Clock,
};

use super::{
    Opened, applied, delete, expect, found, put, put_with,
    servers::{Kind, Servers},
    term, value,
};

/// One server of each kind for all rules; each rule has a prefix of its own.
static SERVERS: Mutex<Vec<(Kind, Arc<Servers>)>> = Mutex::new(Vec::new());

type Opening = Pin<Box<dyn Future<Output = Opened> + Send>>;

/// Opens a store of its own on the server of this kind.
pub(super) fn open(kind: Kind) -> impl FnOnce(PathBuf, Clock) -> Opening {
    move |_, clock| {
        Box::pin(async move {
            let servers = tokio::task::spawn_blocking(move || running(kind)).await.unwrap()?;
            let store = RedisStore::open(&servers.plan(), clock).await.unwrap();
            let store: Arc<dyn Store> = Arc::new(store);
            Some(store)
        })
    }
}

fn running(kind: Kind) -> Option<Arc<Servers>> {
    let mut servers = SERVERS.lock().unwrap();
    if let Some((_, running)) = servers.iter().find(|(known, _)| *known == kind) {
        return Some(Arc::clone(running));
    }
    let started = Arc::new(Servers::start(kind)?);
    servers.push((kind, Arc::clone(&started)));
    Some(started)
}

/// A server for one test alone, and a store on it.
async fn alone(kind: Kind) -> Option<(Servers, RedisPlan, Arc<RedisStore>)> {
    let servers = tokio::task::spawn_blocking(move || Servers::start(kind)).await.unwrap()?;
    let plan = servers.plan();
    let store = RedisStore::open(&plan, Clock::system()).await.unwrap();
    Some((servers, plan, Arc::new(store)))
}

/// Increments by compare-and-swap until it is told to stop; returns how often it was told "done".
fn count(store: &Arc<RedisStore>, key: String, stop: &Arc<AtomicBool>) -> JoinHandle<u32> {
    let (store, stop) = (Arc::clone(store), Arc::clone(stop));
    tokio::spawn(async move {
        let mut done = 0;
        while !stop.load(Ordering::SeqCst) {
            let before = store.get(Table::Meta, key.as_bytes()).await;
            let Ok(before) = before else { continue };
            let before = before.map(|record| String::from_utf8(record.value.to_vec()).unwrap());
            let next = before.as_ref().map_or(0, |text| text.parse::<u32>().unwrap()) + 1;
            let batch = vec![expect(Table::Meta, &key, before.as_deref()), put(Table::Meta, &key, &next.to_string())];
            match store.commit(batch).await {
                Ok(()) => done += 1,
                // Only this task writes this key.
                Err(CommitError::Conflict) => panic!("a batch was applied and called a conflict"),
                Err(CommitError::Store(_)) => {}
            }
        }
        done
    })
}

/// A connection that is cut in the middle costs nobody anything: what was applied is said to be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_cut_lose_nothing_and_do_nothing_twice() {
    let Some((servers, _, store)) = alone(Kind::Plain).await else { return };
    let stop = Arc::new(AtomicBool::new(false));
    let tasks: Vec<_> = (0..8).map(|task| count(&store, task.to_string(), &stop)).collect();
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        servers.tell(&["client", "kill", "type", "normal"]);
    }
    stop.store(true, Ordering::SeqCst);
    for (key, task) in tasks.into_iter().enumerate() {
        let done = task.await.unwrap();
        assert!(done > 0);
        assert_eq!(value(&*store, Table::Meta, &key.to_string()).await, Some(done.to_string()));
    }
}

/// The answer to a batch is swallowed on the way and the connection cut: the batch was applied, once,
/// and whoever sent it is told so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_was_lost_is_asked_for_again() {
    let Some((servers, mut plan, _)) = alone(Kind::Plain).await else { return };
    let swallow = Arc::new(AtomicBool::new(false));
    plan.nodes[0].port = swallowing(servers.port(), Arc::clone(&swallow)).await;
    let store = RedisStore::open(&plan, Clock::system()).await.unwrap();
    assert!(applied(&store, vec![put(Table::Meta, "warm", "up")]).await);
    for round in 0..5 {
        let key = round.to_string();
        swallow.store(true, Ordering::SeqCst);
        assert!(applied(&store, vec![expect(Table::Code, &key, None), put(Table::Code, &key, "once")]).await);
        assert!(!swallow.load(Ordering::SeqCst), "nothing was swallowed");
        assert_eq!(value(&store, Table::Code, &key).await.as_deref(), Some("once"));
    }
}

/// A way to the server that, when it is told to, lets one request through and keeps its answer.
async fn swallowing(server: u16, swallow: Arc<AtomicBool>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
            let swallow = Arc::clone(&swallow);
            tokio::spawn(async move {
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_server, mut to_server) = server.into_split();
                let there = tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
                let mut answer = vec![0; 64 * 1024];
                while let Ok(length) = from_server.read(&mut answer).await {
                    if length == 0 || swallow.swap(false, Ordering::SeqCst) {
                        break;
                    }
                    if to_client.write_all(&answer[..length]).await.is_err() {
                        break;
                    }
                }
                there.abort();
            });
        }
    });
    port
}

/// kill -9 and a new start: what was acknowledged is there, and nobody has to be told that the server
/// is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_comes_back_with_everything_that_was_acknowledged() {
    let Some((mut servers, _, store)) = alone(Kind::Plain).await else { return };
    for round in 0..3 {
        let stop = Arc::new(AtomicBool::new(false));
        let tasks: Vec<_> = (0..4).map(|task| count(&store, format!("{round}-{task}"), &stop)).collect();
        tokio::time::sleep(Duration::from_millis(300)).await;
        stop.store(true, Ordering::SeqCst);
        servers.kill();
        let error = store.health().await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
        servers.restart();
        let mut acknowledged = Vec::new();
        for task in tasks {
            acknowledged.push(task.await.unwrap());
        }
        store.health().await.unwrap();
        for (task, done) in acknowledged.into_iter().enumerate() {
            let kept = value(&*store, Table::Meta, &format!("{round}-{task}")).await.unwrap().parse::<u32>().unwrap();
            // What was under way may have been applied without anybody hearing of it.
            assert!(kept == done || kept == done + 1, "{done} acknowledged, {kept} kept");
        }
    }
}

/// Each node of a cluster goes and comes back; the store finds its slot again by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_of_a_cluster_go_and_come_back() {
    let Some((mut servers, _, store)) = alone(Kind::Cluster).await else { return };
    for node in 0..3 {
        assert!(applied(&*store, vec![put(Table::Meta, &node.to_string(), "kept")]).await);
        servers.kill_node(node);
        // Two nodes of three: those slots are gone until the third is back.
        drop(store.health().await);
        servers.restart_node(node);
        let end = Instant::now() + Duration::from_secs(30);
        while let Err(error) = store.health().await {
            assert!(Instant::now() < end, "{error}");
        }
        for before in 0..=node {
            assert_eq!(value(&*store, Table::Meta, &before.to_string()).await.as_deref(), Some("kept"));
        }
    }
}

/// A master dies for good and its replica takes over: the store goes on there, and what the replica had is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_takes_over() {
    let Some((mut servers, _, store)) = alone(Kind::Cluster).await else { return };
    servers = tokio::task::spawn_blocking(move || {
        servers.replicate();
        servers
    })
    .await
    .unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let task = count(&store, "one".to_owned(), &stop);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(applied(&*store, vec![put(Table::Meta, "before", "kept")]).await);
    stop.store(true, Ordering::SeqCst);
    let before = task.await.unwrap();
    // Replication is not waited for by anybody: docs/store.md says what that means.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let master = servers.node_with_keys();
    servers.kill_node(master);
    let end = Instant::now() + Duration::from_secs(40);
    while let Err(error) = store.health().await {
        assert!(Instant::now() < end, "{error}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(value(&*store, Table::Meta, "one").await, Some(before.to_string()));
    assert_eq!(value(&*store, Table::Meta, "before").await.as_deref(), Some("kept"));
    let stop = Arc::new(AtomicBool::new(false));
    let task = count(&store, "one".to_owned(), &stop);
    tokio::time::sleep(Duration::from_millis(300)).await;
    stop.store(true, Ordering::SeqCst);
    let more = task.await.unwrap();
    assert!(more > 0);
    assert_eq!(value(&*store, Table::Meta, "one").await, Some((before + more).to_string()));
}

/// The right order of a rotation, the wrong one, and a wrong password.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_password_is_used_without_a_new_start() {
    let Some((servers, mut plan, store)) = alone(Kind::TlsAndUser).await else { return };
    let fresh = async || {
        servers.tell(&["client", "kill", "user", "gateway"]);
        store.health().await.unwrap();
    };
    servers.tell(&["acl", "setuser", "gateway", ">the-second-password"]);
    plan.password = Some(Secret::new("the-second-password"));
    store.change_credentials(&plan).await;
    servers.tell(&["acl", "setuser", "gateway", "<the-gateways-password"]);
    fresh().await;
    // The file first, the server later.
    plan.password = Some(Secret::new("the-third-password"));
    store.change_credentials(&plan).await;
    fresh().await;
    servers.tell(&["acl", "setuser", "gateway", "resetpass", ">the-third-password"]);
    fresh().await;
    servers.tell(&["acl", "setuser", "gateway", "resetpass", ">nobody-knows-this-one"]);
    servers.tell(&["client", "kill", "user", "gateway"]);
    let error = store.health().await.unwrap_err().to_string();
    assert!(error.contains("storage.password") && !error.contains("the-third"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_refuses_is_explained() {
    let Some((servers, plan, _)) = alone(Kind::TlsAndUser).await else { return };
    let refused = async |plan: RedisPlan| RedisStore::open(&plan, Clock::system()).await.unwrap_err().to_string();
    let wrong = RedisPlan { password: Some(Secret::new("wrong")), ..plan.clone() };
    let error = refused(wrong).await;
    assert!(error.contains("storage.password"), "{error}");
    let error = refused(RedisPlan { username: None, password: None, ..plan.clone() }).await;
    assert!(error.contains("storage.password"), "{error}");
    let error = refused(RedisPlan { ca: None, ..plan.clone() }).await;
    assert!(error.contains("storage.ca"), "{error}");
    let error = refused(RedisPlan { prefix: "other".to_owned(), ..plan.clone() }).await;
    assert!(error.contains("docs/store.md"), "{error}");
    servers.tell(&["acl", "setuser", "gateway", "-xadd"]);
    let error = refused(plan.clone()).await;
    assert!(error.contains("docs/store.md"), "{error}");
    let nobody = RedisNode { host: "127.0.0.1".to_owned(), port: 1 };
    let begun = Instant::now();
    let away = RedisPlan { nodes: vec![nobody], timeout: Duration::from_millis(300), ..plan };
    let error = RedisStore::open(&away, Clock::system()).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(3));
}

/// Full, read-only, or the scripts forgotten: said, nothing half done, and over when it is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_and_a_demoted_server_take_nothing_by_halves() {
    let Some((servers, plan, _)) = alone(Kind::Plain).await else { return };
    let plan = RedisPlan { timeout: Duration::from_millis(500), ..plan };
    let store = RedisStore::open(&plan, Clock::system()).await.unwrap();
    assert!(applied(&store, vec![put(Table::Grant, "a", "1")]).await);
    let batch = || vec![put(Table::Grant, "a", "2"), put(Table::Code, "b", "2"), delete(Table::Meta, "c")];
    for (begin, end) in [
        (["config", "set", "maxmemory", "1"], ["config", "set", "maxmemory", "0"]),
        (["replicaof", "127.0.0.1", "1", ""], ["replicaof", "no", "one", ""]),
    ] {
        let words = |words: [&'static str; 4]| words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>();
        servers.tell(&words(begin));
        assert!(store.health().await.is_err());
        let error = store.commit(batch()).await.unwrap_err();
        assert!(matches!(error, CommitError::Store(StoreError::Unavailable(_))), "{error}");
        assert_eq!(value(&store, Table::Grant, "a").await.as_deref(), Some("1"));
        assert_eq!(value(&store, Table::Code, "b").await, None);
        servers.tell(&words(end));
        store.health().await.unwrap();
    }
    servers.tell(&["script", "flush"]);
    assert!(applied(&store, batch()).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_set_up_that_may_lose_state_is_doubted() {
    let Some((servers, _, store)) = alone(Kind::Plain).await else { return };
    assert_eq!(store.doubts().await, Vec::<String>::new());
    servers.tell(&["config", "set", "appendonly", "no"]);
    servers.tell(&["config", "set", "maxmemory", "100mb"]);
    servers.tell(&["config", "set", "maxmemory-policy", "allkeys-lru"]);
    let doubts = store.doubts().await;
    assert!(doubts[0].contains("appendonly") && doubts[1].contains("noeviction"), "{doubts:?}");
}

/// Without anybody who sweeps, the server itself removes everything in the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_ends_what_nobody_sweeps() {
    let Some((servers, _, store)) = alone(Kind::Plain).await else { return };
    let end = Clock::system().now().plus(Duration::from_mins(1));
    let tagged = [term("subject", "ann")];
    store.commit(vec![put_with(Table::Grant, "k", "v", end, &tagged), delete(Table::Grant, "other")]).await.unwrap();
    // All but the stream of deletions, which is bounded by itself.
    let forever = || -> u32 {
        let script = "local n = 0 for _, key in ipairs(redis.call('KEYS', '*')) do \
                      if redis.call('PTTL', key) == -1 and string.sub(key, -2) ~= ':e' then n = n + 1 end end return n";
        servers.tell(&["eval", script, "0"]).trim().parse().unwrap()
    };
    assert_eq!(forever(), 0);
    // What is found by a term is found as long as one of the records lives.
    store.commit(vec![put_with(Table::Grant, "l", "v", NEVER, &tagged)]).await.unwrap();
    assert_eq!(forever(), 3, "the record, the table and the term");
    store.commit(vec![put_with(Table::Grant, "m", "v", end, &tagged)]).await.unwrap();
    assert_eq!(forever(), 3);
    assert_eq!(found(&*store, Table::Grant, &tagged[0]).await, ["k", "l", "m"]);
}
