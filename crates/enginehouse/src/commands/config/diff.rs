use clap::Args;
use serde::Deserialize;

use super::changes::{self, Change};
use super::item::{Item, ItemName};
use crate::client::{self, Client};
use crate::output;

const EXAMPLES: &str = "\
Examples:
  enginehouse config diff                     what is staged, against what applies
  enginehouse config diff model/tiny
  enginehouse config diff --from 3 --to 7     two revisions; without --to against what applies";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct DiffArgs {
    /// Only these items, as model/tiny
    items: Vec<ItemName>,
    /// Number of a revision; 0 is the empty state before the first
    #[arg(long, value_name = "NUMBER")]
    from: Option<u64>,
    /// Number of another one
    #[arg(long, value_name = "NUMBER", requires = "from")]
    to: Option<u64>,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Deserialize)]
struct RevisionDiff {
    items: Vec<Change>,
}

#[derive(Debug, Deserialize)]
struct Status {
    revision: u64,
}

pub(super) async fn run(client: &Client, args: &DiffArgs) -> anyhow::Result<()> {
    let (answer, changes) = match args.from {
        None => {
            let answer = client.list("/api/v1/staged?limit=1000").await?;
            let items: Vec<Item> = client::view(&answer)?;
            (answer, items.iter().filter_map(Change::of).collect())
        }
        Some(from) => {
            let to = match args.to {
                Some(to) => to,
                None => client::view::<Status>(&client.get("/api/v1/status").await?)?.revision,
            };
            let answer = client.get(&format!("/api/v1/revisions/{from}/diff/{to}")).await?;
            let diff: RevisionDiff = client::view(&answer)?;
            (answer, diff.items)
        }
    };
    if args.json {
        return Ok(output::json(&answer)?);
    }
    let is_meant = |change: &Change| {
        args.items.is_empty() || args.items.iter().any(|item| item.kind == change.kind && item.name == change.name)
    };
    let changes: Vec<_> = changes.into_iter().filter(is_meant).collect();
    Ok(output::data(&changes::render(&changes, "No difference."))?)
}
