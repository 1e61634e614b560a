#![expect(unused_qualifications, reason = "written by the macro that describes the route")]

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{RevisionFilter, RevisionSummary};
use utoipa::{IntoParams, ToSchema};

use super::extract::{Named, Params};
use super::page::{Listed, Page};
use super::{Problem, etag, moment};
use crate::Manager;

mod diff;
mod rollback;

pub(super) use diff::{__path_diff, diff};
pub(super) use rollback::{__path_rollback, __path_stage, rollback, stage};

/// Which revisions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListParams {
    /// How many at most: 1 to 1,000; 100 unless given.
    limit: Option<u32>,
    /// Where to go on, as the `link` of the page before says.
    cursor: Option<String>,
    /// Only those that this one applied.
    author: Option<String>,
    /// Only from then on, as `2026-12-31T23:59:59Z`.
    from: Option<String>,
    /// Only until then, included.
    to: Option<String>,
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
    (status = 200, body = Vec<RevisionView>, headers(("link" = Option<String>, description = "the next page, with `rel=\"next\"`"))),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(manager): State<Manager>,
    Params(params): Params<ListParams>,
) -> Result<Listed<RevisionView>, Problem> {
    let page = Page::<u64>::read(params.limit, params.cursor.as_deref())?;
    let filter = RevisionFilter {
        author: params.author,
        from: params.from.map(|moment| moment::read("from", &moment)).transpose()?,
        to: params.to.map(|moment| moment::read("to", &moment)).transpose()?,
        before: page.after,
    };
    let revisions = manager.store().revisions().find(&filter, page.rows()).await?;
    Ok(page.of_rest(revisions, |revision| revision.number).map(RevisionView::from))
}

/// A revision
#[utoipa::path(get, path = "/revisions/{number}", operation_id = "get_revision",
    params(("number" = u64, Path, description = "Its number"),
        ("if-none-match" = Option<String>, Header, description = "an `etag`: only if it is another")), responses(
    (status = 200, body = WholeRevision, headers(("etag" = String, description = "always the same: it is never edited"))),
    (status = 304, description = "as it was seen"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn get(
    State(manager): State<Manager>,
    Named(number): Named,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let parsed = number_of(&number)?;
    let revision = manager.store().revisions().get(parsed).await?.ok_or_else(|| absent(&number))?;
    let mut document: Value = serde_json::from_str(&revision.document).unwrap_or_default();
    spec::mask_document(&mut document);
    let version = revision.summary.applied_at;
    Ok(etag::answer(&headers, version, &WholeRevision { revision: revision.summary.into(), document }))
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
