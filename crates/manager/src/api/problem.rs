//! Every failure of the admin API ends here, once, as a problem document (RFC 9457).

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use store::Cause;
use utoipa::ToSchema;

use crate::apply::ApplyError;
use crate::housekeeping::HousekeepingError;
use crate::keys::KeyError;
use crate::open_routes::NotKept;
use crate::teams::TeamError;

/// Why a request was not fulfilled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// Always `about:blank`: title and status say it all.
    #[serde(rename = "type")]
    kind: &'static str,
    /// What kind of problem it is.
    title: String,
    /// HTTP status.
    status: u16,
    /// What happened, and what to do.
    detail: String,
    /// Every single fault in what was sent.
    errors: Vec<ProblemFault>,
}

/// One fault in what was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ProblemFault {
    /// Where, as `models[1].deployments[0].endpoint.url`; empty for the whole.
    path: String,
    /// What is wrong, and what would be right.
    message: String,
}

// === impl Problem ===

impl Problem {
    fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error").to_owned();
        Self { kind: "about:blank", title, status: status.as_u16(), detail: detail.into(), errors: Vec::new() }
    }

    fn titled(mut self, title: &str) -> Self {
        title.clone_into(&mut self.title);
        self
    }

    fn with_fault(mut self, path: &str, message: impl Into<String>) -> Self {
        self.errors.push(ProblemFault { path: path.to_owned(), message: message.into() });
        self
    }

    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(super) fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, detail)
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "this path does not take this method")
    }

    pub(super) fn misdirected(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::MISDIRECTED_REQUEST, detail)
    }

    /// One field of what was sent is unfit.
    pub(super) fn unfit(path: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, format!("{path} {message}")).with_fault(path, message)
    }

    /// Two fields of what was sent do not go together.
    pub(super) fn unfit_pair(paths: [&str; 2], message: &str) -> Self {
        let [first, second] = paths;
        let problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, format!("{first} and {second}: {message}"));
        problem.with_fault(first, message).with_fault(second, message)
    }

    /// What was sent cannot be read at all.
    pub(super) fn unreadable(status: StatusCode, detail: impl Into<String>) -> Self {
        Self::new(status, detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        let problem = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, problem);
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        tracing::warn!(%error, "the store refused");
        // What the database said is for the log only.
        let detail = format!("{}: {}", error.database, error.cause);
        match error.cause {
            // Somebody was faster: asking again shows what stands now.
            Cause::Conflict => Self::new(StatusCode::CONFLICT, detail),
            // It may pass.
            Cause::Locked
            | Cause::Gone
            | Cause::Full
            | Cause::ReadOnly
            | Cause::Away
            | Cause::Refused
            | Cause::Taken => Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).titled("Store unavailable"),
            Cause::Other => Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail),
        }
    }
}

impl From<ApplyError> for Problem {
    fn from(error: ApplyError) -> Self {
        let invalid = |problem: Self| problem.titled("Invalid document");
        match error {
            // Shown to who sent it; it can hold a line of the document.
            ApplyError::Parse(error) => {
                let message = error.to_string();
                invalid(
                    Self::new(StatusCode::UNPROCESSABLE_ENTITY, "the document cannot be read").with_fault("", message),
                )
            }
            ApplyError::Faults(faults) => {
                let count = faults.as_slice().len();
                let detail = if count == 1 { "1 fault".to_owned() } else { format!("{count} faults") };
                let problem = invalid(Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
                faults.into_vec().into_iter().fold(problem, |all, fault| all.with_fault(&fault.path, fault.message))
            }
            ApplyError::BaseDir(_) => Self::unfit("base_dir", "must be an absolute path"),
            // One change at a time while the last one may still be undone.
            ApplyError::Verifying(_) => Self::new(StatusCode::CONFLICT, error.to_string()),
            // The disk, most likely.
            ApplyError::Projection(error) => {
                tracing::error!(%error, "the projection cannot be written");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
            }
            ApplyError::Store(error) => error.into(),
        }
    }
}

impl From<NotKept> for Problem {
    fn from(error: NotKept) -> Self {
        tracing::warn!(%error, "the store refused");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()).titled("Store unavailable")
    }
}

impl From<HousekeepingError> for Problem {
    fn from(error: HousekeepingError) -> Self {
        match error {
            HousekeepingError::Runs(_) => Self::new(StatusCode::CONFLICT, error.to_string()),
            HousekeepingError::Store(error) => error.into(),
        }
    }
}

impl From<KeyError> for Problem {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::NotFound => Self::not_found(error.to_string()),
            KeyError::AliasTaken(_) | KeyError::SecretTaken => Self::new(StatusCode::CONFLICT, error.to_string()),
            KeyError::NoTeam(_) => Self::unfit("team", error.to_string()),
            KeyError::Unfit(unfit) => Self::unfit("key", unfit.to_string()),
            KeyError::Field(unfit) => Self::unfit(unfit.field, unfit.message),
            KeyError::Store(error) => error.into(),
        }
    }
}

impl From<TeamError> for Problem {
    fn from(error: TeamError) -> Self {
        match error {
            TeamError::NotFound => Self::not_found(error.to_string()),
            TeamError::IdTaken(_) | TeamError::AliasTaken(_) => Self::new(StatusCode::CONFLICT, error.to_string()),
            TeamError::Field(unfit) => Self::unfit(unfit.field, unfit.message),
            TeamError::Store(error) => error.into(),
        }
    }
}
