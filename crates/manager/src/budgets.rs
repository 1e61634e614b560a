//! How far budgets with a period are used up, for showing.

use std::collections::HashMap;

use ambient::Timestamp;
use ledger::Nanos;
use snapshot::BudgetPeriod;
use store::Spending;

use crate::Manager;

/// What was spent since the present runs of some periods began.
#[derive(Debug)]
pub(crate) struct Budgets {
    now: Timestamp,
    since: HashMap<Timestamp, Spending>,
}

/// What was spent in the present run of a budget's period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunSpend {
    pub(crate) spent: Nanos,
    /// When the budget begins anew.
    pub(crate) resets_at: Timestamp,
}

// === impl Manager ===

impl Manager {
    /// Reads what was spent in the present runs of `periods`; nothing where there are none.
    pub(crate) async fn budgets(
        &self,
        periods: impl IntoIterator<Item = BudgetPeriod>,
    ) -> Result<Budgets, store::Error> {
        let now = self.config().clock.now();
        let mut moments: Vec<_> = periods.into_iter().map(|period| period.run(now).begins).collect();
        moments.sort_unstable();
        moments.dedup();
        let since = if moments.is_empty() { Vec::new() } else { self.store().events().booked(&moments).await?.since };
        Ok(Budgets { now, since: moments.into_iter().zip(since).collect() })
    }
}

// === impl Budgets ===

impl Budgets {
    /// The run of `period`, for one of all that can have a budget; `of` finds it.
    pub(crate) fn run(&self, period: Option<BudgetPeriod>, of: impl Fn(&Spending) -> Nanos) -> Option<RunSpend> {
        let run = period?.run(self.now);
        let spent = self.since.get(&run.begins).map(of).unwrap_or_default();
        Some(RunSpend { spent, resets_at: run.ends })
    }
}
