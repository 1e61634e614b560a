use ambient::Timestamp;
use ledger::Nanos;
use serde::{Deserialize, Serialize};

use crate::BudgetPeriod;

/// What something (a key, a team, a model, everything) may use; none is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Requests a minute.
    pub rpm: Option<u64>,
    /// Tokens a minute, of prompts and answers together.
    pub tpm: Option<u64>,
    /// Requests at once.
    pub max_parallel: Option<u64>,
    /// What it may spend: in each run of `budget_period`, or in all.
    pub max_budget: Option<Nanos>,
    /// When the budget begins anew; none is never.
    pub budget_period: Option<BudgetPeriod>,
}

/// What something had spent by the books, up to [`Snapshot::booked`](crate::Snapshot::booked). A gateway that knows the
/// thing already counts by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// In all.
    pub total: Nanos,
    /// For a budget with a period: what of that was spent before a run of it.
    pub before: Option<SpentBefore>,
}

/// What was spent before a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpentBefore {
    /// The moment: where a run of the budget's period begins.
    pub run: Timestamp,
    /// What was spent until then.
    pub nanos: Nanos,
}

// === impl Spent ===

impl From<Nanos> for Spent {
    fn from(total: Nanos) -> Self {
        Self { total, before: None }
    }
}
