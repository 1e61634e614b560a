use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::Problem;
use crate::Manager;
use crate::images::ImageRow;

/// An image that engines need, or that was built here.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct ImageView {
    /// Its name with its tag; without one where it is to be built and never was.
    image: String,
    /// The recipe that it is built from, where it is.
    recipe: Option<String>,
    /// Whether it was built from what its recipe said before, so that nothing starts in it any more.
    outdated: bool,
    /// Whether it is here; null where nobody knows.
    present: Option<bool>,
    /// Why nobody knows: Docker does not answer. All that is known of images of recipes then is their recipe.
    unknown: Option<String>,
    /// Its id, where it is here.
    id: Option<String>,
    /// The digest that its registry knows it by, where it came from one.
    digest: Option<String>,
    /// Bytes on the disk; layers that it shares with others count.
    bytes: u64,
    /// When it was made.
    made_at: Option<String>,
    /// Models whose engines run in it.
    used_by: Vec<String>,
    /// Recipes that start from it.
    base_of: Vec<String>,
}

/// Images that engines need, and those that were built here
///
/// By name. Where Docker does not answer, those that the desired state names, `present` being null.
#[utoipa::path(get, path = "/images", operation_id = "list_images", responses(
    (status = 200, body = Vec<ImageView>),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn list(State(manager): State<Manager>) -> Json<Vec<ImageView>> {
    Json(manager.images().await.into_iter().map(ImageView::new).collect())
}

// === impl ImageView ===

impl ImageView {
    fn new(row: ImageRow) -> Self {
        let ImageRow { name, recipe, outdated, used_by, base_of, here, unknown } = row;
        let made = here.as_ref().and_then(|here| Timestamp::from_second(here.made?).ok());
        Self {
            image: name,
            recipe,
            outdated,
            present: unknown.is_none().then_some(here.is_some()),
            unknown,
            bytes: here.as_ref().map_or(0, |here| here.bytes),
            digest: here.as_ref().and_then(|here| here.digest.clone()),
            id: here.map(|here| here.id),
            made_at: made.map(|made| made.to_string()),
            used_by: used_by.into_iter().collect(),
            base_of: base_of.into_iter().collect(),
        }
    }
}
