use axum::Json;
use axum::extract::State;

use crate::Manager;
use crate::restoration::Restoration;

/// How far the state before is back after a start
///
/// Step by step, in the order in which one needs the other. Events `restore` tell each step until all of it is back once.
#[utoipa::path(get, path = "/restore", operation_id = "restoration", responses((status = 200, body = Restoration)))]
pub(super) async fn restoration(State(manager): State<Manager>) -> Json<Restoration> {
    Json(manager.restoration().await)
}
