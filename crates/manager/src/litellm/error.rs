use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};
use store::Cause;

use crate::keys::KeyError;
use crate::secrets::UnfitKey;
use crate::teams::TeamError;

/// A failure in LiteLLM's envelope, or, for a field of the wrong type, in that of its framework.
#[derive(Debug, PartialEq)]
pub(super) struct LiteError {
    status: StatusCode,
    body: Value,
}

// === impl LiteError ===

impl LiteError {
    fn new(status: StatusCode, kind: &str, param: Option<&str>, message: impl Into<String>) -> Self {
        let (message, code) = (message.into(), status.as_u16().to_string());
        Self { status, body: json!({ "error": { "message": message, "type": kind, "param": param, "code": code } }) }
    }

    pub(super) fn bad_request(param: Option<&str>, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request_error", param, message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found_error", Some("key"), message)
    }

    pub(super) fn no_team(team: &str) -> Self {
        let message = format!("Team not found, passed team_id={team}");
        Self::new(StatusCode::NOT_FOUND, "not_found_error", Some("team_id"), message)
    }

    pub(super) fn none_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "invalid_request_error", None, "{'error': 'No keys found'}")
    }

    #[cfg(test)]
    pub(super) fn status(&self) -> u16 {
        self.status.as_u16()
    }

    #[cfg(test)]
    pub(super) const fn body(&self) -> &Value {
        &self.body
    }

    /// A field of the wrong type.
    pub(super) fn wrong_type(field: &str, kind: &str, message: &str) -> Self {
        let detail = json!({ "type": kind, "loc": ["body", field], "msg": message });
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, body: json!({ "detail": [detail] }) }
    }
}

impl IntoResponse for LiteError {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}

impl From<KeyError> for LiteError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::NotFound => Self::not_found("Key not found."),
            KeyError::Stale(_) => Self::bad_request(None, error.to_string()),
            KeyError::AliasTaken(alias) => {
                let text = format!(
                    "Key with alias '{alias}' already exists. Unique key aliases across all keys are required."
                );
                Self::bad_request(Some("key_alias"), text)
            }
            KeyError::NoTeam(team) => Self::no_team(&team),
            KeyError::SecretTaken => Self::bad_request(Some("key"), error.to_string()),
            KeyError::Unfit(unfit) => unfit.into(),
            KeyError::Field(unfit) => Self::bad_request(Some(name_here(unfit.field)), unfit.to_string()),
            KeyError::Store(error) => error.into(),
        }
    }
}

impl From<TeamError> for LiteError {
    fn from(error: TeamError) -> Self {
        match error {
            TeamError::NotFound => Self::no_team(""),
            TeamError::Stale(_) => Self::bad_request(None, error.to_string()),
            TeamError::IdTaken(id) => {
                let text = format!("Team id = {id} already exists. Please use a different team id.");
                Self::bad_request(Some("team_id"), text)
            }
            TeamError::AliasTaken(_) => Self::bad_request(Some("team_alias"), error.to_string()),
            TeamError::Field(unfit) => Self::bad_request(Some(team_name_here(unfit.field)), unfit.to_string()),
            TeamError::Store(error) => error.into(),
        }
    }
}

impl From<UnfitKey> for LiteError {
    fn from(unfit: UnfitKey) -> Self {
        let message = format!("{{'error': 'Invalid key format: {unfit}.'}}");
        Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", None, message)
    }
}

impl From<store::Error> for LiteError {
    fn from(error: store::Error) -> Self {
        tracing::warn!(%error, "the store refused");
        // What the database said is for the log only.
        let message = format!("{}: {}", error.database, error.cause);
        match error.cause {
            Cause::Conflict => Self::bad_request(None, message),
            Cause::Locked
            | Cause::Gone
            | Cause::Full
            | Cause::ReadOnly
            | Cause::Away
            | Cause::Refused
            | Cause::Taken => Self::new(StatusCode::SERVICE_UNAVAILABLE, "service_unavailable_error", None, message),
            Cause::Other => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_server_error", None, message),
        }
    }
}

/// LiteLLM's name of a field of ours.
fn name_here(field: &'static str) -> &'static str {
    match field {
        "alias" => "key_alias",
        "owner" => "user_id",
        "rpm" => "rpm_limit",
        "tpm" => "tpm_limit",
        field => field,
    }
}

/// The same for a field of a team.
fn team_name_here(field: &'static str) -> &'static str {
    match field {
        "alias" => "team_alias",
        "id" => "team_id",
        field => name_here(field),
    }
}
