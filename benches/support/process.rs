//! A process that is measured, and ends when it is dropped.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

pub struct Running(Child);

impl Running {
    /// Until it listens on this port of this machine.
    pub fn start(mut command: Command, port: u16) -> Self {
        let child = command.stdout(Stdio::null()).spawn();
        let running = Self(child.unwrap_or_else(|error| panic!("{command:?}: {error}")));
        let (address, begun) = (SocketAddr::from(([127, 0, 0, 1], port)), Instant::now());
        while TcpStream::connect(address).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(20), "{command:?} did not start");
            sleep(Duration::from_millis(50));
        }
        running
    }

    pub fn resident_mib(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").trim().parse::<f64>().unwrap() / 1024.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
