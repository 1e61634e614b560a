use std::future::Future;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::json;

use super::outcome::done;
use crate::client::{self, Client};
use crate::exit::UsageError;

mod change;
mod reach;
mod show;

use change::{CreateArgs, UpdateArgs};

const ROTATE_EXAMPLES: &str = "\
Examples:
  KEY=$(enginehouse key rotate notebook --quiet)
  MASTER=$(enginehouse key rotate --master --quiet)

A master key that the environment of the service sets is changed there.";

/// Verbs of `key`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  enginehouse key create --alias notebook --models tiny --budget 5.00")]
pub(crate) struct KeyArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a key; it is shown this once
    Create(CreateArgs),
    /// List the keys with their limits and what they spent
    #[command(after_help = "Example:\n  enginehouse key list --json | jq '.[].alias'")]
    List(ListArgs),
    /// Show one key
    #[command(after_help = "Example:\n  enginehouse key show notebook")]
    Show(OneArgs),
    /// Show which models a key can reach, and through what: names, aliases, fallbacks
    #[command(
        after_help = "Examples:\n  enginehouse key reach notebook\n  enginehouse key reach notebook --json | jq -r '.models[].name'"
    )]
    Reach(OneArgs),
    /// Change what a key may do; at once effective
    Update(UpdateArgs),
    /// Stop a key from working, until it is unblocked
    #[command(after_help = "Example:\n  enginehouse key block notebook")]
    Block(OneArgs),
    /// Let a blocked key work again
    #[command(after_help = "Example:\n  enginehouse key unblock notebook")]
    Unblock(OneArgs),
    /// Delete a key; what it spent stays in the books
    #[command(after_help = "Example:\n  enginehouse key delete notebook")]
    Delete(OneArgs),
    /// Replace a key's secret, or the master key; the old one stops working, the limits and the spend stay
    #[command(after_help = ROTATE_EXAMPLES)]
    Rotate(RotateArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Print all that is known as JSON
    #[arg(long)]
    json: bool,
}

/// Names one key.
#[derive(Debug, Args)]
struct OneArgs {
    /// Id, alias or hash of the key; never the key itself
    #[arg(value_name = "KEY", value_parser = not_a_secret)]
    key: String,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct RotateArgs {
    /// Id, alias or hash of the key; never the key itself
    #[arg(value_name = "KEY", value_parser = not_a_secret, required_unless_present = "master")]
    key: Option<String>,
    /// The master key
    #[arg(long, conflicts_with = "key")]
    master: bool,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
    /// Print the key and nothing else
    #[arg(short, long)]
    quiet: bool,
}

// === impl KeyArgs ===

impl KeyArgs {
    /// Whether there will be a key where there was none.
    pub(crate) const fn is_create(&self) -> bool {
        matches!(self.verb, Verb::Create(_))
    }
}

/// Runs a verb.
pub(crate) async fn run(client: &Client, args: KeyArgs) -> anyhow::Result<()> {
    match args.verb {
        Verb::Create(create) => change::create(client, create).await,
        Verb::Update(update) => change::update(client, update).await,
        Verb::List(list) => show::list(client, list.json).await,
        Verb::Show(one) => show::one(&about(&one.key, client.get(&path(&one.key))).await?, one.json),
        Verb::Reach(one) => {
            let answer = about(&one.key, client.get(&format!("{}/reach", path(&one.key)))).await?;
            reach::show(&answer, &one.key, one.json)
        }
        Verb::Block(one) => act(client, &one, "block", "blocked").await,
        Verb::Unblock(one) => act(client, &one, "unblock", "unblocked").await,
        Verb::Delete(one) => {
            let answer = about(&one.key, client.delete(&path(&one.key))).await?;
            done(&answer, &one.key, "deleted", one.json)
        }
        Verb::Rotate(RotateArgs { key: Some(key), master: _, json, quiet }) => {
            let answer = about(&key, client.post(&format!("{}/rotate", path(&key)), &json!({}))).await?;
            show::secret(&answer, json, quiet, "rotated")
        }
        Verb::Rotate(RotateArgs { key: None, master: _, json, quiet }) => {
            let answer = client.post("/api/v1/master-key/rotate", &json!({})).await.context("the master key")?;
            show::master(&answer, json, quiet)
        }
    }
}

/// Says which key it was about: the server's answer does not repeat what was asked.
async fn about<T>(key: &str, answer: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    answer.await.with_context(|| format!("key {key}"))
}

async fn act(client: &Client, one: &OneArgs, verb: &str, past: &str) -> anyhow::Result<()> {
    let answer = about(&one.key, client.post(&format!("{}/{verb}", path(&one.key)), &json!({}))).await?;
    done(&answer, &one.key, past, one.json)
}

fn path(key: &str) -> String {
    format!("/api/v1/keys/{}", client::segment(key))
}

/// A key typed on the command line would stand in process lists and in the shell's history.
fn not_a_secret(name: &str) -> Result<String, UsageError> {
    if name.starts_with("sk-") {
        return Err(UsageError(
            "name the key by its id or alias: a key on a command line is no secret any more".into(),
        ));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_never_taken_from_the_command_line() {
        assert!(not_a_secret("sk-abc").is_err());
        assert_eq!(not_a_secret("notebook").unwrap(), "notebook");
        assert_eq!(path("team a/b"), "/api/v1/keys/team%20a%2Fb");
    }
}
