//! Every failure of the admin API ends here, once, as a problem document (RFC 9457).

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use hub::CacheError;
use serde::Serialize;
use spec::Faults;
use store::Cause;
use utoipa::ToSchema;

use crate::access::Denied;
use crate::accounts::{AccountError, LoginError, OwnPasswordError};
use crate::apply::{ApplyError, Referred};
use crate::credentials::CredentialError;
use crate::edit_lock::Locked;
use crate::history::HistoryError;
use crate::housekeeping::HousekeepingError;
use crate::hub::HubFault;
use crate::images::ImageFault;
use crate::keys::KeyError;
use crate::master_key::RotateError;
use crate::open_routes::NotKept;
use crate::passwords::Busy;
use crate::staged::{SelectionError, StageError};
use crate::teams::TeamError;
use crate::tokens::TokenError;
use crate::vault::SealError;

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
    /// Seconds after which it is worth another try; a header.
    #[serde(skip)]
    retry_after: Option<u64>,
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
        let (status, detail) = (status.as_u16(), detail.into());
        Self { kind: "about:blank", title, status, detail, errors: Vec::new(), retry_after: None }
    }

    fn titled(mut self, title: &str) -> Self {
        title.clone_into(&mut self.title);
        self
    }

    pub(super) fn with_fault(mut self, path: &str, message: impl Into<String>) -> Self {
        self.errors.push(ProblemFault { path: path.to_owned(), message: message.into() });
        self
    }

    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(super) fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, detail)
    }

    pub(super) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    pub(super) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    /// What was to be changed is not any more what the sender knows.
    pub(super) fn precondition_failed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, detail)
    }

    /// It is too much at the moment.
    pub(super) fn later(status: StatusCode, detail: impl Into<String>, after: std::time::Duration) -> Self {
        // Rounded up, and never at once.
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        Self { retry_after: Some(seconds.max(1)), ..Self::new(status, detail) }
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

    /// Names the field that it is about, also in the detail.
    pub(super) fn about(mut self, path: &str, message: impl Into<String>) -> Self {
        if !path.is_empty() && !self.detail.contains(path) {
            self.detail = format!("{path}: {}", self.detail);
        }
        self.with_fault(path, message)
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

    /// What was sent has faults, each of which is named.
    fn faults(faults: Faults) -> Self {
        let count = faults.as_slice().len();
        let detail = if count == 1 { "1 fault".to_owned() } else { format!("{count} faults") };
        let problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
        faults.into_vec().into_iter().fold(problem, |all, fault| all.with_fault(&fault.path, fault.message))
    }

    /// What was sent cannot be read at all.
    pub(super) fn unreadable(status: StatusCode, detail: impl Into<String>) -> Self {
        Self::new(status, detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.retry_after;
        let mut response = (status, Json(self)).into_response();
        let problem = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, problem);
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
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
        let error_text = error.to_string();
        match error {
            // Shown to who sent it; it can hold a line of the document.
            ApplyError::Parse(error) => {
                let message = error.to_string();
                invalid(
                    Self::new(StatusCode::UNPROCESSABLE_ENTITY, "the document cannot be read").with_fault("", message),
                )
            }
            ApplyError::Faults(faults) => invalid(Self::faults(faults)),
            ApplyError::Referred(referred) => {
                let problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, error_text);
                let fault = |all: Self, one: Referred| all.with_fault(&one.id.to_string(), one.to_string());
                referred.into_iter().fold(problem.titled("Still in use"), fault)
            }
            ApplyError::Locked(locked) => locked.into(),
            // One apply at a time, and none while the last one may still be undone.
            ApplyError::Busy(_) | ApplyError::Verifying { .. } => Self::new(StatusCode::CONFLICT, error_text),
            ApplyError::Moved { .. } => Self::new(StatusCode::PRECONDITION_FAILED, error_text),
            ApplyError::Stale(items) => {
                let problem = Self::new(StatusCode::PRECONDITION_FAILED, error_text).titled("Stale changes");
                items.into_iter().fold(problem, |all, item| all.with_fault(&item.id.to_string(), item.to_string()))
            }
            ApplyError::Selection(error) => error.into(),
            ApplyError::History(error) => error.into(),
            ApplyError::BaseDir(_) => Self::unfit("base_dir", "must be an absolute path"),
            // The disk, most likely.
            ApplyError::Artifact(error) => {
                tracing::error!(%error, "a generated file cannot be written");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
            }
            ApplyError::Seal(error) => error.into(),
            ApplyError::Store(error) => error.into(),
        }
    }
}

impl From<StageError> for Problem {
    fn from(error: StageError) -> Self {
        let text = error.to_string();
        match error {
            StageError::Locked(locked) => locked.into(),
            StageError::NothingSeen => Self::new(StatusCode::PRECONDITION_REQUIRED, text),
            StageError::Moved(_) => Self::new(StatusCode::PRECONDITION_FAILED, text).titled("Stale edit"),
            StageError::NotFound(_) => Self::not_found(text),
            StageError::BaseDir(_) => Self::unfit("base_dir", "must be an absolute path"),
            StageError::Unfit(id, faults) => Self::faults(faults).titled(&format!("Invalid {id}")),
            StageError::Taken(items) => {
                let problem = Self::new(StatusCode::CONFLICT, text);
                items.iter().fold(problem, |all, id| all.with_fault(&id.to_string(), "is staged"))
            }
            StageError::TooMany => Self::new(StatusCode::CONFLICT, text),
            StageError::Selection(error) => error.into(),
            StageError::History(error) => error.into(),
            StageError::Seal(error) => error.into(),
            StageError::Store(error) => error.into(),
        }
    }
}

impl From<SealError> for Problem {
    fn from(error: SealError) -> Self {
        tracing::error!(%error, "a credential cannot be sealed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}

impl From<CredentialError> for Problem {
    fn from(error: CredentialError) -> Self {
        match error {
            CredentialError::Unknown(_) => Self::not_found(error.to_string()),
            CredentialError::Used { .. } | CredentialError::WouldBeLost { .. } | CredentialError::Staged => {
                Self::new(StatusCode::CONFLICT, error.to_string())
            }
            CredentialError::Seal(error) => error.into(),
            CredentialError::Apply(error) => error.into(),
        }
    }
}

impl From<SelectionError> for Problem {
    fn from(error: SelectionError) -> Self {
        match error {
            SelectionError::Unclear => Self::bad_request(error.to_string()),
            SelectionError::NotStaged(_) | SelectionError::NothingOf(_) => Self::not_found(error.to_string()),
            SelectionError::Edited { .. } => Self::new(StatusCode::PRECONDITION_FAILED, error.to_string()),
        }
    }
}

impl From<HistoryError> for Problem {
    fn from(error: HistoryError) -> Self {
        match error {
            HistoryError::NotFound(_) => Self::not_found(error.to_string()),
            HistoryError::Unreadable(_) => Self::new(StatusCode::CONFLICT, error.to_string()),
            HistoryError::Store(error) => error.into(),
        }
    }
}

impl From<Locked> for Problem {
    fn from(error: Locked) -> Self {
        Self::new(StatusCode::LOCKED, error.to_string()).titled("Editing is locked")
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

impl From<HubFault> for Problem {
    fn from(fault: HubFault) -> Self {
        match fault {
            HubFault::Field(field, message) => Self::unfit(field, message),
            HubFault::NoPull | HubFault::Cache(CacheError::Absent { .. }) => Self::not_found(fault.to_string()),
            HubFault::Runs { .. } | HubFault::TooMany(_) | HubFault::Cache(CacheError::InUse { .. }) => {
                Self::conflict(fault.to_string())
            }
            // The environment of the service or its disk, which only they can mend who run it.
            HubFault::Settings(_) | HubFault::Hub(_) | HubFault::Cache(CacheError::Io { .. }) | HubFault::Task(_) => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, fault.to_string())
            }
            HubFault::Store(error) => error.into(),
        }
    }
}

impl From<ImageFault> for Problem {
    fn from(fault: ImageFault) -> Self {
        let text = fault.to_string();
        match fault {
            ImageFault::Field(field, message) => Self::unfit(field, message),
            ImageFault::NoTask => Self::not_found(text),
            ImageFault::NoRecipe(_) => Self::unfit("recipe", text),
            ImageFault::TooMany(_) => Self::conflict(text),
            ImageFault::Docker(error) if error.is_away() => Self::new(StatusCode::SERVICE_UNAVAILABLE, text),
            ImageFault::Docker(_) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, text),
            ImageFault::Store(error) => error.into(),
        }
    }
}

impl From<KeyError> for Problem {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::NotFound => Self::not_found(error.to_string()),
            KeyError::Stale(_) => Self::precondition_failed(error.to_string()),
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
            TeamError::Stale(_) => Self::precondition_failed(error.to_string()),
            TeamError::IdTaken(_) | TeamError::AliasTaken(_) => Self::new(StatusCode::CONFLICT, error.to_string()),
            TeamError::Field(unfit) => Self::unfit(unfit.field, unfit.message),
            TeamError::Store(error) => error.into(),
        }
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        Self::forbidden(denied.to_string())
    }
}

impl From<Busy> for Problem {
    fn from(busy: Busy) -> Self {
        Self::later(StatusCode::SERVICE_UNAVAILABLE, busy.to_string(), std::time::Duration::from_secs(1))
    }
}

impl From<LoginError> for Problem {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Wrong => Self::unauthorized(error.to_string()),
            LoginError::TooMany(wait) => Self::later(StatusCode::TOO_MANY_REQUESTS, error.to_string(), wait),
            LoginError::Busy(busy) => busy.into(),
            LoginError::Store(error) => error.into(),
        }
    }
}

impl From<OwnPasswordError> for Problem {
    fn from(error: OwnPasswordError) -> Self {
        match error {
            // No 401: the session is good, and stays.
            OwnPasswordError::Wrong => Self::unfit("current", error.to_string()),
            OwnPasswordError::Account(AccountError::Password(unfit)) => Self::unfit("new", unfit.to_string()),
            OwnPasswordError::Login(error) => error.into(),
            OwnPasswordError::Account(error) => error.into(),
            OwnPasswordError::Store(error) => error.into(),
        }
    }
}

impl From<AccountError> for Problem {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::NotFound => Self::not_found(error.to_string()),
            AccountError::NameTaken(_) | AccountError::LastAdmin(_) => Self::conflict(error.to_string()),
            AccountError::Password(unfit) => Self::unfit("password", unfit.to_string()),
            AccountError::Field(unfit) => Self::unfit(unfit.field, unfit.message),
            AccountError::Busy(busy) => busy.into(),
            AccountError::Store(error) => error.into(),
        }
    }
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::NotFound => Self::not_found(error.to_string()),
            TokenError::NameTaken(_) | TokenError::TooMany => Self::conflict(error.to_string()),
            TokenError::Field(unfit) => Self::unfit(unfit.field, unfit.message),
            TokenError::Store(error) => error.into(),
        }
    }
}

impl From<RotateError> for Problem {
    fn from(error: RotateError) -> Self {
        match error {
            RotateError::FromEnvironment => Self::conflict(error.to_string()),
            RotateError::Store(error) => error.into(),
        }
    }
}
