use serde_json::json;
use store::{AuditEntry, NewRevision, Probe, RevisionSummary};

use super::artifacts::Prepared;
use super::projection::Projection;
use super::{ApplyError, Pending, Proposal, verify};
use crate::digest::sha256;
use crate::fault_points::{CommitStep, FaultPoint, Way};
use crate::staged::StagedItem;
use crate::{Actor, Manager};

/// Who makes a revision, and what for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Authored<'a> {
    pub(super) way: Way,
    pub(super) actor: &'a Actor,
    /// In the author's words.
    pub(super) message: &'a str,
}

// === impl Manager ===

impl Manager {
    /// Makes the proposal the next revision; its number. The transaction in the store is the commit: before it nothing
    /// has happened, after it everything has, and what is generated is made again from the store where it is missing.
    pub(super) async fn commit(
        &self,
        proposal: &Proposal,
        Authored { way, actor, message }: Authored<'_>,
        pending: Option<&Pending>,
    ) -> Result<u64, ApplyError> {
        let reach = |step| self.config().fault_points.reach(FaultPoint::Commit(way, step));
        let before = self.current();
        // Cannot fail: every key is a string.
        let text = serde_json::to_string(&proposal.document).unwrap_or_default();
        let summary = RevisionSummary {
            number: before.revision + 1,
            applied_at: self.config().clock.now(),
            author: actor.name().to_owned(),
            digest: sha256(text.as_bytes()),
            message: message.to_owned(),
        };
        let (number, pending) = (summary.number.to_string(), pending.map(Pending::to_setting));
        let changes: Vec<_> = proposal.changes.iter().map(|change| &change.name).collect();
        let new = NewRevision {
            summary: &summary,
            document: &text,
            priced: &before.repriced(&proposal.document),
            settings: &[(verify::SETTING, pending.as_deref())],
            before_commit: Probe(Some(&|| reach(CommitStep::InTransaction))),
            consumed: &proposal.consumed.iter().map(StagedItem::key).collect::<Vec<_>>(),
            audit: &AuditEntry {
                at: summary.applied_at,
                by: actor.by(),
                action: "apply",
                subject: &number,
                detail: json!({ "digest": summary.digest, "changes": changes, "message": message }),
            },
        };
        let (digest, document, intents) = (&summary.digest, &proposal.document, self.intents());
        let projection =
            Projection { revision: summary.number, digest, instance: &self.inner().instance, document, intents };
        let prepared = Prepared::write(self.generated(&projection), || reach(CommitStep::HalfWritten))?;
        reach(CommitStep::Written);
        if let Err(error) = self.store().revisions().commit(&new).await {
            prepared.discard();
            return Err(error.into());
        }
        reach(CommitStep::Committed);
        self.set_current(before.after(proposal.document.clone(), &new));
        tracing::info!(revision = summary.number, author = actor.name(), "revision committed");
        if let Err(error) = prepared.put_in_place(|| reach(CommitStep::HalfPlaced)) {
            tracing::warn!(%error, "not all generated files could be put in place; the next start rewrites them");
        }
        reach(CommitStep::Placed);
        Ok(summary.number)
    }
}
