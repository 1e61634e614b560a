use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Document, Item, ItemId, ItemKind, items, mask};

mod fields;

/// What happens to one item between two documents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What the item is.
    pub kind: ItemKind,
    /// Its name among those of its kind.
    pub name: String,
    /// What happens to it.
    pub change: ChangeKind,
    /// What differs, for a changed item.
    pub fields: Vec<FieldChange>,
}

/// What differs at one place of an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Where, below the item, as `price.input`. A deployment stands under its id, as `deployments[1f0c].endpoint.url`, or
    /// under its position where it has none.
    pub path: String,
    /// What stood there; none if nothing did.
    pub old: Option<Value>,
    /// What stands there; none if nothing does.
    pub new: Option<Value>,
}

/// What happens to an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// It was not there.
    New,
    /// It was there and differs.
    Changed,
    /// It is no longer there.
    Deleted,
}

/// An item's identity.
type Key<'a> = (ItemKind, &'a str);

// === impl Change ===

impl Change {
    fn of(item: &Item, change: ChangeKind, fields: Vec<FieldChange>) -> Self {
        Self { kind: item.kind, name: item.name.clone(), change, fields }
    }

    /// The item's identity.
    pub fn id(&self) -> ItemId {
        ItemId::new(self.kind, &self.name)
    }

    /// As it can be shown: `***` in place of secrets.
    #[must_use]
    pub fn masked(mut self) -> Self {
        for field in &mut self.fields {
            for value in [&mut field.old, &mut field.new].into_iter().flatten() {
                mask::field(self.kind, &field.path, value);
            }
        }
        self
    }

    /// Where it differs, as `price.input`.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|field| field.path.as_str())
    }
}

/// What happens to one item from `old` to `new`; none if it stays as it is.
pub fn compare(id: &ItemId, old: Option<&Value>, new: Option<&Value>) -> Option<Change> {
    let change = |change, fields| Some(Change { kind: id.kind, name: id.name.clone(), change, fields });
    match (old, new) {
        (None, None) => None,
        (None, Some(_)) => change(ChangeKind::New, Vec::new()),
        (Some(_), None) => change(ChangeKind::Deleted, Vec::new()),
        (Some(old), Some(new)) => {
            let fields = fields::differing(old, new);
            if fields.is_empty() { None } else { change(ChangeKind::Changed, fields) }
        }
    }
}

/// What leads from `old` to `new`: new and changed items in the order of `new`, then deleted ones in that of `old`.
///
/// The order of models and of deployments is no difference. Give both documents their ids first
/// ([`Document::assign_ids`]); a deployment without one counts by its position.
pub fn diff(old: &Document, new: &Document) -> Vec<Change> {
    let (old, new) = (items(old), items(new));
    let (before, after) = (by_key(&old), by_key(&new));
    let new_or_changed = new.iter().filter_map(|item| match before.get(&key(item)) {
        None => Some(Change::of(item, ChangeKind::New, Vec::new())),
        Some(old) => {
            let fields = fields::differing(&old.data, &item.data);
            (!fields.is_empty()).then(|| Change::of(item, ChangeKind::Changed, fields))
        }
    });
    let gone = old.iter().filter(|item| !after.contains_key(&key(item)));
    new_or_changed.chain(gone.map(|item| Change::of(item, ChangeKind::Deleted, Vec::new()))).collect()
}

fn key(item: &Item) -> Key<'_> {
    (item.kind, &item.name)
}

fn by_key(items: &[Item]) -> HashMap<Key<'_>, &Item> {
    items.iter().map(|item| (key(item), item)).collect()
}

#[cfg(test)]
mod tests;
