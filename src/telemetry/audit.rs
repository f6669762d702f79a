//! The way to the audit log: a bounded queue to a thread of its own, which alone owns what is open.
//!
//! Whoever decides something never waits for it. What does not fit into the queue, or cannot be
//! written, is counted as lost.

mod output;
mod writer;

use std::{
    io::{self, Write},
    mem,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
        mpsc::{Sender, SyncSender, channel, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use prometheus::IntCounter;
use tracing_subscriber::fmt::MakeWriter;

pub(super) use output::Output;
use writer::Writer;

/// Bytes of lines that may wait.
const MOST_WAITING: usize = 8 << 20;
/// How long lines that wait for an output have when the program ends, or another output takes over.
const FAREWELL: Duration = Duration::from_secs(2);

/// The way to the audit log. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct AuditSink(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Without a bound of its own: what is for the thread itself passes even when lines do not.
    queue: Sender<Job>,
    on: AtomicBool,
    backlog: Arc<Backlog>,
}

/// What is on its way, and what did not arrive.
#[derive(Debug, Default)]
struct Backlog {
    bytes: AtomicUsize,
    lost: AtomicU64,
    counter: OnceLock<IntCounter>,
}

#[derive(Debug)]
enum Job {
    Line(Vec<u8>),
    /// What comes after this goes there; asked for at that moment.
    Output(Output, Instant),
    /// Everything before this is written or lost; says so.
    Settled(SyncSender<()>),
}

/// One line on its way into the queue.
#[derive(Debug)]
pub(super) struct AuditLine(AuditSink);

// === impl AuditSink ===

impl AuditSink {
    /// Lines go there.
    ///
    /// # Errors
    /// What the system said about a new thread.
    pub(super) fn start(output: Output) -> io::Result<Self> {
        let (queue, jobs) = channel();
        let backlog = Arc::<Backlog>::default();
        let on = AtomicBool::new(output.is_on());
        let writer = Writer::new(jobs, output, Arc::clone(&backlog));
        thread::Builder::new().name("audit".to_owned()).spawn(move || writer.run())?;
        Ok(Self(Arc::new(Shared { queue, on, backlog })))
    }

    /// Lines go there from now on. Those before it still go where they went, if that takes them soon.
    /// Waits for nothing.
    pub(super) fn change(&self, output: Output) {
        let on = output.is_on();
        if self.0.queue.send(Job::Output(output, Instant::now())).is_err() {
            tracing::error!("the audit log's thread is gone");
        }
        self.0.on.store(on, Ordering::Release);
    }

    /// Whether anybody wants audit lines.
    pub(super) fn is_on(&self) -> bool {
        self.0.on.load(Ordering::Acquire)
    }

    /// Counts losses there, those from before included.
    pub(super) fn count_losses(&self, counter: IntCounter) {
        if self.0.backlog.counter.set(counter).is_ok() {
            self.0.backlog.tell();
        }
    }

    /// Waits, but not for long, until everything that was said is written.
    pub(super) fn settle(&self) {
        let (settled, wait) = sync_channel(1);
        let written = self.0.queue.send(Job::Settled(settled)).is_ok() && wait.recv_timeout(FAREWELL).is_ok();
        if !written {
            tracing::warn!("the audit log takes no lines; the last ones may be lost");
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
        let size = size_of(line);
        let fits = shared.backlog.bytes.fetch_add(size, Ordering::AcqRel) + size <= MOST_WAITING;
        if !fits || shared.queue.send(Job::Line(line.to_vec())).is_err() {
            shared.backlog.done(size);
            shared.backlog.lose();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

// === impl Backlog ===

impl Backlog {
    /// A line of this size waits no more.
    fn done(&self, size: usize) {
        self.bytes.fetch_sub(size, Ordering::AcqRel);
    }

    fn lose(&self) {
        self.lost.fetch_add(1, Ordering::AcqRel);
        self.tell();
    }

    fn tell(&self) {
        if let Some(counter) = self.counter.get() {
            counter.inc_by(self.lost.swap(0, Ordering::AcqRel));
        }
    }
}

/// What a line takes while it waits.
fn size_of(line: &[u8]) -> usize {
    line.len() + mem::size_of::<Job>()
}

#[cfg(test)]
mod tests;
