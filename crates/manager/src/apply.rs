//! The way of a change: validate, give ids, plan, commit, publish, reconcile, verify.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use spec::{Change, Document, Faults, Format, ParseError, Warning};
use store::{AuditEntry, NewRevision, RevisionSummary};

use crate::current::Current;
use crate::digest::sha256;
use crate::{Actor, Manager, compiler};

mod import;
mod plan;
pub(crate) mod projection;
mod verify;

pub use import::ImportError;
pub(crate) use plan::Step;
pub(crate) use verify::{Pending, Verification};

use projection::{Prepared, Projection, ProjectionError};

/// What is to be applied, and how.
#[derive(Clone, Debug)]
pub(crate) struct ApplyRequest {
    /// The whole desired state.
    pub(crate) document: String,
    pub(crate) format: Format,
    /// Folder that relative paths start from; the home unless given.
    pub(crate) base_dir: Option<PathBuf>,
    /// Only say what would happen.
    pub(crate) dry_run: bool,
    /// Go back if not everything gets ready in time.
    pub(crate) atomic: bool,
    /// How long to wait for everything to be ready; the longest start time-out unless given.
    pub(crate) timeout: Option<Duration>,
    pub(crate) actor: Actor,
}

/// What was applied, or would be.
#[derive(Clone, Debug)]
pub(crate) struct Applied {
    /// Number of the revision that applies now.
    pub(crate) revision: u64,
    /// Whether it is a new one (in a dry run: would be).
    pub(crate) changed: bool,
    pub(crate) changes: Vec<Change>,
    pub(crate) plan: Vec<Step>,
    pub(crate) warnings: Vec<Warning>,
    /// Job that verifies it; none where nothing runs.
    pub(crate) job: Option<String>,
}

/// Nothing was applied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApplyError {
    #[error(transparent)]
    Parse(#[from] ParseError),
    #[error("base_dir must be an absolute path, but is `{0}`")]
    BaseDir(String),
    #[error(transparent)]
    Faults(#[from] Faults),
    #[error("an atomic apply is being verified (job {0}); wait until it has ended")]
    Verifying(String),
    #[error(transparent)]
    Projection(#[from] ProjectionError),
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// A document that can be applied, compared with the one that applies.
#[derive(Debug)]
struct Proposal {
    document: Document,
    changes: Vec<Change>,
    plan: Vec<Step>,
    warnings: Vec<Warning>,
}

// === impl Manager ===

impl Manager {
    /// Applies a document as a whole, or not at all.
    pub(crate) async fn apply(&self, request: ApplyRequest) -> Result<Applied, ApplyError> {
        let document = self.read_document(&request)?;
        if request.dry_run {
            return Ok(self.propose(document).into_applied(self.current().revision, None));
        }
        let verification = &self.inner().verification;
        verification.check_free()?;
        let _turn = verification.turn().await;
        verification.check_free()?;
        let before = self.current();
        let mut proposal = self.propose(document);
        if proposal.changes.is_empty() {
            let job = self.verify_later(None, &proposal.document, &request);
            return Ok(proposal.into_applied(before.revision, job));
        }
        let pending = request.atomic.then(|| self.pending(&before, &proposal, &request));
        let revision = self.commit(&proposal, &request.actor, pending.as_ref()).await?;
        if let Err(behind) = self.publish_and_wait().await {
            proposal.warnings.push(Warning { path: String::new(), message: behind.to_string() });
        }
        self.inner().nudge.notify_one();
        let job = self.verify_later(pending, &proposal.document, &request);
        Ok(proposal.into_applied(revision, job))
    }

    fn read_document(&self, request: &ApplyRequest) -> Result<Document, ApplyError> {
        let mut document = spec::parse(&request.document, request.format)?;
        let base = request.base_dir.as_deref().unwrap_or(self.config().home.path());
        if !base.is_absolute() {
            return Err(ApplyError::BaseDir(base.display().to_string()));
        }
        document.absolutize(base);
        spec::validate(&document)?;
        Ok(document)
    }

    fn propose(&self, mut document: Document) -> Proposal {
        let (current, env) = (self.current(), &self.config().env);
        let mut fresh = || hex::encode(self.config().rng.bytes::<6>());
        document.assign_ids(Some(&current.document), &mut fresh);
        let changes = spec::diff(&current.document, &document);
        let mut warnings = spec::warnings(&document);
        warnings.extend(compiler::warnings(&document, env));
        Proposal { plan: plan::plan(&current.document, &document, &changes, env), document, changes, warnings }
    }

    /// Makes the proposal the next revision; its number.
    async fn commit(&self, proposal: &Proposal, actor: &Actor, pending: Option<&Pending>) -> Result<u64, ApplyError> {
        let before = self.current();
        // Cannot fail: every key is a string.
        let text = serde_json::to_string(&proposal.document).unwrap_or_default();
        let summary = RevisionSummary {
            number: before.revision + 1,
            applied_at: self.config().clock.now(),
            author: actor.name().to_owned(),
            digest: sha256(text.as_bytes()),
        };
        let (number, pending) = (summary.number.to_string(), pending.map(Pending::to_setting));
        let changes: Vec<_> = proposal.changes.iter().map(|change| &change.name).collect();
        let new = NewRevision {
            summary: &summary,
            document: &text,
            priced: &before.repriced(&proposal.document),
            settings: &[(verify::SETTING, pending.as_deref())],
            audit: &AuditEntry {
                at: summary.applied_at,
                by: actor.by(),
                action: "apply",
                subject: &number,
                detail: json!({ "digest": summary.digest, "changes": changes }),
            },
        };
        let intents = self.intents();
        let projection =
            Projection { revision: summary.number, digest: &summary.digest, document: &proposal.document, intents };
        let prepared = Prepared::write(&self.config().home, projection)?;
        if let Err(error) = self.store().revisions().commit(&new).await {
            prepared.discard();
            return Err(error.into());
        }
        self.set_current(before.after(proposal.document.clone(), &new));
        tracing::info!(revision = summary.number, author = actor.name(), "revision committed");
        if let Err(error) = prepared.put_in_place() {
            tracing::warn!(%error, "config.json could not be put in place; the next start rewrites it");
        }
        Ok(summary.number)
    }
}

// === impl Proposal ===

impl Proposal {
    fn into_applied(self, revision: u64, job: Option<String>) -> Applied {
        let Self { changes, plan, warnings, document: _ } = self;
        Applied { revision, changed: !changes.is_empty(), changes, plan, warnings, job }
    }

    /// From what applies to `document`, which applied before: nothing is checked or planned anew.
    fn back_to(current: &Current, document: Document) -> Self {
        let changes = spec::diff(&current.document, &document);
        Self { document, changes, plan: Vec::new(), warnings: Vec::new() }
    }
}

#[cfg(test)]
mod tests;
