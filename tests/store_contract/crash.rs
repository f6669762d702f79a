//! A process that is killed while it writes: what it acknowledged is there, and no half batch.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use vestibule::{
    seal,
    store::{Change, Store, Table, redb::EmbeddedStore},
    time::Clock,
};

use super::{expect, put, value};

/// Tells the child which store it writes to.
const FOLDER: &str = "VESTIBULE_TEST_CRASH_FOLDER";
const TASKS: usize = 6;
const ROUNDS: usize = 20;

#[test]
fn what_a_killed_process_acknowledged_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged: BTreeMap<usize, u64> = BTreeMap::new();
    for round in 0..ROUNDS {
        let mut delay = [0];
        seal::fill(&mut delay);
        let delay = Duration::from_millis(u64::from(delay[0]) / 2);
        for (task, number) in killed_after(folder.path(), delay) {
            let last = acknowledged.entry(task).or_default();
            *last = number.max(*last);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let total = runtime.block_on(check(folder.path(), &acknowledged));
        assert!(total > 0, "round {round} (killed after {delay:?}): nothing was written");
    }
    assert_eq!(acknowledged.len(), TASKS);
}

/// Runs [`child`] and kills it (SIGKILL) some time after its first acknowledgement.
fn killed_after(folder: &Path, delay: Duration) -> Vec<(usize, u64)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child", "--ignored", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut acknowledged: Vec<_> = lines.by_ref().find_map(|line| acknowledgement(&line)).into_iter().collect();
    let killer = thread::spawn(move || {
        thread::sleep(delay);
        child.kill().unwrap();
        child.wait().unwrap();
    });
    acknowledged.extend(lines.filter_map(|line| acknowledgement(&line)));
    killer.join().unwrap();
    acknowledged
}

fn acknowledgement(line: &str) -> Option<(usize, u64)> {
    let (task, number) = line.strip_prefix("ack ")?.strip_suffix('.')?.split_once(' ')?;
    Some((task.parse().ok()?, number.parse().ok()?))
}

/// Every batch has a grant, a code and the task's count; returns how many there are.
async fn check(folder: &Path, acknowledged: &BTreeMap<usize, u64>) -> usize {
    let store = EmbeddedStore::open(folder, Clock::system()).unwrap();
    let mut keys = Vec::new();
    for table in [Table::Grant, Table::Code] {
        let list = store.list(table).await.unwrap();
        keys.push(list.into_iter().map(|(key, _)| String::from_utf8(key).unwrap()).collect::<BTreeSet<_>>());
    }
    assert_eq!(keys[0], keys[1], "half a batch");
    let mut total = 0;
    for task in 0..TASKS {
        let count = value(&store, Table::Meta, &task.to_string()).await.map_or(0, |text| text.parse::<u64>().unwrap());
        assert!(count >= acknowledged.get(&task).copied().unwrap_or_default(), "task {task} lost what it acknowledged");
        assert!((1..=count).all(|number| keys[0].contains(&format!("{task}-{number}"))), "task {task}: a gap");
        total += usize::try_from(count).unwrap();
    }
    assert_eq!(keys[0].len(), total, "batches that nobody counted");
    total
}

/// A process that is killed while it makes a large file small: everything is there, whenever that was.
#[test]
fn a_killed_compaction_loses_nothing() {
    const KEPT: usize = 300;
    let large = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let store = EmbeddedStore::open(large.path(), Clock::system()).unwrap();
        let keys: Vec<_> = (0..6_000).map(|number| number.to_string()).collect();
        let value = "x".repeat(4_000);
        for some in keys.chunks(500) {
            store.commit(some.iter().map(|key| put(Table::Grant, key, &value)).collect()).await.unwrap();
        }
        let delete = |key: &String| Change::Delete { table: Table::Grant, key: key.clone().into_bytes() };
        for some in keys[KEPT..].chunks(500) {
            store.commit(some.iter().map(delete).collect()).await.unwrap();
        }
    });
    let length = |folder: &Path| std::fs::metadata(folder.join("vestibule.redb")).unwrap().len();
    let before = length(large.path());
    let mut compacted = 0;
    for round in 0..ROUNDS {
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(large.path().join("vestibule.redb"), folder.path().join("vestibule.redb")).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::child", "--ignored", "--nocapture", "--test-threads=1"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // From before it is opened until after it is compacted.
        thread::sleep(Duration::from_millis(u64::try_from(round).unwrap() * 8));
        child.kill().unwrap();
        child.wait().unwrap();
        compacted += usize::from(length(folder.path()) < before / 4);
        let store = EmbeddedStore::open(folder.path(), Clock::system()).unwrap();
        for key in 0..KEPT {
            let text = runtime.block_on(value(&store, Table::Grant, &key.to_string()));
            assert_eq!(text.map(|text| text.len()), Some(4_000), "round {round}, key {key}");
        }
        assert!(length(folder.path()) < before / 4, "the next start does it");
    }
    assert!(compacted < ROUNDS, "it was never killed before it had finished");
}

/// Writes until it is killed. Does nothing when it is run by hand.
#[test]
#[ignore = "is run by the test above, in a process of its own"]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let store: Arc<dyn Store> = Arc::new(EmbeddedStore::open(Path::new(&folder), Clock::system()).unwrap());
        let tasks = (0..TASKS).map(|task| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { write(&*store, task).await })
        });
        futures_util::future::join_all(tasks).await;
    });
}

async fn write(store: &dyn Store, task: usize) {
    let name = task.to_string();
    let mut count = value(store, Table::Meta, &name).await;
    loop {
        let number = count.as_ref().map_or(0, |text| text.parse::<u64>().unwrap()) + 1;
        let next = number.to_string();
        let key = format!("{task}-{number}");
        let batch = vec![
            expect(Table::Meta, &name, count.as_deref()),
            put(Table::Grant, &key, &"x".repeat(700)),
            put(Table::Code, &key, "y"),
            put(Table::Meta, &name, &next),
        ];
        store.commit(batch).await.unwrap();
        // One write a line: a line that was cut by the kill has no full stop and does not count.
        std::io::stdout().lock().write_all(format!("ack {task} {number}.\n").as_bytes()).unwrap();
        count = Some(next);
    }
}
