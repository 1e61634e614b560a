use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use hub::{Progress, Pulled};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::Problem;
use super::super::extract::{Body, Named};
use crate::hub::{HubFault, NewPull, Pull, PullState};
use crate::{Actor, Manager};

/// What to pull.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct PullRequest {
    /// Name at the Hub, as `Qwen/Qwen3-8B`.
    model: String,
    /// Branch, tag or commit; `main` unless given.
    #[serde(default)]
    revision: Option<String>,
    /// Patterns for the files that are wanted, as `*.safetensors`; all unless given.
    #[serde(default)]
    #[schema(max_items = 50)]
    include: Vec<String>,
    /// The credential whose secret is the token; that of the service's environment unless given.
    #[serde(default)]
    credential: Option<String>,
}

/// A model on its way into the cache.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct PullView {
    /// Its id.
    id: String,
    /// Name at the Hub.
    model: String,
    /// Branch, tag or commit that was asked for.
    revision: String,
    /// How far it is.
    state: PullState,
    /// Why it failed.
    message: Option<String>,
    /// Who began it.
    actor: String,
    /// When.
    began_at: String,
    /// How far it is, in numbers.
    progress: PullProgressView,
    /// What is there, once it has succeeded.
    result: Option<PulledView>,
}

/// How far a pull is.
#[derive(Debug, Serialize, ToSchema)]
struct PullProgressView {
    /// Files that were asked for; 0 before that is known.
    files: u64,
    /// Files that are there.
    files_done: u64,
    /// Bytes that were asked for, each content once.
    bytes: u64,
    /// Bytes that are there.
    bytes_done: u64,
    /// How many come a second.
    bytes_per_second: u64,
    /// Seconds that it takes at that rate, where there is one.
    seconds_left: Option<u64>,
    /// Paths of the files that come right now.
    fetching: Vec<String>,
}

/// What a pull has brought.
#[derive(Debug, Serialize, ToSchema)]
struct PulledView {
    /// The commit that the revision is.
    commit: String,
    /// The folder with its files.
    path: String,
    /// Files that were asked for.
    files: u64,
    /// Bytes of these.
    bytes: u64,
    /// Bytes that came over the network.
    fetched_bytes: u64,
}

/// Pulls since the service started, oldest first
///
/// The latest fifty, and all that run.
#[utoipa::path(get, path = "/hub/pulls", operation_id = "list_pulls", responses(
    (status = 200, body = Vec<PullView>),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn list(State(manager): State<Manager>) -> Json<Vec<PullView>> {
    Json(manager.inner().pulls.all().into_iter().map(PullView::new).collect())
}

/// Pull a model from the Hub into the cache of this machine
///
/// Goes on by itself: how far it is, is seen at `/hub/pulls/{id}`, and told as events (`pull`). One that ended early is
/// taken up where it was by the next.
#[utoipa::path(post, path = "/hub/pulls", operation_id = "pull_model", request_body = PullRequest, responses(
    (status = 202, body = PullView),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "it is being pulled already"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn begin(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Body(request): Body<PullRequest>,
) -> Result<(StatusCode, Json<PullView>), Problem> {
    let PullRequest { model, revision, include, credential } = request;
    if include.len() > 50 {
        return Err(Problem::unfit("include", "has more than 50 patterns"));
    }
    let pull = manager.begin_pull(NewPull { model, revision, include, credential }, &actor).await?;
    Ok((StatusCode::ACCEPTED, Json(PullView::new(pull))))
}

/// A pull
#[utoipa::path(get, path = "/hub/pulls/{id}", operation_id = "get_pull", params(("id" = String, Path, description = "Its id")), responses(
    (status = 200, body = PullView),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn get(State(manager): State<Manager>, Named(id): Named) -> Result<Json<PullView>, Problem> {
    let pull = manager.inner().pulls.get(&id).ok_or(HubFault::NoPull)?;
    Ok(Json(PullView::new(pull)))
}

/// End a pull
///
/// What came is kept for the next one.
#[utoipa::path(delete, path = "/hub/pulls/{id}", operation_id = "cancel_pull", params(("id" = String, Path, description = "Its id")), responses(
    (status = 200, body = PullView),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn cancel(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Named(id): Named,
) -> Result<Json<PullView>, Problem> {
    Ok(Json(PullView::new(manager.cancel_pull(&id, &actor).await?)))
}

// === impl PullView ===

impl PullView {
    fn new(pull: Pull) -> Self {
        let progress = pull.progress.borrow().clone();
        let Pull { id, model, revision, state, message, actor, began, pulled, .. } = pull;
        let result = pulled.map(PulledView::new);
        let progress = PullProgressView::new(progress);
        Self { id, model, revision, state, message, actor, began_at: began.to_string(), progress, result }
    }
}

// === impl PullProgressView ===

impl PullProgressView {
    fn new(progress: Progress) -> Self {
        let Progress { files, files_done, bytes, bytes_done, bytes_per_second, seconds_left, fetching } = progress;
        Self { files, files_done, bytes, bytes_done, bytes_per_second, seconds_left, fetching }
    }
}

// === impl PulledView ===

impl PulledView {
    fn new(pulled: Pulled) -> Self {
        let Pulled { commit, path, files, bytes, fetched_bytes } = pulled;
        Self { commit, path: path.display().to_string(), files, bytes, fetched_bytes }
    }
}
