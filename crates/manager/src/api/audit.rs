#![expect(unused_qualifications, reason = "written by the macro that describes the route")]

use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{AuditFilter, AuditRow};
use utoipa::{IntoParams, ToSchema};

use super::extract::Params;
use super::page::{Listed, Page};
use super::{Problem, moment};
use crate::Manager;

/// Which actions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditParams {
    /// How many at most: 1 to 1,000; 100 unless given.
    limit: Option<u32>,
    /// Where to go on, as the `link` of the page before says.
    cursor: Option<String>,
    /// Only what this one did: an account, `token:…`, `master`, `owner` …
    actor: Option<String>,
    /// Only this action, as `key.create`; with a dot at its end, as `key.`, all that begin so.
    action: Option<String>,
    /// Only what was done to this thing: a key's id, a revision's number …
    subject: Option<String>,
    /// Only from then on, as `2026-12-31T23:59:59Z`.
    from: Option<String>,
    /// Only until then, included.
    to: Option<String>,
}

/// Something that was done.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuditView {
    /// Grows with every entry.
    id: u64,
    /// When.
    at: String,
    /// Who.
    actor: String,
    /// How they got in: `socket`, `session`, `token`, `master-key`, `litellm`, or `itself` for the manager.
    via: String,
    /// Address that it came from, if it came over a network.
    remote: Option<String>,
    /// What.
    action: String,
    /// To which thing.
    subject: String,
    /// More, without secrets.
    #[schema(value_type = Object)]
    detail: Value,
}

/// Who did what, newest first
///
/// Nothing can be changed or removed here.
#[utoipa::path(get, path = "/audit", operation_id = "list_audit", params(AuditParams), responses(
    (status = 200, body = Vec<AuditView>, headers(("link" = Option<String>, description = "the next page, with `rel=\"next\"`"))),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(manager): State<Manager>,
    Params(params): Params<AuditParams>,
) -> Result<Listed<AuditView>, Problem> {
    let page = Page::<u64>::read(params.limit, params.cursor.as_deref())?;
    let filter = AuditFilter {
        actor: params.actor,
        action: params.action,
        subject: params.subject,
        from: params.from.map(|moment| moment::read("from", &moment)).transpose()?,
        to: params.to.map(|moment| moment::read("to", &moment)).transpose()?,
        before: page.after,
    };
    let rows = manager.store().audit().find(&filter, page.rows()).await?;
    Ok(page.of_rest(rows, |row| row.id).map(AuditView::from))
}

// === impl AuditView ===

impl From<AuditRow> for AuditView {
    fn from(row: AuditRow) -> Self {
        let AuditRow { id, at, actor, via, remote, action, subject, detail } = row;
        Self { id, at: at.to_string(), actor, via, remote, action, subject, detail }
    }
}
