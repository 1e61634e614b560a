use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ledger::Nanos;
use snapshot::Period;

use super::Allowance;

/// Why a request may not run now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{limit} of {scope} reached")]
pub(crate) struct Rejection {
    /// Whose limit it is, as people know it.
    pub(crate) scope: Arc<str>,
    /// Which limit it is.
    pub(crate) limit: Limit,
    /// When it is worth trying again; none where waiting does not help.
    pub(crate) retry_after: Option<Duration>,
    /// What is left in the tightest scopes.
    pub(crate) allowance: Allowance,
}

/// A limit that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// Requests a minute.
    Rpm(u64),
    /// Tokens a minute.
    Tpm {
        /// The limit.
        limit: u64,
        /// Tokens that the request may need.
        wanted: u64,
    },
    /// Requests at once.
    Parallel(u64),
    /// What it may spend, in each period or in all.
    Budget(Nanos, Option<Period>),
}

// === impl Limit ===

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rpm(limit) => write!(f, "limit of {limit} requests per minute"),
            Self::Tpm { limit, wanted } => {
                write!(f, "limit of {limit} tokens per minute, of which this request may need {wanted},")
            }
            Self::Parallel(limit) => write!(f, "limit of {limit} parallel requests"),
            Self::Budget(limit, None) => write!(f, "budget of {limit}"),
            Self::Budget(limit, Some(period)) => write!(f, "budget of {limit} per {period}"),
        }
    }
}
