#![expect(unused_qualifications, reason = "written by the macro that describes the route")]

use std::path::PathBuf;
use std::time::Duration;

use axum::extract::State;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use spec::{Change, ChangeKind, Format, ItemKind};
use utoipa::{IntoParams, ToSchema};

use super::Problem;
use super::extract::{Body, Params};
use crate::apply::{Applied, ApplyRequest, Step};
use crate::{Actor, Manager};

/// Longest time that a job may wait: a day.
const MAX_TIMEOUT: u64 = 86_400;

/// How to apply.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ApplyParams {
    /// Only say what would happen; nothing is written.
    #[serde(default)]
    dry_run: bool,
    /// Go back to the document before if not every touched model gets ready in time.
    #[serde(default)]
    atomic: bool,
    /// How long models may take to get ready, in seconds; by default the longest start time-out and half a minute.
    timeout_seconds: Option<u64>,
}

/// What to apply.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ApplyBody {
    /// The whole desired state as text.
    document: String,
    /// How it is written.
    #[serde(default)]
    #[schema(value_type = String, example = "yaml")]
    format: Format,
    /// Absolute path that relative paths in it start from; the home unless given.
    #[schema(value_type = Option<String>)]
    base_dir: Option<PathBuf>,
}

/// What was applied.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ApplyAnswer {
    /// Number of the revision that applies now.
    revision: u64,
    /// Whether it is a new one (in a dry run: would be).
    changed: bool,
    /// What differs, item by item.
    changes: Vec<ChangeView>,
    /// What that does, model by model.
    plan: Vec<Step>,
    /// What is allowed and yet has not the effect that one may expect.
    warnings: Vec<WarningView>,
    /// Job that sees whether everything gets ready; none where nothing runs.
    job: Option<String>,
}

/// What happens to one item.
#[derive(Debug, Serialize, ToSchema)]
struct ChangeView {
    /// What it is.
    #[schema(value_type = String, example = "model")]
    kind: ItemKind,
    /// Its name among those of its kind.
    name: String,
    /// `new`, `changed` or `deleted`.
    #[schema(value_type = String, example = "changed")]
    change: ChangeKind,
    /// What differs in it, for a changed item.
    fields: Vec<String>,
}

/// What is allowed and yet has not the effect that one may expect.
#[derive(Debug, Serialize, ToSchema)]
struct WarningView {
    /// Where in the document; empty for none of its places.
    path: String,
    /// What to expect instead.
    message: String,
}

/// Apply a document
///
/// All of it or nothing: an invalid one is a 422 that names every fault.
#[utoipa::path(post, path = "/apply", params(ApplyParams), request_body = ApplyBody, responses(
    (status = 200, body = ApplyAnswer),
    (status = 409, description = "an atomic apply is being verified", body = Problem,
        content_type = "application/problem+json"),
    (status = 422, description = "the document has faults", body = Problem, content_type = "application/problem+json"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn apply(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Params(params): Params<ApplyParams>,
    Body(body): Body<ApplyBody>,
) -> Result<Json<ApplyAnswer>, Problem> {
    let timeout = params.timeout_seconds.map(|seconds| Duration::from_secs(seconds.min(MAX_TIMEOUT)));
    let request = ApplyRequest {
        document: body.document,
        format: body.format,
        base_dir: body.base_dir,
        dry_run: params.dry_run,
        atomic: params.atomic,
        timeout,
        actor,
    };
    let applied = manager.finish({
        let manager = manager.clone();
        async move { manager.apply(request).await }
    });
    Ok(Json(applied.await?.into()))
}

// === impl ApplyAnswer ===

impl From<Applied> for ApplyAnswer {
    fn from(applied: Applied) -> Self {
        let warnings = applied.warnings.into_iter().map(|w| WarningView { path: w.path, message: w.message });
        Self {
            revision: applied.revision,
            changed: applied.changed,
            changes: applied.changes.into_iter().map(ChangeView::from).collect(),
            plan: applied.plan,
            warnings: warnings.collect(),
            job: applied.job,
        }
    }
}

// === impl ChangeView ===

impl From<Change> for ChangeView {
    fn from(Change { kind, name, change, fields }: Change) -> Self {
        Self { kind, name, change, fields: fields.into_iter().map(|field| field.path).collect() }
    }
}
