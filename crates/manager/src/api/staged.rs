#![expect(unused_qualifications, reason = "written by the macro that describes the route")]

use std::path::PathBuf;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::HeaderMap;
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;

use super::extract::{Body, NamedPair, Params};
use super::items::{ItemView, ListParams, item_id};
use super::page::{Listed, Page};
use super::{Problem, precondition};
use crate::staged::{Edit, ItemState};
use crate::{Actor, Manager};

mod apply;
mod discard;
mod together;

pub(super) use apply::{__path_apply, apply};
pub(super) use discard::{__path_discard, discard};
pub(super) use together::{__path_together, together};

/// How to read what is staged.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct StageParams {
    /// Absolute path that relative paths in the item start from; the home unless given.
    #[param(value_type = Option<String>)]
    base_dir: Option<PathBuf>,
}

/// What is staged, oldest first
#[utoipa::path(get, path = "/staged", operation_id = "list_staged", params(ListParams), responses(
    (status = 200, body = Vec<ItemView>, headers(("link" = Option<String>, description = "the next page, with `rel=\"next\"`"))),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(manager): State<Manager>,
    Params(params): Params<ListParams>,
) -> Result<Listed<ItemView>, Problem> {
    let page = Page::<Option<u64>>::read(params.limit, params.cursor.as_deref())?;
    let version = |state: &ItemState| state.staged.as_ref().map(|item| item.version);
    let mut staged = params.choose(manager.items().await?)?;
    staged.retain(|state| state.staged.is_some());
    staged.sort_by_key(version);
    Ok(page.cut(staged.into_iter(), version).map(ItemView::from))
}

/// Stage an item
///
/// The item as it is to be. It takes effect when it is applied. Say what you have seen of it: its ETag as `If-Match` (`*`
/// for whatever there is), or `If-None-Match: *` for a new one; an item that somebody changed meanwhile is a 412 that
/// names who. Staging what applies already takes back what was staged.
#[utoipa::path(put, path = "/staged/{kind}/{name}", operation_id = "stage_item", params(
    ("kind" = String, Path, description = "What it is, as `model`"),
    ("name" = String, Path, description = "Its name; a `/` in it as `%2F`"),
    ("if-match" = Option<String>, Header, description = "ETag of the item that was edited"),
    ("if-none-match" = Option<String>, Header, description = "`*` for a new item"),
    StageParams,
), request_body = Value, responses(
    (status = 200, body = ItemView, headers(("etag" = String, description = "of the item as it stands now"))),
    (status = 412, description = "somebody changed it meanwhile", body = Problem,
        content_type = "application/problem+json"),
    (status = 422, description = "it does not fit", body = Problem, content_type = "application/problem+json"),
    (status = 423, description = "editing is locked", body = Problem, content_type = "application/problem+json"),
    (status = 428, description = "neither `If-Match` nor `If-None-Match`", body = Problem,
        content_type = "application/problem+json"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn put(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    NamedPair(kind, name): NamedPair,
    Params(params): Params<StageParams>,
    headers: HeaderMap,
    Body(data): Body<Value>,
) -> Result<Response, Problem> {
    let id = item_id(&kind, name)?;
    let seen = precondition::of(&headers);
    stage(manager, Edit { id, data: Some(data), base_dir: params.base_dir, seen, actor }).await
}

/// Stage the deletion of an item
///
/// A section of settings goes back to its defaults. Preconditions are those of staging.
#[utoipa::path(delete, path = "/staged/{kind}/{name}", operation_id = "stage_deletion", params(
    ("kind" = String, Path, description = "What it is, as `model`"),
    ("name" = String, Path, description = "Its name; a `/` in it as `%2F`"),
    ("if-match" = Option<String>, Header, description = "ETag of the item that was seen"),
), responses(
    (status = 200, body = ItemView),
    (status = 412, description = "somebody changed it meanwhile", body = Problem,
        content_type = "application/problem+json"),
    (status = 423, description = "editing is locked", body = Problem, content_type = "application/problem+json"),
    (status = 428, description = "no `If-Match`", body = Problem, content_type = "application/problem+json"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn delete(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    NamedPair(kind, name): NamedPair,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = item_id(&kind, name)?;
    let seen = precondition::of(&headers);
    stage(manager, Edit { id, data: None, base_dir: None, seen, actor }).await
}

async fn stage(manager: Manager, edit: Edit) -> Result<Response, Problem> {
    let staged = manager.finish({
        let manager = manager.clone();
        async move { manager.stage(&[edit]).await }
    });
    let left = staged.await?.pop().ok_or_else(|| Problem::not_found("nothing was staged"))?;
    Ok(ItemView::from(left).into_response())
}
