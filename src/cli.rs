//! The command line: arguments in, exit code out.

pub mod admin_client;
mod arguments;
pub mod ask;
pub mod banner;
pub mod check;
pub mod compare;
mod explain;
mod flows;
mod grants;
mod keys;
mod manual;
pub mod online;
pub mod serve;
pub mod show;

use std::{
    io::{IsTerminal as _, Write as _, stderr, stdout},
    process::ExitCode,
};

use clap::Parser as _;

pub use self::arguments::ConfigArguments;

use self::arguments::{
    Arguments, CheckArguments, ClientArguments, ClientsCommand, Command, ConfigCommand, DiffArguments,
    ExplainArguments, FlowsCommand, GrantsCommand, KeyArguments, KeysCommand, KeysListArguments, ListArguments,
    RevokeArguments, RotateArguments,
};
use crate::{
    config::{self, Look, SecretReading, Sources},
    printable::printable,
};

/// Exit codes; documented in `docs/commands.md`.
pub mod exit {
    /// `config diff` found a difference; `reload` found what needs a restart.
    pub const DIFFERENT: u8 = 1;
    /// `explain`: the person may not pass.
    pub const NOT_PASSING: u8 = 1;
    /// `healthcheck`: no requests should go there.
    pub const NOT_READY: u8 = 1;
    /// `clients revoke`: no such client has access. `keys`: no such key, or one that is needed.
    pub const NOT_FOUND: u8 = 1;
    /// Wrong arguments (`EX_USAGE`).
    pub const USAGE: u8 = 64;
    /// Something that was needed is not there: an address in use, a store that cannot be opened
    /// (`EX_UNAVAILABLE`), a provider at which nobody could sign in (`check --online`).
    pub const UNAVAILABLE: u8 = 69;
    /// A configuration with mistakes (`EX_CONFIG`).
    pub const CONFIG: u8 = 78;
}

/// How a command that asks or shows something ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// 0, or one of [`exit`].
    pub code: u8,
    /// What was found, for standard output.
    pub text: String,
    /// What keeps it from being found, or limits it, for standard error.
    pub notes: String,
}

// === impl Outcome ===

impl Outcome {
    fn found(text: String) -> Self {
        Self { code: 0, text, notes: String::new() }
    }

    fn failed(code: u8, notes: String) -> Self {
        Self { code, text: String::new(), notes }
    }

    fn end(&self) -> ExitCode {
        // Whoever closed the stream does not want to read it.
        drop(stderr().write_all(self.notes.as_bytes()));
        drop(stdout().write_all(self.text.as_bytes()));
        ExitCode::from(self.code)
    }
}

/// Runs the program.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // clap prints help and version to standard output, mistakes to standard error.
            let wrong = error.use_stderr();
            let printed = error.print();
            return if wrong || printed.is_err() { ExitCode::from(exit::USAGE) } else { ExitCode::SUCCESS };
        }
    };
    match arguments.command {
        Command::Serve(config) => serve::serve(&config),
        Command::Check(CheckArguments { config, online, without_secrets, json }) => {
            let secrets = if without_secrets { SecretReading::Assume } else { SecretReading::Read };
            let sources = Sources { secrets, ..config.sources() };
            check::check(&sources, check::Options { online, json, look: look() }).end()
        }
        Command::Config(ConfigCommand::Show(config)) => show(&config.sources()).end(),
        Command::Config(ConfigCommand::Schema) => Outcome::found(config::schema::text()).end(),
        Command::Config(ConfigCommand::Diff(DiffArguments { config, against_running: _, admin })) => {
            compare::against_running(&config.sources(), &admin.admin, look()).end()
        }
        Command::Explain(ExplainArguments { config, route, path, provider, claims, json }) => {
            let route = route.as_deref().map(explain::Asked::Route);
            // clap demands one of the two.
            let asked = route.unwrap_or(explain::Asked::Path(path.as_deref().unwrap_or("/")));
            explain::explain(&config.sources(), asked, (provider.as_deref(), claims.as_deref()), json).end()
        }
        Command::Reload(arguments) => ask::reload(&arguments.admin).end(),
        Command::Flows(FlowsCommand::List(arguments)) => flows::list(&arguments.admin).end(),
        Command::Flows(FlowsCommand::Show(arguments)) => flows::show(&arguments.admin.admin, &arguments.id).end(),
        Command::Grants(GrantsCommand::List(ListArguments { filter, json, admin })) => {
            grants::list(&admin.admin, &filter.filter(), json).end()
        }
        Command::Grants(GrantsCommand::Revoke(RevokeArguments { filter, all, admin })) => {
            grants::revoke(&admin.admin, &filter.filter(), all).end()
        }
        Command::Clients(ClientsCommand::List(ListArguments { filter, json, admin })) => {
            grants::list_clients(&admin.admin, &filter.filter(), json).end()
        }
        Command::Clients(ClientsCommand::Revoke(ClientArguments { client, admin })) => {
            grants::revoke_client(&admin.admin, client).end()
        }
        Command::Keys(KeysCommand::List(KeysListArguments { json, admin })) => keys::list(&admin.admin, json).end(),
        Command::Keys(KeysCommand::Rotate(RotateArguments { now, admin })) => keys::rotate(&admin.admin, now).end(),
        Command::Keys(KeysCommand::Revoke(KeyArguments { kid, admin })) => keys::revoke(&admin.admin, kid).end(),
        Command::Healthcheck(arguments) => ask::healthcheck(&arguments.admin).end(),
        Command::Demo(demo) => serve::demo(demo.port),
        Command::Completions(arguments) => manual::completions(arguments.shell).end(),
        Command::Man(arguments) => manual::man(arguments.folder.as_deref()).end(),
    }
}

/// Mistakes are drawn for people and written on one line each for programs.
fn look() -> Look {
    if stderr().is_terminal() { Look::Graphical { colour: true } } else { Look::Plain }
}

/// `vestibule config show`
fn show(sources: &Sources) -> Outcome {
    match config::load(sources) {
        Ok(loaded) => Outcome { code: 0, text: show::show(&loaded), notes: loaded.notes.render(look()) },
        Err(found) => Outcome::failed(exit::CONFIG, check::refusal(&found, look())),
    }
}

#[cfg(test)]
mod tests;
