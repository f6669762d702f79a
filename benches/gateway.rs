//! Throughput and memory of the forward path beside its peers, on this machine.
//!
//! Every proxy runs alone on CPU 0, the load generator (`wrk`) and the backend on CPU 1, one after
//! the other in rotated rounds; the figures are medians and ratios to nginx. Peers that are not
//! installed are left out and named. See `benches/README.md` for how to get them.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "a bench prints, and ends when something is missing"
)]

#[path = "../tests/flows/browser.rs"]
#[allow(dead_code)]
mod browser;
#[path = "../tests/flows/client.rs"]
#[allow(dead_code)]
mod client;
#[path = "support/process.rs"]
mod process;

use std::{
    convert::Infallible,
    env, fs,
    path::Path,
    process::{Command, Stdio},
};

use bytes::Bytes;
use futures_util::StreamExt as _;
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{Request, Response, body::Frame, body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use process::Running;
use vestibule::demo::identity_provider::{self, DemoIdentityProvider, Options};

const BACKEND: u16 = 19_301;
const VESTIBULE: u16 = 19_400;
const NGINX: u16 = 19_401;
const ENVOY: u16 = 19_402;
const STREAMS: usize = 1_000;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("backend") => backend(),
        // `cargo test --benches` runs this too; nothing is measured there.
        _ if !arguments.iter().any(|argument| argument == "--bench") => println!("run with `cargo bench`"),
        _ => measure(),
    }
}

/// A backend that does nearly nothing, in a process of its own.
fn backend() {
    runtime().block_on(async {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", BACKEND)).await.unwrap();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            tokio::spawn(async move {
                let serve = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                if let Err(error) = serve.serve_connection(TokioIo::new(stream), service_fn(answer)).await {
                    drop(error);
                }
            });
        }
    });
}

async fn answer(request: Request<Incoming>) -> Result<Response<UnsyncBoxBody<Bytes, Infallible>>, Infallible> {
    let body = if request.uri().path().ends_with("/sse") {
        let first = futures_util::stream::once(async { Ok(Frame::data(Bytes::from_static(b": open\n\n"))) });
        StreamBody::new(first.chain(futures_util::stream::pending())).boxed_unsync()
    } else {
        Full::new(Bytes::from_static(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"ok\":true,\"text\":\"hello\"}}"))
            .boxed_unsync()
    };
    let kind = if request.uri().path().ends_with("/sse") { "text/event-stream" } else { "application/json" };
    Ok(Response::builder().header("content-type", kind).body(body).unwrap())
}

fn measure() {
    let folder = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_vestibule"));
    let myself = env::current_exe().unwrap();
    let _backend = pinned("1", myself.to_str().unwrap(), &["backend"], BACKEND);

    let runtime = runtime();
    let (_provider, token, jwks, gateway) = runtime.block_on(async {
        let provider = DemoIdentityProvider::start(Options::default()).await.unwrap();
        let config = folder.path().join("vestibule.yaml");
        fs::write(&config, vestibule_config(&provider)).unwrap();
        let arguments = ["serve", "--config", config.to_str().unwrap()];
        let gateway = pinned("0", program.to_str().unwrap(), &arguments, VESTIBULE);
        let client = client::Client::discover(&format!("http://127.0.0.1:{VESTIBULE}/mcp")).await;
        let token = client.tokens("ada").await.access;
        let jwks = client.http.get(client.endpoint("jwks_uri")).send().await.unwrap().text().await.unwrap();
        (provider, token, jwks, gateway)
    });

    let mut peers = vec![("vestibule", VESTIBULE)];
    let nginx = nginx(folder.path());
    if nginx.is_some() {
        peers.push(("nginx proxy_pass (checks nothing)", NGINX));
    }
    let envoy = envoy(folder.path(), &jwks);
    if envoy.is_some() {
        peers.push(("envoy jwt_authn, token cache on", ENVOY));
    }
    throughput(&peers, &token);
    streams(&gateway, &token);
}

fn throughput(peers: &[(&str, u16)], token: &str) {
    const ROUNDS: usize = 8;
    let mut results: Vec<Vec<f64>> = vec![Vec::new(); peers.len()];
    for round in 0..=ROUNDS {
        for offset in 0..peers.len() {
            let index = (round + offset) % peers.len();
            let rate = wrk(peers[index].1, token);
            // The first round only warms up.
            if round > 0 {
                results[index].push(rate);
            }
        }
    }
    let medians: Vec<f64> = results.into_iter().map(median).collect();
    let base = peers.iter().position(|(name, _)| name.starts_with("nginx")).map(|index| medians[index]);
    println!("\nproxied requests, one core, 64 connections, median of {ROUNDS} rounds of 2 s");
    for ((name, _), rate) in peers.iter().zip(&medians) {
        let ratio = base.map_or(String::new(), |base| format!("  {:.2} x nginx", rate / base));
        println!("  {name:<36} {rate:>9.0} req/s{ratio}");
    }
}

fn wrk(port: u16, token: &str) -> f64 {
    let output = Command::new("taskset")
        .args(["-c", "1", "wrk", "-t1", "-c64", "-d2s", "-H"])
        .arg(format!("Authorization: Bearer {token}"))
        .arg(format!("http://127.0.0.1:{port}/mcp"))
        .output()
        .expect("wrk and taskset are installed (Debian: apt-get install wrk util-linux)");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!text.contains("Non-2xx"), "{text}");
    let line = text.lines().find_map(|line| line.strip_prefix("Requests/sec:")).unwrap_or_else(|| panic!("{text}"));
    line.trim().parse().unwrap()
}

/// Opens many SSE streams through the gateway and reads what its process then holds.
fn streams(gateway: &Running, token: &str) {
    let before = gateway.resident_mib();
    runtime().block_on(async {
        let http = client::http();
        let mut open = Vec::new();
        for _ in 0..STREAMS {
            let request = http.get(format!("http://127.0.0.1:{VESTIBULE}/mcp/sse")).bearer_auth(token);
            let mut response = request.send().await.unwrap();
            assert!(response.status().is_success(), "{}", response.status());
            assert!(response.chunk().await.unwrap().is_some());
            open.push(response);
        }
        println!("\n{STREAMS} open SSE streams: {:.1} MiB resident ({before:.1} MiB before)", gateway.resident_mib());
    });
}

fn vestibule_config(provider: &identity_provider::Running) -> String {
    format!(
        "public_url: http://127.0.0.1:{VESTIBULE}\nlisten: 127.0.0.1:{VESTIBULE}\nadmin_listen: off\nstorage: {{ backend: memory }}\nlog: {{ filter: error }}\nproviders:\n  demo:\n    config_url: {}\n    client_id: {}\n    client_secret: {}\n    allow_insecure_http: true\n    routes:\n      - path: /mcp\n        backend: http://127.0.0.1:{BACKEND}/mcp\n",
        provider.config_url(),
        provider.client_id(),
        provider.client_secret().unwrap().expose(),
    )
}

fn nginx(folder: &Path) -> Option<Running> {
    let config = folder.join("nginx.conf");
    let text = format!(
        "worker_processes 1; daemon off; master_process off; pid {0}/nginx.pid; error_log {0}/nginx.log;\n\
         events {{ worker_connections 4096; }}\n\
         http {{ access_log off; upstream b {{ server 127.0.0.1:{BACKEND}; keepalive 256; }}\n\
         server {{ listen 127.0.0.1:{NGINX}; keepalive_requests 1000000000; location / {{ proxy_pass http://b; proxy_http_version 1.1; proxy_set_header Connection \"\"; }} }} }}\n",
        folder.display()
    );
    fs::write(&config, text).unwrap();
    installed("nginx").then(|| pinned("0", "nginx", &["-c", config.to_str().unwrap()], NGINX))
}

fn envoy(folder: &Path, jwks: &str) -> Option<Running> {
    let program = env::var_os("ENVOY").map_or_else(|| "envoy".to_owned(), |path| path.to_string_lossy().into_owned());
    if !installed(&program) {
        return None;
    }
    let config = folder.join("envoy.yaml");
    let text = format!(
        r#"
static_resources:
  listeners:
  - address: {{ socket_address: {{ address: 127.0.0.1, port_value: {ENVOY} }} }}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: bench
          route_config:
            virtual_hosts:
            - {{ name: all, domains: ["*"], routes: [ {{ match: {{ prefix: "/" }}, route: {{ cluster: backend, timeout: 0s }} }} ] }}
          http_filters:
          - name: envoy.filters.http.jwt_authn
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication
              providers:
                vestibule:
                  issuer: http://127.0.0.1:{VESTIBULE}
                  audiences: [ "http://127.0.0.1:{VESTIBULE}/mcp" ]
                  jwt_cache_config: {{ jwt_cache_size: 1000 }}
                  local_jwks: {{ inline_string: '{jwks}' }}
              rules:
              - {{ match: {{ prefix: "/" }}, requires: {{ provider_name: vestibule }} }}
          - name: envoy.filters.http.router
            typed_config: {{ "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }}
  clusters:
  - name: backend
    type: STATIC
    load_assignment:
      cluster_name: backend
      endpoints: [ {{ lb_endpoints: [ {{ endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {BACKEND} }} }} }} }} ] }} ]
"#
    );
    fs::write(&config, text).unwrap();
    let arguments =
        ["-c", config.to_str().unwrap(), "--concurrency", "1", "--log-level", "error", "--use-dynamic-base-id"];
    Some(pinned("0", &program, &arguments, ENVOY))
}

/// A process on one CPU. `taskset` becomes the program, so this is the program's own memory.
fn pinned(cpu: &str, program: &str, arguments: &[&str], port: u16) -> Running {
    let mut command = Command::new("taskset");
    command.args(["-c", cpu, program]).args(arguments);
    Running::start(command, port)
}

fn installed(program: &str) -> bool {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !found {
        println!("{program} is not installed: left out");
    }
    found
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}
