use clap::Args;
use serde::Deserialize;

use super::selection::Selection;
use crate::client::{self, Client};
use crate::output;

const EXAMPLES: &str = "\
Examples:
  enginehouse config discard model/tiny
  enginehouse config discard --author ann
  enginehouse config discard --all";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct DiscardArgs {
    #[command(flatten)]
    selection: Selection,
    /// Print what was given up as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Deserialize)]
struct Discarded {
    items: Vec<Item>,
}

#[derive(Debug, Deserialize)]
struct Item {
    kind: String,
    name: String,
    author: String,
}

pub(super) async fn run(client: &Client, args: &DiscardArgs) -> anyhow::Result<()> {
    let answer = client.post("/api/v1/staged/discard", &args.selection.said()?).await?;
    if args.json {
        return Ok(output::json(&answer)?);
    }
    let Discarded { items } = client::view(&answer)?;
    if items.is_empty() {
        return Ok(output::data("Nothing was staged.")?);
    }
    let line = |item: &Item| {
        output::plain(&format!("{}/{} is no longer staged (was by {}).", item.kind, item.name, item.author))
    };
    Ok(output::data(&items.iter().map(line).collect::<Vec<_>>().join("\n"))?)
}
