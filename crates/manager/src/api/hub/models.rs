#![expect(unused_qualifications, reason = "written by the macro that describes the route")]

use axum::extract::State;
use axum::{Extension, Json};
use hub::{CachedModel, CachedRevision, Removed};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::Problem;
use super::super::extract::{Named, Params};
use super::super::page::{Listed, Page};
use crate::{Actor, Manager};

/// A model in the cache.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct CachedModelView {
    /// Its name at the Hub.
    model: String,
    /// Bytes that it takes: each content once, and what is not whole yet.
    bytes: u64,
    /// Bytes of files that are not whole yet.
    incomplete_bytes: u64,
    /// Models of the desired state whose engines need it.
    used_by: Vec<String>,
    /// Its revisions, the newest first.
    revisions: Vec<CachedRevisionView>,
}

/// A revision of a model in the cache.
#[derive(Debug, Serialize, ToSchema)]
struct CachedRevisionView {
    /// Its commit.
    commit: String,
    /// Branches and tags that lead to it.
    refs: Vec<String>,
    /// Files of it that are there.
    files: u64,
    /// Bytes of these, each content once.
    bytes: u64,
    /// Bytes that no other revision has: what its removal frees.
    own_bytes: u64,
    /// When it was fetched.
    fetched_at: String,
}

/// What was removed.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct RemovedView {
    /// The model.
    model: String,
    /// Commits of the revisions.
    revisions: Vec<String>,
    /// Bytes that are free now.
    freed_bytes: u64,
}

/// Which part of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct ListParams {
    /// How many at most: 1 to 1,000; 100 unless given.
    limit: Option<u32>,
    /// Where to go on, as the `link` of the page before says.
    cursor: Option<String>,
}

/// What to remove.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct RemoveParams {
    /// Only this branch, tag or commit; the whole model unless given.
    revision: Option<String>,
}

/// Models in the cache of this machine, with their sizes
///
/// By name.
#[utoipa::path(get, path = "/hub/models", operation_id = "list_cached_models", params(ListParams), responses(
    (status = 200, body = Vec<CachedModelView>, headers(("link" = Option<String>, description = "the next page, with `rel=\"next\"`"))),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn list(
    State(manager): State<Manager>,
    Params(params): Params<ListParams>,
) -> Result<Listed<CachedModelView>, Problem> {
    let page = Page::<String>::read(params.limit, params.cursor.as_deref())?;
    let in_use = manager.models_in_use();
    let view = |model: CachedModel| {
        let users = in_use.iter().filter(|user| user.repository == model.model);
        CachedModelView { used_by: users.map(|user| user.by.clone()).collect(), ..CachedModelView::from(model) }
    };
    Ok(page.cut(manager.cached_models().await?.into_iter(), |model| model.model.clone()).map(view))
}

/// Remove a model from the cache, or one revision of it
///
/// What a model of the desired state needs stays (409), and so does what is being pulled.
#[utoipa::path(delete, path = "/hub/models/{model}", operation_id = "remove_cached_model",
    params(("model" = String, Path, description = "Name at the Hub, with `/` as `%2F`"), RemoveParams), responses(
    (status = 200, body = RemovedView),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "it is in use"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn remove(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Named(model): Named,
    Params(params): Params<RemoveParams>,
) -> Result<Json<RemovedView>, Problem> {
    let removed = manager.finish({
        let manager = manager.clone();
        async move { manager.remove_cached(&model, params.revision.as_deref(), &actor).await }
    });
    let Removed { model, revisions, freed_bytes } = removed.await?;
    Ok(Json(RemovedView { model, revisions, freed_bytes }))
}

// === impl CachedModelView ===

impl From<CachedModel> for CachedModelView {
    fn from(model: CachedModel) -> Self {
        let CachedModel { model, bytes, incomplete_bytes, revisions } = model;
        let revisions = revisions.into_iter().map(CachedRevisionView::from).collect();
        Self { model, bytes, incomplete_bytes, used_by: Vec::new(), revisions }
    }
}

// === impl CachedRevisionView ===

impl From<CachedRevision> for CachedRevisionView {
    fn from(revision: CachedRevision) -> Self {
        let fetched_at = revision.fetched().to_string();
        let CachedRevision { commit, refs, files, bytes, own_bytes, .. } = revision;
        Self { commit, refs, files, bytes, own_bytes, fetched_at }
    }
}
