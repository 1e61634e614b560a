use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Document;

/// What an item is; with its name it identifies the item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ItemKind {
    /// A model, by its public name.
    Model,
    /// A section of settings, by the name of its field: `routing`, `ledger`, `cache`, `requests`, `limits`. Always there, so it can only change.
    Settings,
}

/// One named piece of desired state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// What it is.
    pub kind: ItemKind,
    /// Its name among those of its kind.
    pub name: String,
    /// What the document says about it, as JSON.
    pub data: Value,
}

/// All items of a document: the models in its order, then the settings.
///
/// Of models that share a name (which [`validate`](crate::validate) refuses) only the first is one.
pub fn items(document: &Document) -> Vec<Item> {
    let Document { version: _, models, routing, ledger, cache, requests, limits } = document;
    let mut items: Vec<Item> = Vec::with_capacity(models.len() + 5);
    let mut names = std::collections::HashSet::with_capacity(models.len());
    for model in models {
        if names.insert(&model.name) {
            items.push(Item { kind: ItemKind::Model, name: model.name.clone(), data: data(model) });
        }
    }
    items.push(Item { kind: ItemKind::Settings, name: "routing".to_owned(), data: data(routing) });
    items.push(Item { kind: ItemKind::Settings, name: "ledger".to_owned(), data: data(ledger) });
    items.push(Item { kind: ItemKind::Settings, name: "cache".to_owned(), data: data(cache) });
    items.push(Item { kind: ItemKind::Settings, name: "requests".to_owned(), data: data(requests) });
    items.push(Item { kind: ItemKind::Settings, name: "limits".to_owned(), data: data(limits) });
    items
}

/// JSON of a part of the document. Cannot fail: all keys are strings.
fn data(part: &impl Serialize) -> Value {
    serde_json::to_value(part).unwrap_or(Value::Null)
}
