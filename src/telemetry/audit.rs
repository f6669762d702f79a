//! Where audit lines go: standard output, or a file that is opened anew when somebody rotates it.
//!
//! Whoever decides something never waits for it. Lines pass a bounded queue to a thread of their own;
//! what does not fit, or cannot be written, is counted as lost.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use prometheus::IntCounter;
use tracing_subscriber::fmt::MakeWriter;

use crate::config::plan::AuditPlan;

/// Lines that may wait; some megabytes at the most.
const WAITING: usize = 8_192;
/// How long the end of the program waits for what is in the queue.
const FAREWELL: Duration = Duration::from_secs(2);

/// The way to the audit log. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct AuditSink(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    queue: SyncSender<Job>,
    on: AtomicBool,
    output: Mutex<Output>,
    lost: AtomicU64,
    counter: OnceLock<IntCounter>,
}

#[derive(Debug)]
enum Job {
    Line(Vec<u8>),
    /// Everything before this is written; says so.
    Settled(SyncSender<()>),
}

/// What is open.
#[derive(Debug)]
enum Output {
    Off,
    Stdout,
    File(File),
}

/// One line on its way into the queue.
#[derive(Debug)]
pub(super) struct AuditLine(AuditSink);

// === impl AuditSink ===

impl AuditSink {
    /// Opens what the plan names.
    ///
    /// # Errors
    /// What the system said about the file, or about a new thread.
    pub(super) fn open(plan: &AuditPlan) -> io::Result<Self> {
        let (queue, jobs) = sync_channel(WAITING);
        let shared = Arc::new(Shared {
            queue,
            on: AtomicBool::new(*plan != AuditPlan::Off),
            output: Mutex::new(Output::open(plan)?),
            lost: AtomicU64::new(0),
            counter: OnceLock::new(),
        });
        let writer = Arc::downgrade(&shared);
        thread::Builder::new().name("audit".to_owned()).spawn(move || {
            while let Ok(job) = jobs.recv() {
                let Some(shared) = writer.upgrade() else { return };
                shared.work(job, &jobs);
            }
        })?;
        Ok(Self(shared))
    }

    /// Writes there from now on; with the same file, opens it anew.
    ///
    /// # Errors
    /// What the system said; nothing is changed then.
    pub(super) fn change(&self, plan: &AuditPlan) -> io::Result<()> {
        let output = Output::open(plan)?;
        self.settle();
        if let Ok(mut current) = self.0.output.lock() {
            *current = output;
        }
        self.0.on.store(*plan != AuditPlan::Off, Ordering::Release);
        Ok(())
    }

    /// Whether anybody wants audit lines.
    pub(super) fn is_on(&self) -> bool {
        self.0.on.load(Ordering::Acquire)
    }

    /// Counts losses there, those from before included.
    pub(super) fn count_losses(&self, counter: IntCounter) {
        if self.0.counter.set(counter).is_ok()
            && let Some(counter) = self.0.counter.get()
        {
            counter.inc_by(self.0.lost.swap(0, Ordering::AcqRel));
        }
    }

    /// Waits, but not for long, until everything that was said is written.
    pub(super) fn settle(&self) {
        let (settled, wait) = sync_channel(1);
        if self.0.queue.try_send(Job::Settled(settled)).is_ok() {
            let written = wait.recv_timeout(FAREWELL).is_ok();
            tracing::debug!(written, "the audit log was waited for");
        }
    }
}

impl<'w> MakeWriter<'w> for AuditSink {
    type Writer = AuditLine;

    fn make_writer(&'w self) -> AuditLine {
        AuditLine(self.clone())
    }
}

impl Write for AuditLine {
    /// A whole line at a time.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let AuditSink(shared) = &self.0;
        if shared.queue.try_send(Job::Line(line.to_vec())).is_err() {
            shared.lose(1);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

// === impl Shared ===

impl Shared {
    /// Writes this line and those that came meanwhile, then flushes once.
    fn work(&self, first: Job, jobs: &Receiver<Job>) {
        let Ok(mut output) = self.output.lock() else { return };
        let mut lines = 0;
        let mut settled = Vec::new();
        let mut result = Ok(());
        for job in std::iter::once(first).chain(jobs.try_iter().take(WAITING)) {
            match job {
                Job::Line(line) => {
                    lines += 1;
                    result = result.and_then(|()| output.write_all(&line));
                }
                Job::Settled(answer) => settled.push(answer),
            }
        }
        if let Err(error) = result.and_then(|()| output.flush()) {
            tracing::error!(%error, lines, "the audit log cannot be written");
            self.lose(lines);
        }
        drop(output);
        for answer in settled {
            if answer.send(()).is_err() {
                tracing::debug!("nobody waits for the audit log any more");
            }
        }
    }

    fn lose(&self, lines: u64) {
        match self.counter.get() {
            Some(counter) => counter.inc_by(lines),
            None => drop(self.lost.fetch_add(lines, Ordering::AcqRel)),
        }
    }
}

// === impl Output ===

impl Output {
    fn open(plan: &AuditPlan) -> io::Result<Self> {
        Ok(match plan {
            AuditPlan::Off => Self::Off,
            AuditPlan::Stdout => Self::Stdout,
            AuditPlan::File(path) => Self::File(append(path)?),
        })
    }

    fn write_all(&mut self, line: &[u8]) -> io::Result<()> {
        match self {
            Self::Off => Ok(()),
            Self::Stdout => io::stdout().write_all(line),
            Self::File(file) => file.write_all(line),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Off => Ok(()),
            Self::Stdout => io::stdout().flush(),
            Self::File(file) => file.flush(),
        }
    }
}

/// People are named in it: nobody else reads it.
fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn write(sink: &AuditSink, line: &str) {
        sink.make_writer().write_all(line.as_bytes()).unwrap();
    }

    #[test]
    fn a_rotated_file_is_opened_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (path, old) = (folder.path().join("audit.jsonl"), folder.path().join("audit.jsonl.1"));
        let plan = AuditPlan::File(path.clone());
        let sink = AuditSink::open(&plan).unwrap();
        write(&sink, "one\n");
        sink.settle();
        fs::rename(&path, &old).unwrap();
        write(&sink, "two\n");
        sink.change(&plan).unwrap();
        write(&sink, "three\n");
        sink.settle();
        assert_eq!(fs::read_to_string(&old).unwrap(), "one\ntwo\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
        sink.change(&AuditPlan::Off).unwrap();
        assert!(!sink.is_on());
    }

    #[test]
    fn what_cannot_be_written_is_counted_and_nobody_waits() {
        let sink = AuditSink::open(&AuditPlan::File("/dev/full".into())).unwrap();
        let counter = IntCounter::new("lost", "lost").unwrap();
        write(&sink, "one\n");
        sink.settle();
        sink.count_losses(counter.clone());
        assert_eq!(counter.get(), 1);
        // The thread has to wait, so the queue fills: the rest is lost, and nothing blocks.
        let held = sink.0.output.lock().unwrap();
        for _ in 0..WAITING + 100 {
            write(&sink, "more\n");
        }
        assert!(counter.get() >= 99, "{}", counter.get());
        drop(held);
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_refused_and_changes_nothing() {
        let nowhere = AuditPlan::File("/nonexistent/audit.jsonl".into());
        assert!(AuditSink::open(&nowhere).is_err());
        let sink = AuditSink::open(&AuditPlan::Stdout).unwrap();
        assert!(sink.change(&nowhere).is_err());
        assert!(sink.is_on());
    }
}
