use clap::Args;
use serde_json::{Map, Value, json};

use super::item::ItemName;
use crate::exit::UsageError;

/// Which of the staged changes are meant.
#[derive(Clone, Debug, Args)]
pub(super) struct Selection {
    /// Items, as model/tiny
    #[arg(value_name = "ITEM", conflicts_with_all = ["author", "all"])]
    items: Vec<ItemName>,
    /// Those that this author staged
    #[arg(long, value_name = "NAME", conflicts_with = "all")]
    author: Option<String>,
    /// All that is staged, whoever staged it
    #[arg(long)]
    all: bool,
}

// === impl Selection ===

impl Selection {
    /// As the admin API takes it; what is meant has to be said.
    pub(super) fn said(&self) -> Result<Map<String, Value>, UsageError> {
        if self.items.is_empty() && self.author.is_none() && !self.all {
            return Err(UsageError("say which changes: ITEM..., --author NAME or --all".to_owned()));
        }
        Ok(self.fields())
    }

    /// As the admin API takes it; everything unless something is said.
    pub(super) fn or_all(&self) -> Map<String, Value> {
        if self.items.is_empty() && self.author.is_none() {
            return Map::from_iter([("all".to_owned(), json!(true))]);
        }
        self.fields()
    }

    fn fields(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        if self.all {
            fields.insert("all".to_owned(), json!(true));
        }
        if let Some(author) = &self.author {
            fields.insert("author".to_owned(), json!(author));
        }
        if !self.items.is_empty() {
            let items = self.items.iter().map(|item| json!({ "kind": item.kind, "name": item.name }));
            fields.insert("items".to_owned(), items.collect());
        }
        fields
    }
}
