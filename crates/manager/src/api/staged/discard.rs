use axum::extract::State;
use axum::{Extension, Json};
use serde::Serialize;
use spec::{ItemId, ItemKind};
use utoipa::ToSchema;

use crate::api::Problem;
use crate::api::extract::Body;
use crate::staged::Selection;
use crate::{Actor, Manager};

/// What was given up.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Discarded {
    /// The items whose edits are gone.
    items: Vec<DiscardedItem>,
}

/// An item whose edit is gone.
#[derive(Debug, Serialize, ToSchema)]
struct DiscardedItem {
    /// What it is.
    #[schema(value_type = String, example = "model")]
    kind: ItemKind,
    /// Its name among those of its kind.
    name: String,
    /// Who had edited it.
    author: String,
}

/// Discard staged changes
///
/// Those that are named, those of an author, or all; all of them or none.
#[utoipa::path(post, path = "/staged/discard", operation_id = "discard_staged", request_body = Selection, responses(
    (status = 200, body = Discarded),
    (status = 404, description = "nothing is staged of what was named", body = Problem,
        content_type = "application/problem+json"),
    (status = 412, description = "somebody edited it meanwhile", body = Problem,
        content_type = "application/problem+json"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn discard(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Body(selection): Body<Selection>,
) -> Result<Json<Discarded>, Problem> {
    let discarded = manager.finish({
        let manager = manager.clone();
        async move { manager.discard(&selection, &actor).await }
    });
    let items = discarded.await?.into_iter().map(|item| {
        let ItemId { kind, name } = item.id;
        DiscardedItem { kind, name, author: item.author }
    });
    Ok(Json(Discarded { items: items.collect() }))
}
