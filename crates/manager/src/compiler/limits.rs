use ambient::Timestamp;
use ledger::Nanos;
use snapshot::{BudgetPeriod, Limits};

/// Limits of the desired state. Their periods are counted from the epoch, which all revisions have in common.
pub(super) fn compile(limits: &spec::Limits) -> Limits {
    Limits {
        rpm: limits.rpm,
        tpm: limits.tpm,
        max_parallel: limits.max_parallel,
        max_budget: limits.max_budget.map(Nanos::from_units),
        budget_period: limits.budget_period.map(|every| BudgetPeriod { every, anchor: Timestamp::default() }),
    }
}
