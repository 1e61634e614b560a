#![expect(unused_qualifications, reason = "written by the macro that describes the route")]

use axum::extract::State;
use axum::{Extension, Json};
use render::Target;
use serde::{Deserialize, Serialize};
use spec::Document;
use utoipa::{IntoParams, ToSchema};

use super::Problem;
use super::extract::{Named, Params};
use crate::apply::{ApplyRequest, Source};
use crate::current::Current;
use crate::digest::sha256;
use crate::staged::Selection;
use crate::{Actor, Manager};

/// From which state.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RenderParams {
    /// As it would be once everything that is staged is applied, instead of as it applies.
    #[serde(default)]
    staged: bool,
}

/// A file for another program.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RenderedFile {
    /// Which program: `litellm`, `caddyfile`, `nginx`, `prometheus` or `compose`.
    target: &'static str,
    /// Where each apply writes it.
    path: String,
    /// Number of the revision that it is made from.
    revision: u64,
    /// What the other program does not get, or gets otherwise than one may expect.
    notes: Vec<String>,
    /// What stands in it; no file holds a secret.
    text: String,
}

/// Files for other programs
///
/// LiteLLM, Caddy, nginx, Prometheus and Docker Compose, made from what applies.
#[utoipa::path(get, path = "/render", operation_id = "list_rendered", responses(
    (status = 200, body = Vec<RenderedFile>),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(State(manager): State<Manager>) -> Json<Vec<RenderedFile>> {
    Json(Target::ALL.iter().map(|target| RenderedFile::of(&manager, &manager.current(), *target)).collect())
}

/// The file for one program
#[utoipa::path(get, path = "/render/{target}", operation_id = "get_rendered",
    params(RenderParams, ("target" = String, Path, description = "Which program")), responses(
    (status = 200, body = RenderedFile),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn get(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Named(target): Named,
    Params(params): Params<RenderParams>,
) -> Result<Json<RenderedFile>, Problem> {
    let target = target.parse().map_err(|unknown: render::UnknownTarget| Problem::not_found(unknown.to_string()))?;
    let current = manager.current();
    if !params.staged {
        return Ok(Json(RenderedFile::of(&manager, &current, target)));
    }
    let everything = Source::Staged { selection: Selection::everything(), overwrite: true };
    let proposal = manager.propose(&ApplyRequest::dry(everything, actor)).await?;
    let next = next(&current, proposal.document);
    Ok(Json(RenderedFile::of(&manager, &next, target)))
}

/// What would apply; as it is where nothing would change.
fn next(current: &Current, document: Document) -> Current {
    if document == current.document {
        return current.clone();
    }
    // Cannot fail: every key is a string.
    let digest = sha256(&serde_json::to_vec(&document).unwrap_or_default());
    let mut next = Current::tentative(document);
    (next.revision, next.digest) = (current.revision + 1, digest);
    next
}

// === impl RenderedFile ===

impl RenderedFile {
    fn of(manager: &Manager, current: &Current, target: Target) -> Self {
        let rendered = manager.render(target, current.revision, &current.digest, &current.document);
        Self {
            target: target.as_str(),
            path: manager.rendered_path(target).display().to_string(),
            revision: current.revision,
            notes: rendered.notes,
            text: rendered.text,
        }
    }
}
