//! What may be written on the command line: commands, arguments, examples. Help, completions, manual
//! pages and `docs/commands.md` all come from here, or are held against it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use super::admin_client::AdminAddress;
use crate::{authority::GrantFilter, config::Sources, flow::FlowId};

/// "0.1.0 (3b140ff0c1d2)": the revision tells builds of one version apart.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("BUILD_REVISION"), ")");

/// An OAuth 2.1 gateway that puts "sign in with your identity provider" in front of any MCP server.
#[derive(Debug, Parser)]
#[command(name = "vestibule", version = VERSION, after_help = EXAMPLES, max_term_width = 100)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the gateway.
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(ConfigArguments),
    /// Check the configuration and say what to enter at each provider; starts nothing.
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArguments),
    /// Look at configurations: what is in force, what would change.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Say whose a path is, whether a person with these claims would pass there, which rule says so, and what
    /// the backend would hear; starts nothing.
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(ExplainArguments),
    /// Have a running instance read its configuration again, and say what became of it.
    #[command(after_help = RELOAD_EXAMPLES)]
    Reload(AdminArguments),
    /// Say what happened in the last sign-ins of a running instance, step by step.
    #[command(subcommand, after_help = FLOWS_EXAMPLES)]
    Flows(FlowsCommand),
    /// Say who gave which client access, in a running instance, or end it.
    #[command(subcommand, after_help = GRANTS_EXAMPLES)]
    Grants(GrantsCommand),
    /// Say which clients have access, in a running instance, or end it.
    #[command(subcommand, after_help = CLIENTS_EXAMPLES)]
    Clients(ClientsCommand),
    /// Say which keys sign and seal in a running instance, or put a new one in place of the one that signs.
    #[command(subcommand, after_help = KEYS_EXAMPLES)]
    Keys(KeysCommand),
    /// Ask a running instance whether it is ready; for containers.
    #[command(after_help = HEALTH_EXAMPLES)]
    Healthcheck(AdminArguments),
    /// Run the gateway with a built-in identity provider and MCP server on this machine, to try it.
    #[command(after_help = DEMO_EXAMPLES)]
    Demo(DemoArguments),
    /// Print what a shell needs to complete commands and options.
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions(CompletionsArguments),
    /// Print the manual page, or write one for each command.
    #[command(after_help = MAN_EXAMPLES)]
    Man(ManArguments),
}

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Print every value that is in force, and where it comes from.
    #[command(after_help = SHOW_EXAMPLES)]
    Show(ConfigArguments),
    /// Print the JSON Schema of the file, for editors that complete and check while one types.
    #[command(after_help = SCHEMA_EXAMPLES)]
    Schema,
    /// Say what a configuration would change in a running instance; changes nothing.
    #[command(after_help = DIFF_EXAMPLES)]
    Diff(DiffArguments),
}

#[derive(Debug, Subcommand)]
pub(super) enum FlowsCommand {
    /// The newest ones first.
    #[command(after_help = FLOWS_EXAMPLES)]
    List(AdminArguments),
    /// One of them: who asked what, where it stopped and why, what to do.
    #[command(after_help = FLOWS_EXAMPLES)]
    Show(FlowArguments),
}

#[derive(Debug, Subcommand)]
pub(super) enum GrantsCommand {
    /// Those that fit, by provider and person; at most 1,000.
    #[command(after_help = GRANTS_EXAMPLES)]
    List(ListArguments),
    /// End those that fit.
    #[command(after_help = GRANTS_EXAMPLES)]
    Revoke(RevokeArguments),
}

#[derive(Debug, Subcommand)]
pub(super) enum ClientsCommand {
    /// Those with access, by name.
    #[command(after_help = CLIENTS_EXAMPLES)]
    List(ListArguments),
    /// End all access that one has.
    #[command(after_help = CLIENTS_EXAMPLES)]
    Revoke(ClientArguments),
}

#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// The signing keys, the newest first, and the root secrets by their identifiers.
    #[command(after_help = KEYS_EXAMPLES)]
    List(KeysListArguments),
    /// Make a new signing key: published now, and signing in an hour.
    #[command(after_help = KEYS_EXAMPLES)]
    Rotate(RotateArguments),
    /// Refuse from now on what a key signed.
    #[command(after_help = KEYS_EXAMPLES)]
    Revoke(KeyArguments),
}

#[derive(Args, Clone, Debug)]
pub(super) struct KeysListArguments {
    /// For programs.
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) admin: AdminArguments,
}

#[derive(Args, Clone, Debug)]
pub(super) struct RotateArguments {
    /// It signs at once: for a key that somebody else may have seen.
    #[arg(long)]
    pub(super) now: bool,
    #[command(flatten)]
    pub(super) admin: AdminArguments,
}

#[derive(Args, Clone, Debug)]
pub(super) struct KeyArguments {
    /// The key, as `list` prints it: `kid` in the header of its tokens.
    #[arg(value_name = "KID")]
    pub(super) kid: String,
    #[command(flatten)]
    pub(super) admin: AdminArguments,
}

/// Which grants: those that fit everything that is said.
#[derive(Args, Clone, Debug)]
pub(super) struct FilterArguments {
    /// One grant: `grant` in the audit log, `sid` in its access tokens.
    #[arg(long, value_name = "ID")]
    pub(super) id: Option<String>,
    /// Of this provider in the configuration.
    #[arg(long, value_name = "NAME")]
    pub(super) provider: Option<String>,
    /// Of the person with this identifier, as in the audit log: at a choice, with the provider in front.
    #[arg(long, value_name = "ID")]
    pub(super) subject: Option<String>,
    /// Of the person with this e-mail address, verified by the provider.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) email: Option<String>,
    /// Of this client: its identifier, or the short one that `list` prints.
    #[arg(long, value_name = "ID")]
    pub(super) client: Option<String>,
    /// For this route: `auth0/mcp`, or its URL.
    #[arg(long, value_name = "ROUTE")]
    pub(super) route: Option<String>,
}

#[derive(Args, Clone, Debug)]
pub(super) struct ListArguments {
    #[command(flatten)]
    pub(super) filter: FilterArguments,
    /// For programs.
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) admin: AdminArguments,
}

#[derive(Args, Clone, Debug)]
pub(super) struct RevokeArguments {
    #[command(flatten)]
    pub(super) filter: FilterArguments,
    /// Everybody's.
    #[arg(long, conflicts_with_all = ["id", "provider", "subject", "email", "client", "route"])]
    pub(super) all: bool,
    #[command(flatten)]
    pub(super) admin: AdminArguments,
}

#[derive(Args, Clone, Debug)]
pub(super) struct ClientArguments {
    /// The client: its identifier, or the short one that `list` prints.
    #[arg(value_name = "CLIENT")]
    pub(super) client: String,
    #[command(flatten)]
    pub(super) admin: AdminArguments,
}

#[derive(Args, Clone, Debug)]
pub(super) struct FlowArguments {
    /// Its name: on the error page, in the client's message, in the log.
    #[arg(value_name = "NAME")]
    pub(super) id: FlowId,
    #[command(flatten)]
    pub(super) admin: AdminArguments,
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

/// What is checked.
#[derive(Args, Clone, Debug)]
pub(super) struct CheckArguments {
    #[command(flatten)]
    pub(super) config: ConfigArguments,
    /// Ask every provider and every backend as well; signs nobody in.
    #[arg(long)]
    pub(super) online: bool,
    /// Do not read secrets and certificates: they are only where the program will run.
    #[arg(long, conflicts_with = "online")]
    pub(super) without_secrets: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Args, Clone, Debug)]
pub(super) struct ExplainArguments {
    #[command(flatten)]
    pub(super) config: ConfigArguments,
    /// The route, as `check` and the metrics name it: `auth0/mcp`.
    #[arg(long, value_name = "ID", required_unless_present = "path", requires = "claims")]
    pub(super) route: Option<String>,
    /// A path, or a whole URL, as a client would call it.
    #[arg(long, value_name = "PATH", conflicts_with = "route")]
    pub(super) path: Option<String>,
    /// Where the person signs in, if people choose.
    #[arg(long, value_name = "NAME")]
    pub(super) provider: Option<String>,
    /// A JSON file with the claims of an ID token; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    pub(super) claims: Option<PathBuf>,
    /// For programs.
    #[arg(long)]
    pub(super) json: bool,
}

/// Which instance is asked.
#[derive(Args, Clone, Debug)]
pub(super) struct AdminArguments {
    /// Its admin listener: a URL, or an address as in `admin_listen`.
    #[arg(long, value_name = "URL", env = "VESTIBULE_ADMIN_LISTEN", default_value = "http://127.0.0.1:9464")]
    pub(super) admin: AdminAddress,
}

#[derive(Args, Clone, Debug)]
pub(super) struct DiffArguments {
    #[command(flatten)]
    pub(super) config: ConfigArguments,
    /// Compare with the instance at `--admin`.
    #[arg(long, required = true)]
    pub(super) against_running: bool,
    #[command(flatten)]
    pub(super) admin: AdminArguments,
}

#[derive(Args, Clone, Debug)]
pub(super) struct DemoArguments {
    /// The gateway's port on 127.0.0.1; a free one is taken if this one is in use.
    #[arg(long, default_value_t = 8000)]
    pub(super) port: u16,
}

#[derive(Args, Clone, Debug)]
pub(super) struct CompletionsArguments {
    /// The shell.
    #[arg(value_name = "SHELL")]
    pub(super) shell: Shell,
}

#[derive(Args, Clone, Debug)]
pub(super) struct ManArguments {
    /// Write `vestibule.1`, `vestibule-serve.1` and so on into this folder; it is made if it is not there.
    #[arg(long, value_name = "FOLDER")]
    pub(super) folder: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  vestibule demo                                  try everything, no account needed
  vestibule serve --config vestibule.yaml         run from a file
  VESTIBULE_PROVIDERS=auth0 … vestibule serve     run from the environment alone
  vestibule check --config vestibule.yaml         is the file right? what to enter at the provider?
  vestibule config show --config vestibule.yaml   what is in force, and who says so?

Environment variables win over the file; a `.env` file beside the process is read too.
Documentation: docs/configuration.md";

const SERVE_EXAMPLES: &str = "\
Examples:
  vestibule serve --config vestibule.yaml         run from a file; it is read again when it changes
  VESTIBULE_PROVIDERS=auth0 … vestibule serve     run from the environment alone
  vestibule serve --env-file vestibule.env        the same, from a file of variables

Exit codes: 0 stopped by SIGTERM or SIGINT, 69 something is not there (an address in use, a store
that cannot be opened), 78 the configuration has mistakes.";

const DEMO_EXAMPLES: &str = "\
Examples:
  vestibule demo
  vestibule demo --port 8100

Exit codes: 0 stopped by SIGTERM or SIGINT, 69 no port could be had.";

const CHECK_EXAMPLES: &str = "\
Examples:
  vestibule check --config vestibule.yaml
  vestibule check --config vestibule.yaml --online        ask every provider and backend, too
  vestibule check --config vestibule.yaml --without-secrets   where the secrets are not, as in a pipeline
  vestibule check --config vestibule.yaml --json          the same for programs
  VESTIBULE_PROVIDERS=auth0 … vestibule check             the environment alone

Exit codes: 0 the configuration can be used, 78 it has mistakes, 69 with --online: people could not
sign in at one of the providers.";

const SHOW_EXAMPLES: &str = "\
Examples:
  vestibule config show --config vestibule.yaml
  VESTIBULE_LISTEN=0.0.0.0:8000 vestibule config show --config vestibule.yaml | grep listen

Secrets are shown as the first 8 hex digits of their SHA-256, short ones not at all. Compare with
  printf %s \"$SECRET\" | sha256sum | cut -c1-8

Exit codes: 0 it is shown, 78 the configuration has mistakes.";

const SCHEMA_EXAMPLES: &str = "\
Examples:
  vestibule config schema > vestibule.schema.json
  # yaml-language-server: $schema=vestibule.schema.json        as the first line of vestibule.yaml

The schema knows names and shapes; `vestibule check` knows the rest.

Exit code: 0.";

const DIFF_EXAMPLES: &str = "\
Examples:
  vestibule config diff --config new.yaml --against-running
  vestibule config diff --config new.yaml --against-running --admin http://10.0.0.7:9464

Exit codes: 0 nothing differs, 1 something does, 69 no answer from the instance, 78 the new
configuration has mistakes. Run it with the environment of the instance: variables count.";

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  vestibule explain --config vestibule.yaml --path /mcp/x              whose path is this?
  vestibule explain --config vestibule.yaml --route entra/mcp --claims ada.json
  echo '{\"sub\": \"1\", \"email\": \"ada@example.com\", \"email_verified\": true}' |
    vestibule explain --config vestibule.yaml --route entra/mcp --claims -

Exit codes: 0 the person would pass, 1 they would not, or no route has the path, 64 no such route or
no such claims, 78 the configuration has mistakes.";

const RELOAD_EXAMPLES: &str = "\
Examples:
  vestibule reload
  vestibule reload --admin http://10.0.0.7:9464

Exit codes: 0 what the files say runs now, 1 it needs a restart, 69 no answer, 78 it was refused. In
the last three cases the instance goes on as before.";

const FLOWS_EXAMPLES: &str = "\
Examples:
  vestibule flows list
  vestibule flows show BCDFGHJK

Exit codes: 0 it was found, 1 it is not remembered, 69 no answer. The last 2,000 sign-ins of each process
are in its memory.";

const GRANTS_EXAMPLES: &str = "\
Examples:
  vestibule grants list
  vestibule grants list --email ada@example.com
  vestibule grants revoke --subject 'auth0|64f1' --provider auth0       somebody has left
  vestibule grants revoke --client 3fa9c1d20b77                         a client that is not trusted any more
  vestibule grants revoke --id 9Jm0XqZ4T1mF2b8cU7yN3w                    one sign-in
  vestibule grants revoke --all                                         everybody signs in again

A revoked grant ends at once, open streams included, here and at the provider.

Exit codes: 0 it is done, also if there was nothing to end; 64 nothing was picked, 69 no answer, or the
store does not work.";

const CLIENTS_EXAMPLES: &str = "\
Examples:
  vestibule clients list
  vestibule clients list --route auth0/mcp
  vestibule clients revoke 3fa9c1d20b77

Clients are those to whom somebody has given access. A revoked one loses all of it; it may ask again. To keep
one out, see `dynamic_registration` and the keys beside it in docs/configuration.md.

Exit codes: 0 it is done, 1 no such client has access, 69 no answer, or the store does not work.";

const KEYS_EXAMPLES: &str = "\
Examples:
  vestibule keys list
  vestibule keys rotate                                                 before its time; nobody notices
  vestibule keys rotate --now                                           somebody may have seen the key: then
  vestibule keys revoke wVhvR4xZ9N3J0m8s6QzPrRk2g1c7yTf5uLbKaXeIoDw        the old one's name, from `list`

Keys that were made here are rotated by themselves (`signing_key_lifetime`). A client whose token is refused
because its key was revoked uses its refresh token; nobody has to sign in again.

Exit codes: 0 it is done, 1 no such key, or one that is needed, 69 no answer, or the store does not work.";

const HEALTH_EXAMPLES: &str = "\
Examples:
  vestibule healthcheck
  HEALTHCHECK CMD [\"vestibule\", \"healthcheck\"]      in a Dockerfile

Exit codes: 0 ready, 1 not ready or no answer within 5 seconds.";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  source <(vestibule completions bash)                                       this shell only
  vestibule completions bash > ~/.local/share/bash-completion/completions/vestibule
  vestibule completions zsh > ~/.zfunc/_vestibule                            with ~/.zfunc in $fpath
  vestibule completions fish > ~/.config/fish/completions/vestibule.fish

Exit code: 0.";

const MAN_EXAMPLES: &str = "\
Examples:
  vestibule man | man -l -
  vestibule man --folder /usr/local/share/man/man1

Exit codes: 0 it is printed or written, 69 the folder cannot be written.";

// === impl FilterArguments ===

impl FilterArguments {
    pub(super) fn filter(self) -> GrantFilter {
        let Self { id, provider, subject, email, client, route } = self;
        GrantFilter { id, provider, subject, email, client, route }
    }
}

// === impl ConfigArguments ===

impl ConfigArguments {
    pub(super) fn sources(&self) -> Sources {
        Sources::from_process(self.config.clone(), self.env_file.clone())
    }
}
