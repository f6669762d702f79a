//! The program with a certificate of its own, as systemd would run it.

use std::{
    fs,
    io::Read as _,
    net::TcpListener,
    os::unix::net::UnixDatagram,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use reqwest::{StatusCode, Version};
use tempfile::TempDir;

/// A folder with a configuration, a certificate, and the socket of a supervisor.
struct Machine {
    folder: TempDir,
    origin: String,
    supervisor: UnixDatagram,
}

/// The program, killed if its test ends before it does.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let supervisor = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        supervisor.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let machine = Self { folder, origin: format!("https://127.0.0.1:{port}"), supervisor };
        let yaml = format!(
            "public_url: {}\nlisten: 127.0.0.1:{port}\nadmin_listen: off\nstorage: memory\n\
             tls:\n  certificate: {}\n  key: {}\n\
             providers:\n  demo:\n    config_url: http://127.0.0.1:9/.well-known/openid-configuration\n    \
             client_id: abc\n    routes:\n      - {{ path: /mcp, backend: 'http://127.0.0.1:9/' }}\n",
            machine.origin,
            machine.path("tls.crt").display(),
            machine.path("tls.key").display(),
        );
        fs::write(machine.path("vestibule.yaml"), yaml).unwrap();
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a new pair in place; the certificate as PEM.
    fn issue(&self) -> String {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        fs::write(self.path("tls.crt"), cert.pem()).unwrap();
        fs::write(self.path("tls.key"), signing_key.serialize_pem()).unwrap();
        cert.pem()
    }

    fn run(&self, command: &str) -> Program {
        let child = Command::new(env!("CARGO_BIN_EXE_vestibule"))
            .args([command, "--config"])
            .arg(self.path("vestibule.yaml"))
            .env("NOTIFY_SOCKET", self.path("notify"))
            .env("WATCHDOG_USEC", "1000000")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Program(child.unwrap())
    }

    /// What the supervisor hears next, besides signs of life (of which there is one at least).
    fn hear(&self) -> String {
        loop {
            let mut bytes = [0; 256];
            let count = self.supervisor.recv(&mut bytes).expect("the supervisor hears something");
            let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
            if text != "WATCHDOG=1\n" {
                return text;
            }
        }
    }
}

/// Two threads: the client has to answer the server's farewell while the test waits for its end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_speaks_https_and_tells_its_supervisor() {
    let machine = Machine::new();
    let root = reqwest::Certificate::from_pem(machine.issue().as_bytes()).unwrap();
    let mut program = machine.run("serve");
    assert_eq!(machine.hear(), "READY=1\n");

    let client = reqwest::Client::builder().tls_certs_only([root]).no_proxy().build().unwrap();
    let url = format!("{}/.well-known/oauth-authorization-server", machine.origin);
    let answer = client.get(url).send().await.unwrap();
    assert_eq!((answer.status(), answer.version()), (StatusCode::OK, Version::HTTP_2));
    let metadata: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(metadata["issuer"], machine.origin);
    drop(client);

    // Signs of life go on by themselves.
    let mut bytes = [0; 64];
    let count = machine.supervisor.recv(&mut bytes).unwrap();
    assert_eq!(&bytes[..count], b"WATCHDOG=1\n");

    let kill = Command::new("sh").arg("-c").arg(format!("kill -TERM {}", program.0.id())).status().unwrap();
    assert!(kill.success());
    assert_eq!(machine.hear(), "STOPPING=1\n");
    assert!(program.0.wait().unwrap().success());
}

/// Nothing runs with a certificate that nobody would accept; the exit code is that of a wrong
/// configuration, and the text names the place and the file.
#[tokio::test]
async fn a_certificate_that_cannot_be_used_ends_the_start() {
    let machine = Machine::new();
    machine.issue();
    let certificate = fs::read(machine.path("tls.crt")).unwrap();
    machine.issue();
    fs::write(machine.path("tls.crt"), certificate).unwrap();
    for command in ["check", "serve"] {
        let mut program = machine.run(command);
        let child = &mut program.0;
        assert_eq!(child.wait().unwrap().code(), Some(78), "{command}");
        let mut text = String::new();
        child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        assert!(text.contains("vestibule.yaml:6:16: error: tls: the private key in "), "{text}");
        assert!(text.contains("does not belong to the first certificate in "), "{text}");
    }
}
