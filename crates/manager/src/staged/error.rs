use ambient::Timestamp;
use spec::{Faults, ItemId};

use super::{ItemState, Precondition, StagedItem, subject};
use crate::Manager;
use crate::edit_lock::Locked;
use crate::history::HistoryError;
use crate::staged::SelectionError;
use crate::vault::SealError;

/// An edit was not kept, or not given up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StageError {
    #[error(transparent)]
    Locked(#[from] Locked),
    #[error("say what you have seen: send the item's ETag as `If-Match`, or `If-None-Match: *` for a new item")]
    NothingSeen,
    #[error(transparent)]
    Moved(#[from] Box<Moved>),
    #[error("there is no {0}")]
    NotFound(ItemId),
    #[error("base_dir must be an absolute path, but is `{0}`")]
    BaseDir(String),
    #[error("{0}: {1}")]
    Unfit(ItemId, Faults),
    #[error("{} items are staged, more than may be; apply or discard some", super::MOST)]
    TooMany,
    #[error("these items are staged already; apply or discard them first")]
    Taken(Vec<ItemId>),
    #[error(transparent)]
    Selection(#[from] SelectionError),
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// The item is no longer what an editor has seen.
#[derive(Debug, thiserror::Error)]
#[error("{id} is no longer what you have seen: {what} by {who} at {at}; look at it again, then decide")]
pub(crate) struct Moved {
    pub(crate) id: ItemId,
    /// What happened to it: `staged`, `discarded`, `changed in revision 7`.
    pub(crate) what: String,
    pub(crate) who: String,
    pub(crate) at: Timestamp,
}

// === impl Manager ===

impl Manager {
    /// Who changed an item since somebody saw it, how and when.
    pub(super) async fn moved(&self, state: &ItemState, seen: &Precondition) -> store::Result<Box<Moved>> {
        let id = state.id.clone();
        let seen_version = seen.version().unwrap_or(0);
        if let Some(StagedItem { version, author, staged_at, data, .. }) = &state.staged
            && *version != seen_version
        {
            let what = if data.is_some() { "edited" } else { "marked for deletion" };
            return Ok(Box::new(Moved { id, what: what.to_owned(), who: author.clone(), at: *staged_at }));
        }
        // What was staged is gone: discarded, or applied.
        let discarded = if state.staged.is_none() && seen_version > 0 {
            self.store().audit().latest_of(&subject(&id)).await?.filter(|row| row.action == "discard")
        } else {
            None
        };
        if let Some(row) = discarded {
            return Ok(Box::new(Moved { id, what: "the edit was discarded".to_owned(), who: row.actor, at: row.at }));
        }
        if let Some(revision) = self.last_change(&id, 0).await? {
            let what = format!("changed in revision {}", revision.number);
            return Ok(Box::new(Moved { id, what, who: revision.author, at: revision.applied_at }));
        }
        let current = self.current();
        let what = format!("changed on the way to revision {}", current.revision);
        Ok(Box::new(Moved { id, what, who: "somebody".to_owned(), at: current.applied_at }))
    }
}
