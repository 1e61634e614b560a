use clap::Args;
use serde::Deserialize;

use crate::client::{self, Client};
use crate::output::{self, Column, Table};

const EXAMPLES: &str = "\
Examples:
  enginehouse config history
  enginehouse config diff --from 6 --to 7      what revision 7 changed";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct HistoryArgs {
    /// The latest so many
    #[arg(long, value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Deserialize)]
struct Revision {
    number: u64,
    applied_at: String,
    author: String,
    #[serde(default)]
    message: String,
}

pub(super) async fn run(client: &Client, args: &HistoryArgs) -> anyhow::Result<()> {
    let (most, page) = (args.limit as usize, args.limit.min(client::PAGE));
    let answer = client.list_some(&format!("/api/v1/revisions?limit={page}"), most).await?;
    if args.json {
        return Ok(output::json(&answer)?);
    }
    let revisions: Vec<Revision> = client::view(&answer)?;
    if revisions.is_empty() {
        output::note("Nothing was applied yet.");
        return Ok(());
    }
    let mut table =
        Table::new(&[Column::number("REVISION"), Column::text("APPLIED"), Column::text("BY"), Column::text("MESSAGE")]);
    for Revision { number, applied_at, author, message } in revisions {
        table.push(vec![number.to_string(), applied_at, author, message]);
    }
    Ok(output::table(&table)?)
}
