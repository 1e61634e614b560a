use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};

use super::respond::refuse;
use crate::edge::Body;
use crate::meter::Account;
use crate::rescue::Cause;
use crate::upstream::Reason;

/// A request that a model could not serve, with what another one needs to take over.
pub(super) struct Failed {
    pub(super) account: Account,
    pub(super) failure: Failure,
    /// Whether another model can be asked.
    pub(super) may_go_on: bool,
}

/// Why a model could not serve a request.
pub(super) enum Failure {
    /// Its deployments failed, or there were none; whether another try may do better.
    Cause(Cause, Reason, bool),
    /// An engine refused the request itself.
    Refused { reason: Reason, status: StatusCode, headers: HeaderMap, body: Bytes },
    /// The client has gone.
    Gone(Cause),
}

// === impl Failed ===

impl Failed {
    /// What the client gets where nobody takes over.
    pub(super) fn answer(mut self) -> Result<Response<Body>, Cause> {
        match self.failure {
            Failure::Cause(cause, ..) => {
                self.account.failed(cause.status().as_u16());
                Err(cause)
            }
            Failure::Refused { status, headers, body, .. } => Ok(refuse(status, headers, body, &mut self.account)),
            // Unsettled, it ends as one whose client has gone.
            Failure::Gone(cause) => Err(cause),
        }
    }
}

// === impl Failure ===

impl Failure {
    pub(super) fn reason(&self) -> Reason {
        match self {
            Self::Cause(_, reason, _) | Self::Refused { reason, .. } => *reason,
            Self::Gone(_) => Reason::BadRequest,
        }
    }

    /// Whether another replica may do better, where no policy says anything.
    pub(super) fn is_retryable(&self) -> bool {
        matches!(self, Self::Cause(_, _, true))
    }

    /// Whether an engine said when it wants to be asked again.
    pub(super) fn asks_to_wait(&self) -> bool {
        matches!(self, Self::Cause(cause, ..) if cause.asks_to_wait())
    }
}
