use std::time::Duration;

use serde_json::json;
use spec::{Document, Fault, Faults};
use store::{AuditEntry, Cause, StagedEdit, StagedRow};

use super::{Edit, ItemState, MOST, StageError, StagedItem, digest, subject};
use crate::Manager;
use crate::credentials::TakeInError;
use crate::current::Current;
use crate::fault_points::FaultPoint;

/// Times that an edit is looked at anew because something moved beside it, and the pause in between.
const TRIES: u32 = 20;
const AGAIN: Duration = Duration::from_millis(5);

/// What an editor has seen of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Precondition {
    /// Nothing was said, so nothing is edited.
    Unknown,
    /// That it is not there.
    Absent,
    /// One of these states of it.
    Etags(Vec<String>),
    /// Whatever there is, it is to be replaced.
    Anything,
}

// === impl Precondition ===

impl Precondition {
    fn holds(&self, state: &ItemState) -> bool {
        match self {
            Self::Unknown => false,
            Self::Absent => !state.exists(),
            Self::Etags(etags) => etags.contains(&state.etag()),
            Self::Anything => true,
        }
    }

    /// Version of the edit that was seen; none if none was.
    pub(super) fn version(&self) -> Option<u64> {
        match self {
            Self::Etags(etags) => etags.first().and_then(|etag| ItemState::version_in(etag)),
            Self::Unknown | Self::Absent | Self::Anything => None,
        }
    }
}

// === impl Manager ===

impl Manager {
    /// Keeps an edit, if the item still is what its author has seen. One that leads back to what applies takes what was
    /// staged away.
    pub(crate) async fn stage(&self, edit: Edit) -> Result<ItemState, StageError> {
        self.edit_lock().check()?;
        if edit.seen == Precondition::Unknown {
            return Err(StageError::NothingSeen);
        }
        let mut tries = 0;
        loop {
            match self.try_stage(&edit).await {
                // An apply got in between. Whether it touched this item, a second look says.
                Err(StageError::Store(error)) if error.cause == Cause::Conflict && tries < TRIES => tries += 1,
                Err(error) => return Err(error),
                Ok(state) => {
                    self.config().fault_points.reach(FaultPoint::StageKept);
                    return Ok(state);
                }
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// The item as the edit left it: not as it is by now, or its author would take for seen what somebody else did since.
    async fn try_stage(&self, edit: &Edit) -> Result<ItemState, StageError> {
        // One look at what applies, for all that is decided: the store refuses the edit if another revision applies then.
        let current = self.current();
        let all = self.staged().await?;
        let state = state_in(&current, &all, edit);
        if !edit.seen.holds(&state) {
            return Err(self.moved(&state, &edit.seen).await?.into());
        }
        if state.staged.is_none() && all.len() >= MOST {
            return Err(StageError::TooMany);
        }
        let mut staged = self.completed(&current, &all, &state, edit)?;
        self.config().fault_points.reach(FaultPoint::StageChecked);
        if staged.data == state.applied {
            self.take_back(&state, edit).await?;
            return Ok(ItemState { staged: None, ..state });
        }
        staged.version = self.keep(&state, &staged, edit).await?;
        Ok(ItemState { staged: Some(staged), ..state })
    }

    /// The edit as it is to be kept: complete, absolute, with ids, and without a fault of its own.
    fn completed(
        &self,
        current: &Current,
        all: &[StagedItem],
        state: &ItemState,
        edit: &Edit,
    ) -> Result<StagedItem, StageError> {
        let unfit = |faults: Faults| StageError::Unfit(edit.id.clone(), faults);
        let mut document = current.document.clone();
        for item in all.iter().filter(|item| item.id != edit.id) {
            // What an update made unfit is said when it is applied.
            let _: Result<(), Fault> = item.put_into(&mut document);
        }
        let mut kept = document.clone();
        if let Some(own) = &state.staged {
            let _: Result<(), Fault> = own.put_into(&mut kept);
        }
        match &edit.data {
            Some(data) => {
                document.put_item(&edit.id, data.clone()).map_err(|fault| unfit(fault.into()))?;
                self.complete(current, &mut document, edit)?;
                spec::validate_item(&document, &edit.id).map_err(unfit)?;
                self.take_in(&mut document, &kept, false).map_err(|error| match error {
                    // Whoever edits an item knows its fields, and not where it stands among all.
                    TakeInError::Faults(faults) => unfit(faults.map_paths(|path| below(&document, path))),
                    TakeInError::Seal(error) => error.into(),
                })?;
            }
            None if !state.exists() => return Err(StageError::NotFound(edit.id.clone())),
            None => {
                document.remove_item(&edit.id);
            }
        }
        Ok(StagedItem {
            id: edit.id.clone(),
            // A section of settings is still there, with its defaults.
            data: document.item(&edit.id),
            base: state.applied.as_ref().map(digest),
            base_revision: current.revision,
            version: 0,
            author: edit.actor.name().to_owned(),
            staged_at: self.config().clock.now(),
        })
    }

    fn complete(&self, current: &Current, document: &mut Document, edit: &Edit) -> Result<(), StageError> {
        let base = edit.base_dir.as_deref().unwrap_or(self.config().home.path());
        if !base.is_absolute() {
            return Err(StageError::BaseDir(base.display().to_string()));
        }
        document.absolutize(base);
        document.assign_ids(Some(&current.document), &mut || hex::encode(self.config().rng.bytes::<6>()));
        Ok(())
    }

    /// Version that the edit got.
    async fn keep(&self, state: &ItemState, staged: &StagedItem, edit: &Edit) -> store::Result<u64> {
        let row = StagedRow {
            kind: staged.id.kind.as_str().to_owned(),
            name: staged.id.name.clone(),
            data: staged.data.as_ref().map(ToString::to_string),
            base: staged.base.clone(),
            base_revision: staged.base_revision,
            version: 0,
            author: staged.author.clone(),
            staged_at: staged.staged_at,
        };
        let subject = subject(&edit.id);
        let audit = AuditEntry {
            at: staged.staged_at,
            by: edit.actor.by(),
            action: if staged.data.is_some() { "stage" } else { "stage.delete" },
            subject: &subject,
            detail: json!({ "base_revision": staged.base_revision }),
        };
        let replaces = state.staged.as_ref().map(|item| item.version);
        let versions = self.store().staged().put(&[StagedEdit { row: &row, replaces, audit: &audit }]).await?;
        Ok(versions.first().copied().unwrap_or_default())
    }

    async fn take_back(&self, state: &ItemState, edit: &Edit) -> store::Result<()> {
        let Some(staged) = &state.staged else { return Ok(()) };
        let subject = subject(&edit.id);
        let audit = AuditEntry {
            at: self.config().clock.now(),
            by: edit.actor.by(),
            action: "discard",
            subject: &subject,
            detail: json!({ "why": "edited back to what applies" }),
        };
        self.store().staged().remove(&[staged.key()], &[audit]).await
    }
}

fn state_in(current: &Current, all: &[StagedItem], edit: &Edit) -> ItemState {
    let staged = all.iter().find(|item| item.id == edit.id).cloned();
    ItemState { id: edit.id.clone(), applied: current.document.item(&edit.id), staged }
}

/// A path of the document, from the item that it leads into.
fn below(document: &Document, path: &str) -> String {
    document.locate(path).map_or_else(|| path.to_owned(), |(_, below)| below.to_owned())
}
