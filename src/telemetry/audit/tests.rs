use std::{
    fs::{self, File},
    io::Read as _,
    path::Path,
    process::Command,
};

use super::*;
use crate::config::plan::AuditPlan;

/// What no pipe holds.
const MUCH: usize = 1 << 20;

fn sink(path: &Path) -> AuditSink {
    AuditSink::start(output(path)).unwrap()
}

fn output(path: &Path) -> Output {
    Output::open(&AuditPlan::File(path.to_owned())).unwrap()
}

fn write(sink: &AuditSink, line: &str) {
    sink.make_writer().write_all(line.as_bytes()).unwrap();
}

fn counter() -> IntCounter {
    IntCounter::new("lost", "lost").unwrap()
}

fn pipe(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

#[test]
fn a_rotated_file_is_opened_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (path, old) = (folder.path().join("audit.jsonl"), folder.path().join("audit.jsonl.1"));
    let sink = sink(&path);
    write(&sink, "one\n");
    sink.settle();
    fs::rename(&path, &old).unwrap();
    write(&sink, "two\n");
    sink.change(output(&path));
    write(&sink, "three\n");
    sink.settle();
    assert_eq!(fs::read_to_string(&old).unwrap(), "one\ntwo\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
    sink.change(Output::open(&AuditPlan::Off).unwrap());
    assert!(!sink.is_on());
}

#[test]
fn each_line_that_cannot_be_written_is_counted() {
    let sink = sink("/dev/full".as_ref());
    let counter = counter();
    for _ in 0..7 {
        write(&sink, "one\n");
    }
    sink.settle();
    sink.count_losses(counter.clone());
    assert_eq!(counter.get(), 7, "those from before it was counted, too");
    write(&sink, "one\n");
    sink.settle();
    assert_eq!(counter.get(), 8);
}

/// Nobody waits for a reader: lines wait in the queue, whose bytes are bounded.
#[test]
fn a_pipe_that_nobody_reads_holds_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    let sink = sink(&pipe(folder.path()));
    let counter = counter();
    sink.count_losses(counter.clone());
    let line = format!("{}\n", "x".repeat(999));
    let begun = Instant::now();
    for _ in 0..MOST_WAITING / line.len() {
        write(&sink, &line);
    }
    let before = counter.get();
    for _ in 0..200 {
        write(&sink, &line);
    }
    assert!(counter.get() > before, "the queue has an end: {before}");
    assert!(sink.0.backlog.bytes.load(Ordering::Acquire) <= MOST_WAITING);
    assert!(begun.elapsed() < FAREWELL, "{:?}", begun.elapsed());
}

/// A reader that comes late, or again, finds everything.
#[test]
fn lines_wait_for_a_reader() {
    let folder = tempfile::tempdir().unwrap();
    let path = pipe(folder.path());
    let sink = sink(&path);
    let line = format!("{}\n", "x".repeat(9_999));
    let lines = MUCH / line.len();
    for _ in 0..lines {
        write(&sink, &line);
    }
    let reading = thread::spawn(move || {
        let mut read = vec![0; lines * line.len()];
        File::open(path).unwrap().read_exact(&mut read).unwrap();
        read == line.repeat(lines).into_bytes()
    });
    assert!(reading.join().unwrap(), "each line is whole and none is missing");
}

/// Another output takes over although the one before takes nothing; what waited for that one is lost,
/// and each line counts.
#[test]
fn a_full_pipe_is_left_for_another_output() {
    let folder = tempfile::tempdir().unwrap();
    let sink = sink(&pipe(folder.path()));
    let counter = counter();
    sink.count_losses(counter.clone());
    let line = format!("{}\n", "x".repeat(9_999));
    let lines = MUCH / line.len();
    for _ in 0..lines {
        write(&sink, &line);
    }
    let path = folder.path().join("audit.jsonl");
    let begun = Instant::now();
    sink.change(output(&path));
    assert!(begun.elapsed() < FAREWELL / 2, "{:?}", begun.elapsed());
    write(&sink, "at last\n");
    while fs::read_to_string(&path).unwrap().is_empty() {
        assert!(begun.elapsed() < FAREWELL * 3, "the new output gets no lines");
        thread::sleep(Duration::from_millis(20));
    }
    sink.settle();
    assert_eq!(fs::read_to_string(&path).unwrap(), "at last\n");
    let fitted = (64 << 10) / line.len();
    let lost = usize::try_from(counter.get()).unwrap();
    assert!((lines - fitted - 1..lines).contains(&lost), "{lost} of {lines}");
    assert_eq!(sink.0.backlog.bytes.load(Ordering::Acquire), 0, "nothing waits any more");
}

#[test]
fn a_file_that_cannot_be_opened_is_refused() {
    assert!(Output::open(&AuditPlan::File("/nonexistent/audit.jsonl".into())).is_err());
}
