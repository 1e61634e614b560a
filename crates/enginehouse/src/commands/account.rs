use std::future::Future;
use std::io::Read as _;

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Map, Value, json};

use super::outcome::done;
use crate::client::{self, Client};
use crate::exit::UsageError;

mod show;

/// Bytes that are read of a password.
const MAX_PASSWORD_BYTES: u64 = 1 << 10;

const CREATE_EXAMPLES: &str = "\
Examples:
  enginehouse account create ann --role admin
  pass show enginehouse/bob | enginehouse account create bob --role viewer --password-stdin

A password that is made goes to standard output, everything said about it to standard error.";

const RESET_EXAMPLES: &str = "\
Examples:
  enginehouse account reset-password admin
  pass show enginehouse/ann | enginehouse account reset-password ann --password-stdin

Works on the machine itself, also while nothing runs: nobody is asked for the old password. All sessions of the account
end.";

/// Verbs of `account`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  enginehouse account create ann --role viewer")]
pub(crate) struct AccountArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make an account; its password is shown this once unless it is given
    Create(CreateArgs),
    /// List the accounts
    #[command(after_help = "Example:\n  enginehouse account list --json | jq '.[].name'")]
    List(ListArgs),
    /// Show one account
    #[command(after_help = "Example:\n  enginehouse account show ann")]
    Show(OneArgs),
    /// Give an account another role; its sessions end
    #[command(after_help = "Example:\n  enginehouse account set-role ann viewer")]
    SetRole(SetRoleArgs),
    /// Give an account another password
    ResetPassword(ResetArgs),
    /// Delete an account; its sessions end
    #[command(after_help = "Example:\n  enginehouse account delete ann")]
    Delete(OneArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Print all that is known as JSON
    #[arg(long)]
    json: bool,
}

/// Names one account.
#[derive(Debug, Args)]
struct OneArgs {
    /// Name of the account
    #[arg(value_name = "NAME")]
    account: String,
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
    #[command(flatten)]
    password: PasswordArgs,
}

#[derive(Debug, Args)]
struct SetRoleArgs {
    #[command(flatten)]
    one: OneArgs,
    /// What it may do
    #[arg(value_enum)]
    role: Role,
}

#[derive(Debug, Args)]
#[command(after_help = RESET_EXAMPLES)]
struct ResetArgs {
    #[command(flatten)]
    one: OneArgs,
    #[command(flatten)]
    password: PasswordArgs,
}

#[derive(Debug, Args)]
struct PasswordArgs {
    /// Read the password from standard input; one on the command line would stand in process lists
    #[arg(long)]
    password_stdin: bool,
}

/// What an account or a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Role {
    /// Everything
    Admin,
    /// Look at everything but secrets, and change nothing
    Viewer,
}

/// What is wanted, passwords read: before anything is connected.
#[derive(Debug)]
pub(crate) struct Wanted {
    verb: Verb,
    password: Option<snapshot::Secret>,
}

// === impl AccountArgs ===

impl AccountArgs {
    /// Reads what standard input has to give.
    pub(crate) fn prepare(self) -> anyhow::Result<Wanted> {
        let password = match &self.verb {
            Verb::Create(CreateArgs { password, .. }) | Verb::ResetPassword(ResetArgs { password, .. }) => {
                password.read()?
            }
            Verb::List(_) | Verb::Show(_) | Verb::SetRole(_) | Verb::Delete(_) => None,
        };
        Ok(Wanted { verb: self.verb, password })
    }
}

// === impl Wanted ===

impl Wanted {
    /// Whether there will be an account where there was none.
    pub(crate) const fn makes(&self) -> bool {
        matches!(self.verb, Verb::Create(_) | Verb::ResetPassword(_))
    }
}

// === impl PasswordArgs ===

impl PasswordArgs {
    fn read(&self) -> anyhow::Result<Option<snapshot::Secret>> {
        if !self.password_stdin {
            return Ok(None);
        }
        let mut text = String::new();
        let read = std::io::stdin().lock().take(MAX_PASSWORD_BYTES).read_to_string(&mut text);
        read.context("the password cannot be read from standard input")?;
        let password = text.trim_end_matches(['\r', '\n']);
        if password.is_empty() {
            return Err(UsageError("--password-stdin: standard input is empty".to_owned()).into());
        }
        Ok(Some(snapshot::Secret::new(password)))
    }
}

// === impl Role ===

impl Role {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Viewer => "viewer",
        }
    }
}

/// Runs a verb.
pub(crate) async fn run(client: &Client, wanted: Wanted) -> anyhow::Result<()> {
    let mut body = Map::new();
    body.extend(wanted.password.map(|password| ("password".to_owned(), Value::from(password.expose()))));
    match wanted.verb {
        Verb::Create(CreateArgs { one, role, password: _ }) => {
            body.insert("name".to_owned(), one.account.clone().into());
            body.insert("role".to_owned(), role.as_str().into());
            let answer = about(&one.account, client.post("/api/v1/accounts", &body)).await?;
            show::provided(&answer, one.json, "created")
        }
        Verb::ResetPassword(ResetArgs { one, password: _ }) => {
            let path = format!("{}/password", path(&one.account));
            let answer = about(&one.account, client.post(&path, &body)).await?;
            show::provided(&answer, one.json, "given another password")
        }
        Verb::List(list) => show::list(&client.list("/api/v1/accounts?limit=1000").await?, list.json),
        Verb::Show(one) => show::one(&about(&one.account, client.get(&path(&one.account))).await?, one.json),
        Verb::SetRole(SetRoleArgs { one, role }) => {
            let patch = json!({ "role": role.as_str() });
            let answer = about(&one.account, client.patch(&path(&one.account), &patch)).await?;
            show::one(&answer, one.json)
        }
        Verb::Delete(one) => {
            let answer = about(&one.account, client.delete(&path(&one.account))).await?;
            done(&answer, &one.account, "deleted", one.json)
        }
    }
}

/// Says which account it was about: the server's answer does not repeat what was asked.
async fn about<T>(account: &str, answer: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    answer.await.with_context(|| format!("account {account}"))
}

fn path(account: &str) -> String {
    format!("/api/v1/accounts/{}", client::segment(account))
}
