use serde::{Deserialize, Serialize};
use spec::{ItemId, ItemKind};
use utoipa::ToSchema;

use super::StagedItem;

/// Which of the staged edits are meant: exactly one of `items`, `author` and `all`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Selection {
    /// These.
    pub(crate) items: Vec<SelectedItem>,
    /// Those of this author.
    pub(crate) author: Option<String>,
    /// All of them.
    pub(crate) all: bool,
}

/// One staged edit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SelectedItem {
    /// What the item is.
    #[schema(value_type = String, example = "model")]
    pub(crate) kind: ItemKind,
    /// Its name among those of its kind.
    pub(crate) name: String,
    /// Version of the edit that was seen; a later one is not meant.
    #[serde(default)]
    pub(crate) version: Option<u64>,
}

/// What was selected is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SelectionError {
    #[error("say which staged changes you mean: `items`, `author` or `all`, exactly one of them")]
    Unclear,
    #[error("no change of {0} is staged")]
    NotStaged(ItemId),
    #[error("{0} has staged nothing that waits; `config plan` shows who has")]
    NothingOf(String),
    #[error(
        "the staged change of {id} is another one by now: {author} edited it at {at}; look at it again, then decide"
    )]
    Edited { id: ItemId, author: String, at: ambient::Timestamp },
}

// === impl Selection ===

impl Selection {
    /// Everything that is staged.
    pub(crate) fn everything() -> Self {
        Self { all: true, ..Self::default() }
    }

    /// These, as they are now.
    pub(crate) fn these<'i>(items: impl IntoIterator<Item = &'i StagedItem>) -> Self {
        let items = items.into_iter().map(|item| SelectedItem {
            kind: item.id.kind,
            name: item.id.name.clone(),
            version: Some(item.version),
        });
        Self { items: items.collect(), ..Self::default() }
    }

    /// Those that are meant, oldest first.
    pub(crate) fn of(&self, staged: Vec<StagedItem>) -> Result<Vec<StagedItem>, SelectionError> {
        match (self.items.is_empty(), &self.author, self.all) {
            (true, None, true) => Ok(staged),
            (true, Some(author), false) => {
                let theirs: Vec<_> = staged.into_iter().filter(|item| item.author == *author).collect();
                if theirs.is_empty() { Err(SelectionError::NothingOf(author.clone())) } else { Ok(theirs) }
            }
            (false, None, false) => {
                for selected in &self.items {
                    selected.check(&staged)?;
                }
                let is_meant = |item: &StagedItem| self.items.iter().any(|selected| selected.id() == item.id);
                Ok(staged.into_iter().filter(is_meant).collect())
            }
            _ => Err(SelectionError::Unclear),
        }
    }
}

// === impl SelectedItem ===

impl SelectedItem {
    fn id(&self) -> ItemId {
        ItemId::new(self.kind, &self.name)
    }

    fn check(&self, staged: &[StagedItem]) -> Result<(), SelectionError> {
        let Some(item) = staged.iter().find(|item| item.id == self.id()) else {
            return Err(SelectionError::NotStaged(self.id()));
        };
        if self.version.is_some_and(|version| version != item.version) {
            return Err(SelectionError::Edited { id: self.id(), author: item.author.clone(), at: item.staged_at });
        }
        Ok(())
    }
}
