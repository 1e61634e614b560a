//! What is there against what applies: generated files, gateways and engines.

use std::path::Path;

use serde::Serialize;
use similar::{ChangeTag, TextDiff};
use spec::{Document, Format};
use store::AuditEntry;
use utoipa::ToSchema;

use crate::apply::{Artifact, document_in};
use crate::reconciler::other;
use crate::{Actor, Manager};

/// Lines of a difference that are shown.
const LINES: usize = 200;
/// Bytes of a file that are compared line by line.
const FILE_BYTES: u64 = 4 << 20;

/// Something is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Difference {
    /// What it is.
    pub(crate) kind: DriftKind,
    /// Which one.
    pub(crate) name: String,
    /// How it differs.
    pub(crate) message: String,
    /// What differs, line by line: `-` what should be there, `+` what is there.
    pub(crate) diff: Vec<String>,
    /// What a resync does about it.
    pub(crate) remedy: String,
}

/// What can differ from what applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DriftKind {
    /// A generated file.
    File,
    /// A gateway that serves an older state.
    Gateway,
    /// An engine that runs from another definition, or does not run.
    Replica,
}

// === impl Manager ===

impl Manager {
    /// Everything that is not as the revision that applies says.
    pub(crate) fn drift(&self) -> Vec<Difference> {
        let files = if self.current().revision == 0 { Vec::new() } else { self.expected_artifacts() };
        let files = files.iter().filter(|artifact| !artifact.stands()).map(|artifact| self.drifted_file(artifact));
        files.chain(self.drifted_gateways()).chain(self.drifted_replicas()).collect()
    }

    /// Brings everything in line; what was not.
    pub(crate) async fn resync(&self, actor: &Actor) -> store::Result<Vec<Difference>> {
        // What is generated holds the revision: one change of either at a time.
        let _turn = self.inner().verification.turn().await;
        let differences = self.drift();
        let names: Vec<_> = differences.iter().map(|difference| &difference.name).collect();
        let audit = AuditEntry {
            at: self.config().clock.now(),
            by: actor.by(),
            action: "resync",
            subject: "drift",
            detail: serde_json::json!({ "differences": names }),
        };
        self.store().audit().add(&audit).await?;
        if self.current().revision > 0 {
            self.restore_projection();
        }
        if let Err(behind) = self.publish_and_wait().await {
            tracing::warn!(%behind, "resync");
        }
        self.inner().nudge.notify_one();
        Ok(differences)
    }

    fn drifted_file(&self, artifact: &Artifact) -> Difference {
        let path = &artifact.path;
        let name = path.strip_prefix(self.config().home.path()).unwrap_or(path).display().to_string();
        let (message, diff) = match read(path) {
            Ok(found) if *path == self.config().home.config() => self.edited_projection(&found),
            Ok(found) => ("differs".to_owned(), lines(&String::from_utf8_lossy(&artifact.content), &found)),
            Err(why) => (why, Vec::new()),
        };
        Difference { kind: DriftKind::File, name, message, diff, remedy: "is written anew".to_owned() }
    }

    /// A hand edit of `config.json`, item by item where it still is a document.
    fn edited_projection(&self, found: &str) -> (String, Vec<String>) {
        let Ok(document) = spec::parse(&document_in(found), Format::Json) else {
            return ("is no document any more".to_owned(), Vec::new());
        };
        let diff = item_lines(&self.current().document, &document);
        let message = if diff.is_empty() { "differs, but not in the desired state" } else { "was edited by hand" };
        (message.to_owned(), diff)
    }

    fn drifted_gateways(&self) -> Vec<Difference> {
        let Some(newest) = self.inner().outlet.newest_epoch() else { return Vec::new() };
        let behind = self.inner().outlet.connected().into_iter().filter(|gateway| gateway.epoch < newest);
        behind
            .map(|gateway| Difference {
                kind: DriftKind::Gateway,
                message: format!("serves epoch {}, but {newest} is published", gateway.epoch),
                name: gateway.name,
                diff: Vec::new(),
                remedy: "gets what applies once more".to_owned(),
            })
            .collect()
    }

    fn drifted_replicas(&self) -> Vec<Difference> {
        if !self.runs() {
            return Vec::new();
        }
        // What waits for its turn, or serves on until another one does, is on its way.
        let mut wanted = self.wanted();
        let on_its_way: Vec<_> =
            wanted.iter().filter(|desired| desired.waits.is_some()).map(|desired| desired.id.clone()).collect();
        wanted.retain(|desired| desired.waits.is_none());
        let running = self.inner().fleet.spec_hashes();
        let drifted = wanted.iter().filter_map(|desired| {
            let message = match running.get(&desired.id) {
                Some(hash) if *hash == desired.spec_hash => return None,
                Some(_) => "runs from another definition",
                None if running.contains_key(&other(&desired.id)) => "runs from another definition",
                None => "does not run",
            };
            Some((desired.id.clone(), format!("of {} {message}", desired.model), "is started from its definition"))
        });
        let is_wanted = |id: &String| on_its_way.contains(id) || wanted.iter().any(|desired| desired.id == *id);
        let orphans = running.keys().filter(|id| !is_wanted(id));
        let orphans = orphans.map(|id| (id.clone(), "runs, and nothing asks for it".to_owned(), "is stopped"));
        drifted
            .chain(orphans)
            .map(|(name, message, remedy)| Difference {
                kind: DriftKind::Replica,
                name,
                message,
                diff: Vec::new(),
                remedy: remedy.to_owned(),
            })
            .collect()
    }
}

fn read(path: &Path) -> Result<String, String> {
    let missing = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => "is missing".to_owned(),
        _ => format!("cannot be read: {error}"),
    };
    let bytes = std::fs::metadata(path).map_err(missing)?.len();
    if bytes > FILE_BYTES {
        return Err(format!("has {bytes} bytes, more than are compared"));
    }
    std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).map_err(missing)
}

fn lines(expected: &str, found: &str) -> Vec<String> {
    let diff = TextDiff::from_lines(expected, found);
    let changed = diff.iter_all_changes().filter_map(|change| {
        let sign = match change.tag() {
            ChangeTag::Equal => return None,
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
        };
        Some(format!("{sign} {}", change.value().trim_end()))
    });
    changed.take(LINES).collect()
}

/// What differs between what applies and what was found, as lines; `***` in place of secrets.
fn item_lines(expected: &Document, found: &Document) -> Vec<String> {
    let changes = spec::diff(expected, found).into_iter().map(spec::Change::masked);
    let lines = changes.flat_map(|change| {
        let id = change.id();
        let head = match change.change {
            spec::ChangeKind::New => Some(format!("+ {id}")),
            spec::ChangeKind::Deleted => Some(format!("- {id}")),
            spec::ChangeKind::Changed => None,
        };
        let fields = change.fields.into_iter().flat_map(move |field| {
            let line = |sign, value: Option<serde_json::Value>| {
                value.map(|value| format!("{sign} {id} {}: {value}", field.path))
            };
            [line('-', field.old), line('+', field.new)].into_iter().flatten().collect::<Vec<_>>()
        });
        head.into_iter().chain(fields).collect::<Vec<_>>()
    });
    lines.take(LINES).collect()
}

#[cfg(test)]
mod tests;
