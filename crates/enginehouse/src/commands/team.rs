use std::future::Future;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::limits::LimitFlags;
use super::outcome::done;
use crate::client::{self, Client};

mod show;

const UPDATE_EXAMPLES: &str = "\
Examples:
  enginehouse team update research --budget 200 --budget-period 1mo
  enginehouse team update research --models all --tpm none";

/// Verbs of `team`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  enginehouse team create research --rpm 600 --budget 100 --budget-period 1mo")]
pub(crate) struct TeamArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a team; keys join it with `key create --team` or `key update --team`
    #[command(
        after_help = "Example:\n  enginehouse team create research --models qwen,embed --tpm 100000 --budget 100"
    )]
    Create(CreateArgs),
    /// List the teams with their limits and what they spent
    #[command(after_help = "Example:\n  enginehouse team list --json | jq '.[].id'")]
    List(ListArgs),
    /// Show one team
    #[command(after_help = "Example:\n  enginehouse team show research")]
    Show(OneArgs),
    /// Change what a team's keys may do together; at once effective
    #[command(after_help = UPDATE_EXAMPLES)]
    Update(UpdateArgs),
    /// Stop all keys of a team from working, until it is unblocked
    #[command(after_help = "Example:\n  enginehouse team block research")]
    Block(OneArgs),
    /// Let the keys of a blocked team work again
    #[command(after_help = "Example:\n  enginehouse team unblock research")]
    Unblock(OneArgs),
    /// Delete a team and all its keys; what they spent stays in the books
    #[command(after_help = "Example:\n  enginehouse team delete research")]
    Delete(OneArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Print all that is known as JSON
    #[arg(long)]
    json: bool,
}

/// Names one team.
#[derive(Debug, Args)]
struct OneArgs {
    /// Id or alias of the team
    #[arg(value_name = "TEAM")]
    team: String,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// Name for people; unique
    #[arg(value_name = "NAME")]
    alias: String,
    /// Id in the books, if it is not to be made
    #[arg(long)]
    id: Option<String>,
    #[command(flatten)]
    what: What,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct UpdateArgs {
    #[command(flatten)]
    one: OneArgs,
    /// Another name for people; unique
    #[arg(long)]
    alias: Option<String>,
    #[command(flatten)]
    what: What,
}

/// What the keys of a team may do together. A flag that is not given changes nothing.
#[derive(Debug, Args)]
struct What {
    /// Models that its keys may use, separated by commas; `all` for every model
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    models: Option<Vec<String>>,
    #[command(flatten)]
    limits: LimitFlags,
}

/// Runs a verb.
pub(crate) async fn run(client: &Client, args: TeamArgs) -> anyhow::Result<()> {
    match args.verb {
        Verb::Create(CreateArgs { alias, id, what, json }) => {
            let mut body = what.into_body();
            body.insert("alias".to_owned(), alias.into());
            body.extend(id.map(|id| ("id".to_owned(), id.into())));
            let answer = client.post("/api/v1/teams", &body).await?;
            show::changed(&answer, json)
        }
        Verb::Update(UpdateArgs { one, alias, what }) => {
            let mut body = what.into_body();
            body.extend(alias.map(|alias| ("alias".to_owned(), alias.into())));
            let answer = about(&one.team, client.patch(&path(&one.team), &body)).await?;
            show::changed(&answer, one.json)
        }
        Verb::List(list) => show::list(&client.list("/api/v1/teams?limit=1000").await?, list.json),
        Verb::Show(one) => show::one(&about(&one.team, client.get(&path(&one.team))).await?, one.json),
        Verb::Block(one) => act(client, &one, "block", "blocked").await,
        Verb::Unblock(one) => act(client, &one, "unblock", "unblocked").await,
        Verb::Delete(one) => {
            let answer = about(&one.team, client.delete(&path(&one.team))).await?;
            done(&answer, &one.team, "deleted", one.json)
        }
    }
}

/// Says which team it was about: the server's answer does not repeat what was asked.
async fn about<T>(team: &str, answer: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    answer.await.with_context(|| format!("team {team}"))
}

async fn act(client: &Client, one: &OneArgs, verb: &str, past: &str) -> anyhow::Result<()> {
    let answer = about(&one.team, client.post(&format!("{}/{verb}", path(&one.team)), &json!({}))).await?;
    done(&answer, &one.team, past, one.json)
}

fn path(team: &str) -> String {
    format!("/api/v1/teams/{}", client::segment(team))
}

// === impl TeamArgs ===

impl TeamArgs {
    /// Whether there will be a team where there was none.
    pub(crate) const fn is_create(&self) -> bool {
        matches!(self.verb, Verb::Create(_))
    }
}

// === impl What ===

impl What {
    fn into_body(self) -> Map<String, Value> {
        let mut body = Map::new();
        if let Some(names) = self.models {
            body.insert("models".to_owned(), if names == ["all"] { Vec::new() } else { names }.into());
        }
        self.limits.put_into(&mut body);
        body
    }
}
