use axum::extract::Path;
use axum::response::Response;
use serde_json::{Value, json};

use super::store::Kept;
use crate::call::Call;
use crate::deliver::{self, Work};
use crate::error::ApiError;

/// `GET /v1/responses/{id}`.
pub(crate) async fn get(Path(id): Path<String>, call: Call) -> Result<Response, ApiError> {
    let kept = find(&call, &id)?;
    Ok(deliver::json(call, Work::prefill_only(0), &kept.response).await)
}

/// `POST /v1/responses/{id}/cancel`: what is complete cannot be cancelled.
pub(crate) async fn cancel(Path(id): Path<String>, call: Call) -> Result<Response, ApiError> {
    let mut kept = find(&call, &id)?;
    if kept.response["background"] != json!(true) {
        return Err(ApiError::bad_request("Cannot cancel a synchronous response.", Some("response_id")));
    }
    kept.response["status"] = json!("cancelled");
    Ok(deliver::json(call, Work::prefill_only(0), &kept.response).await)
}

/// `DELETE /v1/responses/{id}`, which OpenAI has and vLLM has not.
pub(crate) async fn delete(Path(id): Path<String>, call: Call) -> Result<Response, ApiError> {
    if !call.app.responses.remove(&id) {
        return Err(ApiError::unknown_response(&id));
    }
    let body = json!({"id": id, "object": "response", "deleted": true});
    Ok(deliver::json(call, Work::prefill_only(0), &body).await)
}

/// `GET /v1/responses/{id}/input_items`, which OpenAI has and vLLM has not.
pub(crate) async fn input_items(Path(id): Path<String>, call: Call) -> Result<Response, ApiError> {
    let data = match find(&call, &id)?.input {
        Value::Array(items) => items,
        other => vec![other],
    };
    let body = json!({"object": "list", "data": data, "has_more": false});
    Ok(deliver::json(call, Work::prefill_only(0), &body).await)
}

pub(super) fn find(call: &Call, id: &str) -> Result<Kept, ApiError> {
    call.app.responses.get(id).ok_or_else(|| ApiError::unknown_response(id))
}
