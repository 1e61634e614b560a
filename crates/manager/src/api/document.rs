use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::Problem;
use crate::Manager;

/// The desired state that applies.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DocumentView {
    /// Number of the revision; 0 before the first apply.
    revision: u64,
    /// SHA-256 of the document.
    digest: String,
    /// When it was applied; none before the first apply.
    applied_at: Option<String>,
    /// The document, with the ids that its deployments were given, and `***` in place of secrets.
    document: Value,
}

/// The document that applies
#[utoipa::path(get, path = "/document", responses(
    (status = 200, body = DocumentView),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn document(State(manager): State<Manager>) -> Json<DocumentView> {
    let current = manager.current();
    Json(DocumentView {
        revision: current.revision,
        digest: current.digest.clone(),
        applied_at: (current.revision > 0).then(|| current.applied_at.to_string()),
        document: shown(&current.document),
    })
}

/// A document with `***` in place of secrets.
fn shown(document: &spec::Document) -> Value {
    // Cannot fail: every key is a string.
    let mut shown = serde_json::to_value(document).unwrap_or_default();
    spec::mask_document(&mut shown);
    shown
}
