//! Real Redis and Valkey servers on this machine, each with a folder and ports of its own, that end
//! with the test.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use vestibule::{
    config::plan::{RedisNode, RedisPlan},
    secret::Secret,
};

/// What a user of ours may do, as docs/store.md says it.
pub(crate) const RIGHTS: &str =
    "resetkeys ~{PREFIX}:* resetchannels -@all +@read +@write +@connection +eval +evalsha +info +cluster|slots";

/// Names the program that is Valkey's server, if it is not called `valkey-server`.
const VALKEY: &str = "VALKEY_SERVER";

/// How a server is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Redis, for anybody.
    Plain,
    /// Redis with TLS under a CA of its own, and a user who may do only what is needed.
    TlsAndUser,
    /// Three Redis nodes.
    Cluster,
    /// Valkey, for anybody.
    Valkey,
}

/// A running server, or three.
#[derive(Debug)]
pub(crate) struct Servers {
    kind: Kind,
    folder: tempfile::TempDir,
    nodes: Vec<Running>,
}

#[derive(Debug)]
struct Running {
    port: u16,
    arguments: Vec<String>,
    /// Holds the server: when its standard input is closed, also because this process was killed, it
    /// kills the server.
    keeper: Child,
}

/// The program and its first arguments; `None`: not on this machine.
///
/// # Panics
/// If it is missing where nothing may be missing.
pub(crate) fn program(kind: Kind) -> Option<Vec<String>> {
    let words = match (kind, std::env::var_os(VALKEY)) {
        (Kind::Valkey, Some(path)) => vec![path.into_string().unwrap()],
        (Kind::Valkey, None) => vec!["valkey-server".to_owned()],
        _ => vec!["redis-server".to_owned()],
    };
    let found = Command::new(&words[0]).args(&words[1..]).arg("--version").output().is_ok_and(|it| it.status.success());
    if found {
        return Some(words);
    }
    assert!(std::env::var_os("CI").is_none(), "{} is not installed", words[0]);
    // Standard error, and not what the test's harness keeps back.
    drop(writeln!(std::io::stderr(), "skipped: {} is not installed", words[0]));
    None
}

// === impl Servers ===

impl Servers {
    /// Starts what `kind` says; `None` if the program is not on this machine.
    pub(crate) fn start(kind: Kind) -> Option<Self> {
        let program = program(kind)?;
        let folder = tempfile::tempdir().unwrap();
        let count = if kind == Kind::Cluster { 3 } else { 1 };
        let nodes = (0..count).map(|number| {
            let own = folder.path().join(number.to_string());
            fs::create_dir(&own).unwrap();
            Running::start(&program, kind, &own)
        });
        let servers = Self { kind, nodes: nodes.collect(), folder };
        if kind == Kind::Cluster {
            servers.join();
        }
        Some(servers)
    }

    /// How to reach it. Whoever has another prefix has another store.
    pub(crate) fn plan(&self) -> RedisPlan {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let nodes = self.nodes.iter().map(|node| RedisNode { host: "127.0.0.1".to_owned(), port: node.port });
        let is_private = self.kind == Kind::TlsAndUser;
        RedisPlan {
            nodes: nodes.collect(),
            tls: is_private,
            ca: is_private.then(|| self.folder.path().join("0/ca.pem")),
            database: 0,
            cluster: self.kind == Kind::Cluster,
            username: is_private.then(|| "gateway".to_owned()),
            password: is_private.then(|| Secret::new("the-gateways-password")),
            prefix: format!("vestibule{}", NUMBER.fetch_add(1, Ordering::SeqCst)),
            timeout: Duration::from_secs(5),
        }
    }

    /// The port of the first one.
    pub(crate) fn port(&self) -> u16 {
        self.nodes[0].port
    }

    /// Kills the first one as if the power had gone.
    pub(crate) fn kill(&mut self) {
        self.nodes[0].kill();
    }

    /// Starts the first one again with what it has on its disk.
    pub(crate) fn restart(&mut self) {
        self.nodes[0].restart();
    }

    /// Kills one of several.
    pub(crate) fn kill_node(&mut self, node: usize) {
        self.nodes[node].kill();
    }

    /// Starts one of several again.
    pub(crate) fn restart_node(&mut self, node: usize) {
        self.nodes[node].restart();
    }

    /// What a command answers, as its operator.
    pub(crate) fn tell(&self, words: &[&str]) -> String {
        self.nodes[0].tell(self.kind, self.folder.path(), words)
    }

    /// Gives each of the three nodes of a cluster a replica, which takes its place when it dies.
    #[allow(dead_code, reason = "not every program of tests has clusters")]
    pub(crate) fn replicate(&mut self) {
        let program = program(self.kind).unwrap();
        let first = self.nodes[0].port.to_string();
        // `127.0.0.1:7000@17000,` is where a node is for clients and for other nodes.
        let nodes = self.tell(&["cluster", "nodes"]);
        let own = nodes.lines().find(|line| line.contains("myself")).unwrap();
        let bus = own.split([' ', ',']).find_map(|word| word.split_once('@')).unwrap().1.to_owned();
        for number in 0..3 {
            let own = self.folder.path().join((number + 3).to_string());
            fs::create_dir(&own).unwrap();
            let replica = Running::start(&program, self.kind, &own);
            let tell = |words: &[&str]| replica.tell(self.kind, self.folder.path(), words);
            tell(&["cluster", "meet", "127.0.0.1", &first, &bus]);
            let master = self.nodes[number].tell(self.kind, self.folder.path(), &["cluster", "myid"]);
            until("the replica knows its master", || tell(&["cluster", "replicate", master.trim()]).contains("OK"));
            until("the replica has everything", || tell(&["info", "replication"]).contains("master_link_status:up"));
            self.nodes.push(replica);
        }
    }

    /// Which node of a cluster has the keys of the only store on it.
    #[allow(dead_code, reason = "not every program of tests has clusters")]
    pub(crate) fn node_with_keys(&self) -> usize {
        let has = |node: &Running| node.tell(self.kind, self.folder.path(), &["dbsize"]).trim() != "0";
        self.nodes.iter().position(has).unwrap()
    }

    /// Everything that the first one has written to its disk, a dump of now included.
    #[allow(dead_code, reason = "not every program of tests looks")]
    pub(crate) fn files(&self) -> Vec<u8> {
        self.tell(&["save"]);
        let mut bytes = Vec::new();
        let mut folders = vec![self.folder.path().join("0")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                } else {
                    bytes.extend(fs::read(entry.path()).unwrap());
                }
            }
        }
        bytes
    }

    /// Makes a cluster of the three.
    fn join(&self) {
        let addresses = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port));
        let made =
            Command::new("redis-cli").args(["--cluster", "create"]).args(addresses).arg("--cluster-yes").output();
        let made = made.unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
        let end = Instant::now() + Duration::from_secs(30);
        while !self
            .nodes
            .iter()
            .all(|node| node.tell(self.kind, self.folder.path(), &["cluster", "info"]).contains("cluster_state:ok"))
        {
            assert!(Instant::now() < end, "the cluster does not come up");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < end, "not within 30 s: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

// === impl Running ===

impl Running {
    fn start(program: &[String], kind: Kind, folder: &Path) -> Self {
        // A port that was free a moment ago may be taken now.
        for _ in 0..5 {
            let port = free_port();
            let mut arguments = program.to_vec();
            arguments.extend(self::arguments(kind, folder, port));
            let mut running = Self { port, keeper: keeper(&arguments), arguments };
            if running.answers() {
                return running;
            }
        }
        panic!("{} does not start", program[0]);
    }

    fn answers(&mut self) -> bool {
        let end = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if Instant::now() > end || self.keeper.try_wait().unwrap().is_some() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        true
    }

    fn kill(&mut self) {
        drop(self.keeper.stdin.take());
        self.keeper.wait().unwrap();
    }

    fn restart(&mut self) {
        self.keeper = keeper(&self.arguments);
        assert!(self.answers(), "the server does not start again");
    }

    fn tell(&self, kind: Kind, folder: &Path, words: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        command.args(["-p", &self.port.to_string()]);
        if kind == Kind::TlsAndUser {
            command.args(["--tls", "--cacert"]).arg(folder.join("0/ca.pem"));
            command.args(["--user", "operator", "--pass", "the-operators-password", "--no-auth-warning"]);
        }
        let answer = command.args(words).output().unwrap();
        assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
        String::from_utf8(answer.stdout).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A shell that runs the server until its own standard input ends.
fn keeper(arguments: &[String]) -> Child {
    let script = r#""$@" & server=$!; (while kill -0 $server 2>/dev/null; do sleep 0.2; done; kill $$ 2>/dev/null) & cat >/dev/null; kill -9 $server; wait $server 2>/dev/null"#;
    let mut child = Command::new("sh")
        .args(["-c", script, "sh"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    if let Some(mut said) = child.stderr.take() {
        std::thread::spawn(move || said.read_to_string(&mut String::new()));
    }
    child
}

fn arguments(kind: Kind, folder: &Path, port: u16) -> Vec<String> {
    let folder_text = folder.display().to_string();
    let plain = if kind == Kind::TlsAndUser { 0 } else { port };
    let mut lines = vec![
        format!("port {plain}"),
        "bind 127.0.0.1".to_owned(),
        format!("dir {folder_text}"),
        "save ''".to_owned(),
        "appendonly yes".to_owned(),
        "appendfsync always".to_owned(),
    ];
    match kind {
        Kind::TlsAndUser => {
            let [ca, certificate, key] = certificates(folder);
            lines.extend([
                format!("tls-port {port}"),
                format!("tls-ca-cert-file {}", ca.display()),
                format!("tls-cert-file {}", certificate.display()),
                format!("tls-key-file {}", key.display()),
                "tls-auth-clients no".to_owned(),
                "user default off".to_owned(),
                "user operator on >the-operators-password ~* &* +@all".to_owned(),
                // Every test has a prefix of its own, so the pattern is a little wider.
                format!("user gateway on >the-gateways-password {}", RIGHTS.replace("{PREFIX}", "{vestibule*}")),
            ]);
        }
        Kind::Cluster => {
            lines.extend([
                "cluster-enabled yes".to_owned(),
                format!("cluster-port {}", free_port()),
                "cluster-node-timeout 2000".to_owned(),
            ]);
        }
        Kind::Plain | Kind::Valkey => {}
    }
    let file = folder.join("server.conf");
    fs::write(&file, lines.join("\n") + "\n").unwrap();
    vec![file.display().to_string()]
}

/// A CA and a certificate for this machine.
fn certificates(folder: &Path) -> [PathBuf; 3] {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // A name of its own: OpenSSL takes a certificate whose issuer has its name for a self-signed one.
    params.distinguished_name.push(DnType::CommonName, "a CA for tests");
    let key = KeyPair::generate().unwrap();
    let ca = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let own_key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    let own = own.signed_by(&own_key, &issuer).unwrap();
    let write = |name: &str, text: String| {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        path
    };
    [write("ca.pem", ca.pem()), write("server.pem", own.pem()), write("server.key", own_key.serialize_pem())]
}

/// Below the range from which outgoing connections take theirs.
fn free_port() -> u16 {
    loop {
        let mut random = [0; 2];
        vestibule::seal::fill(&mut random);
        let port = 10_000 + u16::from_be_bytes(random) % 20_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
