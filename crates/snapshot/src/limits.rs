use ledger::Nanos;
use serde::{Deserialize, Serialize};

/// What something (a key, a team, a model, everything) may use; none is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Requests a minute.
    pub rpm: Option<u64>,
    /// Tokens a minute, of prompts and answers together.
    pub tpm: Option<u64>,
    /// Requests at once.
    pub max_parallel: Option<u64>,
    /// What it may spend: in all, or in a period of its budget.
    pub max_budget: Option<Nanos>,
}
