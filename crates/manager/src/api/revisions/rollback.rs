use axum::extract::State;
use axum::{Extension, Json};
use serde::Deserialize;
use utoipa::ToSchema;

use super::number_of;
use crate::api::Problem;
use crate::api::apply::{ApplyAnswer, ApplyParams, run};
use crate::api::extract::{Body, Named, Params};
use crate::api::items::ItemView;
use crate::apply::Source;
use crate::{Actor, Manager};

/// How to go back.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::api) struct RollbackBody {
    /// Why, in your words.
    message: String,
    /// Number of the revision on which you decided; another one is a 412.
    seen_revision: Option<u64>,
}

/// Apply again what applied before
///
/// As a new revision; what is staged stays staged. `POST /plan` with its number shows first what that would do.
#[utoipa::path(post, path = "/revisions/{number}/rollback", operation_id = "roll_back", params(
    ("number" = u64, Path, description = "Its number; 0 is the empty state before the first"),
    ApplyParams,
), request_body = RollbackBody, responses(
    (status = 200, body = ApplyAnswer),
    (status = 409, description = "another apply is going on, or is being verified", body = Problem,
        content_type = "application/problem+json"),
    (status = 412, description = "another revision applies than was seen", body = Problem,
        content_type = "application/problem+json"),
    (status = 423, description = "editing is locked", body = Problem, content_type = "application/problem+json"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn rollback(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Named(number): Named,
    Params(params): Params<ApplyParams>,
    Body(body): Body<RollbackBody>,
) -> Result<Json<ApplyAnswer>, Problem> {
    let number = number_of(&number)?;
    let message = if body.message.is_empty() { format!("back to revision {number}") } else { body.message };
    let request = params.into_request(Source::Revision(number), message, body.seen_revision, actor)?;
    run(&manager, request).await
}

/// Stage what leads back to a revision
///
/// Item by item, to be looked at, changed and applied like any other edit. An item that is staged already is a 409.
#[utoipa::path(post, path = "/revisions/{number}/stage", operation_id = "stage_revision", params(
    ("number" = u64, Path, description = "Its number; 0 is the empty state before the first"),
), responses(
    (status = 200, body = Vec<ItemView>),
    (status = 409, description = "items that it would replace are staged", body = Problem,
        content_type = "application/problem+json"),
    (status = 423, description = "editing is locked", body = Problem, content_type = "application/problem+json"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn stage(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Named(number): Named,
) -> Result<Json<Vec<ItemView>>, Problem> {
    let number = number_of(&number)?;
    let staged = manager.finish({
        let manager = manager.clone();
        async move { manager.stage_revision(number, &actor).await }
    });
    Ok(Json(staged.await?.into_iter().map(ItemView::from).collect()))
}
