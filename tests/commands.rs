//! The commands that look at configurations and ask a running instance, as a person runs them.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
    time::Duration,
};

use tempfile::TempDir;
use vestibule::demo::identity_provider::{self, DemoIdentityProvider};

const SECRET: &str = "a-secret-of-the-application-0123";

/// A running instance with a configuration of its own, and a folder for others.
struct Instance {
    folder: TempDir,
    admin: String,
    process: Child,
}

// === impl Instance ===

impl Instance {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [public, admin] = free_ports();
        let text = format!(
            "\
public_url: http://127.0.0.1:{public}
listen: 127.0.0.1:{public}
admin_listen: 127.0.0.1:{admin}
storage: memory
providers:
  first:
    config_url: http://127.0.0.1:9/first/.well-known/openid-configuration
    client_id: abc
    client_secret: {SECRET}
    mount: /first
    routes: [{{ path: /mcp, backend: 'http://127.0.0.1:9/mcp' }}]
  second:
    config_url: http://127.0.0.1:9/second/.well-known/openid-configuration
    client_id: def
    mount: /second
    routes: [{{ path: /mcp, backend: 'http://127.0.0.1:9/mcp' }}]
"
        );
        fs::write(folder.path().join("vestibule.yaml"), text).unwrap();
        let process = command(folder.path(), &["serve", "--config", "vestibule.yaml"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let instance = Self { folder, admin: format!("http://127.0.0.1:{admin}"), process };
        for _ in 0..200 {
            if instance.ask(&["healthcheck"]).status.success() {
                return instance;
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("the instance never became ready");
    }

    /// Runs a command that asks this instance.
    fn ask(&self, arguments: &[&str]) -> Output {
        run(self.folder.path(), &[arguments, &["--admin", &self.admin]].concat())
    }

    /// What another configuration would change; `edit` makes it from the running one.
    fn compare(&self, edit: impl Fn(&str) -> String) -> Output {
        let text = fs::read_to_string(self.folder.path().join("vestibule.yaml")).unwrap();
        fs::write(self.folder.path().join("new.yaml"), edit(&text)).unwrap();
        self.ask(&["config", "diff", "--config", "new.yaml", "--against-running"])
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
    command.current_dir(folder).env_clear().args(arguments).stdin(Stdio::null());
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

fn free_ports() -> [u16; 2] {
    let bound = [(), ()].map(|()| TcpListener::bind(("127.0.0.1", 0)).unwrap());
    bound.map(|listener| listener.local_addr().unwrap().port())
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn the_effective_configuration_of_an_example() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/auth0");
    let shown = command(&folder, &["config", "show", "--config", "vestibule.yaml"])
        .env("OIDC_CLIENT_ID", "an-application")
        .env("OIDC_CLIENT_SECRET", SECRET)
        .env("VESTIBULE_LISTEN", "127.0.0.1:8001")
        .output()
        .unwrap();
    assert_eq!(code(&shown), 0, "{}", err(&shown));
    assert!(!out(&shown).contains(SECRET));
    insta::assert_snapshot!(out(&shown));
}

/// The demo identity provider behind a file, and the file's folder.
async fn provider_and_file(more: &str) -> (identity_provider::Running, TempDir) {
    let provider = DemoIdentityProvider::start(identity_provider::Options::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "\
public_url: https://mcp.example.com
providers:
  demo:
    config_url: {}
    client_id: vestibule-demo
    client_secret: {}
    allow_insecure_http: true
    {more}
    routes: [{{ path: /mcp, backend: 'http://127.0.0.1:9/mcp' }}]
",
        provider.config_url(),
        provider.client_secret().unwrap().expose()
    );
    fs::write(folder.path().join("vestibule.yaml"), text).unwrap();
    (provider, folder)
}

/// Runs `check` while the provider answers.
async fn check_online(folder: &TempDir, more: &[&str]) -> Output {
    let arguments = [&["check", "--config", "vestibule.yaml"], more].concat();
    let mut command = command(folder.path(), &arguments);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_right_is_told_so() {
    let (provider, folder) = provider_and_file("required_scopes: [openid, email]").await;
    let checked = check_online(&folder, &["--online"]).await;
    let text = out(&checked);
    assert_eq!(code(&checked), 0, "{text}{}", err(&checked));
    for line in [
        "  ok       pkce                   S256\n",
        "  ok       sign-in                possible",
        "    callback URL           https://mcp.example.com/auth/callback\n",
        "  warning  reachable              cannot connect: ",
        "\nonline: 0 errors, 1 warning\n\nThe configuration is valid.\n",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(!text.contains(provider.client_secret().unwrap().expose()), "{text}");

    let told = check_online(&folder, &["--online", "--json"]).await;
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(told["valid"], true);
    assert_eq!(told["online"]["providers"][0]["enter"]["callback_URL"], "https://mcp.example.com/auth/callback");
    assert_eq!(told["online"]["backends"][0]["findings"][0]["verdict"], "warning");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_nobody_could_sign_in_at_is_told_with_code_69() {
    let (provider, folder) = provider_and_file("").await;
    provider.change_metadata("code_challenge_methods_supported", serde_json::json!(["plain"]));
    let checked = check_online(&folder, &["--online"]).await;
    assert_eq!(code(&checked), 69, "{}", out(&checked));
    assert!(out(&checked).contains("  error    pkce "), "{}", out(&checked));
    assert!(out(&checked).contains("\n           help: "), "{}", out(&checked));
    // Without --online nobody is asked.
    assert_eq!(code(&check_online(&folder, &[]).await), 0);
    provider.down();
    let checked = check_online(&folder, &["--online", "--json"]).await;
    assert_eq!(code(&checked), 69);
    let told: serde_json::Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!(told["online"]["errors"], 1, "{told:#}");
}

#[test]
fn a_wrong_configuration_is_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("vestibule.yaml"), "public_url: 5\n").unwrap();
    let shown = run(folder.path(), &["config", "show", "--config", "vestibule.yaml"]);
    assert_eq!(code(&shown), 78);
    assert!(out(&shown).is_empty() && err(&shown).contains("The configuration cannot be used"), "{}", err(&shown));
}

#[test]
fn a_configuration_is_compared_with_the_running_one() {
    let instance = Instance::start();

    let same = instance.compare(str::to_owned);
    assert_eq!(code(&same), 0, "{}{}", out(&same), err(&same));
    assert!(out(&same).starts_with("The running instance has this configuration (sha256 "), "{}", out(&same));

    let other = instance.compare(|text| {
        let (first, _) = text.split_once("  second:").unwrap();
        first.replace(SECRET, "b-secret-of-the-application-0123").replace("client_id: abc", "client_id: xyz")
    });
    assert_eq!(code(&other), 1, "{}", err(&other));
    let text = out(&other);
    for line in [
        "- providers.first.client_id: abc\n+ providers.first.client_id: xyz\n",
        "- providers.first.client_secret: sha256:",
        "- providers.second.client_id: def\n",
        "\nAll grants would end of: second\nNo restart is needed.\n",
    ] {
        assert!(text.contains(line), "{text}");
    }
    assert!(!text.contains("secret-of-the"), "{text}");

    let moved = instance.compare(|text| text.replace("storage: memory", "storage: { path: data }"));
    assert_eq!(code(&moved), 1);
    assert!(out(&moved).ends_with("\nA restart is needed: a reload would refuse all of this.\n"), "{}", out(&moved));

    let wrong = instance.compare(|text| text.replace("storage: memory", "storage: elsewhere"));
    assert_eq!(code(&wrong), 78);
    assert!(err(&wrong).contains("new.yaml:4:"), "{}", err(&wrong));
    assert!(!instance.folder.path().join("data").exists(), "looking changes nothing");
}

#[test]
fn a_reload_is_asked_for() {
    let instance = Instance::start();
    let file = instance.folder.path().join("vestibule.yaml");
    let text = fs::read_to_string(&file).unwrap();

    fs::write(&file, text.replace("client_id: abc", "client_id: xyz")).unwrap();
    let applied = instance.ask(&["reload"]);
    assert_eq!(code(&applied), 0, "{}{}", out(&applied), err(&applied));
    // The watcher may have been faster.
    let told = out(&applied);
    assert!(told.starts_with("outcome: applied\n") || told.starts_with("outcome: unchanged\n"), "{told}");
    assert!(told.contains("\nsha256: "), "{told}");
    assert_eq!(code(&instance.compare(str::to_owned)), 0, "the file is what runs");

    fs::write(&file, text.replace("storage: memory", "storage: { path: data }")).unwrap();
    let restart = instance.ask(&["reload"]);
    assert_eq!(code(&restart), 1, "{}{}", out(&restart), err(&restart));
    assert!(err(&restart).starts_with("outcome: restart_required\n"), "{}", err(&restart));

    fs::write(&file, "providers: 7\n").unwrap();
    let refused = instance.ask(&["reload"]);
    assert_eq!(code(&refused), 78, "{}{}", out(&refused), err(&refused));
    assert!(err(&refused).contains("vestibule.yaml:1:"), "{}", err(&refused));
    assert_eq!(code(&instance.ask(&["healthcheck"])), 0);
}

#[test]
fn nobody_there_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let [port, _] = free_ports();
    let admin = format!("http://127.0.0.1:{port}");
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/auth0/vestibule.yaml");
    let example = example.to_str().unwrap();
    let compared = command(folder.path(), &["config", "diff", "--against-running", "--admin", &admin, "-c", example])
        .env("OIDC_CLIENT_ID", "an-application")
        .env("OIDC_CLIENT_SECRET", SECRET)
        .output()
        .unwrap();
    assert_eq!(code(&compared), 69, "{}", err(&compared));
    assert!(err(&compared).contains(&format!("no answer from {admin}: ")), "{}", err(&compared));
    assert_eq!(code(&run(folder.path(), &["reload", "--admin", &admin])), 69);
    assert_eq!(code(&run(folder.path(), &["healthcheck", "--admin", &admin])), 1);
    // The variable of the instance tells its commands where it is.
    let listening = format!("0.0.0.0:{port}");
    let asked = command(folder.path(), &["healthcheck"]).env("VESTIBULE_ADMIN_LISTEN", listening).output().unwrap();
    assert!(err(&asked).contains(&format!("no answer from {admin}: ")), "{}", err(&asked));
}

#[test]
fn wrong_arguments_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["config", "diff", "--config", "x.yaml"][..],
        &["healthcheck", "--admin", "https://127.0.0.1"],
        &["reload", "now"],
        &["config"],
    ] {
        assert_eq!(code(&run(folder.path(), arguments)), 64, "{arguments:?}");
    }
    for command in [&["check"][..], &["config", "show"], &["config", "schema"], &["config", "diff"], &["reload"]] {
        let help = run(folder.path(), &[command, &["--help"]].concat());
        assert_eq!(code(&help), 0);
        assert!(out(&help).contains("Examples:\n  vestibule "), "{}", out(&help));
    }
}

/// `explain`: rule by rule, with lines and exit codes.
#[test]
fn explain_says_who_may_pass_and_why_not() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/policy");
    let explain = |route: &str, claims: &str, more: &[&str]| {
        command(&folder, &["explain", "--config", "vestibule.yaml", "--route", route, "--claims", claims])
            .args(more)
            .env("OIDC_CONFIG_URL", "https://idp.example.com/.well-known/openid-configuration")
            .env("OIDC_CLIENT_ID", "abc")
            .env("OIDC_CLIENT_SECRET", "secret")
            .output()
            .unwrap()
    };
    let passes = explain("oidc/mcp", "ada.json", &[]);
    assert_eq!(code(&passes), 0, "{}", err(&passes));
    assert!(out(&passes).starts_with("00u1 may pass on oidc/mcp\n  ok  "), "{}", out(&passes));
    let refused = explain("oidc/admin", "ada.json", &[]);
    assert_eq!(code(&refused), 1);
    let text = out(&refused);
    for part in [
        "may not pass",
        "no  providers.oidc.routes[1].policy.groups",
        "vestibule.yaml:",
        "ok  providers.oidc.routes[1].policy.claims.department",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let json: serde_json::Value = serde_json::from_str(&out(&explain("oidc/admin", "ada.json", &["--json"]))).unwrap();
    assert_eq!((&json["passes"], json["rules"].as_array().unwrap().len()), (&false.into(), 3));
    let unknown = explain("oidc/other", "ada.json", &[]);
    assert!(code(&unknown) == 64 && err(&unknown).contains("oidc/mcp, oidc/admin"), "{}", err(&unknown));
    let nothing = explain("oidc/mcp", "README.md", &[]);
    assert!(code(&nothing) == 64 && err(&nothing).contains("no JSON object"), "{}", err(&nothing));
}

/// Builds of one version are told apart, and no build says a commit that it was not made of.
#[test]
fn the_version_names_the_commit() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let told = out(&run(folder, &["--version"]));
    let told = told.trim_end().strip_prefix(concat!("vestibule ", env!("CARGO_PKG_VERSION"), " (")).unwrap();
    let revision = told.strip_suffix(')').unwrap();
    assert!(!revision.is_empty() && !revision.contains(char::is_whitespace), "{revision}");
    // Somebody who builds a package says which commit it is.
    if folder.join(".git").exists() && std::env::var_os("BUILD_REVISION").is_none() {
        assert_eq!(revision, git(&["rev-parse", "HEAD"]).chars().take(12).collect::<String>());
    }
}

/// What a forge offers as a tarball has no repository, but knows its commit.
#[test]
fn an_archive_carries_the_commit() {
    if !Path::new(env!("CARGO_MANIFEST_DIR")).join(".git").exists() {
        return;
    }
    let archived = git(&["archive", "--format=tar", "HEAD", "build.rs"]);
    let head = git(&["rev-parse", "HEAD"]);
    assert!(archived.contains(&format!("const ARCHIVED: &str = \"{}\";", head.trim_end())));
}

fn git(arguments: &[&str]) -> String {
    let output = Command::new("git").current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", err(&output));
    out(&output)
}

#[test]
fn completions_and_manual_pages_are_printed_and_written() {
    let folder = tempfile::tempdir().unwrap();
    let script = run(folder.path(), &["completions", "bash"]);
    assert!(out(&script).contains("complete -F _vestibule"));
    assert_eq!(code(&run(folder.path(), &["completions", "csh"])), 64);
    let page = run(folder.path(), &["man"]);
    assert!(out(&page).contains(".TH vestibule 1"));

    assert_eq!(code(&run(folder.path(), &["man", "--folder", "a/man1"])), 0);
    assert_eq!(fs::read_to_string(folder.path().join("a/man1/vestibule.1")).unwrap(), out(&page));
    let serve = fs::read_to_string(folder.path().join("a/man1/vestibule-serve.1")).unwrap();
    assert!(serve.contains("VESTIBULE_CONFIG"));

    fs::write(folder.path().join("file"), "").unwrap();
    let refused = run(folder.path(), &["man", "--folder", "file"]);
    assert_eq!((code(&refused), err(&refused).starts_with("file")), (69, true), "{}", err(&refused));
}

/// `explain --path`: whose a path is, and what the backend would hear of somebody with these claims.
#[test]
fn explain_says_whose_a_path_is_and_what_the_backend_hears() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/routes");
    let explain = |arguments: &[&str]| {
        command(&folder, &[&["explain", "--config", "vestibule.yaml"], arguments].concat())
            .env("OIDC_CONFIG_URL", "https://idp.example.com/.well-known/openid-configuration")
            .env("OIDC_CLIENT_ID", "abc")
            .env("OIDC_CLIENT_SECRET", "secret")
            .env("BACKEND_API_KEY", "hunter2")
            .output()
            .unwrap()
    };
    for (path, expected_code, expected) in [
        ("/files/admin", 0, "oidc/files/admin: https://mcp.example.com/files/admin\n"),
        ("https://mcp.example.com/files/admin/?x=/mcp", 0, "oidc/files/admin: https://mcp.example.com/files/admin\n"),
        ("/files/admin/x", 0, "oidc/files: https://mcp.example.com/files\n"),
        ("/files/Admin", 1, "/files/Admin is refused (400): the path can be read as one of another route\n"),
        ("/files/%2e%2e/mcp", 1, "/files/%2e%2e/mcp is refused (400): the path has a dot segment\n"),
        ("/token", 1, "/token is an endpoint of ours: token of oidc\n"),
        ("/nobody", 1, "/nobody belongs to nobody here (404)\n"),
        ("https://mcp.example.com", 1, "/ belongs to nobody here (404)\n"),
    ] {
        let found = explain(&["--path", path]);
        assert_eq!((code(&found), out(&found).as_str()), (expected_code, expected), "{path}: {}", err(&found));
    }
    let heard = explain(&["--path", "/mcp/x", "--claims", "ada.json"]);
    assert_eq!(code(&heard), 0, "{}", err(&heard));
    let expected = "\
00u1 may pass on oidc/mcp
  there is no policy: everybody who can sign in at the provider may pass
the backend would hear
  x-vestibule-subject: 00u1
  x-vestibule-email: ada@example.com
  x-vestibule-scopes: openid email
  x-vestibule-client (the client's identifier)
  x-user: ada@example.com
  x-department: R&D%2C%20Z%C3%BCrich
  x-groups: staff,mcp-admins
  x-api-key (as it is written; it may be a secret)
  x-tenant (as it is written; it may be a secret)
";
    assert_eq!(out(&heard), expected);
    let json = explain(&["--route", "oidc/mcp", "--claims", "ada.json", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&out(&json)).unwrap();
    assert_eq!(json["headers"][4]["value"], "ada@example.com");
    assert!(!json.to_string().contains("hunter2"), "{json}");
    assert_eq!(code(&explain(&["--route", "oidc/mcp"])), 64, "a route alone asks nothing");
    assert_eq!(code(&explain(&["--claims", "ada.json"])), 64);
}
