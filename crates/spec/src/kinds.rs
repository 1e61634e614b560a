//! What kinds of items a document is made of: one file each, and one line in [`KINDS`].

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::{Document, Fault, Reference, mask, quote::Quoted};

mod credential;
mod model;
mod read;
mod recipe;
mod settings;

/// All kinds, in the order in which their items are listed.
const KINDS: &[&dyn Kind] = &[&model::Models, &credential::Credentials, &recipe::Recipes, &settings::Settings];

/// A kind of item: how its items stand in a document.
pub(crate) trait Kind: Sync {
    /// The word for it in paths, answers and commands.
    fn name(&self) -> &'static str;

    /// Its items in the order of the document, by name; of several with one name only the first.
    fn items(&self, document: &Document) -> Vec<(String, Value)>;

    /// Puts an item into the document: in place of the one of that name, else behind the others.
    fn put(&self, document: &mut Document, name: &str, data: Value) -> Result<(), Fault>;

    /// Takes an item away, or back to its defaults where it is always there; whether it was there.
    fn remove(&self, document: &mut Document, name: &str) -> bool;

    /// The item in which a path of the document ends (`models[3].price.input`): its name, and the path below it.
    fn locate<'p>(&self, document: &Document, path: &'p str) -> Option<(String, &'p str)>;

    /// Where an item stands in the document (`models[3]`).
    fn place(&self, document: &Document, name: &str) -> Option<String>;

    /// What its items name in other items. Whatever is named has to be there.
    fn references(&self, _document: &Document) -> Vec<Reference> {
        Vec::new()
    }

    /// Makes an item fit to be shown: `***` in place of secrets.
    fn mask(&self, data: &mut Value) {
        mask::secrets(data);
    }
}

/// What an item is; with its name it identifies the item.
#[derive(Clone, Copy)]
pub struct ItemKind(&'static dyn Kind);

/// There is no kind of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no kind of item called {}; there are {}", Quoted(.0), names())]
pub struct UnknownKind(String);

// === impl ItemKind ===

impl ItemKind {
    /// All there are.
    pub fn all() -> impl Iterator<Item = Self> {
        KINDS.iter().copied().map(Self)
    }

    /// The word for it in paths, answers and commands.
    pub fn as_str(self) -> &'static str {
        self.0.name()
    }

    pub(crate) fn kind(self) -> &'static dyn Kind {
        self.0
    }
}

impl fmt::Display for ItemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ItemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialEq for ItemKind {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for ItemKind {}

impl PartialOrd for ItemKind {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ItemKind {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for ItemKind {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl FromStr for ItemKind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::all().find(|kind| kind.as_str() == text).ok_or_else(|| UnknownKind(text.to_owned()))
    }
}

impl Serialize for ItemKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ItemKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

fn names() -> String {
    KINDS.iter().map(|kind| format!("`{}`", kind.name())).collect::<Vec<_>>().join(", ")
}

/// JSON of a part of the document. Cannot fail: all keys are strings.
fn json(part: &impl Serialize) -> Value {
    serde_json::to_value(part).unwrap_or(Value::Null)
}
