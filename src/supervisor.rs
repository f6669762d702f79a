//! Tells the supervisor how this process is: systemd's notification protocol (`sd_notify(3)`), for
//! units of `Type=notify` and `Type=notify-reload`, and others that understand it.
//!
//! Nobody listens outside of such a unit (no `NOTIFY_SOCKET`): everything here does nothing then.

use std::{env, fmt::Write as _, io, os::unix::net::UnixDatagram, time::Duration};

use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval};

/// How long a supervisor that does not listen can hold us up; then it does not hear that message.
const PATIENCE: Duration = Duration::from_millis(200);
/// The watchdog is fed at most this often, whatever the unit asks for.
const MIN_INTERVAL: Duration = Duration::from_millis(1);

/// The start is finished, or a reload is: also a refused one, the last good configuration serves.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// A reload begins. [`ready`] must follow: systemd waits for it.
pub fn reloading() {
    // The instant tells systemd which of its reload requests this one answers.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => unheard(&error),
    }
}

/// The process will end by itself: connections are drained.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Shows a sign of life twice in each period that the unit sets (`WatchdogSec=`), for as long as
/// it is polled; returns at once if the unit sets none. Run it as a task of its own, also during
/// the drain.
pub async fn watchdog() {
    let Some(period) = sd_notify::watchdog_enabled().filter(|period| !period.is_zero()) else { return };
    let mut ticks = interval((period / 2).max(MIN_INTERVAL));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        tell(&[NotifyState::Watchdog]);
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = send(states) {
        unheard(&error);
    }
}

/// As `sd_notify::notify`, which waits for as long as the supervisor's queue is full: a supervisor
/// that hangs must not keep us from serving, nor from ending.
fn send(states: &[NotifyState<'_>]) -> io::Result<()> {
    let Some(path) = env::var_os("NOTIFY_SOCKET") else { return Ok(()) };
    let mut message = String::new();
    for state in states {
        // Writing into a `String` cannot fail.
        writeln!(message, "{state}").map_err(io::Error::other)?;
    }
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.connect(path)?;
    // A datagram goes as a whole or not at all.
    socket.send(message.as_bytes()).map(drop)
}

fn unheard(error: &io::Error) {
    tracing::warn!(%error, "the supervisor cannot be told how this process is");
}

#[cfg(test)]
mod tests;
