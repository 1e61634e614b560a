use serde::Serialize;
use serde_json::Value;
use spec::{Change, ChangeKind, FieldChange, ItemKind};
use utoipa::ToSchema;

/// What happens to one item, field by field; `***` in place of secrets.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChangeDetail {
    /// What it is.
    #[schema(value_type = String, example = "model")]
    kind: ItemKind,
    /// Its name among those of its kind.
    name: String,
    /// `new`, `changed` or `deleted`.
    #[schema(value_type = String, example = "changed")]
    change: ChangeKind,
    /// What differs in it, for a changed item.
    fields: Vec<FieldView>,
    /// The item before; none if it is new.
    #[schema(value_type = Option<Object>)]
    old: Option<Value>,
    /// The item after; none if it is deleted.
    #[schema(value_type = Option<Object>)]
    new: Option<Value>,
}

/// What differs at one place.
#[derive(Debug, Serialize, ToSchema)]
struct FieldView {
    /// Where, as `price.input`.
    #[schema(example = "price.input")]
    path: String,
    /// What stood there; null if nothing did.
    #[schema(value_type = Option<Value>)]
    old: Option<Value>,
    /// What stands there; null if nothing does.
    #[schema(value_type = Option<Value>)]
    new: Option<Value>,
}

// === impl ChangeDetail ===

impl ChangeDetail {
    /// Masks what is secret.
    pub(super) fn new(change: Change, old: Option<Value>, new: Option<Value>) -> Self {
        let Change { kind, name, change, fields } = change.masked();
        let mask = |data: Option<Value>| data.map(|data| spec::masked(kind, data));
        Self {
            kind,
            name,
            change,
            fields: fields.into_iter().map(FieldView::from).collect(),
            old: mask(old),
            new: mask(new),
        }
    }
}

// === impl FieldView ===

impl From<FieldChange> for FieldView {
    fn from(FieldChange { path, old, new }: FieldChange) -> Self {
        Self { path, old, new }
    }
}
