use ambient::Timestamp;
use ledger::Nanos;
use snapshot::{BudgetPeriod, Limits};
use store::{KeyRow, RowLimits, TeamRow};

/// Limits of the desired state. Their periods are counted from the epoch, which all revisions have in common.
pub(crate) fn limits_of(limits: &spec::Limits) -> Limits {
    Limits {
        rpm: limits.rpm,
        tpm: limits.tpm,
        max_parallel: limits.max_parallel,
        max_budget: limits.max_budget.map(Nanos::from_units),
        budget_period: limits.budget_period.map(|every| BudgetPeriod { every, anchor: Timestamp::default() }),
    }
}

/// Limits of a key; its period is counted from when it was made.
pub(crate) fn limits_of_key(key: &KeyRow) -> Limits {
    of_row(&key.limits, key.created_at)
}

/// Limits of a team; its period is counted from when it was made.
pub(crate) fn limits_of_team(team: &TeamRow) -> Limits {
    of_row(&team.limits, team.created_at)
}

/// When the budget of a key begins anew.
pub(crate) fn key_period(key: &KeyRow) -> Option<BudgetPeriod> {
    limits_of_key(key).budget_period
}

fn of_row(limits: &RowLimits, anchor: Timestamp) -> Limits {
    let RowLimits { rpm, tpm, max_parallel, max_budget, budget_period } = *limits;
    let budget_period = budget_period.map(|every| BudgetPeriod { every, anchor });
    Limits { rpm, tpm, max_parallel, max_budget, budget_period }
}
