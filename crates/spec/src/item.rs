use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Document, Fault, ItemKind};

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

/// An item's identity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ItemId {
    /// What it is.
    pub kind: ItemKind,
    /// Its name among those of its kind.
    pub name: String,
}

// === impl Item ===

impl Item {
    /// Its identity.
    pub fn id(&self) -> ItemId {
        ItemId::new(self.kind, &self.name)
    }
}

// === impl ItemId ===

impl ItemId {
    /// From its parts.
    pub fn new(kind: ItemKind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into() }
    }
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

// === impl Document ===

impl Document {
    /// One item; none if it is not there.
    pub fn item(&self, id: &ItemId) -> Option<Value> {
        let items = id.kind.kind().items(self);
        items.into_iter().find(|(name, _)| *name == id.name).map(|(_, data)| data)
    }

    /// Puts an item into the document: in place of the one of that name, else behind the others. The fault's path
    /// starts at the item. What its types cannot express is left to [`validate`](crate::validate).
    pub fn put_item(&mut self, id: &ItemId, data: Value) -> Result<(), Fault> {
        id.kind.kind().put(self, &id.name, data)
    }

    /// Takes an item away, or back to its defaults where it is always there; whether it was there.
    pub fn remove_item(&mut self, id: &ItemId) -> bool {
        id.kind.kind().remove(self, &id.name)
    }

    /// The item in which a path of the document ends (`models[3].price.input`), and the path below it.
    pub fn locate<'p>(&self, path: &'p str) -> Option<(ItemId, &'p str)> {
        ItemKind::all().find_map(|kind| {
            let (name, below) = kind.kind().locate(self, path)?;
            Some((ItemId { kind, name }, below))
        })
    }
}

/// All items of a document, kind by kind, in its order.
///
/// Of models that share a name (which [`validate`](crate::validate) refuses) only the first is one.
pub fn items(document: &Document) -> Vec<Item> {
    let of_kind =
        |kind: ItemKind| kind.kind().items(document).into_iter().map(move |(name, data)| Item { kind, name, data });
    ItemKind::all().flat_map(of_kind).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::{Format, arbitrary::documents, diff, parse};

    fn model(name: &str) -> ItemId {
        ItemId::new(ItemKind::MODEL, name)
    }

    #[test]
    fn items_are_put_replaced_and_removed() {
        let text = "version: 1\nmodels: [{name: a, type: chat}, {name: b, type: chat}]\nrouting: {retries: 5}";
        let mut document = parse(text, Format::Yaml).unwrap();
        document.put_item(&model("a"), json!({"name": "a", "type": "rerank"})).unwrap();
        document.put_item(&model("c"), json!({"name": "c", "type": "vision"})).unwrap();
        assert!(document.remove_item(&model("b")));
        assert!(!document.remove_item(&model("b")));
        let routing = ItemId::new(ItemKind::SETTINGS, "routing");
        assert_eq!(document.item(&routing).unwrap()["retries"], 5);
        document.put_item(&routing, json!({"retries": 1})).unwrap();
        assert_eq!(document.item(&routing).unwrap()["retries"], 1);
        assert!(document.remove_item(&routing), "back to the defaults");
        let expected = parse("version: 1\nmodels: [{name: a, type: rerank}, {name: c, type: vision}]", Format::Yaml);
        assert_eq!(document, expected.unwrap());
    }

    #[test]
    fn what_does_not_fit_is_named_and_changes_nothing() {
        let mut document = Document::default();
        let fault = document.put_item(&model("a"), json!({"name": "b", "type": "chat"})).unwrap_err();
        assert_eq!(fault.path, "name");
        assert!(document.put_item(&model("a"), json!({"name": "a"})).unwrap_err().message.contains("type"));
        let unknown = ItemId::new(ItemKind::SETTINGS, "rooting");
        let fault = document.put_item(&unknown, json!({})).unwrap_err();
        assert!(fault.message.contains("`rooting`; there are defaults, aliases, routing, ledger"), "{fault}");
        assert!(!document.remove_item(&unknown));
        assert_eq!(document, Document::default());
        assert!("modle".parse::<ItemKind>().unwrap_err().to_string().contains("`modle`; there are `model`"));
    }

    #[test]
    fn a_path_leads_to_its_item() {
        let text = "version: 1\nmodels: [{name: a, type: chat}, {name: b/c, type: chat}]";
        let document = parse(text, Format::Yaml).unwrap();
        let located = |path| document.locate(path).map(|(id, below)| format!("{id}: {below}"));
        assert_eq!(located("models[1].price.input").as_deref(), Some("model b/c: price.input"));
        assert_eq!(located("models[0]").as_deref(), Some("model a: "));
        assert_eq!(located("routing.timeouts.total").as_deref(), Some("settings routing: timeouts.total"));
        assert_eq!(located("limits").as_deref(), Some("settings limits: "));
        assert_eq!([located("models[7].name"), located("version"), located("")], [None, None, None]);
    }

    proptest! {
        #[test]
        fn a_document_is_its_items(from in documents(), to in documents()) {
            let mut document = from;
            let gone: Vec<_> = items(&document).iter().map(Item::id).collect();
            for id in gone {
                prop_assert!(document.remove_item(&id));
            }
            prop_assert_eq!(&document, &Document { version: document.version, ..Document::default() });
            for item in items(&to) {
                document.put_item(&item.id(), item.data).unwrap();
            }
            prop_assert_eq!(diff(&document, &to), []);
        }
    }
}
