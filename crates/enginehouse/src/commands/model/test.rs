use anyhow::{Context as _, bail};
use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::{self, Client};
use crate::exit::AlreadyReported;
use crate::output::{self, Column, Table};

const EXAMPLES: &str = "\
Examples:
  enginehouse model test qwen
  enginehouse model test --all --json | jq '.[] | select(.ok | not)'

A small request of the model's type goes through the client port, as a client's would, with a key that is made for it and
deleted afterwards. It is in the books. Exit status 1 if any model did not answer.";

/// Flags of `model test`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct TestArgs {
    /// Names of the models
    #[arg(value_name = "MODEL", required_unless_present = "all")]
    models: Vec<String>,
    /// All models
    #[arg(long, conflicts_with = "models")]
    all: bool,
    /// Print what came of it as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Deserialize)]
struct Tested {
    model: String,
    path: String,
    ok: bool,
    status: u16,
    latency_ms: u64,
    answer: String,
    #[serde(default)]
    usage: Option<Usage>,
    #[serde(default)]
    deployment: Option<String>,
    #[serde(default)]
    replica: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Usage {
    #[serde(default)]
    prompt_tokens: Option<u64>,
    #[serde(default)]
    completion_tokens: Option<u64>,
}

/// Asks models, one after the other.
pub(super) async fn run(client: &Client, args: TestArgs) -> anyhow::Result<()> {
    if client.is_offline() {
        bail!("nothing runs on this home, so nothing can answer: start `enginehouse serve` first");
    }
    let names = if args.all { super::names(client).await? } else { args.models };
    let mut answers = Vec::new();
    for name in &names {
        if output::is_watched() {
            output::raw_note(&format!("\r\x1b[K{}: asked ...", output::plain(name)));
        }
        let path = format!("/api/v1/models/{}/test", client::segment(name));
        let answer = client.post(&path, &json!({})).await;
        if output::is_watched() {
            output::raw_note("\r\x1b[K");
        }
        answers.push(answer.with_context(|| format!("model {name}"))?);
    }
    let all: Vec<Tested> = client::view(&Value::Array(answers.clone()))?;
    if args.json {
        output::json(&Value::Array(answers))?;
    } else if all.is_empty() {
        output::note("There is no model.");
    } else {
        output::table(&table(&all))?;
        for tested in &all {
            output::note(&format!("{}: {}", output::plain(&tested.model), output::plain(&tested.answer)));
        }
    }
    if all.iter().all(|tested| tested.ok) { Ok(()) } else { Err(AlreadyReported.into()) }
}

fn table(all: &[Tested]) -> Table {
    let titles = ["MODEL", "ASKED", "STATUS"].map(Column::text);
    let numbers = ["LATENCY", "TOKENS IN", "OUT"].map(Column::number);
    let mut table = Table::new(&[&titles[..], &numbers[..], &[Column::text("ENGINE")]].concat());
    for tested in all {
        let count = |of: fn(&Usage) -> Option<u64>| {
            tested.usage.as_ref().and_then(of).map_or_else(|| "-".to_owned(), |count| count.to_string())
        };
        let status = match tested.status {
            0 => "no answer".to_owned(),
            status => format!("{status} {}", if tested.ok { "ok" } else { "failed" }),
        };
        table.push(vec![
            tested.model.clone(),
            tested.path.clone(),
            status,
            format!("{} ms", tested.latency_ms),
            count(|usage| usage.prompt_tokens),
            count(|usage| usage.completion_tokens),
            tested.replica.clone().or_else(|| tested.deployment.clone()).unwrap_or_else(|| "-".to_owned()),
        ]);
    }
    table
}
