#![expect(unused_qualifications, reason = "written by the macro that describes the route")]

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::RevisionSummary;
use utoipa::{IntoParams, ToSchema};

use super::Problem;
use super::extract::{Named, Params};
use crate::Manager;

mod diff;
mod rollback;

pub(super) use diff::{__path_diff, diff};
pub(super) use rollback::{__path_rollback, __path_stage, rollback, stage};

/// Revisions that are listed unless asked otherwise.
const LISTED: u32 = 100;
/// Revisions that are listed at most.
const MOST: u32 = 10_000;

/// How many to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListParams {
    /// The latest so many, 1 to 10,000; 100 unless given.
    limit: Option<u32>,
}

/// A revision without its document.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RevisionView {
    /// Counts from 1.
    number: u64,
    /// When it was applied.
    applied_at: String,
    /// Who applied it: `owner` (control socket), `master` (master key), an account, `import` or `rollback`.
    author: String,
    /// Why, in the author's words; empty where nothing was said.
    message: String,
    /// SHA-256 of the document.
    digest: String,
}

/// A revision with its document.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WholeRevision {
    #[serde(flatten)]
    revision: RevisionView,
    /// The document, with `***` in place of secrets.
    document: Value,
}

/// The revisions, newest first
#[utoipa::path(get, path = "/revisions", operation_id = "list_revisions", params(ListParams), responses(
    (status = 200, body = Vec<RevisionView>),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(manager): State<Manager>,
    Params(params): Params<ListParams>,
) -> Result<Json<Vec<RevisionView>>, Problem> {
    let revisions = manager.store().revisions().list(params.limit.unwrap_or(LISTED).clamp(1, MOST)).await?;
    Ok(Json(revisions.into_iter().map(RevisionView::from).collect()))
}

/// A revision
#[utoipa::path(get, path = "/revisions/{number}", operation_id = "get_revision",
    params(("number" = u64, Path, description = "Its number")), responses(
    (status = 200, body = WholeRevision),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn get(State(manager): State<Manager>, Named(number): Named) -> Result<Json<WholeRevision>, Problem> {
    let parsed = number_of(&number)?;
    let revision = manager.store().revisions().get(parsed).await?.ok_or_else(|| absent(&number))?;
    let mut document: Value = serde_json::from_str(&revision.document).unwrap_or_default();
    spec::mask_document(&mut document);
    Ok(Json(WholeRevision { revision: revision.summary.into(), document }))
}

fn number_of(text: &str) -> Result<u64, Problem> {
    text.parse().map_err(|_| absent(text))
}

fn absent(number: &str) -> Problem {
    Problem::not_found(format!("there is no revision {number}"))
}

// === impl RevisionView ===

impl From<RevisionSummary> for RevisionView {
    fn from(RevisionSummary { number, applied_at, author, digest, message }: RevisionSummary) -> Self {
        Self { number, applied_at: applied_at.to_string(), author, message, digest }
    }
}
