use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use store::Room;
use utoipa::ToSchema;

use super::Problem;
use super::extract::Body;
use crate::housekeeping::{Failure, Progress, Run};
use crate::{Actor, Manager};

/// What is cleaned up, when it was, and how much room the databases take.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HousekeepingView {
    /// Whether it runs by itself.
    enabled: bool,
    /// Hours from one run to the next.
    interval_hours: u32,
    /// Days that single requests are kept.
    usage_retention_days: u32,
    /// Days after its end that an expired key is deleted; never if null.
    expired_keys_days: Option<u32>,
    /// When the next run is due, where it runs by itself.
    next_run_at: Option<String>,
    /// The run that has not ended, if there is one.
    running: Option<ProgressView>,
    /// The last run that got to its end.
    last_run: Option<RunView>,
    /// The run after that, if it did not get to its end.
    failed: Option<FailureView>,
    /// When the oldest request that is kept ended.
    oldest_request_at: Option<String>,
    /// How large the databases are.
    databases: Vec<RoomView>,
}

/// A run that has not ended.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProgressView {
    /// When it began.
    since: String,
    /// Requests trimmed so far.
    requests: u64,
}

/// A run that did not get to its end; the next one does the rest.
#[derive(Debug, Serialize, ToSchema)]
struct FailureView {
    /// When it broke off.
    at: String,
    /// Why.
    message: String,
}

/// What a run did, or would do.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RunView {
    /// Who asked for it; `schedule` if it ran by itself.
    actor: String,
    /// When it began.
    began_at: String,
    /// When it ended.
    ended_at: String,
    /// Requests that ended before this are trimmed.
    requests_before: String,
    /// Requests that were trimmed. What they sum up to is kept.
    requests: u64,
    /// Ids of the expired keys that were deleted.
    keys: Vec<String>,
    /// Bytes that went back to the disk.
    freed_bytes: u64,
}

/// How large a database is.
#[derive(Debug, Serialize, ToSchema)]
struct RoomView {
    /// Its name.
    database: &'static str,
    /// Bytes that it takes.
    bytes: u64,
    /// Bytes of these that are free and used again first.
    free_bytes: u64,
    /// What is in it.
    tables: Vec<TableView>,
}

/// How large a table is.
#[derive(Debug, Serialize, ToSchema)]
struct TableView {
    /// Its name.
    table: String,
    /// Its rows.
    rows: u64,
}

/// How to run.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RunRequest {
    /// Only say what would be done.
    dry_run: bool,
}

/// What is cleaned up, when it was, and how much room the databases take
#[utoipa::path(get, path = "/housekeeping", operation_id = "housekeeping", responses(
    (status = 200, body = HousekeepingView),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn get(State(manager): State<Manager>) -> Result<Json<HousekeepingView>, Problem> {
    let (current, housekeeping) = (manager.current(), &manager.inner().housekeeping);
    let settings = &current.document.housekeeping;
    Ok(Json(HousekeepingView {
        enabled: settings.enabled,
        interval_hours: settings.interval_hours,
        usage_retention_days: settings.usage_retention_days,
        expired_keys_days: settings.expired_keys_days,
        next_run_at: manager.housekeeping_due().map(|due| due.to_string()),
        running: housekeeping.running().map(ProgressView::new),
        last_run: housekeeping.last().map(RunView::new),
        failed: housekeeping.failed().map(FailureView::new),
        oldest_request_at: manager.store().events().oldest().await?.map(|at| at.to_string()),
        databases: manager.store().room().await?.into_iter().map(RoomView::new).collect(),
    }))
}

/// Clean up now
///
/// Goes on by itself: what it does is seen at `/housekeeping`. With `dry_run` it only says what it would do.
#[utoipa::path(post, path = "/housekeeping/run", operation_id = "run_housekeeping", request_body = RunRequest, responses(
    (status = 200, body = RunView, description = "What a run would do"),
    (status = 202, body = ProgressView, description = "It has begun"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn run(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Body(request): Body<RunRequest>,
) -> Result<Response, Problem> {
    if request.dry_run {
        return Ok(Json(RunView::new(manager.plan_housekeeping(&actor).await?)).into_response());
    }
    let progress = manager.begin_housekeeping(&actor)?;
    Ok((StatusCode::ACCEPTED, Json(ProgressView::new(progress))).into_response())
}

// === impl ProgressView ===

impl ProgressView {
    fn new(progress: Progress) -> Self {
        Self { since: progress.since.to_string(), requests: progress.events }
    }
}

// === impl FailureView ===

impl FailureView {
    fn new(Failure { at, message }: Failure) -> Self {
        Self { at: at.to_string(), message }
    }
}

// === impl RunView ===

impl RunView {
    fn new(run: Run) -> Self {
        Self {
            actor: run.actor,
            began_at: run.began.to_string(),
            ended_at: run.ended.to_string(),
            requests_before: run.events_before.to_string(),
            requests: run.events,
            keys: run.keys,
            freed_bytes: run.freed_bytes,
        }
    }
}

// === impl RoomView ===

impl RoomView {
    fn new(Room { database, bytes, free_bytes, tables }: Room) -> Self {
        let tables = tables.into_iter().map(|(table, rows)| TableView { table, rows }).collect();
        Self { database, bytes, free_bytes, tables }
    }
}
