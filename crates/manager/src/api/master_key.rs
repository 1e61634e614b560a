use axum::extract::State;
use axum::{Extension, Json};
use serde::Serialize;
use utoipa::ToSchema;

use super::Problem;
use crate::master_key::RotatedMasterKey;
use crate::{Actor, Manager};

/// A master key that was put in place of the one before.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct IssuedMasterKey {
    /// The key itself; shown this once.
    key: String,
    /// The file of the home that holds it too, because the one before lay there.
    file: Option<String>,
    /// What did not go as it should, though the change stands.
    warnings: Vec<String>,
}

/// Put a new master key in place of the present one
///
/// The old one stops working at once, at every gateway and here. The new one is shown in this answer and never again;
/// where the old one lay in a file of the home, the new one does too.
#[utoipa::path(post, path = "/master-key/rotate", operation_id = "rotate_master_key", responses(
    (status = 200, body = IssuedMasterKey),
    (status = 409, description = "the environment of the service sets it", body = Problem,
        content_type = "application/problem+json"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn rotate(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
) -> Result<Json<IssuedMasterKey>, Problem> {
    let rotated = manager.finish({
        let manager = manager.clone();
        async move { manager.rotate_master_key(&actor).await }
    });
    Ok(Json(rotated.await?.into()))
}

// === impl IssuedMasterKey ===

impl From<RotatedMasterKey> for IssuedMasterKey {
    fn from(RotatedMasterKey { secret, file, behind, unwritten }: RotatedMasterKey) -> Self {
        let unwritten = unwritten.map(|error| format!("the file of the master key still holds the old one: {error}"));
        Self {
            key: secret.expose().to_owned(),
            file: file.map(|path| path.display().to_string()),
            warnings: behind.err().map(|behind| behind.to_string()).into_iter().chain(unwritten).collect(),
        }
    }
}
