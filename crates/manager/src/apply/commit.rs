use serde_json::json;
use store::{AuditEntry, NewRevision, RevisionSummary};

use super::artifacts::Prepared;
use super::projection::Projection;
use super::{ApplyError, Pending, Proposal, verify};
use crate::digest::sha256;
use crate::fault_points::FaultPoint;
use crate::staged::StagedItem;
use crate::{Actor, Manager};

// === impl Manager ===

impl Manager {
    /// Makes the proposal the next revision; its number. The transaction in the store is the commit: before it nothing
    /// has happened, after it everything has, and what is generated is made again from the store where it is missing.
    pub(super) async fn commit(
        &self,
        proposal: &Proposal,
        actor: &Actor,
        message: &str,
        pending: Option<&Pending>,
    ) -> Result<u64, ApplyError> {
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
        let projection = Projection { revision: summary.number, digest, document, intents };
        let points = &self.config().fault_points;
        let prepared = Prepared::write(self.generated(projection))?;
        points.reach(FaultPoint::ApplyWritten);
        if let Err(error) = self.store().revisions().commit(&new).await {
            prepared.discard();
            return Err(error.into());
        }
        points.reach(FaultPoint::ApplyCommitted);
        self.set_current(before.after(proposal.document.clone(), &new));
        tracing::info!(revision = summary.number, author = actor.name(), "revision committed");
        if let Err(error) = prepared.put_in_place() {
            tracing::warn!(%error, "not all generated files could be put in place; the next start rewrites them");
        }
        points.reach(FaultPoint::ApplyPlaced);
        Ok(summary.number)
    }
}
