use clap::Args;
use serde_json::json;

use super::follow;
use crate::client::{self, Client};
use crate::output;

/// What to remove.
#[derive(Debug, Args)]
pub(super) struct RmArgs {
    /// Name of the image with its tag
    image: String,
    /// Also if the desired state needs it, or a container of ours is made of it: the next start pulls or builds it anew
    #[arg(long)]
    force: bool,
    /// Print what was removed as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(client: &Client, args: RmArgs) -> anyhow::Result<()> {
    let RmArgs { image, force, json } = args;
    let query = client::query(force.then(|| ("force", "true".to_owned())));
    let begun = client.delete(&format!("/api/v1/images/{}{query}", client::segment(&image))).await?;
    let outcome = follow::follow(client, &begun).await?;
    if json {
        return Ok(output::json(&json!({ "removed": outcome.removed, "bytes": outcome.bytes }))?);
    }
    let what = match outcome.bytes {
        0 => "what it is stays while another name leads to it, or a container is made of it".to_owned(),
        bytes => format!("{} (less what others share)", output::bytes(bytes)),
    };
    output::note(&format!("{} removed; {what}", output::plain(&outcome.removed.join(", "))));
    Ok(())
}
