//! What is open for audit lines: a file, or a pipe (standard output, or one with a name), which takes
//! what fits and never holds the writer up.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Write as _},
    os::{
        fd::AsFd as _,
        unix::fs::{FileTypeExt as _, OpenOptionsExt as _},
    },
    path::Path,
    time::Duration,
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::config::plan::AuditPlan;

/// What a pipe that has room takes whole (`PIPE_BUF` of Linux).
const FITS: usize = 4_096;

/// Where lines go.
#[derive(Debug, Default)]
pub(in crate::telemetry) struct Output {
    file: Option<File>,
    /// No regular file: it can be full for as long as its reader likes.
    is_pipe: bool,
    /// The last line ended in its middle.
    is_torn: bool,
}

// === impl Output ===

impl Output {
    /// Opens what a plan names. Waits for nobody, but for the file system.
    ///
    /// # Errors
    /// What the system said.
    pub(in crate::telemetry) fn open(plan: &AuditPlan) -> io::Result<Self> {
        let file = match plan {
            AuditPlan::Off => return Ok(Self::default()),
            AuditPlan::Stdout => File::from(io::stdout().as_fd().try_clone_to_owned()?),
            AuditPlan::File(path) => append(path)?,
        };
        let is_pipe = !file.metadata()?.is_file();
        Ok(Self { file: Some(file), is_pipe, is_torn: false })
    }

    /// Whether lines go anywhere.
    pub(super) fn is_on(&self) -> bool {
        self.file.is_some()
    }

    /// Must come before the first part of a line that [`Output::write`] takes.
    pub(super) fn begin(&mut self) -> io::Result<()> {
        if self.is_torn {
            self.write(&mut b"\n".as_slice())?;
            self.is_torn = false;
        }
        Ok(())
    }

    /// Writes what there is room for, and takes it off.
    ///
    /// # Errors
    /// What the system said; [`ErrorKind::WouldBlock`] if the rest does not fit now.
    pub(super) fn write(&mut self, rest: &mut &[u8]) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        while !rest.is_empty() {
            // A line goes into a file at once: other processes may append to it, too.
            let part = if self.is_pipe { rest.get(..FITS).unwrap_or(*rest) } else { *rest };
            if self.is_pipe && !is_ready(file, Duration::ZERO) {
                return Err(ErrorKind::WouldBlock.into());
            }
            match file.write(part) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => *rest = rest.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The line that was begun does not go on.
    pub(super) fn give_up(&mut self) {
        self.is_torn = true;
    }

    /// Waits until there is room, but not longer than this.
    pub(super) fn wait(&self, longest: Duration) {
        if let Some(file) = &self.file {
            is_ready(file, longest);
        }
    }
}

/// Whether something can be written without waiting; also if that would be an error.
fn is_ready(file: &File, within: Duration) -> bool {
    let within = Timespec { tv_sec: 0, tv_nsec: within.subsec_nanos().into() };
    // An error is a signal that came between: not ready yet.
    poll(&mut [PollFd::new(file, PollFlags::OUT)], Some(&within)).is_ok_and(|ready| ready > 0)
}

/// People are named in it: nobody else reads it. A named pipe is opened for reading, too, though
/// nothing is read from it: so opening does not wait for a reader, and one that is started anew
/// misses nothing.
fn append(path: &Path) -> io::Result<File> {
    let is_pipe = fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo());
    OpenOptions::new().read(is_pipe).create(!is_pipe).append(true).mode(0o600).open(path)
}
