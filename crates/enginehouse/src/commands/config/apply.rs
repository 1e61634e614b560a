use clap::Args;
use serde_json::json;

use super::selection::Selection;
use crate::client::Client;
use crate::commands::apply::How;

const EXAMPLES: &str = "\
Examples:
  enginehouse config apply --all -m 'dearer' --wait
  enginehouse config apply model/tiny settings/routing
  enginehouse config apply --author ann --atomic";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ApplyArgs {
    #[command(flatten)]
    selection: Selection,
    /// Also where what applies has changed since an item was edited: that change is undone then
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    how: How,
}

// === impl ApplyArgs ===

impl ApplyArgs {
    pub(super) const fn waits(&self) -> bool {
        self.how.waits()
    }
}

pub(super) async fn run(client: &Client, args: &ApplyArgs) -> anyhow::Result<()> {
    let mut body = args.selection.said()?;
    body.insert("overwrite".to_owned(), json!(args.overwrite));
    body.insert("message".to_owned(), json!(args.how.message));
    let answer = client.post(&format!("/api/v1/staged/apply{}", args.how.query()), &body).await?;
    args.how.finish(client, answer).await
}
