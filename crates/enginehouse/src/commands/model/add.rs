use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Deserialize;
use serde_json::{Value, json};

use super::follow::{self, End};
use crate::client::{self, Client};
use crate::commands::apply::Applied;
use crate::{output, span};

mod engine;
mod words;

use engine::EngineArgs;

const EXAMPLES: &str = "\
Examples:
  enginehouse model add Qwen/Qwen3-8B --gpus 0
  enginehouse model add qwen --source Qwen/Qwen3-32B --gpus 0,1 --max-model-len 32768 --quantization fp8
  enginehouse model add BAAI/bge-m3 --gpus 2 --replicas 1 --dry-run
  enginehouse model add tiny --source ./models/tiny --runtime process -- vllm serve {source} --uds {socket} --served-model-name {name}

It is a change set of its own: what is staged stays staged. The model is fetched if it is not here, started, and followed until it
serves; Ctrl-C ends the following and leaves it running. What it does is found out by its config.json unless --type says it.";

/// Flags of `model add`.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch on the command line")]
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct AddArgs {
    /// Hugging Face id or folder; with --source the model's public name
    #[arg(value_name = "MODEL")]
    what: String,
    /// Hugging Face id, or folder, of a model whose name is MODEL
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
    /// Public name [default: last part of the source, in lower case]
    #[arg(long, value_name = "NAME", conflicts_with = "source")]
    name: Option<String>,
    /// What it does [default: found out by its config.json]
    #[arg(long = "type", value_name = "TYPE", value_enum)]
    kind: Option<Kind>,
    /// Let it be used without a key, at /open/NAME/v1
    #[arg(long)]
    open: bool,
    #[command(flatten)]
    engine: EngineArgs,
    /// Show what would be done; write nothing
    #[arg(long)]
    dry_run: bool,
    /// End as soon as it is committed
    #[arg(long, conflicts_with = "dry_run")]
    no_wait: bool,
    /// Wait until it serves: so it is anyhow
    #[arg(long, hide = true, conflicts_with_all = ["no_wait", "dry_run"])]
    wait: bool,
    /// How long to wait at most [default: until it serves, or has failed three times]
    #[arg(long, value_name = "TIME", value_parser = span::duration)]
    timeout: Option<Duration>,
    /// Why, for the history
    #[arg(short, long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    message: String,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

/// The seven types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    Chat,
    Vision,
    Embedding,
    Rerank,
    SpeechToText,
    TextToSpeech,
    ImageGeneration,
}

/// What the server says of what was added.
#[derive(Debug, Deserialize)]
struct Added {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    known_by: Option<String>,
}

/// Adds a model and follows it until it serves.
pub(super) async fn run(client: &Client, args: AddArgs) -> anyhow::Result<()> {
    let (source, name) = match &args.source {
        Some(source) => (source.clone(), Some(args.what.clone())),
        None => (args.what.clone(), args.name.clone()),
    };
    let kind = args.kind.and_then(|kind| Some(kind.to_possible_value()?.get_name().to_owned()));
    let body = json!({
        "source": source, "name": name, "type": kind, "open_access": args.open, "message": args.message,
        "engine": args.engine.fields(kind.as_deref())?, "base_dir": std::env::current_dir()?,
    });
    let query = client::query(args.dry_run.then(|| ("dry_run", "true".to_owned())));
    let mut answer = client.post(&format!("/api/v1/models{query}"), &body).await?;
    let added: Added = client::view(&answer)?;
    if !args.json {
        tell(&added, &client::view(&answer)?, args.dry_run)?;
    }
    let mut followed = Ok(());
    if client.is_offline() && !args.dry_run {
        output::note("Nothing runs on this home: it is fetched and started with `enginehouse serve`.");
    } else if !args.dry_run && !args.no_wait {
        followed = follow_up(client, &added.name, args.timeout).await;
        if let (true, Value::Object(fields)) = (args.json, &mut answer) {
            fields.insert("status".to_owned(), status(client, &added.name).await?);
        }
    }
    if args.json {
        output::json(&answer)?;
    }
    followed
}

fn tell(added: &Added, applied: &Applied, dry_run: bool) -> anyhow::Result<()> {
    let Added { name, kind, known_by } = added;
    let by = known_by.as_deref().map(|by| format!(", by {by}")).unwrap_or_default();
    output::data(&output::plain(&format!("{name}: {kind}{by}")))?;
    Ok(output::data(&applied.summary(dry_run))?)
}

async fn follow_up(client: &Client, name: &str, patience: Option<Duration>) -> anyhow::Result<()> {
    let shown = output::plain(name);
    match follow::until_ready(client, name, patience).await? {
        End::Reached => output::note(&format!(
            "{shown} is ready: `enginehouse model url {shown}` says where, `enginehouse model test {shown}` asks it."
        )),
        End::Interrupted => output::note(&format!(
            "Not followed any more; it goes on by itself. `enginehouse model list` shows how far it is, and \
             `enginehouse model rm {shown}` takes it back."
        )),
    }
    Ok(())
}

async fn status(client: &Client, name: &str) -> anyhow::Result<Value> {
    client.get(&format!("/api/v1/models/{}", client::segment(name))).await
}
