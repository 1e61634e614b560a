use serde_json::json;
use spec::ItemId;
use store::{AuditEntry, StagedEdit, StagedRow};

use super::{ItemState, StageError, digest, subject};
use crate::{Actor, Manager};

// === impl Manager ===

impl Manager {
    /// Stages what leads back to a revision, all of it or nothing; the items as they stand then.
    pub(crate) async fn stage_revision(&self, number: u64, actor: &Actor) -> Result<Vec<ItemState>, StageError> {
        self.edit_lock().check()?;
        let current = self.current();
        let target = self.document_of(number).await?;
        let ids: Vec<ItemId> = spec::diff(&current.document, &target).iter().map(spec::Change::id).collect();
        let staged = self.staged().await?;
        let taken: Vec<_> = ids.iter().filter(|id| staged.iter().any(|item| item.id == **id)).cloned().collect();
        if !taken.is_empty() {
            return Err(StageError::Taken(taken));
        }
        let now = self.config().clock.now();
        let rows: Vec<_> = ids
            .iter()
            .map(|id| StagedRow {
                kind: id.kind.as_str().to_owned(),
                name: id.name.clone(),
                data: target.item(id).map(|data| data.to_string()),
                base: current.document.item(id).as_ref().map(digest),
                base_revision: current.revision,
                version: 0,
                author: actor.name().to_owned(),
                staged_at: now,
            })
            .collect();
        let subjects: Vec<_> = ids.iter().map(subject).collect();
        let audit: Vec<_> = subjects
            .iter()
            .map(|subject| AuditEntry {
                at: now,
                by: actor.by(),
                action: "stage",
                subject,
                detail: json!({ "base_revision": current.revision, "back_to": number }),
            })
            .collect();
        let edits: Vec<_> = rows
            .iter()
            .zip(&audit)
            .map(|(row, audit)| StagedEdit { row, keeps: true, replaces: None, audit })
            .collect();
        self.store().staged().put(&edits).await?;
        let items = self.items().await?;
        Ok(items.into_iter().filter(|state| ids.contains(&state.id)).collect())
    }
}
