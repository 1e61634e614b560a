use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::{Document, Item, ItemKind, items};

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
    /// What differs, for a changed item: paths below it, as `price.input`. A deployment stands under its id, as
    /// `deployments[1f0c].endpoint.url`, or under its position where it has none.
    pub fields: Vec<String>,
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

/// What leads from `old` to `new`: new and changed items in the order of `new`, then deleted ones in that of `old`.
///
/// Give both their ids first ([`Document::assign_ids`]), or every deployment without one counts by position.
pub fn diff(old: &Document, new: &Document) -> Vec<Change> {
    let mut gone: Vec<Item> = items(old);
    let positions: HashMap<_, _> =
        gone.iter().enumerate().map(|(i, item)| ((item.kind, item.name.clone()), i)).collect();
    let mut kept = vec![false; gone.len()];
    let mut changes = Vec::new();
    for item in items(new) {
        let Some(&position) = positions.get(&(item.kind, item.name.clone())) else {
            changes.push(Change { kind: item.kind, name: item.name, change: ChangeKind::New, fields: Vec::new() });
            continue;
        };
        kept[position] = true;
        let fields = fields::differing(&gone[position].data, &item.data);
        if !fields.is_empty() {
            changes.push(Change { kind: item.kind, name: item.name, change: ChangeKind::Changed, fields });
        }
    }
    let mut kept = kept.into_iter();
    gone.retain(|_| !kept.next().unwrap_or(true));
    let deleted =
        |item: Item| Change { kind: item.kind, name: item.name, change: ChangeKind::Deleted, fields: Vec::new() };
    changes.extend(gone.into_iter().map(deleted));
    changes
}

#[cfg(test)]
mod tests;
