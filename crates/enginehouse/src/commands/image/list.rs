use clap::Args;
use serde::Deserialize;

use crate::client::{self, Client};
use crate::output::{self, Column, Table};

/// Digits of an id that are shown.
const ID: usize = 12;

/// How to list.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Print all that is known as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Deserialize)]
struct Image {
    #[serde(rename = "image")]
    name: String,
    #[serde(default)]
    recipe: Option<String>,
    outdated: bool,
    #[serde(default)]
    present: Option<bool>,
    #[serde(default)]
    unknown: Option<String>,
    #[serde(default)]
    id: Option<String>,
    bytes: u64,
    #[serde(default)]
    made_at: Option<String>,
    used_by: Vec<String>,
    base_of: Vec<String>,
}

pub(super) async fn run(client: &Client, args: ListArgs) -> anyhow::Result<()> {
    let answer = client.get("/api/v1/images").await?;
    if args.json {
        return Ok(output::json(&answer)?);
    }
    let images: Vec<Image> = client::view(&answer)?;
    if images.is_empty() {
        output::note("No engine runs in a container, and no recipe is declared.");
        return Ok(());
    }
    output::table(&table(&images))?;
    if let Some(why) = images.iter().find_map(|image| image.unknown.as_deref()) {
        output::note(&format!("What is here is unknown: {}", output::plain(why)));
    }
    if images.iter().any(|image| image.outdated) {
        output::note("Nothing starts in outdated ones any more: `enginehouse image prune` removes them.");
    }
    Ok(())
}

fn table(images: &[Image]) -> Table {
    let columns = [
        Column::text("IMAGE"),
        Column::text("RECIPE"),
        Column::text("HERE"),
        Column::number("SIZE"),
        Column::text("ID"),
        Column::text("MADE"),
        Column::text("USED BY"),
    ];
    let mut table = Table::new(&columns);
    for image in images {
        let here = match (image.outdated, image.present) {
            (true, _) => "outdated",
            (false, Some(true)) => "yes",
            (false, Some(false)) => "no",
            (false, None) => "unknown",
        };
        let id = image.id.as_deref().unwrap_or("-").trim_start_matches("sha256:").chars().take(ID).collect();
        let made = image.made_at.as_deref().unwrap_or("-").chars().take(10).collect();
        let bases = image.base_of.iter().map(|recipe| format!("recipe {recipe}"));
        let used_by: Vec<_> = image.used_by.iter().cloned().chain(bases).collect();
        table.push(vec![
            image.name.clone(),
            image.recipe.clone().unwrap_or_else(|| "-".to_owned()),
            here.to_owned(),
            if image.present == Some(true) { output::bytes(image.bytes) } else { "-".to_owned() },
            id,
            made,
            used_by.join(", "),
        ]);
    }
    table
}
