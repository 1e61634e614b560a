use axum::Json;
use serde_json::Value;

/// The JSON Schema of documents
#[utoipa::path(get, path = "/schema", responses((status = 200, body = Value)))]
pub(super) async fn schema() -> Json<Value> {
    Json(spec::json_schema())
}
