//! `vestibule serve` and `vestibule demo`: run until a signal says stop.

use std::{io::Write as _, process::ExitCode, sync::Arc, time::Duration};

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{ConfigArguments, banner::banner, check, exit, look};
use crate::{
    config, demo,
    reload::{self, ReloadTrigger, Source},
    server, supervisor,
    telemetry::{self, Log, TelemetryError},
};

/// How long the system has to finish what it was told to write.
const FAREWELL: Duration = Duration::from_secs(5);

/// Why the program ends with an error.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error("{0}")]
    Configuration(String),
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    #[error(transparent)]
    Serve(#[from] server::ServeError),
    #[error(transparent)]
    Demo(#[from] demo::DemoError),
    #[error("the system refused what a server needs: {0}")]
    System(#[from] std::io::Error),
}

/// What the program listens to, from its first moment on.
struct Signals {
    stop: Stop,
    hangup: Signal,
}

/// The two signals that end the program.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

/// `vestibule serve`
pub fn serve(arguments: &ConfigArguments) -> ExitCode {
    finish(run(async {
        let signals = Signals::new()?;
        let sources = arguments.sources();
        let wrong = |found| RunError::Configuration(check::refusal(&found, look()));
        let loaded = config::load(&sources).map_err(wrong)?;
        // What is odd but usable is said before anything runs.
        drop(write!(std::io::stderr(), "{}", loaded.notes.render(look())));
        let log = telemetry::start(&loaded.plan.log, &loaded.plan.audit)?;
        check::files(&loaded).map_err(RunError::Configuration)?;
        let text = banner(&loaded.plan);
        let source = Source { sources, files: loaded.files, poll: reload::POLL, log: Some(log.clone()) };
        until_stopped(server::follow(loaded.plan, source).await?, &text, signals).await;
        Ok(log)
    }))
}

/// `vestibule demo`
pub fn demo(port: u16) -> ExitCode {
    finish(run(async {
        let options = demo::Options { port, ..demo::Options::default() };
        demo::run(options, |plan, instructions| async move {
            let log = telemetry::start(&plan.log, &plan.audit)?;
            let signals = Signals::new()?;
            until_stopped(server::start(plan).await?, &instructions.to_string(), signals).await;
            Ok(log)
        })
        .await?
    }))
}

/// Runs until SIGTERM or SIGINT, then drains; a second one ends it at once. SIGHUP reads the
/// configuration again, and never ends anything (S84).
async fn until_stopped(running: server::Running, text: &str, mut signals: Signals) {
    // Until the process is gone: systemd watches the drain too.
    tokio::spawn(supervisor::watchdog());
    supervisor::ready();
    // Whoever closed standard output does not want to read it.
    drop(writeln!(std::io::stdout(), "{text}"));
    let reloader = Arc::clone(running.reloader());
    let reload = async {
        // `None` never comes while the stream lives.
        while signals.hangup.recv().await.is_some() {
            reloader.reload(ReloadTrigger::Signal).await;
        }
    };
    tokio::select! {
        () = signals.stop.asked() => {}
        () = reload => {}
    }
    supervisor::stopping();
    tracing::info!("stopping: no new connections, running requests may end; a second signal ends at once");
    tokio::select! {
        () = running.stop() => {}
        () = signals.stop.asked() => tracing::warn!("stopped at once"),
    }
}

/// Whatever still hangs in the system when the work has ended does not keep the process for long. The
/// audit log is written last: then nobody has more to say.
fn run(work: impl Future<Output = Result<Log, RunError>>) -> Result<(), RunError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(work);
    runtime.shutdown_timeout(FAREWELL);
    result.map(|log| log.settle())
}

fn finish(result: Result<(), RunError>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    drop(writeln!(std::io::stderr(), "{error}"));
    ExitCode::from(match error {
        RunError::Configuration(_) | RunError::Telemetry(_) => exit::CONFIG,
        RunError::Serve(_) | RunError::Demo(_) | RunError::System(_) => exit::UNAVAILABLE,
    })
}

// === impl Signals ===

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { stop: Stop::new()?, hangup: signal(SignalKind::hangup())? })
    }
}

// === impl Stop ===

impl Stop {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
