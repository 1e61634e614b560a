use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use serde::Serialize;
use serde_json::Value;

use crate::client::{self, Client};
use crate::{output, span};

mod answer;
pub(super) mod follow;
mod progress;

use answer::Applied;

/// Bytes that a document may have.
const MAX_DOCUMENT_BYTES: u64 = 16 << 20;

const EXAMPLES: &str = "\
Examples:
  enginehouse apply -f models.yaml --dry-run        what would change, and what it would do
  enginehouse apply -f models.yaml --wait           until every model is ready
  enginehouse apply -f models.yaml --atomic         back to the state before if not all are ready in time
  generate-models | enginehouse apply -f -";

/// Flags of `apply`.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch on the command line")]
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ApplyArgs {
    /// The document: the whole desired state, as YAML or JSON; `-` reads standard input
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    /// Validate and show the plan; write nothing
    #[arg(long, conflicts_with_all = ["atomic", "wait"])]
    dry_run: bool,
    /// Wait until all models are ready; go back to the state before if they are not in time
    #[arg(long)]
    atomic: bool,
    /// Wait until all models are ready
    #[arg(long)]
    wait: bool,
    /// How long to wait
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = span::duration)]
    timeout: Duration,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

/// A document on its way to the server.
#[derive(Debug, Serialize)]
pub(crate) struct Submission {
    document: String,
    format: &'static str,
    /// Folder against which the document's relative paths are made absolute.
    base_dir: PathBuf,
}

// === impl ApplyArgs ===

impl ApplyArgs {
    /// Whether the command ends only once the models are ready: it makes no sense where nothing runs.
    pub(super) const fn waits(&self) -> bool {
        self.wait || self.atomic
    }
}

/// Reads the document; done first, so that a file that cannot be read is said before anything is touched.
pub(crate) fn prepare(args: &ApplyArgs) -> anyhow::Result<Submission> {
    read(&args.file)
}

/// Sends the document, prints what it changes and, if asked, waits for the models.
pub(crate) async fn run(client: &Client, args: ApplyArgs, submission: Submission) -> anyhow::Result<()> {
    let answer = client.post(&path(&args), &submission).await?;
    let applied: Applied = client::view(&answer)?;
    if !args.json {
        output::data(&applied.summary(args.dry_run))?;
    }
    if client.is_offline() && !args.dry_run {
        output::note("Nothing runs on this home: the models start with `enginehouse serve`.");
    }
    let job = match &applied.job {
        Some(job) if args.waits() => Some(follow::job(client, job, args.timeout).await?),
        _ => None,
    };
    if args.json {
        output::json(&with_outcome(answer, job.as_ref().map(|job| &job.raw)))?;
    }
    match job {
        Some(job) => job.verdict(),
        None => Ok(()),
    }
}

fn path(args: &ApplyArgs) -> String {
    let mut pairs = Vec::new();
    if args.dry_run {
        pairs.push(("dry_run", "true".to_owned()));
    }
    if args.atomic {
        pairs.push(("atomic", "true".to_owned()));
    }
    if args.waits() {
        pairs.push(("timeout_seconds", args.timeout.as_secs().to_string()));
    }
    format!("/api/v1/apply{}", client::query(pairs))
}

fn with_outcome(mut answer: Value, outcome: Option<&Value>) -> Value {
    if let (Value::Object(fields), Some(outcome)) = (&mut answer, outcome) {
        fields.insert("outcome".to_owned(), outcome.clone());
    }
    answer
}

fn read(file: &Path) -> anyhow::Result<Submission> {
    let (document, folder) = if file == Path::new("-") {
        (read_from(std::io::stdin().lock()).context("standard input cannot be read")?, PathBuf::from("."))
    } else {
        let shown = file.display();
        let text = std::fs::File::open(file).map_err(anyhow::Error::from).and_then(read_from);
        (text.with_context(|| format!("{shown} cannot be read"))?, file.parent().unwrap_or(file).to_owned())
    };
    let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder };
    let base_dir = folder.canonicalize().with_context(|| format!("{} has no absolute path", folder.display()))?;
    Ok(Submission { format: format_of(file, &document), document, base_dir })
}

fn read_from(source: impl std::io::Read) -> anyhow::Result<String> {
    let mut text = String::new();
    source.take(MAX_DOCUMENT_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_DOCUMENT_BYTES {
        bail!("it is larger than {} MiB", MAX_DOCUMENT_BYTES >> 20);
    }
    Ok(text)
}

/// By the file's extension, else by the first character: JSON documents start with `{`.
fn format_of(file: &Path, text: &str) -> &'static str {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("json") => "json",
        Some("yaml" | "yml") => "yaml",
        _ if text.trim_start().starts_with('{') => "json",
        _ => "yaml",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_taken_from_the_name_or_the_text() {
        assert_eq!(format_of(Path::new("a.yaml"), "{}"), "yaml");
        assert_eq!(format_of(Path::new("a.json"), ""), "json");
        assert_eq!(format_of(Path::new("-"), " {\"version\":1}"), "json");
        assert_eq!(format_of(Path::new("-"), "version: 1"), "yaml");
    }

    #[test]
    fn paths_in_a_document_are_taken_against_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("models.yaml");
        std::fs::write(&file, "version: 1").unwrap();
        let submission = read(&file).unwrap();
        assert_eq!(submission.base_dir, folder.path().canonicalize().unwrap());
        assert_eq!(submission.document, "version: 1");
        assert!(format!("{:#}", read(&folder.path().join("absent.yaml")).unwrap_err()).contains("absent.yaml"));
    }
}
