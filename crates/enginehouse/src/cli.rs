//! What can be typed: the top of the command line. Each command's own flags stand beside the command.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands::{
    account, apply, audit, backup, completions, config, credential, demo, doctor, gpu, housekeeping, hub, image,
    import, key, model, open, render, restore, serve, team, token, usage,
};

const EXAMPLES: &str = "\
Examples:
  enginehouse demo                         both planes with simulated engines; nothing to configure
  enginehouse serve                        run the service
  enginehouse apply -f models.yaml --wait  make the service match a document
  KEY=$(enginehouse key create -q)         make a key for a client

Exit status: 0 done, 1 failed, 2 wrong usage.";

/// One binary that turns GPU servers into a metered, OpenAI-compatible model service.
#[derive(Debug, Parser)]
#[command(name = "enginehouse", version, max_term_width = 110, after_help = EXAMPLES)]
pub(crate) struct Cli {
    /// Flags that every command takes.
    #[command(flatten)]
    pub(crate) globals: Globals,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags that every command takes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Globals {
    /// Folder with all state [env: `ENGINEHOUSE_HOME`] [default: /var/lib/enginehouse for root, else
    /// ~/.local/share/enginehouse]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) home: Option<PathBuf>,
    /// Work on a server elsewhere, by the address of its admin port; an API token or the master key is taken
    /// from `ENGINEHOUSE_TOKEN` or the file named by `ENGINEHOUSE_TOKEN_FILE`
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// What is logged: `error`, `warn`, `info`, `debug`, `trace`, or per part as `info,gateway=debug`
    /// [default: info for servers, warn for other commands]
    #[arg(long, global = true, value_name = "FILTER")]
    pub(crate) log: Option<String>,
    /// How log lines are written to standard error
    #[arg(long, global = true, value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

/// The commands: verbs, and nouns with verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the service
    Serve(serve::ServeArgs),
    /// Run the service on a throw-away home with simulated engines
    Demo(demo::DemoArgs),
    /// Make the service match a document
    Apply(apply::ApplyArgs),
    /// The desired state as a release: stage, plan, apply, look back
    Config(Box<config::ConfigArgs>),
    /// Print the JSON Schema of the document that `apply` takes
    #[command(after_help = "Example:\n  enginehouse schema > enginehouse.schema.json")]
    Schema,
    /// Models and what serves them
    Model(model::ModelArgs),
    /// Keys that clients present
    Key(Box<key::KeyArgs>),
    /// Teams: keys that share limits
    Team(Box<team::TeamArgs>),
    /// Secrets that endpoints want presented
    Credential(credential::CredentialArgs),
    /// Print a file for another program: LiteLLM, Caddy, nginx, Prometheus, Docker Compose
    Render(render::RenderArgs),
    /// Models that can be used without a key, and the kill switch for all of them
    Open(open::OpenArgs),
    /// Accounts: who may log in at the admin port
    Account(account::AccountArgs),
    /// API tokens: what programs present at the admin port
    Token(token::TokenArgs),
    /// Who did what, and when
    Audit(audit::AuditArgs),
    /// What was used and what it cost
    Usage(usage::UsageArgs),
    /// What is cleaned up, and how large the databases are
    Housekeeping(housekeeping::HousekeepingArgs),
    /// The GPUs of the machine, and which engines are on them
    Gpu(gpu::GpuArgs),
    /// Models from the Hugging Face Hub: fetch, list, remove
    Hub(Box<hub::HubArgs>),
    /// Images that engines run in: build recipes, pull, list
    Image(image::ImageArgs),
    /// Take over what another program was configured with, as staged changes
    Import(import::ImportArgs),
    /// Everything in one file: state, keys, books, secrets
    Backup(Box<backup::BackupArgs>),
    /// Make a home from a backup; without one, show how what ran comes back
    Restore(Box<restore::RestoreArgs>),
    /// Look at the machine, the home and the service, and say what to do
    Doctor(doctor::DoctorArgs),
    /// Print a completion script for a shell
    Completions(completions::CompletionsArgs),
    /// Run a simulated engine: made-up answers, no model and no GPU; for trying things out and for tests
    #[command(after_help = "Example:\n  enginehouse engine-sim --port 8000 --model tiny")]
    EngineSim(engine_sim::Args),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn every_command_has_an_example() {
        Cli::command().debug_assert();
        let mut without = Vec::new();
        let mut commands: Vec<_> = Cli::command().get_subcommands().cloned().collect();
        while let Some(command) = commands.pop() {
            commands.extend(command.get_subcommands().cloned());
            let has_example = command.get_after_help().is_some_and(|help| help.to_string().contains("enginehouse "));
            if !has_example {
                without.push(command.get_name().to_owned());
            }
        }
        assert!(without.is_empty(), "no example in the help of: {without:?}");
    }
}
