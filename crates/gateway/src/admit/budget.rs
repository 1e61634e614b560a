use std::time::Duration;

use ambient::Timestamp;
use ledger::Nanos;
use snapshot::{BudgetPeriod, Run, Spent};

/// The present run of a budget's period.
#[derive(Clone, Copy, Debug)]
pub(super) struct BudgetRun {
    period: BudgetPeriod,
    run: Run,
    /// What was spent before it.
    before: Nanos,
    /// Whether it began under our eyes: then we know better than any snapshot what was spent before.
    is_seen: bool,
}

// === impl BudgetRun ===

impl BudgetRun {
    /// The run at `now`. Where the books do not say what was spent before it, but before an earlier one, more counts than
    /// should: a budget must never seem less used than it is.
    pub(super) fn new(period: BudgetPeriod, spent: &Spent, now: Timestamp) -> Self {
        let run = period.run(now);
        let told = spent.before.filter(|before| before.run <= run.begins);
        Self { period, run, before: told.map_or(Nanos::ZERO, |before| before.nanos), is_seen: false }
    }

    /// Goes on under what a snapshot says.
    pub(super) fn follow(self, period: BudgetPeriod, spent: &Spent, now: Timestamp) -> Self {
        let is_told = spent.before.is_some_and(|before| before.run == self.run.begins);
        if self.period == period && (self.is_seen || !is_told) { self } else { Self::new(period, spent, now) }
    }

    /// Begins the next run if its time has come; `spent` is what was spent in all.
    pub(super) fn turn(&mut self, spent: Nanos, now: Timestamp) {
        if now >= self.run.ends {
            *self = Self { run: self.period.run(now), before: spent, is_seen: true, ..*self };
        }
    }

    /// What of `spent` in all was spent in this run.
    pub(super) fn spent(&self, spent: Nanos) -> Nanos {
        spent - self.before
    }

    /// Until the next run.
    pub(super) fn left(&self, now: Timestamp) -> Duration {
        self.run.ends.since(now)
    }
}
