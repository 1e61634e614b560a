use std::path::PathBuf;

use clap::{Args, Subcommand};
use import::{Imported, llm_manager};
use serde_json::json;

use crate::client::Client;
use crate::output;

mod show;
mod stage;

use stage::Outcome;

const EXAMPLES: &str = "\
Examples:
  enginehouse import llm-manager /opt/llm-manager/config --dry-run
  enginehouse import llm-manager /opt/llm-manager/config
  enginehouse config plan                                          what applying it would do

Models are staged: nothing runs before `enginehouse config apply --all`. Keys are made at once, since keys are never staged.";

/// Sources of `import`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ImportArgs {
    #[command(subcommand)]
    source: Source,
}

#[derive(Debug, Subcommand)]
enum Source {
    /// The configuration directory of LLM-Manager
    #[command(after_help = "Example:\n  enginehouse import llm-manager /opt/llm-manager/config --dry-run")]
    LlmManager(LlmManagerArgs),
}

#[derive(Debug, Args)]
struct LlmManagerArgs {
    /// The directory with config.json
    directory: PathBuf,
    #[command(flatten)]
    how: HowArgs,
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of the command line")]
struct HowArgs {
    /// Only say what would be taken over
    #[arg(long)]
    dry_run: bool,
    /// Stage models in place of those of the same name; without it they are left out
    #[arg(long)]
    replace: bool,
    /// Leave the keys out
    #[arg(long)]
    no_keys: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// What is to be imported, read before anything is touched.
#[derive(Debug)]
pub(crate) struct Reading {
    imported: Imported,
    how: HowArgs,
}

// === impl ImportArgs ===

impl ImportArgs {
    /// Reads the source.
    pub(crate) fn read(self) -> anyhow::Result<Reading> {
        let Source::LlmManager(LlmManagerArgs { directory, how }) = self.source;
        let mut imported = llm_manager::convert(&llm_manager::read(&directory)?);
        if how.no_keys {
            imported.keys.clear();
            imported.report.retain(|finding| !finding.subject.contains(" key "));
        }
        Ok(Reading { imported, how })
    }
}

// === impl Reading ===

impl Reading {
    /// Whether nothing is to be changed.
    pub(crate) const fn is_dry(&self) -> bool {
        self.how.dry_run
    }

    /// Shows what would be done.
    pub(crate) fn show(&self) -> anyhow::Result<()> {
        self.print(&Outcome::default())
    }

    /// Stages the models and makes the keys.
    pub(crate) async fn run(mut self, client: &Client) -> anyhow::Result<()> {
        let mut outcome =
            stage::models(client, &self.imported.models, self.how.replace, &mut self.imported.report).await?;
        stage::keys(client, &self.imported.keys, &mut outcome, &mut self.imported.report).await?;
        self.print(&outcome)
    }

    fn print(&self, outcome: &Outcome) -> anyhow::Result<()> {
        let Self { imported, how } = self;
        if how.json {
            let value = json!({
                "dry_run": how.dry_run, "staged": outcome.staged, "keys": outcome.keys, "report": imported.report,
                "models": imported.models,
            });
            return Ok(output::json(&value)?);
        }
        output::table(&show::table(&imported.report))?;
        output::note(&show::summary(imported, outcome, how.dry_run));
        Ok(())
    }
}
