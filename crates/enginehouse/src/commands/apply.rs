use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use serde::Serialize;
use spec::Merged;

use crate::client::{ApiFault, Client};

mod answer;
mod folder;
pub(super) mod follow;
mod how;
mod progress;
pub(super) mod templates;

pub(super) use answer::Applied;
pub(super) use how::How;

/// Bytes that a document may have.
const MAX_DOCUMENT_BYTES: u64 = 16 << 20;

const EXAMPLES: &str = "\
Examples:
  enginehouse apply -f models.yaml --dry-run        what would change, and what it would do
  enginehouse apply -f models.yaml --wait           until every model is ready
  enginehouse apply -f models.yaml --atomic         back to the state before if not all are ready in time
  enginehouse apply -f desired/ -m \"$(git log -1 --format=%s)\"   all documents of a folder, as one
  generate-models | enginehouse apply -f -

What is staged (`enginehouse config`) stays staged.";

/// Flags of `apply`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ApplyArgs {
    /// The document: the whole desired state, as YAML or JSON; a folder of them; `-` reads standard input
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    how: How,
}

/// A document on its way to the server.
#[derive(Debug, Serialize)]
pub(crate) struct Submission {
    document: String,
    format: &'static str,
    /// Folder against which the document's relative paths are made absolute.
    base_dir: PathBuf,
    message: String,
    /// The files it was made from, if it was made from several.
    #[serde(skip)]
    merged: Option<Merged>,
}

// === impl ApplyArgs ===

impl ApplyArgs {
    /// Whether the command ends only once the models are ready: it makes no sense where nothing runs.
    pub(super) const fn waits(&self) -> bool {
        self.how.waits()
    }
}

// === impl Submission ===

impl Submission {
    /// Reads a document, or a folder of them.
    pub(super) fn read(file: &Path, message: &str) -> anyhow::Result<Self> {
        let mut submission = if file.is_dir() { Self::of_folder(file)? } else { Self::of_file(file)? };
        message.clone_into(&mut submission.message);
        Ok(submission)
    }

    fn of_folder(folder: &Path) -> anyhow::Result<Self> {
        let mut merged = folder::read(folder)?;
        templates::read_into(&mut merged.document)?;
        let document = spec::to_json(&merged.document)?;
        let (base_dir, message) = (folder.canonicalize()?, String::new());
        Ok(Self { document, format: "json", base_dir, message, merged: Some(merged) })
    }

    fn of_file(file: &Path) -> anyhow::Result<Self> {
        let (document, folder) = if file == Path::new("-") {
            (read_from(std::io::stdin().lock()).context("standard input cannot be read")?, PathBuf::from("."))
        } else {
            (read_file(file)?, file.parent().unwrap_or(file).to_owned())
        };
        let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder };
        let base_dir = folder.canonicalize().with_context(|| format!("{} has no absolute path", folder.display()))?;
        let format = format_of(file, &document);
        let (document, format) = match templates::read_in(&document, format, &base_dir)? {
            Some(whole) => (whole, "json"),
            None => (document, format),
        };
        Ok(Self { format, document, base_dir, message: String::new(), merged: None })
    }

    /// An error of the server, with paths as who wrote the files knows them.
    pub(super) fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        match (&self.merged, error.downcast::<ApiFault>()) {
            (Some(merged), Ok(fault)) => fault.map_paths(|path| merged.origin_of(path)).into(),
            (None, Ok(fault)) => fault.into(),
            (_, Err(error)) => error,
        }
    }
}

/// Reads the document; done first, so that a file that cannot be read is said before anything is touched.
pub(crate) fn prepare(args: &ApplyArgs) -> anyhow::Result<Submission> {
    Submission::read(&args.file, &args.how.message)
}

/// Sends the document, prints what it changes and, if asked, waits for the models.
pub(crate) async fn run(client: &Client, args: ApplyArgs, submission: Submission) -> anyhow::Result<()> {
    let path = format!("/api/v1/apply{}", args.how.query());
    let answer = client.post(&path, &submission).await.map_err(|error| submission.explain(error))?;
    args.how.finish(client, answer).await
}

/// Reads a file of a document, or of an item.
pub(super) fn read_file(file: &Path) -> anyhow::Result<String> {
    let text = std::fs::File::open(file).map_err(anyhow::Error::from).and_then(read_from);
    text.with_context(|| format!("{} cannot be read", file.display()))
}

/// Reads a document, or an item.
pub(super) fn read_from(source: impl std::io::Read) -> anyhow::Result<String> {
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
        let submission = Submission::read(&file, "why").unwrap();
        assert_eq!(submission.base_dir, folder.path().canonicalize().unwrap());
        assert_eq!((submission.document.as_str(), submission.message.as_str()), ("version: 1", "why"));
        let absent = Submission::read(&folder.path().join("absent.yaml"), "").unwrap_err();
        assert!(format!("{absent:#}").contains("absent.yaml"));
    }
}
