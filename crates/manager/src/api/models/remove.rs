use axum::extract::State;
use axum::{Extension, Json};

use crate::api::Problem;
use crate::api::apply::{ApplyAnswer, ApplyParams};
use crate::api::extract::{Named, Params};
use crate::models::RemoveError;
use crate::{Actor, Manager};

/// Remove a model
///
/// As a change set of its own: what is staged stays staged. Its engines get no new requests, answer those they have, and end.
/// What it used stays in the books, and what was fetched for it in the cache.
#[utoipa::path(delete, path = "/models/{model}", operation_id = "remove_model",
    params(("model" = String, Path, description = "Its name"), ApplyParams), responses(
    (status = 200, body = ApplyAnswer),
    (status = 409, description = "another apply is going on, or is being verified", body = Problem,
        content_type = "application/problem+json"),
    (status = 422, description = "something else needs it", body = Problem, content_type = "application/problem+json"),
    (status = 423, description = "editing is locked", body = Problem, content_type = "application/problem+json"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn remove(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Named(model): Named,
    Params(params): Params<ApplyParams>,
) -> Result<Json<ApplyAnswer>, Problem> {
    let how = params.of_edit("")?;
    let removed = manager.finish({
        let manager = manager.clone();
        async move { manager.remove_model(&model, "", how, &actor).await }
    });
    Ok(Json(removed.await?.into()))
}

// === impl Problem ===

impl From<RemoveError> for Problem {
    fn from(error: RemoveError) -> Self {
        match error {
            RemoveError::Unknown(error) => error.into(),
            RemoveError::Apply(error) => error.into(),
        }
    }
}
