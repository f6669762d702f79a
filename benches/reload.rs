//! How long a reload takes, from the changed file to the swap, at 1, 100 and 1,000 providers with
//! two routes each: when one provider changed, and when all did.
//!
//! `cargo bench --bench reload`; no network is used but this machine's.

#![expect(clippy::print_stdout, reason = "the numbers are the point")]

use std::{error::Error, fmt::Write as _, fs, net::TcpListener, path::Path, time::Duration};

use vestibule::{
    config::{self, Sources},
    reload::{ReloadOutcome, ReloadTrigger, Source},
    server,
};

const SIZES: [usize; 3] = [1, 100, 1000];
const ROUNDS: usize = 5;
const NEVER: Duration = Duration::from_hours(24);

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    println!("{:>9}  {:>14}  {:>14}  median of {ROUNDS}, milliseconds", "providers", "one changed", "all changed");
    for size in SIZES {
        runtime.block_on(measure(size))?;
    }
    Ok(())
}

async fn measure(size: usize) -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("vestibule.yaml");
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    fs::write(&path, text(size, port, "0", "0")?)?;
    let sources = Sources { config: Some(path.clone()), ..Sources::default() };
    let loaded = config::load(&sources).map_err(|found| found.to_string())?;
    let source = Source { sources, files: loaded.files, poll: NEVER, log: None };
    let gateway = server::follow(loaded.plan, source).await?;
    let mut one = Vec::new();
    let mut all = Vec::new();
    for round in 1..=ROUNDS {
        let round = round.to_string();
        one.push(reload(&gateway, &path, &text(size, port, &round, "0")?).await?);
        all.push(reload(&gateway, &path, &text(size, port, &format!("{round}-again"), &round)?).await?);
        reload(&gateway, &path, &text(size, port, "0", "0")?).await?;
    }
    println!("{size:>9}  {:>14.1}  {:>14.1}", median(&mut one), median(&mut all));
    gateway.stop().await;
    Ok(())
}

/// Milliseconds of one attempt.
async fn reload(gateway: &server::Running, path: &Path, text: &str) -> Result<f64, Box<dyn Error>> {
    let beside = path.with_extension("new");
    fs::write(&beside, text)?;
    fs::rename(&beside, path)?;
    let report = gateway.reloader().reload(ReloadTrigger::Api).await;
    if report.outcome == ReloadOutcome::Applied {
        Ok(report.took.as_secs_f64() * 1000.0)
    } else {
        Err(format!("{report:?}").into())
    }
}

fn text(size: usize, port: u16, first: &str, rest: &str) -> Result<String, Box<dyn Error>> {
    let mut text = format!(
        "public_url: http://127.0.0.1:{port}\nlisten: 127.0.0.1:{port}\nadmin_listen: off\nstorage: memory\nproviders:\n"
    );
    for index in 0..size {
        let version = if index == 0 { first } else { rest };
        // Nobody listens at port 9: discovery fails at once, and is tried again later.
        writeln!(
            text,
            "  p{index}:\n    config_url: http://127.0.{}.{}:9/.well-known/openid-configuration\n    \
             client_id: id{version}\n    client_secret: secret\n    mount: /p{index}\n    routes:\n      \
             - {{ path: /mcp, backend: \"http://127.0.0.1:9/a\" }}\n      \
             - {{ path: /sse, backend: \"http://127.0.0.1:9/b\" }}",
            index / 250,
            index % 250 + 1
        )?;
    }
    Ok(text)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
