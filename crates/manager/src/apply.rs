//! The way of a change: check, give ids, plan, commit, publish, reconcile, verify.

use serde_json::json;
use spec::Warning;
use store::AuditEntry;

use crate::fault_points::{CommitStep, FaultPoint, Way};
use crate::staged::StagedItem;
use crate::{Actor, Manager};

mod artifacts;
mod commit;
mod edit;
mod error;
mod import;
mod outlook;
mod plan;
pub(crate) mod projection;
mod proposal;
mod references;
mod request;
mod turn;
mod verify;

pub(crate) use artifacts::{Artifact, ArtifactError, artifacts};
use commit::Authored;
pub(crate) use edit::EditHow;
pub(crate) use error::{ApplyError, OutdatedItem};
pub use import::ImportError;
pub(crate) use outlook::Unfit;
pub(crate) use plan::{Step, StepAction};
pub use projection::document_in;
pub(crate) use proposal::{PlannedItem, Proposal};
pub(crate) use references::Referred;
pub(crate) use request::{Applied, ApplyRequest, Source};
pub(crate) use turn::ApplyTurn;
pub(crate) use verify::{Pending, Verification};

// === impl Manager ===

impl Manager {
    /// Applies what is asked for as a whole, or not at all.
    pub(crate) async fn apply(&self, request: ApplyRequest) -> Result<Applied, ApplyError> {
        request.check_lock(self.edit_lock())?;
        if request.dry_run {
            let proposal = self.propose(&request).await?;
            return Ok(proposal.into_applied(self.current().revision, None));
        }
        // Held to the end: who comes meanwhile is told, and decides anew on what stands then.
        let _place = self.inner().apply_turn.take(&request.actor, self.config().clock.now())?;
        let verification = &self.inner().verification;
        verification.check_free()?;
        let _turn = verification.turn().await;
        verification.check_free()?;
        self.apply_in_turn(request).await
    }

    async fn apply_in_turn(&self, request: ApplyRequest) -> Result<Applied, ApplyError> {
        let before = self.current();
        let mut proposal = self.propose(&request).await?;
        if proposal.changes.is_empty() {
            self.drop_idle(&proposal, &request.actor).await?;
            let job = self.verify_later(None, &proposal.document, &request);
            return Ok(proposal.into_applied(before.revision, job));
        }
        let points = &self.config().fault_points;
        points.reach(FaultPoint::ApplyProposed);
        let pending = request.atomic.then(|| self.pending(&before, &proposal, &request));
        let authored = Authored { way: Way::Apply, actor: &request.actor, message: &request.message };
        let revision = self.commit(&proposal, authored, pending.as_ref()).await?;
        if let Err(behind) = self.publish_and_wait().await {
            proposal.warnings.push(Warning { path: String::new(), message: behind.to_string() });
        }
        points.reach(FaultPoint::Commit(Way::Apply, CommitStep::Published));
        self.inner().nudge.notify_one();
        let job = self.verify_later(pending, &proposal.document, &request);
        points.reach(FaultPoint::ApplyFollowed);
        Ok(proposal.into_applied(revision, job))
    }

    /// Staged edits that lead to what applies already are done with.
    async fn drop_idle(&self, proposal: &Proposal, actor: &Actor) -> store::Result<()> {
        let items = &proposal.consumed;
        if items.is_empty() {
            return Ok(());
        }
        let audit = AuditEntry {
            at: self.config().clock.now(),
            by: actor.by(),
            action: "discard",
            subject: "staged",
            detail: json!({ "why": "applies already", "items": items.iter().map(|item| item.id.to_string()).collect::<Vec<_>>() }),
        };
        let keys: Vec<_> = items.iter().map(StagedItem::key).collect();
        self.store().staged().remove(&keys, &[audit]).await
    }
}

#[cfg(test)]
mod tests;
