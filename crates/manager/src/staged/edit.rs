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
    /// Keeps edits, all or none, if the items still are what their author has seen. One that leads back to what applies takes
    /// what was staged away.
    pub(crate) async fn stage(&self, edits: &[Edit]) -> Result<Vec<ItemState>, StageError> {
        self.edit_lock().check()?;
        if edits.iter().any(|edit| edit.seen == Precondition::Unknown) {
            return Err(StageError::NothingSeen);
        }
        let mut tries = 0;
        loop {
            match self.try_stage(edits).await {
                // An apply got in between. Whether it touched these items, a second look says.
                Err(StageError::Store(error)) if error.cause == Cause::Conflict && tries < TRIES => tries += 1,
                Err(error) => return Err(error),
                Ok(states) => {
                    self.config().fault_points.reach(FaultPoint::StageKept);
                    return Ok(states);
                }
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// The items as the edits left them: not as they are by now, or their author would take for seen what somebody else did
    /// since.
    async fn try_stage(&self, edits: &[Edit]) -> Result<Vec<ItemState>, StageError> {
        // One look at what applies, for all that is decided: the store refuses the edits if another revision applies then.
        let current = self.current();
        let mut all = self.staged().await?;
        let mut planned = Vec::with_capacity(edits.len());
        for edit in edits {
            let state = state_in(&current, &all, edit);
            if !edit.seen.holds(&state) {
                return Err(self.moved(&state, &edit.seen).await?.into());
            }
            if state.staged.is_none() && all.len() >= MOST {
                return Err(StageError::TooMany);
            }
            let staged = self.completed(&current, &all, &state, edit).await?;
            // Those behind it may refer to it.
            all.retain(|item| item.id != edit.id);
            all.push(staged.clone());
            planned.push((state, staged));
        }
        self.config().fault_points.reach(FaultPoint::StageChecked);
        let versions = self.keep(edits, &planned).await?;
        let left = planned.into_iter().zip(versions).map(|((state, staged), version)| {
            let staged = version.map(|version| StagedItem { version, ..staged });
            ItemState { staged, ..state }
        });
        Ok(left.collect())
    }

    /// The edit as it is to be kept: complete, absolute, with ids, and without a fault of its own.
    async fn completed(
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
                self.check_gpus(&document, &edit.id).await.map_err(unfit)?;
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

    /// Versions that the edits got; none for those that lead back to what applies.
    async fn keep(&self, edits: &[Edit], planned: &[(ItemState, StagedItem)]) -> store::Result<Vec<Option<u64>>> {
        let rows: Vec<_> = planned.iter().map(|(_, staged)| row(staged)).collect();
        let subjects: Vec<_> = edits.iter().map(|edit| subject(&edit.id)).collect();
        let audit: Vec<_> = edits.iter().zip(planned).zip(&subjects).map(entry).collect();
        let kept = planned.iter().zip(&rows).zip(&audit);
        let kept: Vec<_> = kept
            .map(|(((state, staged), row), audit)| StagedEdit {
                row,
                keeps: staged.data != state.applied,
                replaces: state.staged.as_ref().map(|item| item.version),
                audit,
            })
            // What neither is nor becomes staged is nothing to be told of.
            .filter(|edit| edit.keeps || edit.replaces.is_some())
            .collect();
        let mut versions = self.store().staged().put(&kept).await?.into_iter();
        let is_told =
            |(state, staged): &(ItemState, StagedItem)| staged.data != state.applied || state.staged.is_some();
        Ok(planned.iter().map(|plan| if is_told(plan) { versions.next().flatten() } else { None }).collect())
    }
}

fn row(staged: &StagedItem) -> StagedRow {
    StagedRow {
        kind: staged.id.kind.as_str().to_owned(),
        name: staged.id.name.clone(),
        data: staged.data.as_ref().map(ToString::to_string),
        base: staged.base.clone(),
        base_revision: staged.base_revision,
        version: 0,
        author: staged.author.clone(),
        staged_at: staged.staged_at,
    }
}

fn entry<'a>(((edit, (state, staged)), subject): ((&'a Edit, &(ItemState, StagedItem)), &'a String)) -> AuditEntry<'a> {
    let (action, detail) = match (staged.data == state.applied, &staged.data) {
        (true, _) => ("discard", json!({ "why": "edited back to what applies" })),
        (false, Some(_)) => ("stage", json!({ "base_revision": staged.base_revision })),
        (false, None) => ("stage.delete", json!({ "base_revision": staged.base_revision })),
    };
    AuditEntry { at: staged.staged_at, by: edit.actor.by(), action, subject, detail }
}

fn state_in(current: &Current, all: &[StagedItem], edit: &Edit) -> ItemState {
    let staged = all.iter().find(|item| item.id == edit.id).cloned();
    ItemState { id: edit.id.clone(), applied: current.document.item(&edit.id), staged }
}

/// A path of the document, from the item that it leads into.
fn below(document: &Document, path: &str) -> String {
    document.locate(path).map_or_else(|| path.to_owned(), |(_, below)| below.to_owned())
}
