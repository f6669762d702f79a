//! The audit log's thread: it owns what is open, and waits for it as long as nobody has another place.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind},
    sync::{
        Arc,
        mpsc::{Receiver, TryRecvError},
    },
    time::{Duration, Instant},
};

use super::{Backlog, FAREWELL, Job, Output, size_of};

/// How often it looks for news while a pipe is full.
const LOOK: Duration = Duration::from_millis(50);
/// A pipe that is full for longer is worth a word.
const PATIENCE: Duration = Duration::from_secs(1);

/// Writes lines until everybody who could say one is gone.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: Receiver<Job>,
    /// Taken from `jobs` already.
    waiting: VecDeque<Job>,
    /// Since when somebody wants lines to go elsewhere: the first output in `waiting`.
    wanted: Option<Instant>,
    output: Output,
    backlog: Arc<Backlog>,
    trouble: Trouble,
}

/// What the log was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    None,
    Full,
    Lost,
}

// === impl Writer ===

impl Writer {
    pub(super) fn new(jobs: Receiver<Job>, output: Output, backlog: Arc<Backlog>) -> Self {
        Self { jobs, waiting: VecDeque::new(), wanted: None, output, backlog, trouble: Trouble::None }
    }

    pub(super) fn run(mut self) {
        loop {
            let Some(job) = self.waiting.pop_front().or_else(|| self.jobs.recv().ok()) else { return };
            match job {
                Job::Line(line) => {
                    let result = self.write(&line);
                    self.backlog.done(size_of(&line));
                    self.tell(result);
                }
                Job::Output(output, _) => {
                    self.output = output;
                    self.trouble = Trouble::None;
                    self.wanted = self.waiting.iter().find_map(since);
                }
                // Nobody may wait any more.
                Job::Settled(answer) => drop(answer.send(())),
            }
        }
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let (mut begun, mut rest, mut full) = (false, line, None);
        loop {
            let written = if begun { Ok(()) } else { self.output.begin() };
            begun |= written.is_ok();
            let error = match written.and_then(|()| self.output.write(&mut rest)) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            if error.kind() == ErrorKind::WouldBlock && self.may_wait() {
                self.complain(*full.get_or_insert_with(Instant::now));
                self.output.wait(LOOK);
                continue;
            }
            if rest.len() < line.len() {
                self.output.give_up();
            }
            return Err(error);
        }
    }

    /// Whether nobody wants the lines elsewhere, or not for long yet.
    fn may_wait(&mut self) -> bool {
        loop {
            match self.jobs.try_recv() {
                Ok(job) => {
                    self.wanted = self.wanted.or_else(|| since(&job));
                    self.waiting.push_back(job);
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
        self.wanted.is_none_or(|since| since.elapsed() < FAREWELL)
    }

    fn complain(&mut self, full: Instant) {
        if self.trouble == Trouble::None && full.elapsed() >= PATIENCE {
            self.trouble = Trouble::Full;
            tracing::warn!("nobody reads the audit log: its pipe is full, lines wait");
        }
    }

    /// Once for each turn to the worse or the better.
    fn tell(&mut self, result: io::Result<()>) {
        match result {
            Ok(()) if self.trouble == Trouble::None => {}
            Ok(()) => {
                self.trouble = Trouble::None;
                tracing::info!("the audit log is written again");
            }
            Err(error) => {
                self.backlog.lose();
                if self.trouble != Trouble::Lost {
                    self.trouble = Trouble::Lost;
                    tracing::error!(%error, "the audit log cannot be written: lines are lost");
                }
            }
        }
    }
}

fn since(job: &Job) -> Option<Instant> {
    if let Job::Output(_, since) = job { Some(*since) } else { None }
}
