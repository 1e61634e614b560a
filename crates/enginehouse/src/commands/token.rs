use std::future::Future;

use ambient::Clock;
use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::json;

use super::account::Role;
use super::outcome::done;
use crate::client::{self, Client};
use crate::span;

mod show;

const CREATE_EXAMPLES: &str = "\
Examples:
  TOKEN=$(enginehouse token create ci --role admin --scopes keys,usage:read --expires 90d --quiet)
  ENGINEHOUSE_TOKEN=$TOKEN enginehouse --server http://gpu1:7860 key list

A scope is the first part of a path of the admin API, as `keys`, or `keys:read` to look only.";

/// Verbs of `token`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  enginehouse token create grafana --role viewer")]
pub(crate) struct TokenArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make an API token; it is shown this once
    Create(CreateArgs),
    /// List the API tokens
    #[command(after_help = "Example:\n  enginehouse token list --json | jq '.[].name'")]
    List(ListArgs),
    /// Show one API token
    #[command(after_help = "Example:\n  enginehouse token show ci")]
    Show(OneArgs),
    /// Revoke an API token; it stops working at once
    #[command(after_help = "Example:\n  enginehouse token revoke ci")]
    Revoke(OneArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Print all that is known as JSON
    #[arg(long)]
    json: bool,
}

/// Names one token.
#[derive(Debug, Args)]
struct OneArgs {
    /// Name of the token; never the token itself
    #[arg(value_name = "NAME", value_parser = not_a_secret)]
    token: String,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = CREATE_EXAMPLES)]
struct CreateArgs {
    #[command(flatten)]
    one: OneArgs,
    /// What it may do
    #[arg(long, value_enum)]
    role: Role,
    /// Resources that it is confined to, separated by commas; all unless given
    #[arg(long, value_name = "RESOURCES", value_delimiter = ',')]
    scopes: Vec<String>,
    /// When it stops working: `30d`, `12h`, a day (UTC), RFC 3339, or `never`
    #[arg(long, value_name = "WHEN", default_value = "never", value_parser = expiry)]
    expires: Expiry,
    /// Print the token and nothing else
    #[arg(short, long, conflicts_with = "json")]
    quiet: bool,
}

/// A moment as the API takes it; none is never.
#[derive(Clone, Debug)]
struct Expiry(Option<String>);

/// Runs a verb.
pub(crate) async fn run(client: &Client, args: TokenArgs) -> anyhow::Result<()> {
    match args.verb {
        Verb::Create(CreateArgs { one, role, scopes, expires, quiet }) => {
            let body = json!({ "name": one.token, "role": role.as_str(), "scopes": scopes, "expires_at": expires.0 });
            let answer = about(&one.token, client.post("/api/v1/tokens", &body)).await?;
            show::issued(&answer, one.json, quiet)
        }
        Verb::List(list) => show::list(&client.list("/api/v1/tokens?limit=1000").await?, list.json),
        Verb::Show(one) => show::one(&about(&one.token, client.get(&path(&one.token))).await?, one.json),
        Verb::Revoke(one) => {
            let answer = about(&one.token, client.delete(&path(&one.token))).await?;
            done(&answer, &one.token, "revoked", one.json)
        }
    }
}

/// Says which token it was about: the server's answer does not repeat what was asked.
async fn about<T>(token: &str, answer: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    answer.await.with_context(|| format!("token {token}"))
}

fn path(token: &str) -> String {
    format!("/api/v1/tokens/{}", client::segment(token))
}

fn expiry(text: &str) -> Result<Expiry, String> {
    if text == "never" {
        return Ok(Expiry(None));
    }
    span::moment(text, Clock::system().now()).map(|moment| Expiry(Some(moment.to_string())))
}

/// A token typed on the command line would stand in process lists and in the shell's history.
fn not_a_secret(name: &str) -> Result<String, String> {
    if name.starts_with("ent-") {
        return Err("name the token by its name: a token on a command line is no secret any more".to_owned());
    }
    Ok(name.to_owned())
}
