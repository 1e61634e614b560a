use serde_json::json;
use store::AuditEntry;

use super::{Selection, StageError, StagedItem, subject};
use crate::fault_points::FaultPoint;
use crate::{Actor, Manager};

// === impl Manager ===

impl Manager {
    /// Gives staged edits up, all that are selected or none; what they were. Allowed also where editing is locked: it
    /// changes nothing that applies, or ever would.
    pub(crate) async fn discard(&self, selection: &Selection, actor: &Actor) -> Result<Vec<StagedItem>, StageError> {
        let items = selection.of(self.staged().await?)?;
        let subjects: Vec<_> = items.iter().map(|item| subject(&item.id)).collect();
        let audit = subjects.iter().zip(&items).map(|(subject, item)| AuditEntry {
            at: self.config().clock.now(),
            by: actor.by(),
            action: "discard",
            subject,
            detail: json!({ "author": item.author, "staged_at": item.staged_at.to_string() }),
        });
        let keys: Vec<_> = items.iter().map(StagedItem::key).collect();
        self.store().staged().remove(&keys, &audit.collect::<Vec<_>>()).await?;
        self.config().fault_points.reach(FaultPoint::Discarded);
        tracing::info!(items = items.len(), actor = actor.name(), "staged changes discarded");
        Ok(items)
    }
}
