use std::time::Duration;

use ledger::Nanos;
use parking_lot::{Mutex, MutexGuard};
use snapshot::Limits;
use tokio::time::Instant;

use super::{Limit, Window};

/// What one scope (a key; later a team, a model, everything) has in use. Lives on through snapshots.
#[derive(Debug)]
pub(crate) struct Scope(Mutex<Counters>);

/// What is in use.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counters {
    window: Window,
    /// Requests that run now.
    running: u64,
    /// What was settled.
    spent: Nanos,
    /// What the running requests reserved.
    reserved: Nanos,
}

// === impl Scope ===

impl Scope {
    /// A scope that has spent `spent` according to the books.
    pub(crate) fn new(spent: Nanos) -> Self {
        Self(Mutex::new(Counters { spent, ..Counters::default() }))
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
    /// Whether one more request fits.
    pub(super) fn check(
        &self,
        limits: &Limits,
        reserved: Nanos,
        now: Instant,
    ) -> Result<(), (Limit, Option<Duration>)> {
        if let Some(limit) = limits.rpm {
            self.window.check(limit, now).map_err(|wait| (Limit::Rpm(limit), Some(wait)))?;
        }
        if let Some(limit) = limits.max_parallel
            && self.running >= limit
        {
            return Err((Limit::Parallel(limit), Some(Duration::from_secs(1))));
        }
        match limits.max_budget {
            Some(budget) if !self.fits(budget, reserved) => Err((Limit::Budget(budget), None)),
            _ => Ok(()),
        }
    }

    /// Within the budget with its reservation; or, if anything is left and nothing is in flight, alone. So a
    /// budget is passed by no more than one request's excess over its reservation.
    fn fits(&self, budget: Nanos, reserved: Nanos) -> bool {
        let within = self.spent + self.reserved + reserved <= budget;
        let alone = self.spent < budget && self.running == 0;
        within || alone
    }

    pub(super) fn take(&mut self, reserved: Nanos, now: Instant) {
        self.window.take(now);
        self.running += 1;
        self.reserved += reserved;
    }

    pub(super) fn give_back(&mut self, reserved: Nanos, cost: Nanos) {
        self.running = self.running.saturating_sub(1);
        self.reserved -= reserved;
        self.spent += cost;
    }

    pub(super) fn give_back_whole(&mut self, reserved: Nanos) {
        self.give_back(reserved, Nanos::ZERO);
        self.window.give_back();
    }
}
