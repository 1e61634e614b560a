#![expect(unused_qualifications, reason = "written by the macro that describes the route")]

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use spec::{ChangeKind, ItemId, ItemKind};
use utoipa::{IntoParams, ToSchema};

use super::Problem;
use super::extract::{NamedPair, Params};
use super::page::{Listed, Page};
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

/// Which items.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListParams {
    /// How many at most: 1 to 1,000; 100 unless given.
    pub(super) limit: Option<u32>,
    /// Where to go on, as the `link` of the page before says.
    pub(super) cursor: Option<String>,
    /// Only those of this kind, as `model`.
    kind: Option<String>,
    /// Only those that this one staged.
    author: Option<String>,
}

/// Every item, with what is staged
///
/// By kind and name.
#[utoipa::path(get, path = "/items", operation_id = "list_items", params(ListParams), responses(
    (status = 200, body = Vec<ItemView>, headers(("link" = Option<String>, description = "the next page, with `rel=\"next\"`"))),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(manager): State<Manager>,
    Params(params): Params<ListParams>,
) -> Result<Listed<ItemView>, Problem> {
    let page = Page::<(String, String)>::read(params.limit, params.cursor.as_deref())?;
    let mut items = params.choose(manager.items().await?)?;
    items.sort_by(|one, other| one.id.cmp(&other.id));
    let items = page.cut(items.into_iter(), |item| (item.id.kind.as_str().to_owned(), item.id.name.clone()));
    Ok(items.map(ItemView::from))
}

/// An item, with what is staged
#[utoipa::path(get, path = "/items/{kind}/{name}", operation_id = "get_item", params(
    ("kind" = String, Path, description = "What it is, as `model`"),
    ("name" = String, Path, description = "Its name; a `/` in it as `%2F`"),
), responses(
    (status = 200, body = ItemView, headers(("etag" = String, description = "to be sent as `If-Match` with an edit"))),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn get(State(manager): State<Manager>, NamedPair(kind, name): NamedPair) -> Result<Response, Problem> {
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

// === impl ListParams ===

impl ListParams {
    /// Those that are asked for.
    pub(super) fn choose(&self, mut items: Vec<ItemState>) -> Result<Vec<ItemState>, Problem> {
        let kind = self.kind.as_deref().map(str::parse::<ItemKind>).transpose();
        let kind = kind.map_err(|unknown| Problem::unfit("kind", unknown.to_string()))?;
        let staged_by = |item: &ItemState| item.staged.as_ref().map(|staged| staged.author.clone());
        items.retain(|item| {
            kind.is_none_or(|kind| item.id.kind == kind) && (self.author.is_none() || staged_by(item) == self.author)
        });
        Ok(items)
    }
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
