use ambient::Clock;
use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::{self, Client};
use crate::output::{self, Column, Table};
use crate::span;

const EXAMPLES: &str = "\
Examples:
  enginehouse audit
  enginehouse audit --actor ann --action key. --since 7d
  enginehouse audit --subject key-0123456789abcdef --json | jq -r '.[].action'";

/// Flags of `audit`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct AuditArgs {
    /// Only what this one did: an account, `token:NAME`, `master`, `owner`
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// Only this action, as `key.create`; with a dot at its end, as `key.`, all that begin so
    #[arg(long)]
    action: Option<String>,
    /// Only what was done to this thing: a key's id, a revision's number
    #[arg(long)]
    subject: Option<String>,
    /// Only from then on: `7d`, `12h`, a day (UTC) or RFC 3339
    #[arg(long, value_name = "WHEN", value_parser = since)]
    since: Option<String>,
    /// The latest so many
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Print all that is known as JSON
    #[arg(long)]
    json: bool,
}

/// Something that was done, as the admin API shows it.
#[derive(Debug, Deserialize)]
struct Done {
    at: String,
    actor: String,
    via: String,
    remote: Option<String>,
    action: String,
    subject: String,
    detail: Value,
}

/// Prints who did what, newest first.
pub(crate) async fn run(client: &Client, args: AuditArgs) -> anyhow::Result<()> {
    let AuditArgs { actor, action, subject, since, limit, json: as_json } = args;
    let pairs = [("actor", actor), ("action", action), ("subject", subject), ("from", since)];
    let pairs = pairs.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let query = client::query(pairs.chain([("limit", limit.to_string())]));
    let answer = client.get(&format!("/api/v1/audit{query}")).await?;
    if as_json {
        return Ok(output::json(&answer)?);
    }
    let rows: Vec<Done> = client::view(&answer)?;
    if rows.is_empty() {
        output::note("Nothing of that kind was done.");
        return Ok(());
    }
    let mut table = Table::new(&["AT", "ACTOR", "FROM", "ACTION", "SUBJECT", "DETAIL"].map(Column::text));
    for row in rows {
        table.push(row.into_cells());
    }
    Ok(output::table(&table)?)
}

// === impl Done ===

impl Done {
    fn into_cells(self) -> Vec<String> {
        let detail = if self.detail == json!({}) { String::new() } else { self.detail.to_string() };
        vec![self.at, self.actor, self.remote.unwrap_or(self.via), self.action, self.subject, detail]
    }
}

fn since(text: &str) -> Result<String, String> {
    span::past(text, Clock::system().now()).map(|moment| moment.to_string())
}
