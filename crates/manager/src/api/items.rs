use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::header;
use serde::Serialize;
use serde_json::Value;
use spec::{ChangeKind, ItemId, ItemKind};
use utoipa::ToSchema;

use super::Problem;
use crate::Manager;
use crate::staged::{ItemState, StagedItem};

/// An item of the desired state: what applies, and what is staged.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ItemView {
    /// What it is.
    #[schema(value_type = String, example = "model")]
    kind: ItemKind,
    /// Its name among those of its kind.
    name: String,
    /// `new`, `changed` or `deleted` once what is staged is applied; null if nothing is staged.
    #[schema(value_type = Option<String>, example = "changed")]
    flag: Option<ChangeKind>,
    /// Whether what applies has changed since the item was edited.
    stale: bool,
    /// The item as it will be, `***` in place of secrets; null if it will not be there.
    #[schema(value_type = Option<Object>)]
    data: Option<Value>,
    /// The item as it applies; null if it is not there.
    #[schema(value_type = Option<Object>)]
    applied: Option<Value>,
    /// The edit that is not applied yet.
    staged: Option<StagedView>,
    /// To be sent as `If-Match` with an edit.
    etag: String,
}

/// An edit that is not applied yet.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StagedView {
    /// No two edits of anything ever had the same.
    version: u64,
    /// Who made it.
    author: String,
    /// When.
    staged_at: String,
    /// Number of the revision that it started from.
    base_revision: u64,
}

/// Every item, with what is staged
#[utoipa::path(get, path = "/items", operation_id = "list_items", responses(
    (status = 200, body = Vec<ItemView>),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(State(manager): State<Manager>) -> Result<Json<Vec<ItemView>>, Problem> {
    Ok(Json(manager.items().await?.into_iter().map(ItemView::from).collect()))
}

/// An item, with what is staged
#[utoipa::path(get, path = "/items/{kind}/{name}", operation_id = "get_item", params(
    ("kind" = String, Path, description = "What it is, as `model`"),
    ("name" = String, Path, description = "Its name; a `/` in it as `%2F`"),
), responses(
    (status = 200, body = ItemView, headers(("etag" = String, description = "to be sent as `If-Match` with an edit"))),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn get(
    State(manager): State<Manager>,
    Path((kind, name)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let id = item_id(&kind, name)?;
    let state = manager.item(&id).await?;
    if !state.exists() {
        return Err(Problem::not_found(format!("there is no {id}")));
    }
    Ok(ItemView::from(state).into_response())
}

/// The item that a path names.
pub(super) fn item_id(kind: &str, name: String) -> Result<ItemId, Problem> {
    let kind = kind.parse::<ItemKind>().map_err(|unknown| Problem::not_found(unknown.to_string()))?;
    Ok(ItemId::new(kind, name))
}

// === impl ItemView ===

impl From<ItemState> for ItemView {
    fn from(state: ItemState) -> Self {
        let mask = |data: &Value| spec::masked(state.id.kind, data.clone());
        Self {
            kind: state.id.kind,
            flag: state.flag(),
            stale: state.is_stale(),
            data: state.effective().map(mask),
            applied: state.applied.as_ref().map(mask),
            etag: state.etag(),
            name: state.id.name,
            staged: state.staged.map(StagedView::from),
        }
    }
}

impl axum::response::IntoResponse for ItemView {
    fn into_response(self) -> Response {
        ([(header::ETAG, self.etag.clone())], Json(self)).into_response()
    }
}

// === impl StagedView ===

impl From<StagedItem> for StagedView {
    fn from(StagedItem { version, author, staged_at, base_revision, .. }: StagedItem) -> Self {
        Self { version, author, staged_at: staged_at.to_string(), base_revision }
    }
}
