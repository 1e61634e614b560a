use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::number_of;
use crate::Manager;
use crate::api::Problem;
use crate::api::change::ChangeDetail;
use crate::api::extract::NamedPair;

/// What leads from one revision to another.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct RevisionDiff {
    /// Number of the one.
    from: u64,
    /// Number of the other.
    to: u64,
    /// What differs, item by item.
    items: Vec<ChangeDetail>,
}

/// What differs between two revisions
#[utoipa::path(get, path = "/revisions/{from}/diff/{to}", operation_id = "diff_revisions", params(
    ("from" = u64, Path, description = "Number of the one; 0 is the empty state before the first"),
    ("to" = u64, Path, description = "Number of the other"),
), responses(
    (status = 200, body = RevisionDiff),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn diff(
    State(manager): State<Manager>,
    NamedPair(from, to): NamedPair,
) -> Result<Json<RevisionDiff>, Problem> {
    let (from, to) = (number_of(&from)?, number_of(&to)?);
    let (old, new) = (manager.document_of(from).await?, manager.document_of(to).await?);
    let items = spec::diff(&old, &new).into_iter().map(|change| {
        let id = change.id();
        ChangeDetail::new(change, old.item(&id), new.item(&id))
    });
    Ok(Json(RevisionDiff { from, to, items: items.collect() }))
}
