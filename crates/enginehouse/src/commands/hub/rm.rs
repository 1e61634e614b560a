use clap::Args;
use hub::{Repository, Revision};
use serde::Deserialize;

use super::Place;
use crate::client;
use crate::output;

/// What to remove.
#[derive(Debug, Args)]
pub(super) struct RmArgs {
    /// Name at the Hub, as Qwen/Qwen3-8B
    model: Repository,
    /// Only this branch, tag or commit [default: the whole model]
    #[arg(long, value_name = "REVISION")]
    revision: Option<Revision>,
    /// Print what was removed as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Deserialize)]
struct Removed {
    model: String,
    revisions: Vec<String>,
    freed_bytes: u64,
}

pub(super) async fn run(place: &Place, args: RmArgs) -> anyhow::Result<()> {
    let answer = match place {
        Place::Served(client) => {
            let query = client::query(args.revision.iter().map(|revision| ("revision", revision.to_string())));
            client.delete(&format!("/api/v1/hub/models/{}{query}", client::segment(args.model.as_str()))).await?
        }
        Place::Direct(direct) => {
            let removed = direct.cache().remove(&args.model, args.revision.as_ref(), &direct.in_use()?)?;
            serde_json::to_value(removed)?
        }
    };
    if args.json {
        return Ok(output::json(&answer)?);
    }
    let Removed { model, revisions, freed_bytes } = client::view(&answer)?;
    let what = if revisions.is_empty() { String::new() } else { format!(" ({})", revisions.join(", ")) };
    output::note(&format!("Removed {model}{what}: {} are free now.", output::bytes(freed_bytes)));
    Ok(())
}
