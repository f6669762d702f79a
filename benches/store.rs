//! Durable commits per second of the embedded store at 1, 8 and 64 callers.
//!
//! `cargo bench --bench store [folder]`; the folder's disk is what is measured (default: the
//! system's folder for temporary files).

#![expect(clippy::print_stdout, reason = "the numbers are the point")]

use std::{
    error::Error,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use vestibule::{
    store::{Change, NEVER, Record, Store, Table, Term, redb::EmbeddedStore},
    time::Clock,
};

const CALLERS: [usize; 3] = [1, 8, 64];
const TIME: Duration = Duration::from_secs(3);
const VALUE: usize = 700;

fn main() -> Result<(), Box<dyn Error>> {
    // Cargo passes `--bench` before what the caller gave.
    let folder = std::env::args_os().skip(1).find(|argument| argument != "--bench").map(PathBuf::from);
    let runtime = tokio::runtime::Builder::new_multi_thread().build()?;
    runtime.block_on(run(&folder.unwrap_or_else(std::env::temp_dir)))
}

async fn run(parent: &Path) -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir_in(parent)?;
    let store: Arc<dyn Store> = Arc::new(EmbeddedStore::open(folder.path(), Clock::system())?);
    println!("embedded store in {}, {VALUE} byte records with one term", parent.display());
    println!("{:>8} {:>12} {:>10} {:>10}", "callers", "commits/s", "p50", "p99");
    for callers in CALLERS {
        let started = Instant::now();
        let tasks = (0..callers).map(|caller| tokio::spawn(call(Arc::clone(&store), caller, started)));
        let mut times = Vec::new();
        for result in futures_util::future::join_all(tasks).await {
            times.extend(result??);
        }
        let seconds = started.elapsed().as_secs_f64();
        times.sort_unstable();
        let count = u32::try_from(times.len())?;
        println!(
            "{callers:>8} {:>12.0} {:>10.2?} {:>10.2?}",
            f64::from(count) / seconds,
            percentile(&times, 50),
            percentile(&times, 99)
        );
    }
    reads(&*store).await
}

/// Commits one record after another; returns how long each took.
async fn call(
    store: Arc<dyn Store>,
    caller: usize,
    started: Instant,
) -> Result<Vec<Duration>, vestibule::store::CommitError> {
    let value = Bytes::from(vec![7; VALUE]);
    let mut times = Vec::new();
    while started.elapsed() < TIME {
        let begun = Instant::now();
        let change = Change::Put {
            table: Table::Grant,
            key: format!("{caller}-{}", times.len()).into_bytes(),
            record: Record { value: value.clone(), expires_at: NEVER },
            terms: vec![Term { kind: "subject", value: caller.to_string().into_bytes() }],
        };
        store.commit(vec![change]).await?;
        times.push(begun.elapsed());
    }
    Ok(times)
}

async fn reads(store: &dyn Store) -> Result<(), Box<dyn Error>> {
    const READS: u32 = 100_000;
    let begun = Instant::now();
    for _ in 0..READS {
        std::hint::black_box(store.get(Table::Grant, b"0-0").await?);
    }
    println!("one read: {:.2?}", begun.elapsed() / READS);
    Ok(())
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted.get(sorted.len() * percent / 100).copied().unwrap_or_default()
}
