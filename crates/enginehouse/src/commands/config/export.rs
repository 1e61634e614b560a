use clap::{Args, ValueEnum};
use serde::Deserialize;
use serde_json::Value;
use spec::Document;

use super::item::Item;
use crate::client::{self, Client};
use crate::output;

const EXAMPLES: &str = "\
Examples:
  enginehouse config export > models.yaml
  enginehouse config export --staged          as if what is staged were applied
  enginehouse config export --revision 3";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ExportArgs {
    /// As it applied then
    #[arg(long, value_name = "NUMBER", conflicts_with = "staged")]
    revision: Option<u64>,
    /// With everything that is staged
    #[arg(long)]
    staged: bool,
    /// How it is written
    #[arg(long, value_enum, default_value_t = Written::Yaml)]
    format: Written,
}

/// How a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Written {
    /// YAML.
    Yaml,
    /// JSON.
    Json,
}

#[derive(Debug, Deserialize)]
struct Answer {
    document: Value,
}

pub(super) async fn run(client: &Client, args: &ExportArgs) -> anyhow::Result<()> {
    let path =
        args.revision.map_or_else(|| "/api/v1/document".to_owned(), |number| format!("/api/v1/revisions/{number}"));
    let Answer { document } = client::view(&client.get(&path).await?)?;
    let mut document: Document = client::view(&document)?;
    if args.staged {
        put_staged(client, &mut document).await?;
    }
    let text = match args.format {
        Written::Yaml => spec::to_yaml(&document)?,
        Written::Json => spec::to_json(&document)?,
    };
    Ok(output::data(&text)?)
}

async fn put_staged(client: &Client, document: &mut Document) -> anyhow::Result<()> {
    let items: Vec<Item> = client::view(&client.list("/api/v1/staged?limit=1000").await?)?;
    for item in items {
        let id = spec::ItemId::new(item.kind.parse()?, item.name);
        match item.data {
            Some(data) => document.put_item(&id, data).map_err(|fault| anyhow::anyhow!("{id} {fault}"))?,
            None => drop(document.remove_item(&id)),
        }
    }
    Ok(())
}
