use std::time::Duration;

use crate::load::FormFault;

/// Why an attempt at a replica failed.
///
/// Shown, it does not repeat what the engine said: that can hold parts of a prompt or of a credential, which do not
/// belong into logs. [`words`](Fault::words) has it, for the client alone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// No connection.
    #[error("could not be reached ({0})")]
    Connect(String),
    /// The connection broke before the answer began.
    #[error("closed the connection before it answered")]
    Reset,
    /// The answer did not begin in time.
    #[error("did not begin to answer within {0:?}")]
    FirstByte(Duration),
    /// The answer did not end in time.
    #[error("did not finish its answer within {0:?}")]
    Total(Duration),
    /// A stream stood still.
    #[error("sent nothing for {0:?}")]
    Stalled(Duration),
    /// The connection broke in the middle of the answer.
    #[error("broke off in the middle of its answer")]
    Cut,
    /// The engine answered with an error that is not the client's.
    #[error("answered with status {status}")]
    Status {
        /// What it answered with.
        status: u16,
        /// Its own words, cut to a readable length.
        message: Option<String>,
        /// When it wants to be asked again.
        retry_after: Option<u32>,
    },
    /// The engine reports an error as first event of a stream.
    #[error("reported an error")]
    ErrorEvent {
        /// Its own words, cut to a readable length.
        message: Option<String>,
    },
    /// A success that is not one.
    #[error("answered with something that is not JSON")]
    NotJson,
    /// More than fits.
    #[error("answered with more than {0} bytes")]
    TooLarge(usize),
    /// The client broke off its request, or made a mess of it, while the engine received it.
    #[error("was sent only a part of the request")]
    Upload(FormFault),
    /// Too many answers at once.
    #[error("answered when the service held as many answers as it can")]
    NoRoom,
}

// === impl Fault ===

impl Fault {
    /// What the engine said, where the client may read it. An engine that refuses our credential, or knows no such
    /// path or model, talks to us and not to the client.
    pub(crate) fn words(&self) -> Option<&str> {
        match self {
            Self::Status { status: 401 | 403 | 404 | 405, .. } => None,
            Self::Status { message, .. } | Self::ErrorEvent { message } => message.as_deref(),
            _ => None,
        }
    }

    /// One word for the books and for metrics.
    pub(crate) const fn as_str(&self) -> &'static str {
        match self {
            Self::Connect(_) => "connect",
            Self::Reset => "reset",
            Self::FirstByte(_) => "timeout_first_byte",
            Self::Total(_) => "timeout_total",
            Self::Stalled(_) => "timeout_between_bytes",
            Self::Cut => "cut",
            Self::Status { .. } => "status",
            Self::ErrorEvent { .. } => "error_event",
            Self::NotJson => "not_json",
            Self::TooLarge(_) => "too_large",
            Self::Upload(_) => "upload",
            Self::NoRoom => "no_room",
        }
    }

    /// Status that the engine answered with; 0 if it did not.
    pub(crate) const fn status(&self) -> u16 {
        match self {
            Self::Status { status, .. } => *status,
            Self::ErrorEvent { .. }
            | Self::NotJson
            | Self::TooLarge(_)
            | Self::NoRoom
            | Self::Cut
            | Self::Stalled(_) => 200,
            _ => 0,
        }
    }

    /// Whether another replica may do better. After a time-out the engine may still be at work, and the
    /// client has waited long enough: those are not repeated.
    pub(crate) const fn is_retryable(&self) -> bool {
        !matches!(
            self,
            Self::FirstByte(_) | Self::Total(_) | Self::Stalled(_) | Self::TooLarge(_) | Self::NoRoom | Self::Upload(_)
        )
    }

    /// Whether the replica is to blame, rather than us.
    pub(crate) const fn blames_replica(&self) -> bool {
        !matches!(self, Self::NoRoom | Self::Upload(_))
    }

    /// Whether the connection itself failed.
    pub(crate) const fn is_connect(&self) -> bool {
        matches!(self, Self::Connect(_))
    }
}
