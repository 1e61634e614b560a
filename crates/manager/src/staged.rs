//! Edits of items that are kept, seen by everybody, until they are applied or discarded.

use std::collections::HashMap;
use std::path::PathBuf;

use ambient::Timestamp;
use serde_json::Value;
use spec::{ChangeKind, Document, ItemId};
use store::{StagedKey, StagedRow};

use crate::digest::sha256;
use crate::{Actor, Manager};

mod discard;
mod edit;
mod error;
mod etag;
mod revision;
mod selection;

pub(crate) use edit::Precondition;
pub(crate) use error::StageError;
pub(crate) use selection::{SelectedItem, Selection, SelectionError};

/// Items that may be staged at once.
const MOST: usize = 10_000;

/// An edit that is not applied yet.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StagedItem {
    pub(crate) id: ItemId,
    /// The item as it is to be; none if it is to be deleted.
    pub(crate) data: Option<Value>,
    /// Digest of the applied item that the edit started from; none if there was none.
    pub(crate) base: Option<String>,
    /// Number of the revision that the edit started from.
    pub(crate) base_revision: u64,
    /// No two edits of anything ever had the same.
    pub(crate) version: u64,
    pub(crate) author: String,
    pub(crate) staged_at: Timestamp,
}

/// A wish to change one item.
#[derive(Clone, Debug)]
pub(crate) struct Edit {
    pub(crate) id: ItemId,
    /// The item as it is to be; none if it is to be deleted.
    pub(crate) data: Option<Value>,
    /// Folder that relative paths in it start from; the home unless given.
    pub(crate) base_dir: Option<PathBuf>,
    /// What its author has seen.
    pub(crate) seen: Precondition,
    pub(crate) actor: Actor,
}

/// An item as it stands: applied, staged or both.
#[derive(Clone, Debug)]
pub(crate) struct ItemState {
    pub(crate) id: ItemId,
    /// What applies; none if it is not there.
    pub(crate) applied: Option<Value>,
    pub(crate) staged: Option<StagedItem>,
}

// === impl StagedItem ===

impl StagedItem {
    /// None for a kind of item that this version does not know.
    fn from_row(row: StagedRow) -> Option<Self> {
        let kind = row.kind.parse().ok()?;
        Some(Self {
            id: ItemId::new(kind, row.name),
            data: match row.data {
                Some(text) => Some(serde_json::from_str(&text).ok()?),
                None => None,
            },
            base: row.base,
            base_revision: row.base_revision,
            version: row.version,
            author: row.author,
            staged_at: row.staged_at,
        })
    }

    pub(crate) fn key(&self) -> StagedKey<'_> {
        StagedKey { kind: self.id.kind.as_str(), name: &self.id.name, version: self.version }
    }

    /// Puts it into a document. It was checked when it was staged, so it fits, unless an update changed what fits.
    pub(crate) fn put_into(&self, document: &mut Document) -> Result<(), spec::Fault> {
        if let Some(data) = &self.data {
            return document.put_item(&self.id, data.clone());
        }
        document.remove_item(&self.id);
        Ok(())
    }

    /// Whether what applies is no longer what the edit started from, so that applying it would undo a change that its
    /// author has not seen.
    pub(crate) fn is_stale(&self, applied: Option<&Value>) -> bool {
        self.base != applied.map(digest) && self.data.as_ref() != applied
    }
}

// === impl ItemState ===

impl ItemState {
    /// As it will be once everything is applied; none if it will not be there.
    pub(crate) fn effective(&self) -> Option<&Value> {
        match &self.staged {
            Some(staged) => staged.data.as_ref(),
            None => self.applied.as_ref(),
        }
    }

    /// What is staged; none if nothing is, or nothing that differs from what applies.
    pub(crate) fn flag(&self) -> Option<ChangeKind> {
        spec::compare(&self.id, self.applied.as_ref(), self.effective()).map(|change| change.change)
    }

    pub(crate) fn is_stale(&self) -> bool {
        self.staged.as_ref().is_some_and(|staged| staged.is_stale(self.applied.as_ref()))
    }
}

// === impl Manager ===

impl Manager {
    /// What is staged, oldest first.
    pub(crate) async fn staged(&self) -> store::Result<Vec<StagedItem>> {
        let rows = self.store().staged().list().await?;
        Ok(rows.into_iter().filter_map(StagedItem::from_row).collect())
    }

    /// Every item that applies or is staged, in the order of the document, new ones behind.
    pub(crate) async fn items(&self) -> store::Result<Vec<ItemState>> {
        let current = self.current();
        let mut staged: HashMap<_, _> = self.staged().await?.into_iter().map(|item| (item.id.clone(), item)).collect();
        let mut items: Vec<_> = spec::items(&current.document)
            .into_iter()
            .map(|item| ItemState { staged: staged.remove(&item.id()), id: item.id(), applied: Some(item.data) })
            .collect();
        let mut new: Vec<_> = staged.into_values().collect();
        new.sort_by_key(|item| item.version);
        items.extend(new.into_iter().map(|item| ItemState { id: item.id.clone(), applied: None, staged: Some(item) }));
        Ok(items)
    }

    /// One item.
    pub(crate) async fn item(&self, id: &ItemId) -> store::Result<ItemState> {
        let staged = self.staged().await?.into_iter().find(|item| item.id == *id);
        Ok(ItemState { id: id.clone(), applied: self.current().document.item(id), staged })
    }
}

/// Digest of an item's data, by which its versions are told apart.
pub(crate) fn digest(data: &Value) -> String {
    // Cannot fail: every key is a string.
    sha256(&serde_json::to_vec(data).unwrap_or_default())
}

/// How the audit names an item.
fn subject(id: &ItemId) -> String {
    format!("{}/{}", id.kind, id.name)
}

#[cfg(test)]
mod tests;
