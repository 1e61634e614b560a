use std::str::FromStr;

use serde::Deserialize;
use serde_json::Value;

use crate::client;

/// An item as it is typed: `model/tiny`, `settings/routing`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ItemName {
    pub(super) kind: String,
    pub(super) name: String,
}

/// An item as the admin API shows it.
#[derive(Debug, Deserialize)]
pub(super) struct Item {
    pub(super) kind: String,
    pub(super) name: String,
    /// `new`, `changed` or `deleted`; none if nothing differs.
    pub(super) flag: Option<String>,
    #[serde(default)]
    pub(super) stale: bool,
    /// As it will be.
    pub(super) data: Option<Value>,
    pub(super) applied: Option<Value>,
    pub(super) staged: Option<Staged>,
    pub(super) etag: String,
}

/// The edit of an item.
#[derive(Debug, Deserialize)]
pub(super) struct Staged {
    pub(super) author: String,
    pub(super) staged_at: String,
}

// === impl ItemName ===

impl ItemName {
    /// Its path in the admin API, below `items` or `staged`.
    pub(super) fn path(&self, below: &str) -> String {
        format!("/api/v1/{below}/{}/{}", client::segment(&self.kind), client::segment(&self.name))
    }
}

impl std::fmt::Display for ItemName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

impl FromStr for ItemName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((kind, name)) if !kind.is_empty() && !name.is_empty() => {
                Ok(Self { kind: kind.to_owned(), name: name.to_owned() })
            }
            _ => Err("write an item as KIND/NAME: model/tiny, settings/routing".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_a_slash() {
        let item: ItemName = "model/org/tiny".parse().unwrap();
        assert_eq!((item.kind.as_str(), item.name.as_str()), ("model", "org/tiny"));
        assert_eq!(item.path("items"), "/api/v1/items/model/org%2Ftiny");
        assert!("tiny".parse::<ItemName>().unwrap_err().contains("KIND/NAME"));
        assert!("model/".parse::<ItemName>().is_err());
    }
}
