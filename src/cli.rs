//! The command line: arguments in, exit code out.

pub mod banner;
pub mod check;
pub mod serve;

use std::{
    io::{IsTerminal as _, Write as _, stderr, stdout},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};

use crate::config::{Look, Sources};

/// Exit codes; documented in `docs/commands.md`.
pub mod exit {
    /// Wrong arguments (`EX_USAGE`).
    pub const USAGE: u8 = 64;
    /// Something that was needed is not there: an address in use, a store that cannot be opened
    /// (`EX_UNAVAILABLE`).
    pub const UNAVAILABLE: u8 = 69;
    /// A configuration with mistakes (`EX_CONFIG`).
    pub const CONFIG: u8 = 78;
}

const EXAMPLES: &str = "\
Examples:
  vestibule demo                                  try everything, no account needed
  vestibule serve --config vestibule.yaml         run from a file
  VESTIBULE_PROVIDERS=auth0 … vestibule serve     run from the environment alone
  vestibule check --config vestibule.yaml         is the file right? what to enter at the provider?

Environment variables win over the file; a `.env` file beside the process is read too.
Documentation: docs/configuration.md";

/// An OAuth 2.1 gateway that puts "sign in with your identity provider" in front of any MCP server.
#[derive(Debug, Parser)]
#[command(name = "vestibule", version, after_help = EXAMPLES, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway.
    #[command(after_help = EXAMPLES)]
    Serve(ConfigArguments),
    /// Check the configuration and say what to enter at each provider; starts nothing.
    #[command(after_help = EXAMPLES)]
    Check(ConfigArguments),
    /// Run the gateway with a built-in identity provider and MCP server on this machine, to try it.
    Demo(DemoArguments),
}

/// Where the configuration comes from.
#[derive(Args, Clone, Debug)]
pub struct ConfigArguments {
    /// The YAML file; without it the environment alone is the configuration.
    #[arg(long, short, value_name = "FILE", env = "VESTIBULE_CONFIG")]
    pub config: Option<PathBuf>,
    /// A file with `NAME=value` lines; default: `.env` beside the process, if there is one.
    #[arg(long, value_name = "FILE", env = "VESTIBULE_ENV_FILE")]
    pub env_file: Option<PathBuf>,
}

#[derive(Args, Clone, Debug)]
struct DemoArguments {
    /// The gateway's port on 127.0.0.1; a free one is taken if this one is in use.
    #[arg(long, default_value_t = 8000)]
    port: u16,
}

// === impl ConfigArguments ===

impl ConfigArguments {
    fn sources(&self) -> Sources {
        Sources::from_process(self.config.clone(), self.env_file.clone())
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
        Command::Check(config) => tell(&check::check(&config.sources(), look())),
        Command::Demo(demo) => serve::demo(demo.port),
    }
}

/// Prints what a check found: to standard output what is right, to standard error what is wrong.
fn tell(checked: &check::Checked) -> ExitCode {
    // Whoever closed the stream does not want to read it.
    drop(if checked.code == check::VALID {
        stdout().write_all(checked.text.as_bytes())
    } else {
        stderr().write_all(checked.text.as_bytes())
    });
    ExitCode::from(checked.code)
}

/// Mistakes are drawn for people and written on one line each for programs.
fn look() -> Look {
    if stderr().is_terminal() { Look::Graphical { colour: true } } else { Look::Plain }
}
