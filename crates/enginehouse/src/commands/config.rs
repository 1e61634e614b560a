//! The desired state as a release: stage, look, plan, apply, look back. One file for each verb.

use clap::{Args, Subcommand};

use crate::client::{Absent, Client};

mod apply;
mod changes;
mod diff;
mod discard;
mod drift;
mod export;
mod history;
mod item;
mod lock;
mod plan;
mod rollback;
mod selection;
mod show;
mod stage;

const EXAMPLES: &str = "\
Examples:
  enginehouse config show                              every item, and what is staged
  enginehouse config stage model/tiny --set price.input=0.2
  enginehouse config plan                              what applying what is staged would do
  enginehouse config apply --all -m 'dearer' --wait
  enginehouse config history
  enginehouse config rollback 7 --dry-run";

/// Verbs of `config`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show the items of the desired state, what applies and what is staged; or one of them
    Show(show::ShowArgs),
    /// Stage an item: new, changed or to be deleted; nothing applies yet
    Stage(stage::StageArgs),
    /// Show what staged changes, or two revisions, differ in
    Diff(diff::DiffArgs),
    /// Show what applying would change and do
    Plan(plan::PlanArgs),
    /// Apply staged changes
    Apply(apply::ApplyArgs),
    /// Give staged changes up
    Discard(discard::DiscardArgs),
    /// List the revisions: who applied what, when and why
    History(history::HistoryArgs),
    /// Apply again what applied as an earlier revision
    Rollback(rollback::RollbackArgs),
    /// Print the desired state as a document for `enginehouse apply`
    Export(export::ExportArgs),
    /// Show where what is there differs from what applies
    Drift(drift::DriftArgs),
    /// Bring what is there in line with what applies
    Resync(drift::ResyncArgs),
    /// Lock editing for a reason: only whole documents are applied then; without a reason, show whether it is locked
    Lock(lock::LockArgs),
    /// Open editing again
    Unlock(lock::UnlockArgs),
}

// === impl ConfigArgs ===

impl ConfigArgs {
    /// What the command does where nothing runs.
    pub(super) const fn absent(&self) -> Absent {
        match &self.verb {
            Verb::Apply(args) if args.waits() => Absent::Await,
            Verb::Rollback(args) if args.waits() => Absent::Await,
            Verb::Stage(_) => Absent::Make,
            _ => Absent::Refuse,
        }
    }
}

/// Runs a verb.
pub(crate) async fn run(client: &Client, args: ConfigArgs) -> anyhow::Result<()> {
    match args.verb {
        Verb::Show(args) => show::run(client, &args).await,
        Verb::Stage(args) => stage::run(client, &args).await,
        Verb::Diff(args) => diff::run(client, &args).await,
        Verb::Plan(args) => plan::run(client, &args).await,
        Verb::Apply(args) => apply::run(client, &args).await,
        Verb::Discard(args) => discard::run(client, &args).await,
        Verb::History(args) => history::run(client, &args).await,
        Verb::Rollback(args) => rollback::run(client, &args).await,
        Verb::Export(args) => export::run(client, &args).await,
        Verb::Drift(args) => drift::run(client, &args).await,
        Verb::Resync(args) => drift::run_resync(client, &args).await,
        Verb::Lock(args) => lock::run(client, &args).await,
        Verb::Unlock(args) => lock::run_unlock(client, &args).await,
    }
}
