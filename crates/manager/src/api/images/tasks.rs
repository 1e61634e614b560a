#![expect(unused_qualifications, reason = "written by the macro that describes the route")]

use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use runtime::docker::{Building, Pulled};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::Problem;
use super::super::extract::{Body, Named, Params};
use crate::images::{ImageFault, ImageProgress, ImageTask, ImageWork, TaskResult, TaskState};
use crate::{Actor, Manager};

/// What to build.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct BuildRequest {
    /// Name of a recipe of the desired state that applies.
    recipe: String,
}

/// What to pull.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ImagePullRequest {
    /// Name of the image, with its tag or digest.
    image: String,
}

/// How to remove an image.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct RemoveImageParams {
    /// Whether also if the desired state needs it, or a container of ours is made of it
    #[serde(default)]
    force: bool,
}

/// Something long that is done with images.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct ImageTaskView {
    /// Its id.
    id: String,
    /// `build`, `pull`, `prune` or `remove`.
    kind: &'static str,
    /// The recipe that is built, or the image that is pulled.
    subject: String,
    /// How far it is.
    state: TaskState,
    /// Why it failed.
    message: Option<String>,
    /// The last lines of what failed.
    last_lines: Vec<String>,
    /// Who began it.
    actor: String,
    /// When.
    began_at: String,
    /// How far it is, in numbers.
    progress: ImageProgressView,
    /// What it has brought, once it has succeeded.
    result: Option<ImageResultView>,
}

/// How far a task is.
#[derive(Debug, Default, Serialize, ToSchema)]
struct ImageProgressView {
    /// `begun`, `pulling` or `building`.
    phase: &'static str,
    /// How much is done, in percent; of a build, its steps.
    percent: u64,
    /// The image that comes.
    image: Option<String>,
    /// Layers of it that are known.
    layers: u64,
    /// Layers that are here.
    layers_done: u64,
    /// Bytes of the layers that are known.
    bytes: u64,
    /// Bytes that have come.
    bytes_done: u64,
    /// How many come a second.
    bytes_per_second: u64,
    /// Steps of the build.
    steps: u32,
    /// The one that is done, from 1.
    step: u32,
    /// What it is.
    what: Option<String>,
    /// The last line that it printed.
    line: Option<String>,
}

/// What a task has brought.
#[derive(Debug, Serialize, ToSchema)]
struct ImageResultView {
    /// The image that is here now.
    image: Option<String>,
    /// Its id.
    id: Option<String>,
    /// Bytes of it, or those that are free now.
    bytes: u64,
    /// Images that were removed.
    removed: Vec<String>,
}

/// Tasks with images since the service started, oldest first
///
/// The latest fifty, and all that run; also those that engines needed to start.
#[utoipa::path(get, path = "/images/tasks", operation_id = "list_image_tasks", responses(
    (status = 200, body = Vec<ImageTaskView>),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn list(State(manager): State<Manager>) -> Json<Vec<ImageTaskView>> {
    Json(manager.inner().image_tasks.all().into_iter().map(ImageTaskView::new).collect())
}

/// Build the image of a recipe
///
/// Goes on by itself: how far it is, is seen at `/images/tasks/{id}`, and told as events (`image`). What is built already
/// is not built again; who asks for what is being built gets the task that does it.
#[utoipa::path(post, path = "/images/builds", operation_id = "build_image", request_body = BuildRequest, responses(
    (status = 202, body = ImageTaskView),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn build(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Body(BuildRequest { recipe }): Body<BuildRequest>,
) -> Result<(StatusCode, Json<ImageTaskView>), Problem> {
    accepted(manager.begin_build(&recipe, &actor).await)
}

/// Pull an image
///
/// Goes on by itself, as a build does. An image that is here is pulled again: its name may mean another one by now.
#[utoipa::path(post, path = "/images/pulls", operation_id = "pull_image", request_body = ImagePullRequest, responses(
    (status = 202, body = ImageTaskView),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn pull(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Body(ImagePullRequest { image }): Body<ImagePullRequest>,
) -> Result<(StatusCode, Json<ImageTaskView>), Problem> {
    accepted(manager.begin_image_pull(&image, &actor).await)
}

/// Remove images of recipes that say something else by now, or are gone
///
/// Goes on by itself, as a build does. What a container is made of stays.
#[utoipa::path(post, path = "/images/prune", operation_id = "prune_images", responses(
    (status = 202, body = ImageTaskView),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn prune(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
) -> Result<(StatusCode, Json<ImageTaskView>), Problem> {
    accepted(manager.begin_prune(&actor).await)
}

/// Remove an image
///
/// Goes on by itself, as a build does. What the desired state needs stays, and what a container is made of, unless `force` is set;
/// the task fails then and names who needs it. A container that is not managed by this Enginehouse keeps its image in any case.
#[utoipa::path(delete, path = "/images/{image}", operation_id = "remove_image",
    params(("image" = String, Path, description = "Name of the image with its tag, with `/` as `%2F`"), RemoveImageParams), responses(
    (status = 202, body = ImageTaskView),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn remove(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Named(image): Named,
    Params(RemoveImageParams { force }): Params<RemoveImageParams>,
) -> Result<(StatusCode, Json<ImageTaskView>), Problem> {
    accepted(manager.begin_remove(&image, force, &actor).await)
}

/// A task with images
#[utoipa::path(get, path = "/images/tasks/{id}", operation_id = "get_image_task", params(("id" = String, Path, description = "Its id")), responses(
    (status = 200, body = ImageTaskView),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn get(
    State(manager): State<Manager>,
    Named(id): Named,
) -> Result<Json<ImageTaskView>, Problem> {
    let task = manager.inner().image_tasks.get(&id).ok_or(ImageFault::NoTask)?;
    Ok(Json(ImageTaskView::new(task)))
}

/// End a task with images
///
/// What it had made so far counts for nothing. An engine that needs it begins another one.
#[utoipa::path(delete, path = "/images/tasks/{id}", operation_id = "cancel_image_task", params(("id" = String, Path, description = "Its id")), responses(
    (status = 200, body = ImageTaskView),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn cancel(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Named(id): Named,
) -> Result<Json<ImageTaskView>, Problem> {
    Ok(Json(ImageTaskView::new(manager.cancel_image_task(&id, &actor).await?)))
}

fn accepted(begun: Result<ImageTask, ImageFault>) -> Result<(StatusCode, Json<ImageTaskView>), Problem> {
    Ok((StatusCode::ACCEPTED, Json(ImageTaskView::new(begun?))))
}

// === impl ImageTaskView ===

impl ImageTaskView {
    fn new(task: ImageTask) -> Self {
        let (message, last_lines) = task.failure().unzip();
        Self {
            kind: task.work.kind(),
            subject: task.work.subject().to_owned(),
            state: task.state(),
            message,
            last_lines: last_lines.unwrap_or_default(),
            began_at: task.began.to_string(),
            progress: ImageProgressView { percent: task.percent(), ..ImageProgressView::new(&task) },
            result: task.result().map(ImageResultView::new),
            id: task.id,
            actor: task.actor,
        }
    }
}

// === impl ImageProgressView ===

impl ImageProgressView {
    fn new(task: &ImageTask) -> Self {
        let asked = match &task.work {
            ImageWork::Pull(image) | ImageWork::Remove { image, .. } => Some(image.clone()),
            ImageWork::Build(_) | ImageWork::Prune => None,
        };
        match &*task.progress.borrow() {
            ImageProgress::Begun => Self { phase: "begun", image: asked, ..Self::default() },
            ImageProgress::Pulling { image, pulled, bytes_per_second } => {
                let Pulled { bytes: bytes_done, total, layers_done, layers } = *pulled;
                Self {
                    phase: "pulling",
                    image: Some(image.clone()),
                    layers,
                    layers_done,
                    bytes: total,
                    bytes_done,
                    bytes_per_second: *bytes_per_second,
                    ..Self::default()
                }
            }
            ImageProgress::Building(Building { step, steps, what, lines }) => Self {
                phase: "building",
                steps: *steps,
                step: *step,
                what: Some(what.clone()),
                line: lines.back().cloned(),
                ..Self::default()
            },
        }
    }
}

// === impl ImageResultView ===

impl ImageResultView {
    fn new(result: TaskResult) -> Self {
        let TaskResult { image, id, bytes, removed } = result;
        Self { image, id, bytes, removed }
    }
}
