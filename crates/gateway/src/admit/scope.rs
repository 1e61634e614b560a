use std::time::Duration;

use ambient::{Clock, Timestamp};
use ledger::Nanos;
use parking_lot::{Mutex, MutexGuard};
use snapshot::{Limits, Spent};
use tokio::time::Instant;

use super::budget::BudgetRun;
use super::{Limit, Moment, Reserved, Window};

/// When a place may be free again where all are taken.
const SOON: Duration = Duration::from_secs(1);

/// What one scope (a key, a team, a model, everything) has in use. Lives on through snapshots.
#[derive(Debug)]
pub(crate) struct Scope(Mutex<Counters>);

/// What is in use.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counters {
    window: Window,
    /// Requests that run now.
    running: u64,
    /// What was settled, since ever.
    spent: Nanos,
    /// What the running requests reserved.
    reserved: Nanos,
    /// Where the budget has a period.
    run: Option<BudgetRun>,
}

// === impl Scope ===

impl Scope {
    /// A scope that has spent `spent` according to the books.
    pub(crate) fn new(spent: &Spent) -> Self {
        Self(Mutex::new(Counters { spent: spent.total, ..Counters::default() }))
    }

    /// Goes on under the limits of a new snapshot.
    pub(crate) fn follow(&self, limits: &Limits, spent: &Spent, now: Timestamp) {
        let mut counters = self.lock();
        counters.run = limits.budget_period.map(|period| match counters.run {
            Some(run) => run.follow(period, spent, now),
            None => BudgetRun::new(period, spent, now),
        });
    }

    /// Its counters; held for some instructions only, never across an `await`.
    pub(super) fn lock(&self) -> MutexGuard<'_, Counters> {
        self.0.lock()
    }

    /// Requests that run now.
    #[cfg(test)]
    pub(crate) fn running(&self) -> u64 {
        self.lock().running
    }

    /// What was settled so far.
    #[cfg(test)]
    pub(crate) fn spent(&self) -> Nanos {
        self.lock().spent
    }
}

// === impl Counters ===

impl Counters {
    /// Whether one more request fits. Begins the next run of the budget if its time has come.
    pub(super) fn check(
        &mut self,
        limits: &Limits,
        reserved: Reserved,
        now: Moment<'_>,
    ) -> Result<(), (Limit, Option<Duration>)> {
        if let Some(limit) = limits.rpm {
            self.window.check(limit, now.instant).map_err(|wait| (Limit::Rpm(limit), Some(wait)))?;
        }
        if let Some(limit) = limits.tpm {
            let wanted = reserved.tokens;
            let tokens = self.window.check_tokens(limit, wanted, now.instant);
            tokens.map_err(|wait| (Limit::Tpm { limit, wanted }, Some(wait)))?;
        }
        if let Some(limit) = limits.max_parallel
            && self.running >= limit
        {
            return Err((Limit::Parallel(limit), Some(SOON)));
        }
        self.turn(now.clock);
        match limits.max_budget {
            Some(budget) if !self.fits(budget, reserved.cost) => {
                let period = limits.budget_period.map(|period| period.every);
                Err((Limit::Budget(budget, period), self.run.map(|run| run.left(now.clock.now()))))
            }
            _ => Ok(()),
        }
    }

    /// Within the budget with its reservation; or, if anything is left and nothing is in flight, alone. So a
    /// budget is passed by no more than one request's excess over its reservation.
    fn fits(&self, budget: Nanos, reserved: Nanos) -> bool {
        let spent = self.run.map_or(self.spent, |run| run.spent(self.spent));
        let within = spent + self.reserved + reserved <= budget;
        let alone = spent < budget && self.running == 0;
        within || alone
    }

    /// Counts one more request, and gives the window that it is counted in.
    pub(super) fn take(&mut self, reserved: Reserved, now: Instant) -> Instant {
        self.running += 1;
        self.reserved += reserved.cost;
        self.window.take(reserved.tokens, now)
    }

    /// Whether a request still fits that is counted with `old` set aside, and would be with `new`.
    pub(super) fn check_exchange(
        &self,
        limits: &Limits,
        (old, window): (Reserved, Instant),
        new: Reserved,
        now: Moment<'_>,
    ) -> Result<(), (Limit, Option<Duration>)> {
        let mut without = self.clone();
        without.give_back_whole(old, window);
        without.check(limits, new, now)
    }

    /// Sets `new` aside for a request in the place of `old`.
    pub(super) fn exchange(&mut self, (old, window): (Reserved, Instant), new: Reserved) {
        self.reserved -= old.cost;
        self.reserved += new.cost;
        self.window.settle(window, old.tokens, new.tokens);
    }

    /// Ends a request: what it used takes the place of what was set aside, in the run in which it ends, as in the books.
    pub(super) fn give_back(&mut self, reserved: Reserved, used: Reserved, window: Instant, clock: &Clock) {
        self.turn(clock);
        self.running = self.running.saturating_sub(1);
        self.reserved -= reserved.cost;
        self.spent += used.cost;
        self.window.settle(window, reserved.tokens, used.tokens);
    }

    pub(super) fn give_back_whole(&mut self, reserved: Reserved, window: Instant) {
        self.running = self.running.saturating_sub(1);
        self.reserved -= reserved.cost;
        self.window.settle(window, reserved.tokens, 0);
        self.window.give_back(window);
    }

    /// Requests and tokens of this minute, and how long until the next.
    pub(super) fn window(&self, now: Instant) -> (u64, u64, Duration) {
        self.window.counted(now)
    }

    /// Only budgets with a period have to know the time.
    fn turn(&mut self, clock: &Clock) {
        if let Some(run) = &mut self.run {
            run.turn(self.spent, clock.now());
        }
    }
}
