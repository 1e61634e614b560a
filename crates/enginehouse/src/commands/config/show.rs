use clap::Args;
use serde_json::Value;

use super::item::{Item, ItemName};
use crate::client::{self, Client};
use crate::output::{self, Column, Table};

const EXAMPLES: &str = "\
Examples:
  enginehouse config show
  enginehouse config show model/tiny > tiny.yaml
  enginehouse config show --json | jq '.[] | select(.flag)'";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ShowArgs {
    /// One item, as model/tiny: prints it as YAML, as it will be once what is staged is applied
    item: Option<ItemName>,
    /// Print all that is known as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(client: &Client, args: &ShowArgs) -> anyhow::Result<()> {
    match &args.item {
        Some(item) => run_one(client, item, args.json).await,
        None => run_all(client, args.json).await,
    }
}

async fn run_one(client: &Client, item: &ItemName, json: bool) -> anyhow::Result<()> {
    let answer = client.get(&item.path("items")).await?;
    if json {
        return Ok(output::json(&answer)?);
    }
    let item: Item = client::view(&answer)?;
    if let (Some(flag), Some(staged)) = (&item.flag, &item.staged) {
        let stale = if item.stale { ", and what applies has changed since" } else { "" };
        output::note(&format!("{flag} by {} at {}, not applied yet{stale}", staged.author, staged.staged_at));
    }
    let shown = item.data.or(item.applied).unwrap_or(Value::Null);
    Ok(output::data(&serde_saphyr::to_string(&shown)?)?)
}

async fn run_all(client: &Client, json: bool) -> anyhow::Result<()> {
    let answer = client.list("/api/v1/items?limit=1000").await?;
    if json {
        return Ok(output::json(&answer)?);
    }
    let items: Vec<Item> = client::view(&answer)?;
    output::table(&table(&items))?;
    let staged = items.iter().filter(|item| item.flag.is_some()).count();
    output::note(&match staged {
        0 => "Nothing is staged.".to_owned(),
        1 => "1 change is staged: `enginehouse config plan` shows what it would do.".to_owned(),
        _ => format!("{staged} changes are staged: `enginehouse config plan` shows what they would do."),
    });
    Ok(())
}

fn table(items: &[Item]) -> Table {
    let mut table = Table::new(&[
        Column::text("KIND"),
        Column::text("NAME"),
        Column::text("STAGED"),
        Column::text("BY"),
        Column::text("AT"),
    ]);
    for item in items {
        let flag = item.flag.clone().unwrap_or_else(|| "-".to_owned());
        let flag = if item.stale { format!("{flag}, stale") } else { flag };
        let (author, at) =
            item.staged.as_ref().map(|staged| (staged.author.clone(), staged.staged_at.clone())).unwrap_or_default();
        table.push(vec![item.kind.clone(), item.name.clone(), flag, author, at]);
    }
    table
}
