use anyhow::Context as _;
use clap::Args;
use serde::Deserialize;
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};

use crate::client::{self, Client};
use crate::output;

const EXAMPLES: &str = "\
Examples:
  enginehouse model logs qwen
  enginehouse model logs qwen --tail 1000 | grep -i error
  enginehouse model logs qwen -f --tail 0
  enginehouse model logs qwen -f --replica 0b5c2f9e/1

With --follow it goes on until Ctrl-C, until no replica of the model is left, or until the server ends. Where the model has
several replicas, or one is being replaced by another, a line `==> ID <==` says whose the lines behind it are.";

/// Flags of `model logs`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct LogsArgs {
    /// Name of the model
    #[arg(value_name = "MODEL")]
    model: String,
    /// Go on with new lines as they come
    #[arg(long, short)]
    follow: bool,
    /// The last so many lines of each replica
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    tail: u32,
    /// Only this replica, by its id
    #[arg(long, value_name = "ID")]
    replica: Option<String>,
}

/// A line of a log, as the admin API sends it.
#[derive(Debug, Deserialize)]
struct Line {
    replica: String,
    line: String,
}

/// How following came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Somebody pressed Ctrl-C.
    Interrupted,
    /// No replica is left.
    Gone,
    /// The server takes no new work.
    Closed,
}

/// Prints lines, and whose they are where that is not clear.
struct Printer {
    /// Whose the last line was; none before the first.
    last: Option<String>,
    /// Whether a single replica is named too.
    names_all: bool,
}

/// Runs it.
pub(super) async fn run(client: &Client, args: LogsArgs) -> anyhow::Result<()> {
    let replicas = replicas(client, &args.model).await?;
    let mut printer = Printer::new(replicas.len() > 1 && args.replica.is_none());
    if args.follow && !client.is_offline() {
        return follow(client, &args, &mut printer).await;
    }
    let ids: Vec<_> = match &args.replica {
        None if replicas.len() > 1 => replicas.into_iter().map(Some).collect(),
        one => vec![one.clone()],
    };
    let mut is_empty = true;
    for id in ids {
        let text =
            client.text(&path(&args, id.clone(), false)).await.with_context(|| format!("model {}", args.model))?;
        for line in text.lines() {
            is_empty = false;
            printer.print(id.as_deref().unwrap_or_default(), line)?;
        }
    }
    if is_empty {
        output::note("Nothing was printed yet.");
    } else if args.follow {
        output::note("Nothing runs on this home, so nothing more is printed.");
    }
    Ok(())
}

async fn follow(client: &Client, args: &LogsArgs, printer: &mut Printer) -> anyhow::Result<()> {
    let path = path(args, args.replica.clone(), true);
    let mut lines = client.lines(&path).await.with_context(|| format!("model {}", args.model))?;
    // Made once: a signal between two lines is not to be missed.
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for Ctrl-C")?;
    let mut is_end = false;
    let end = loop {
        let line = tokio::select! {
            line = lines.next() => line?,
            _ = interrupt.recv() => break End::Interrupted,
        };
        let Some(line) = line else { break if is_end { End::Gone } else { End::Closed } };
        is_end |= line == "event: end";
        if let Some(data) = line.strip_prefix("data:").filter(|_| !is_end) {
            let Line { replica, line } = serde_json::from_str(data).context("the server's answer is no log")?;
            printer.print(&replica, &line)?;
        }
    };
    match end {
        End::Interrupted => {}
        End::Gone => output::note("No replica of the model is left."),
        End::Closed => output::note("The server ended it: it is stopping, or does not let you in any more."),
    }
    Ok(())
}

fn path(args: &LogsArgs, replica: Option<String>, follow: bool) -> String {
    let follow = follow.then(|| "true".to_owned());
    let pairs = [("tail", Some(args.tail.to_string())), ("replica", replica), ("follow", follow)];
    let query = client::query(pairs.into_iter().filter_map(|(name, value)| Some((name, value?))));
    format!("/api/v1/models/{}/logs{query}", client::segment(&args.model))
}

/// Ids of the model's replicas that are engines.
async fn replicas(client: &Client, model: &str) -> anyhow::Result<Vec<String>> {
    let models = client.list("/api/v1/models").await?;
    let all = models.as_array().into_iter().flatten().filter(|known| known["name"] == model);
    let deployments = all.flat_map(|model| model["deployments"].as_array().into_iter().flatten());
    let engines = deployments.filter(|deployment| deployment["kind"] == "engine");
    let listed = |deployment: &Value, list: &str| deployment[list].as_array().cloned().unwrap_or_default();
    let replicas =
        engines.flat_map(|deployment| [listed(deployment, "replicas"), listed(deployment, "before")].concat());
    Ok(replicas.filter_map(|replica| Some(replica["id"].as_str()?.to_owned())).collect())
}

// === impl Printer ===

impl Printer {
    fn new(names_all: bool) -> Self {
        Self { last: None, names_all }
    }

    fn print(&mut self, replica: &str, line: &str) -> Result<(), output::WriteError> {
        // With `--follow` another one may come later.
        let is_other = self.last.as_ref().is_none_or(|last| last != replica);
        if is_other && (self.names_all || self.last.is_some()) {
            output::data(&format!("==> {} <==", output::plain(replica)))?;
        }
        if is_other {
            self.last = Some(replica.to_owned());
        }
        // What an engine prints is not ours to trust a terminal with.
        output::data(&output::plain(line))
    }
}
