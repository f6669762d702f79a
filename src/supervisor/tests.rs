use std::{
    os::unix::net::UnixDatagram,
    process::{Child, Command},
};

use tempfile::TempDir;
use tokio::time::timeout;

use super::*;

/// This process again, but with one test only and a supervisor: variables of a running process cannot be changed.
struct Supervised {
    socket: UnixDatagram,
    _folder: TempDir,
    child: Child,
}

impl Supervised {
    fn run(test: &str, variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", &format!("supervisor::tests::{test}")])
            .env("NOTIFY_SOCKET", &path)
            .env_remove("WATCHDOG_PID")
            .envs(variables.iter().copied())
            .spawn()
            .unwrap();
        Self { socket, _folder: folder, child }
    }

    /// The next message, or `None` when 10 seconds pass without one.
    fn hear(&self) -> Option<String> {
        let mut bytes = [0; 256];
        let count = self.socket.recv(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes[..count]).into_owned())
    }
}

#[test]
#[ignore = "the supervised process of another test"]
fn says_everything() {
    ready();
    reloading();
    ready();
    stopping();
}

#[tokio::test]
#[ignore = "the supervised process of another test"]
async fn is_watched() {
    timeout(Duration::from_secs(1), watchdog()).await.ok();
}

#[test]
fn start_reload_and_stop_are_told() {
    let mut supervised = Supervised::run("says_everything", &[]);
    assert_eq!(supervised.hear().unwrap(), "READY=1\n");
    let reloading = supervised.hear().unwrap();
    let instant = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().trim_end();
    assert!(instant.parse::<u64>().unwrap() > 0);
    assert_eq!(supervised.hear().unwrap(), "READY=1\n");
    assert_eq!(supervised.hear().unwrap(), "STOPPING=1\n");
    assert!(supervised.child.wait().unwrap().success());
}

#[test]
fn the_watchdog_is_fed_twice_in_each_period() {
    let mut supervised = Supervised::run("is_watched", &[("WATCHDOG_USEC", "200000")]);
    assert!(supervised.child.wait().unwrap().success());
    supervised.socket.set_nonblocking(true).unwrap();
    let signs: Vec<String> = std::iter::from_fn(|| supervised.hear()).collect();
    assert!(signs.iter().all(|sign| sign == "WATCHDOG=1\n"), "{signs:?}");
    // Ten in its second if the machine has nothing else to do, and never more than that.
    assert!((3..=11).contains(&signs.len()), "{signs:?}");
}

#[test]
fn without_a_watchdog_there_is_nothing_to_feed() {
    for variables in [&[("WATCHDOG_USEC", "0")][..], &[("WATCHDOG_USEC", "200000"), ("WATCHDOG_PID", "1")], &[]] {
        let mut supervised = Supervised::run("is_watched", variables);
        assert!(supervised.child.wait().unwrap().success());
        supervised.socket.set_nonblocking(true).unwrap();
        assert_eq!(supervised.hear(), None);
    }
}

#[test]
#[ignore = "the supervised process of another test"]
fn says_much() {
    for _ in 0..20 {
        ready();
    }
}

/// A supervisor that hangs holds nobody up for long: its queue is full after a few messages.
#[tokio::test]
async fn a_supervisor_that_hangs_is_not_waited_for() {
    let supervised = tokio::task::spawn_blocking(|| {
        let mut supervised = Supervised::run("says_much", &[]);
        assert!(supervised.child.wait().unwrap().success());
        supervised
    });
    let supervised = timeout(Duration::from_mins(1), supervised).await.expect("the process ends").unwrap();
    assert_eq!(supervised.hear().unwrap(), "READY=1\n");
}

/// In a terminal or a container nobody listens, and that is no fault.
#[tokio::test]
async fn without_a_supervisor_nothing_happens() {
    says_everything_here();
    timeout(Duration::from_secs(1), watchdog()).await.expect("returns at once");
}

fn says_everything_here() {
    ready();
    reloading();
    stopping();
}
