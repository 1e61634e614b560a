use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use serde::Deserialize;

use crate::client::{self, Client};
use crate::output::{self, Column, Table};

const EXAMPLES: &str = "\
Examples:
  enginehouse render                      which files there are, and where each apply writes them
  enginehouse render nginx                print the file for nginx
  enginehouse render litellm -o config.yaml
  enginehouse render litellm --staged     what the next `config apply` would write

No file holds a secret: what is secret stands as the name of a variable or of a file.";

/// Flags of `render`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RenderArgs {
    /// Which program; without one, list the files
    #[arg(value_name = "TARGET", value_parser = ["litellm", "caddyfile", "nginx", "prometheus", "compose"])]
    target: Option<String>,
    /// As it would be once everything that is staged is applied
    #[arg(long, requires = "target")]
    staged: bool,
    /// Write it into this file, for its owner only, instead of printing it
    #[arg(short, long, value_name = "FILE", requires = "target")]
    output: Option<PathBuf>,
    /// Print all that is known as JSON
    #[arg(long, conflicts_with = "output")]
    json: bool,
}

/// A file as the admin API shows it.
#[derive(Debug, Deserialize)]
struct Rendered {
    target: String,
    path: String,
    #[serde(default)]
    notes: Vec<String>,
    text: String,
}

/// Runs the command.
pub(crate) async fn run(client: &Client, args: RenderArgs) -> anyhow::Result<()> {
    let Some(target) = &args.target else { return list(client, args.json).await };
    let query = if args.staged { "?staged=true" } else { "" };
    let path = format!("/api/v1/render/{}{query}", client::segment(target));
    let answer = client.get(&path).await?;
    if args.json {
        return Ok(output::json(&answer)?);
    }
    let rendered: Rendered = client::view(&answer)?;
    for note in &rendered.notes {
        output::note(&format!("note: {}", output::plain(note)));
    }
    match &args.output {
        Some(path) => write(path, &rendered.text).with_context(|| format!("cannot write {}", path.display())),
        None => Ok(io::stdout().lock().write_all(rendered.text.as_bytes())?),
    }
}

async fn list(client: &Client, json: bool) -> anyhow::Result<()> {
    let answer = client.get("/api/v1/render").await?;
    if json {
        return Ok(output::json(&answer)?);
    }
    let files: Vec<Rendered> = client::view(&answer)?;
    let mut table = Table::new(&[Column::text("TARGET"), Column::text("FILE")]);
    for file in files {
        table.push(vec![file.target, file.path]);
    }
    Ok(output::table(&table)?)
}

/// Whole or not at all.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}
