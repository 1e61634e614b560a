use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde::Deserialize;
use serde_json::json;

use crate::client::{self, Client};
use crate::output::{self, Column, Table};

mod input;

const EXAMPLES: &str = "\
Examples:
  enginehouse credential set my-openai --env OPENAI_API_KEY
  enginehouse credential set my-openai < key.txt
  enginehouse credential list
  enginehouse credential reseal

An endpoint refers to it by name: `credential: my-openai`. A secret is never an argument, where other users of the
machine could read it, and never shown again.";

/// Verbs of `credential`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CredentialArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List credentials, and which models use them
    #[command(after_help = "Example:\n  enginehouse credential list --json")]
    List(ShowArgs),
    /// Set a credential, new or known; the secret is read from standard input unless said otherwise
    #[command(after_help = "Examples:\n  enginehouse credential set my-openai --file key.txt\n  \
                            enginehouse credential set my-openai --env OPENAI_API_KEY    refers to the variable")]
    Set(SetArgs),
    /// Delete a credential that no model uses
    #[command(after_help = "Example:\n  enginehouse credential delete my-openai")]
    Delete(NameArgs),
    /// Make a new key and seal all credentials with it
    #[command(after_help = "Example:\n  enginehouse credential reseal --forget")]
    Reseal(ResealArgs),
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// Print all that is known as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct NameArgs {
    /// Name of the credential
    name: String,
    #[command(flatten)]
    show: ShowArgs,
}

#[derive(Debug, Args)]
struct SetArgs {
    /// Name of the credential: lower-case letters, digits and `-`
    name: String,
    /// Whose it is; for people
    #[arg(long, value_enum)]
    provider: Option<Provider>,
    /// Refer to this environment variable of the service instead of keeping a secret
    #[arg(long, value_name = "NAME", conflicts_with = "file")]
    env: Option<String>,
    /// Read the secret from this file
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    show: ShowArgs,
}

#[derive(Debug, Args)]
struct ResealArgs {
    /// Forget earlier keys: revisions from before cannot open their credentials any more
    #[arg(long)]
    forget: bool,
    #[command(flatten)]
    show: ShowArgs,
}

/// Whose a credential is.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Provider {
    /// Anything that speaks OpenAI's API
    OpenaiCompatible,
    /// OpenAI itself
    Openai,
}

/// A credential as the admin API shows it.
#[derive(Debug, Deserialize)]
struct Credential {
    name: String,
    provider: Option<String>,
    secret: String,
    key: Option<String>,
    fault: Option<String>,
    #[serde(default)]
    used_by: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Answer {
    revision: u64,
    changed: bool,
    #[serde(default)]
    warnings: Vec<Warning>,
}

#[derive(Debug, Deserialize)]
struct Resealed {
    #[serde(rename = "resealed")]
    count: u64,
    #[serde(default)]
    left: Vec<String>,
    key: Option<String>,
    #[serde(default)]
    forgotten: u64,
}

#[derive(Debug, Deserialize)]
struct Warning {
    message: String,
}

// === impl CredentialArgs ===

impl CredentialArgs {
    /// Whether it puts something into the home.
    pub(crate) const fn is_set(&self) -> bool {
        matches!(self.verb, Verb::Set(_))
    }
}

/// Runs a verb.
pub(crate) async fn run(client: &Client, args: CredentialArgs) -> anyhow::Result<()> {
    let path = |name: &str| format!("/api/v1/credentials/{}", client::segment(name));
    match args.verb {
        Verb::List(show) => list(client, &show).await,
        Verb::Set(set) => {
            let secret = input::secret(set.env.as_deref(), set.file.as_deref())?;
            let provider = set.provider.and_then(|provider| Some(provider.to_possible_value()?.get_name().to_owned()));
            let body = json!({ "provider": provider, "secret": secret.expose() });
            changed(&client.put(&path(&set.name), &body).await?, &set.show)
        }
        Verb::Delete(NameArgs { name, show }) => changed(&client.delete(&path(&name)).await?, &show),
        Verb::Reseal(ResealArgs { forget, show }) => {
            let answer = client.post("/api/v1/credentials/reseal", &json!({ "forget": forget })).await?;
            resealed(&answer, &show)
        }
    }
}

async fn list(client: &Client, show: &ShowArgs) -> anyhow::Result<()> {
    let answer = client.list("/api/v1/credentials?limit=1000").await?;
    if show.json {
        return Ok(output::json(&answer)?);
    }
    let credentials: Vec<Credential> = client::view(&answer)?;
    let columns = ["NAME", "PROVIDER", "SECRET", "USED BY"].map(Column::text);
    let mut table = Table::new(&columns);
    for one in &credentials {
        let secret = one.key.as_ref().map_or_else(|| one.secret.clone(), |key| format!("sealed with {key}"));
        table.push(vec![one.name.clone(), one.provider.clone().unwrap_or_default(), secret, one.used_by.join(", ")]);
    }
    output::table(&table)?;
    for fault in credentials.iter().filter_map(|one| one.fault.as_ref()) {
        output::note(&format!("warning: {}", output::plain(fault)));
    }
    Ok(())
}

fn changed(answer: &serde_json::Value, show: &ShowArgs) -> anyhow::Result<()> {
    if show.json {
        return Ok(output::json(answer)?);
    }
    let Answer { revision, changed, warnings } = client::view(answer)?;
    for warning in warnings {
        output::note(&format!("warning: {}", output::plain(&warning.message)));
    }
    let verdict = if changed { "is committed" } else { "stands: nothing changed" };
    output::note(&format!("Revision {revision} {verdict}."));
    Ok(())
}

fn resealed(answer: &serde_json::Value, show: &ShowArgs) -> anyhow::Result<()> {
    if show.json {
        return Ok(output::json(answer)?);
    }
    let Resealed { count, left, key, forgotten } = client::view(answer)?;
    for fault in left {
        output::note(&format!("warning: left as it is: {}", output::plain(&fault)));
    }
    let with = key.map(|key| format!(" with the key {key}")).unwrap_or_default();
    let forgot = if forgotten > 0 { format!(" Earlier keys forgotten: {forgotten}.") } else { String::new() };
    output::note(&format!("Sealed anew: {count}{with}.{forgot}"));
    Ok(())
}
