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
use crate::apply::{Applied, ApplyRequest, EditHow, Source, Step};
use crate::{Actor, Manager};

/// Longest time that a job may wait: a day.
const MAX_TIMEOUT: u64 = 86_400;
/// Bytes that a message may have.
const MESSAGE_BYTES: usize = 4_000;

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
    /// Why, in your words.
    #[serde(default)]
    message: String,
    /// Number of the revision on which you decided; another one is a 412.
    seen_revision: Option<u64>,
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
pub(super) struct WarningView {
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
    (status = 409, description = "another apply is going on, or is being verified", body = Problem,
        content_type = "application/problem+json"),
    (status = 412, description = "another revision applies than was seen", body = Problem,
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
    let ApplyBody { document: text, format, base_dir, message, seen_revision } = body;
    let source = Source::Document { text, format, base_dir };
    run(&manager, params.into_request(source, message, seen_revision, actor)?).await
}

/// Applies to the end, also when the caller goes away.
pub(super) async fn run(manager: &Manager, request: ApplyRequest) -> Result<Json<ApplyAnswer>, Problem> {
    let applied = manager.finish({
        let manager = manager.clone();
        async move { manager.apply(request).await }
    });
    Ok(Json(applied.await?.into()))
}

// === impl ApplyParams ===

impl ApplyParams {
    pub(super) fn into_request(
        self,
        source: Source,
        message: String,
        seen_revision: Option<u64>,
        actor: Actor,
    ) -> Result<ApplyRequest, Problem> {
        let EditHow { dry_run, atomic, timeout } = self.of_edit(&message)?;
        Ok(ApplyRequest { source, message, expected: seen_revision, dry_run, atomic, timeout, actor })
    }

    /// The same for a change of one's own.
    pub(super) fn of_edit(self, message: &str) -> Result<EditHow, Problem> {
        if message.len() > MESSAGE_BYTES {
            return Err(Problem::unfit("message", format!("has more than {MESSAGE_BYTES} bytes")));
        }
        let Self { dry_run, atomic, timeout_seconds } = self;
        let timeout = timeout_seconds.map(|seconds| Duration::from_secs(seconds.min(MAX_TIMEOUT)));
        Ok(EditHow { dry_run, atomic, timeout })
    }
}

// === impl ApplyAnswer ===

impl From<Applied> for ApplyAnswer {
    fn from(applied: Applied) -> Self {
        let warnings = applied.warnings.into_iter().map(WarningView::from);
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

// === impl WarningView ===

impl From<spec::Warning> for WarningView {
    fn from(spec::Warning { path, message }: spec::Warning) -> Self {
        Self { path, message }
    }
}

// === impl ChangeView ===

impl From<Change> for ChangeView {
    fn from(Change { kind, name, change, fields }: Change) -> Self {
        Self { kind, name, change, fields: fields.into_iter().map(|field| field.path).collect() }
    }
}
