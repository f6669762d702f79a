//! `vestibule serve` and `vestibule demo`: run until a signal says stop.

use std::{io::Write as _, process::ExitCode};

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{ConfigArguments, banner::banner, check, exit, look};
use crate::{
    config::{self, plan::Plan},
    demo, server, supervisor,
    telemetry::{self, TelemetryError},
};

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

/// The two signals that end the program.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

/// `vestibule serve`
pub fn serve(arguments: &ConfigArguments) -> ExitCode {
    finish(run(async {
        let wrong = |found| RunError::Configuration(check::refusal(&found, look()));
        let loaded = config::load(&arguments.sources()).map_err(wrong)?;
        // What is odd but usable is said before anything runs.
        drop(write!(std::io::stderr(), "{}", loaded.notes.render(look())));
        telemetry::start(&loaded.plan.log)?;
        check::files(&loaded).map_err(RunError::Configuration)?;
        let text = banner(&loaded.plan);
        until_stopped(loaded.plan, &text).await
    }))
}

/// `vestibule demo`
pub fn demo(port: u16) -> ExitCode {
    finish(run(async {
        let options = demo::Options { port, ..demo::Options::default() };
        demo::run(options, |plan, instructions| async move {
            telemetry::start(&plan.log)?;
            until_stopped(plan, &instructions.to_string()).await
        })
        .await?
    }))
}

/// Runs a plan until SIGTERM or SIGINT, then drains; a second signal ends it at once.
async fn until_stopped(plan: Plan, text: &str) -> Result<(), RunError> {
    let mut stop = Stop::new()?;
    let running = server::start(plan).await?;
    // Until the process is gone: systemd watches the drain too.
    tokio::spawn(supervisor::watchdog());
    supervisor::ready();
    // Whoever closed standard output does not want to read it.
    drop(writeln!(std::io::stdout(), "{text}"));
    stop.asked().await;
    supervisor::stopping();
    tracing::info!("stopping: no new connections, running requests may end; a second signal ends at once");
    tokio::select! {
        () = running.stop() => {}
        () = stop.asked() => tracing::warn!("stopped at once"),
    }
    Ok(())
}

fn run(work: impl Future<Output = Result<(), RunError>>) -> Result<(), RunError> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}

fn finish(result: Result<(), RunError>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    drop(writeln!(std::io::stderr(), "{error}"));
    ExitCode::from(match error {
        RunError::Configuration(_) | RunError::Telemetry(_) => exit::CONFIG,
        RunError::Serve(_) | RunError::Demo(_) | RunError::System(_) => exit::UNAVAILABLE,
    })
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
