use clap::Args;
use hub::{Glob, Progress, Repository, Revision, Wish};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::progress::Bar;
use super::{Place, direct::Direct, served};
use crate::client::{self, Client};
use crate::exit::UsageError;
use crate::output;

/// What to pull.
#[derive(Debug, Args)]
pub(super) struct PullArgs {
    /// Name at the Hub, as Qwen/Qwen3-8B
    model: Repository,
    /// Branch, tag or commit
    #[arg(long, value_name = "REVISION", default_value = "main")]
    revision: Revision,
    /// Only files that fit this pattern; can be given several times [default: all]
    #[arg(long, value_name = "GLOB")]
    include: Vec<String>,
    /// Present the secret of this credential of the service, in place of `HF_TOKEN`
    #[arg(long, value_name = "NAME")]
    credential: Option<String>,
    /// Print what was pulled as JSON
    #[arg(long)]
    json: bool,
}

/// What a pull has brought.
#[derive(Debug, Deserialize)]
struct Pulled {
    commit: String,
    path: String,
    files: u64,
    bytes: u64,
    fetched_bytes: u64,
}

pub(super) async fn run(place: &Place, args: PullArgs) -> anyhow::Result<()> {
    let globs = args.include.iter().map(|glob| glob.parse::<Glob>()).collect::<Result<Vec<_>, _>>();
    let globs = globs.map_err(|error| UsageError(format!("--include {error}")))?;
    let mut result = match place {
        Place::Served(client) => through_service(client, &args).await?,
        Place::Direct(direct) => here(direct, &args, globs).await?,
    };
    if args.json {
        result["model"] = args.model.as_str().into();
        result["revision"] = args.revision.as_str().into();
        return Ok(output::json(&result)?);
    }
    let Pulled { commit, path, files, bytes, fetched_bytes } = client::view(&result)?;
    let (bytes, fetched) = (output::bytes(bytes), output::bytes(fetched_bytes));
    output::note(&format!(
        "{} at {commit}: {files} files, {bytes}, of which {fetched} came now. Every checksum is right.",
        args.model
    ));
    Ok(output::data(&output::plain(&path))?)
}

async fn through_service(client: &Client, args: &PullArgs) -> anyhow::Result<Value> {
    let body = json!({
        "model": args.model.as_str(), "revision": args.revision.as_str(), "include": args.include,
        "credential": args.credential,
    });
    let begun = client.post("/api/v1/hub/pulls", &body).await?;
    served::follow(client, &begun).await
}

async fn here(direct: &Direct, args: &PullArgs, include: Vec<Glob>) -> anyhow::Result<Value> {
    if args.credential.is_some() {
        let advice = "--credential names a secret of the service, and no service runs here: set HF_TOKEN, or start it";
        return Err(UsageError(advice.to_owned()).into());
    }
    let hub = direct.hub()?;
    let wish = Wish { repository: args.model.clone(), revision: args.revision.clone(), choice: include.into() };
    let (told, mut progress) = watch::channel(Progress::default());
    let mut bar = Bar::new();
    let mut pull = std::pin::pin!(hub.pull(&wish, &told));
    let pulled = loop {
        tokio::select! {
            pulled = &mut pull => break pulled,
            Ok(()) = progress.changed() => bar.show(&progress.borrow_and_update()),
        }
    };
    if pulled.is_ok() {
        bar.show(&progress.borrow_and_update());
    }
    bar.end();
    Ok(serde_json::to_value(pulled?)?)
}
