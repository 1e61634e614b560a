use axum::extract::State;
use axum::{Extension, Json};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::api::Problem;
use crate::api::apply::{ApplyAnswer, ApplyParams, run};
use crate::api::extract::{Body, Params};
use crate::apply::Source;
use crate::staged::{SelectedItem, Selection};
use crate::{Actor, Manager};

/// Which staged changes to apply: exactly one of `items`, `author` and `all`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::api) struct ApplyStaged {
    /// These.
    items: Vec<SelectedItem>,
    /// Those of this author.
    author: Option<String>,
    /// All of them.
    all: bool,
    /// Also where what applies has changed since an item was edited: that change is undone then.
    overwrite: bool,
    /// Why, in your words.
    message: String,
    /// Number of the revision on which you decided; another one is a 412.
    seen_revision: Option<u64>,
}

/// Apply staged changes
///
/// Those that are named, those of an author, or all; all of them or none. What goes in is no longer staged.
#[utoipa::path(post, path = "/staged/apply", operation_id = "apply_staged", params(ApplyParams),
    request_body = ApplyStaged, responses(
    (status = 200, body = ApplyAnswer),
    (status = 404, description = "nothing is staged of what was named", body = Problem,
        content_type = "application/problem+json"),
    (status = 409, description = "another apply is going on, or is being verified", body = Problem,
        content_type = "application/problem+json"),
    (status = 412, description = "somebody changed meanwhile what it would replace", body = Problem,
        content_type = "application/problem+json"),
    (status = 422, description = "what would apply has faults", body = Problem,
        content_type = "application/problem+json"),
    (status = 423, description = "editing is locked", body = Problem, content_type = "application/problem+json"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn apply(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Params(params): Params<ApplyParams>,
    Body(body): Body<ApplyStaged>,
) -> Result<Json<ApplyAnswer>, Problem> {
    let ApplyStaged { items, author, all, overwrite, message, seen_revision } = body;
    let source = Source::Staged { selection: Selection { items, author, all }, overwrite };
    run(&manager, params.into_request(source, message, seen_revision, actor)?).await
}
