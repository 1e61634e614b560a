use std::path::PathBuf;

use axum::extract::State;
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::api::Problem;
use crate::api::extract::Body;
use crate::api::items::{ItemView, item_id};
use crate::staged::{Edit, Precondition};
use crate::{Actor, Manager};

/// Items to be staged together.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct StageItems {
    /// The items, in an order in which each refers only to those before it, or to what is there.
    items: Vec<ItemEdit>,
    /// Absolute path that relative paths in them start from; the home unless given.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    base_dir: Option<PathBuf>,
}

/// One of them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ItemEdit {
    /// What it is.
    #[schema(example = "model")]
    kind: String,
    /// Its name among those of its kind.
    name: String,
    /// The item as it is to be; null deletes it.
    data: Option<Value>,
    /// Its `etag` as you have seen it, or `*` for whatever there is; left out for an item that must be new.
    #[serde(default)]
    etag: Option<String>,
}

/// Stage items together
///
/// All of them or none, in one step: whatever dies meanwhile, no part of them is staged.
#[utoipa::path(post, path = "/staged", operation_id = "stage_items", request_body = StageItems, responses(
    (status = 200, body = Vec<ItemView>),
    (status = 404, description = "one that is to be deleted is not there, or a kind is not known", body = Problem,
        content_type = "application/problem+json"),
    (status = 409, description = "so many may not be staged", body = Problem, content_type = "application/problem+json"),
    (status = 412, description = "somebody changed one of them meanwhile, or it is there already", body = Problem,
        content_type = "application/problem+json"),
    (status = 422, description = "one does not fit", body = Problem, content_type = "application/problem+json"),
    (status = 423, description = "editing is locked", body = Problem, content_type = "application/problem+json"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn together(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Body(StageItems { items, base_dir }): Body<StageItems>,
) -> Result<Json<Vec<ItemView>>, Problem> {
    let edit = |item: ItemEdit| {
        let seen = match item.etag {
            None => Precondition::Absent,
            Some(etag) if etag == "*" => Precondition::Anything,
            Some(etag) => Precondition::Etags(vec![etag]),
        };
        let id = item_id(&item.kind, item.name)?;
        Ok::<_, Problem>(Edit { id, data: item.data, base_dir: base_dir.clone(), seen, actor: actor.clone() })
    };
    let edits = items.into_iter().map(edit).collect::<Result<Vec<_>, _>>()?;
    let staged = manager.finish({
        let manager = manager.clone();
        async move { manager.stage(&edits).await }
    });
    Ok(Json(staged.await?.into_iter().map(ItemView::from).collect()))
}
